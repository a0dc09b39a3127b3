"""A read-only view of a file that another process makes, remakes and removes."""

from __future__ import annotations

import mmap
from pathlib import Path

from appliance.bridge.shared_memory import open_shared


class ReadOnlyMapping:
    """Maps a shared file when it is there, and again when it was replaced. May block for a file-system look-up.

    Never raises for a file that is absent, too short or unreadable: `get` answers None.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._size = size
        self._memory: mmap.mmap | None = None
        self._identity: tuple[int, int] | None = None

    def get(self) -> mmap.mmap | None:
        """The mapping of the file that carries the name now, or None."""
        try:
            found = self.path.stat()
        except OSError:
            self.close()
            return None
        identity = (found.st_dev, found.st_ino)
        if self._memory is not None and identity == self._identity:
            return self._memory
        self.close()
        if found.st_size < self._size:  # being made: touching a page past its end would be SIGBUS
            return None
        try:
            self._memory = open_shared(self.path, self._size, writable=False)
        except OSError:
            return None
        self._identity = identity
        return self._memory

    def close(self) -> None:
        """Unmap. `get` maps again."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None
