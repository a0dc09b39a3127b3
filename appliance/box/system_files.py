"""The files under `system/root`, and where they go: laid down, compared, taken away again.

A file of somebody else that stands where ours goes is set aside and comes back when ours is taken away.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from appliance import storage
from appliance.box.layout import Box
from appliance.box.record import Record


@dataclass(frozen=True)
class SystemFile:
    """One file: where it comes from, where it goes (from the root, without a slash in front), its mode."""

    source: Path
    place: str
    mode: int

    def is_laid(self, box: Box) -> bool:
        """Whether exactly this is there already."""
        target = box.root / self.place
        try:
            same = target.read_bytes() == self.source.read_bytes() and target.stat().st_mode & 0o777 == self.mode
        except OSError:
            return False
        return same and not target.is_symlink()


def tree(system: Path) -> Iterator[SystemFile]:
    """Every file under `system/root`, in order."""
    base = system / "root"
    for path in sorted(path for path in base.rglob("*") if path.is_file()):
        place = str(path.relative_to(base))
        # Not the source's own mode: neither a wheel nor every checkout keeps it. What is run says so by its first line.
        yield SystemFile(path, place, 0o755 if path.read_bytes()[:2] == b"#!" else 0o644)


def lay(box: Box, file: SystemFile, record: Record) -> None:
    """Put the file where it belongs, and remember it. Raises OSError."""
    target = box.root / file.place
    if file.place not in record.files and os.path.lexists(target):
        aside = box.set_aside / file.place
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(target, aside, follow_symlinks=False)
        record.set_aside.append(file.place)
    make_folders(box, target.parent, record)
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_bytes(file.source.read_bytes())
    temporary.chmod(file.mode)
    storage.sync_file(temporary)
    temporary.replace(target)
    if file.place not in record.files:
        record.files.append(file.place)


def take_away(box: Box, place: str, record: Record) -> None:
    """Remove one of our files, bring back what stood there, and remove folders made for it alone. Raises OSError."""
    target = box.root / place
    target.unlink(missing_ok=True)
    if place in record.set_aside:
        shutil.copy2(box.set_aside / place, target, follow_symlinks=False)
        (box.set_aside / place).unlink()
        record.set_aside.remove(place)
    record.files.remove(place)
    for folder in sorted(record.folders, key=len, reverse=True):
        path = box.root / folder
        if not path.is_dir():
            record.folders.remove(folder)
        elif not any(path.iterdir()):
            path.rmdir()
            record.folders.remove(folder)


def make_folders(box: Box, folder: Path, record: Record) -> None:
    """Make a folder and those above it; remember which were made. Raises OSError."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(mode=0o755)
        path.chmod(0o755)
        record.folders.append(str(path.relative_to(box.root)))
