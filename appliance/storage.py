"""Save so that pulling the plug at any moment leaves the old file or the new one, whole. May block (fsync).

A save is: temporary file in the same folder, fsync, keep the present file as `NAME.prev`, rename, fsync the folder.
JSON state travels in an envelope with a schema version and a checksum, so that damage is noticed and the previous copy
is taken instead.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import StorageError


@dataclass(frozen=True)
class Loaded:
    """What `load_json` found. `content` is None when there is nothing usable; `note` says in words what was wrong."""

    content: Any | None
    note: str | None = None


def previous_copy(path: Path) -> Path:
    """Where `save` keeps the file that it replaced."""
    return path.with_name(path.name + ".prev")


def save(
    path: Path,
    data: bytes,
    *,
    worth_keeping: Callable[[bytes], bool] | None = None,
    keep_previous: bool = True,
    mode: int = 0o640,
) -> None:
    """Replace the file by `data`, all or nothing. `mode`: who may read it.

    The present file becomes the previous copy, unless `worth_keeping` says it is damaged: a good previous copy must not
    give way to a bad one. Without `keep_previous` there is none: for files that others look after. Raises StorageError
    (disk full, read-only, …); the old content is then still there.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(temporary, data, mode)
        if keep_previous:
            _keep_previous(path, worth_keeping)
        os.replace(temporary, path)  # noqa: PTH105 – the module's system calls all stand in `os`, where a test fails them
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise storage_error(f"{path.name} could not be saved", error) from error


def sync_folder(folder: Path) -> None:
    """Make renames in the folder last through a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make what was written to the file last through a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_json(path: Path, schema_version: int, content: Any, *, mode: int = 0o640) -> None:
    """Save JSON-able content in an envelope. Raises StorageError; ValueError for NaN and infinity."""
    envelope = {"schema": schema_version, "checksum": _checksum(content), "content": content}
    text = json.dumps(envelope, indent=1, ensure_ascii=False, allow_nan=False)
    save(path, text.encode(), worth_keeping=lambda data: not isinstance(_open_envelope(data, None), str), mode=mode)


def load_json(path: Path, schema_version: int) -> Loaded:
    """Load what `save_json` saved; fall back to the previous copy when the newest is damaged, and say so.

    Nothing saved yet: no content and no note. Never raises for damage; a note says what happened to the settings.
    """
    faults = []
    for candidate in (path, previous_copy(path)):
        try:
            data = candidate.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            faults.append(f"{candidate.name} can't be read ({error.strerror or error})")
            continue
        opened = _open_envelope(data, schema_version)
        if isinstance(opened, str):
            faults.append(f"{candidate.name} {opened}")
        elif faults:
            return Loaded(opened["content"], f"{'; '.join(faults)}: the copy before it, {candidate.name}, is used")
        else:
            return Loaded(opened["content"])
    return Loaded(None, f"{'; '.join(faults)}: starting afresh" if faults else None)


def storage_error(what: str, error: OSError) -> StorageError:
    """The words for a failed save."""
    advice = {
        errno.ENOSPC: "the disk is full: remove models or recordings you don't need",
        errno.EDQUOT: "the disk quota is used up: remove models or recordings you don't need",
        errno.EROFS: "the disk is read-only: a card does that when it is worn out or was switched to read-only mode",
        errno.EACCES: "the pedal may not write there: check the folder's owner",
        errno.EPERM: "the pedal may not write there: check the folder's owner",
        errno.EIO: "the disk reports a fault: copy what is on it and replace it",
    }.get(error.errno or 0, f"the system says: {error.strerror or error}")
    return StorageError(f"{what}; what was there before is kept. {advice[0].upper()}{advice[1:]}.")


def _write_whole(path: Path, data: bytes, mode: int) -> None:
    # No link: root saves in folders of the services too, who could lay one there that leads it anywhere.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep_previous(path: Path, worth_keeping: Callable[[bytes], bool] | None) -> None:
    try:
        if worth_keeping is not None and not worth_keeping(path.read_bytes()):
            return
    except FileNotFoundError:
        return
    link = path.with_name(f".{path.name}.link")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(link)  # noqa: PTH108
    try:
        os.link(path, link)  # a second name, so that there is no moment without the file
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        os.replace(path, previous_copy(path))  # noqa: PTH105 – FAT has no links; `load_json` looks at both names
        return
    os.replace(link, previous_copy(path))  # noqa: PTH105


def _checksum(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"{zlib.crc32(text.encode()):08x}"


def _open_envelope(data: bytes, schema_version: int | None) -> dict[str, Any] | str:
    """The envelope, or what is wrong with it."""
    try:
        envelope = json.loads(data)
        content, schema, checksum = envelope["content"], envelope["schema"], envelope["checksum"]
        fits = checksum == _checksum(content)
    except (ValueError, TypeError, KeyError, RecursionError):
        return "is damaged"
    if not fits:
        return "is damaged (its checksum does not fit)"
    if schema_version is not None and schema != schema_version:
        return f"has format version {schema}, this software reads version {schema_version}"
    return {"content": content}
