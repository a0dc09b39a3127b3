"""Shared memory as files in the runtime folder: made whole, found whole, never cut.

Any process may come first, and any may be restarted while the others keep their mapping. So a file that has the right
size is only ever mapped; one of another size (left by another version) is replaced by a new file under its name.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from appliance.errors import NotRunning, StorageError


def open_shared(path: Path, size: int, *, writable: bool, mode: int = 0o660) -> mmap.mmap:
    """Map `size` bytes of the file at `path`. May block.

    writable: map for reading and writing; the file is made, filled with zeros, with exactly the rights `mode`, when it
    is absent or has another size.
    Errors: NotRunning when not writable and the file is absent or has another size; StorageError when it can't be
    made or opened.
    """
    if writable:
        _ensure(path, size, mode)
    try:
        descriptor = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
    except FileNotFoundError as error:
        raise NotRunning(f"{path} does not exist: the process that makes it is not running; start the pedal") from error
    except OSError as error:
        raise _storage_error(path, error) from error
    try:
        found = os.fstat(descriptor).st_size
        if found != size:
            raise NotRunning(
                f"{path} has {found} bytes where {size} were expected: "
                "it is of another version of the pedal; restart every process"
            )
        return mmap.mmap(descriptor, size, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


def _ensure(path: Path, size: int, mode: int) -> None:
    try:
        if path.stat().st_size == size:
            return
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _storage_error(path, error) from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        # Not by the module tempfile, which brings a dozen others into the audio process for a random name.
        made = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        descriptor = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size)
            os.fchmod(descriptor, mode)  # the umask would take the group's right to write
            _publish(made, path, size)
        finally:
            os.close(descriptor)
            made.unlink(missing_ok=True)
    except OSError as error:
        raise _storage_error(path, error) from error


def _publish(made: Path, path: Path, size: int) -> None:
    """Give the finished file its name. When two processes come here at once, the first one's file stays."""
    try:
        os.link(made, path)
    except FileExistsError:
        if path.stat().st_size != size:
            made.replace(path)


def _storage_error(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"shared memory {path} can't be used ({error.strerror}): "
        "check the rights of its folder and the space on its file system"
    )
