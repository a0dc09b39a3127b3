"""The versions of the pedal on a box: a folder each, and two links that say which plays and where to go back to.

    /opt/appliance/versions/NAME/              a virtual environment; never changed once it is finished
    /opt/appliance/versions/.unfinished-NAME   it is being made: after a power cut it is thrown away
    /opt/appliance/current → versions/NAME     what the units start
    /opt/appliance/previous → versions/NAME

A link changes by a rename: it points at the old version or the new one, never at nothing. May block (disk).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from appliance import storage
from appliance.errors import NotInstalled

BASE = Path("opt/appliance")
_UNFINISHED = ".unfinished-"


class Versions:
    """Those under `root`/opt/appliance. Methods raise OSError."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.base = root / BASE
        self.folder = self.base / "versions"

    def check_installed(self) -> None:
        """Raises NotInstalled where the pedal was not installed as a box."""
        if self.current is None:
            raise NotInstalled(
                f"nothing is installed in {self.base}: that takes the pedal installed as a service "
                "(sudo ./system/install.sh)"
            )

    @property
    def current(self) -> str | None:
        """The name of the version that plays."""
        return self._pointed_at("current")

    @property
    def previous(self) -> str | None:
        """The name of the version to go back to; None where there is no other."""
        name = self._pointed_at("previous")
        return name if name != self.current else None

    def names(self) -> list[str]:
        """All that are finished."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(entry.name for entry in found if self.is_finished(entry.name))

    def is_finished(self, name: str) -> bool:
        """Whether there is such a version, whole."""
        return not name.startswith(".") and self.python(name).exists() and not self._mark(name).exists()

    def path(self, name: str) -> Path:
        """Its folder."""
        return self.folder / name

    def python(self, name: str) -> Path:
        """Its Python."""
        return self.folder / name / "bin" / "python"

    def begin(self, name: str) -> Path:
        """Make room for a version that is to be made; its folder, which is not there yet."""
        os.makedirs(self.folder, exist_ok=True)  # noqa: PTH103 – the system calls all stand in `os`, where a test fails them
        os.close(os.open(self._mark(name), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
        storage.sync_folder(self.folder)
        shutil.rmtree(self.path(name), ignore_errors=True)
        return self.path(name)

    def finish(self, name: str) -> None:
        """It is whole: all of it is on the disk before this says so."""
        os.sync()
        os.unlink(self._mark(name))  # noqa: PTH108
        storage.sync_folder(self.folder)

    def point(self, link: str, name: str) -> None:
        """Let `current` or `previous` be this version."""
        aside = self.base / f".{link}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)  # noqa: PTH108
        os.symlink(f"versions/{name}", aside)  # noqa: PTH211
        os.replace(aside, self.base / link)  # noqa: PTH105
        storage.sync_folder(self.base)

    def forget_previous(self) -> None:
        """There is none to go back to any more."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.base / "previous")  # noqa: PTH108

    def tidy(self, *, keep: tuple[str | None, ...] = ()) -> None:
        """Throw away all but the current one, the previous one and those to keep. Never raises."""
        if self.current is None or not self.folder.is_dir():
            return
        kept = {self.current, self.previous, *keep}
        for entry in self.folder.iterdir():
            if entry.name not in kept and not entry.name.startswith("."):
                shutil.rmtree(entry, ignore_errors=True)
        for mark in self.folder.glob(f"{_UNFINISHED}*"):
            if not self.path(mark.name.removeprefix(_UNFINISHED)).exists():
                mark.unlink(missing_ok=True)

    def _mark(self, name: str) -> Path:
        return self.folder / f"{_UNFINISHED}{name}"

    def _pointed_at(self, link: str) -> str | None:
        try:
            name = Path(os.readlink(self.base / link)).name  # noqa: PTH115
        except OSError:
            return None
        return name if self.is_finished(name) else None
