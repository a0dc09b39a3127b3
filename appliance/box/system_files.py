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


def foresee(box: Box, place: str, record: Record) -> None:
    """Remember what laying a file at `place` will do, before it is done: then a power cut at any moment leaves nothing
    that the record does not know."""
    if place in record.files:
        return
    target = box.root / place
    if os.path.lexists(target):
        record.set_aside.append(place)
    folder = target.parent
    while not folder.is_dir():
        record.folders.append(str(folder.relative_to(box.root)))
        folder = folder.parent
    record.files.append(place)


def lay(box: Box, file: SystemFile, record: Record) -> None:
    """Put the file where it belongs, what stood there aside. Raises OSError."""
    target = box.root / file.place
    make_room(box, file.place, record)
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_bytes(file.source.read_bytes())
    temporary.chmod(file.mode)
    storage.sync_file(temporary)
    temporary.replace(target)


def make_room(box: Box, place: str, record: Record) -> None:
    """Copy what stands at `place` aside if it is somebody else's, and make the folders above. Raises OSError."""
    target, aside = box.root / place, box.set_aside / place
    if place in record.set_aside and not os.path.lexists(aside):
        aside.parent.mkdir(parents=True, exist_ok=True)
        temporary = aside.with_name(f".{aside.name}.new")
        shutil.copy2(target, temporary, follow_symlinks=False)
        temporary.replace(aside)
    missing = [folder for folder in target.parents if not folder.is_dir()]
    for folder in reversed(missing):
        folder.mkdir()
        folder.chmod(0o755)


def take_away(box: Box, place: str, record: Record) -> None:
    """Remove one of our files, bring back what stood there, and remove folders made for it alone. Raises OSError."""
    target, aside = box.root / place, box.set_aside / place
    if place not in record.set_aside:
        target.unlink(missing_ok=True)
    elif os.path.lexists(aside):  # if not, ours was never laid
        target.unlink(missing_ok=True)
        shutil.copy2(aside, target, follow_symlinks=False)
        aside.unlink()
    record.files.remove(place)
    if place in record.set_aside:
        record.set_aside.remove(place)
    for folder in sorted(record.folders, key=len, reverse=True):
        path = box.root / folder
        if path.is_dir() and any(path.iterdir()):
            continue
        if path.is_dir():
            path.rmdir()
        record.folders.remove(folder)
