"""What an unprivileged service asks root to do: a wish is a small file in a folder that systemd watches.

    panel ── /run/appliance/wishes/NAME ──► appliance-wishes.path ──► `python -m appliance.box` (root, ends when done)
    panel ◄── /run/appliance/answers/NAME ──────────────────────────┘

Only the panel may write the folder, and all it can say is a name of the table in `__main__.py` and a few arguments,
which the handler checks as it would a stranger's. A wish is taken away before it is fulfilled: one that crashes its
handler is not tried for ever. On a machine where the box was not installed there is no such folder.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance import paths
from appliance.errors import NotInstalled
from appliance.storage import storage_error

MAX_BYTES = 4096


@dataclass(frozen=True)
class Wish:
    """A name of the table and its arguments; `fault` says what was wrong with a file that is no wish."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None


@dataclass(frozen=True)
class Answer:
    """What became of a wish: "working", "done", "refused" or "failed", and a sentence for the player."""

    status: str
    words: str
    more: dict[str, Any] = field(default_factory=dict)


def granted() -> bool:
    """Whether there is somebody who fulfils wishes."""
    return paths.wishes_dir().is_dir()


def wish(name: str, **arguments: Any) -> None:
    """Ask. Returns at once; what becomes of it: `answer`. May block for a moment (a file in memory).

    Raises NotInstalled where nobody listens, StorageError.
    """
    folder = paths.wishes_dir()
    if not folder.is_dir():
        raise NotInstalled(
            f"nobody here does {name!r}: that takes the pedal installed as a service (sudo ./system/install.sh)"
        )
    temporary = folder.parent / f".wish-{name}-{os.getpid()}"
    try:
        temporary.write_text(json.dumps(arguments, allow_nan=False))
        temporary.replace(folder / name)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage_error(f"{name} could not be asked for", error) from error


def take() -> Iterator[Wish]:
    """Root's side: every wish there is, each removed before it is handed out, oldest first. Raises StorageError."""
    with _opened(paths.wishes_dir()) as folder:
        while waiting := sorted(os.listdir(folder), key=lambda name: (_age(folder, name), name)):  # noqa: PTH208
            for name in waiting:
                yield _taken(folder, name)


def tell(name: str, answer: Answer) -> None:
    """Root's side: leave the answer where the panel reads it. May block for a moment. Raises StorageError."""
    temporary = f".{name}"
    text = json.dumps({"status": answer.status, "words": answer.words, **answer.more})
    try:
        with _opened(paths.answers_dir()) as folder:
            if os.fstat(folder).st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, "the folder of the answers is somebody else's")
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(temporary, flags, 0o644, dir_fd=folder), "w") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(text)
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        raise storage_error(f"the answer to {name} could not be left", error) from error


def answer(name: str) -> Answer | None:
    """What became of the last wish of that name; None: nothing yet."""
    if (paths.wishes_dir() / name).exists():
        return None  # an answer that is there is to the wish before
    try:
        found = json.loads((paths.answers_dir() / name).read_text())
        return Answer(found.pop("status"), found.pop("words"), found)
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """A folder by its number, and no link: it lies where the services may rename things and lay links to anywhere, and
    what root takes away or writes must be in it and nowhere else. Raises StorageError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if folder.is_symlink():
            folder.unlink(missing_ok=True)  # systemd would start us again and again for what is behind it
        raise storage_error(f"{folder} can't be opened", error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _age(folder: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:
        return 0


def _taken(folder: int, name: str) -> Wish:
    """The wish in a file that a service wrote: nothing of it is believed, and links are not followed."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        _remove(folder, name)
        return Wish(name, fault=f"it can't be read ({error.strerror})")
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Wish(name, fault="it is no plain file")
        data = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
        _remove(folder, name)
    if len(data) > MAX_BYTES:
        return Wish(name, fault=f"it is longer than {MAX_BYTES} bytes")
    try:
        arguments = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return Wish(name, fault="its arguments are no JSON")
    if not isinstance(arguments, dict):
        return Wish(name, fault="its arguments are no JSON object")
    return Wish(name, arguments)


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        shutil.rmtree(name, dir_fd=folder)
