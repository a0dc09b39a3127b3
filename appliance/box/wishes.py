"""What an unprivileged service asks root to do: a wish is a small file in a folder that systemd watches.

    panel ── /run/appliance/wishes/NAME ──► appliance-wishes.path ──► `python -m appliance.box` (root, ends when done)
    panel ◄── /run/appliance/answers/NAME ──────────────────────────┘

Only the panel may write the folder, and all it can say is a name of the table in `__main__.py` and a few arguments,
which the handler checks as it would a stranger's. A wish is taken away before it is fulfilled: one that crashes its
handler is not tried for ever. On a machine where the box was not installed there is no such folder.
"""

from __future__ import annotations

import json
import os
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
    """Root's side: every wish there is, each removed before it is handed out, oldest first."""
    folder = paths.wishes_dir()
    while waiting := sorted(folder.iterdir(), key=lambda path: (path.lstat().st_mtime_ns, path.name)):
        for path in waiting:
            yield _taken(path)


def tell(name: str, answer: Answer) -> None:
    """Root's side: leave the answer where the panel reads it. May block for a moment. Raises StorageError."""
    folder = paths.answers_dir()
    temporary = folder / f".{name}"
    try:
        temporary.write_text(json.dumps({"status": answer.status, "words": answer.words, **answer.more}))
        temporary.chmod(0o644)
        temporary.replace(folder / name)
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


def _taken(path: Path) -> Wish:
    """The wish in a file that a service wrote: nothing of it is believed, and links are not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        _remove(path)
        return Wish(path.name, fault=f"it can't be read ({error.strerror})")
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Wish(path.name, fault="it is no plain file")
        data = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
        _remove(path)
    if len(data) > MAX_BYTES:
        return Wish(path.name, fault=f"it is longer than {MAX_BYTES} bytes")
    try:
        arguments = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return Wish(path.name, fault="its arguments are no JSON")
    if not isinstance(arguments, dict):
        return Wish(path.name, fault="its arguments are no JSON object")
    return Wish(path.name, arguments)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except IsADirectoryError:
        path.rmdir()
