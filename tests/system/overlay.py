"""An initramfs that does what Debian's does with the pedal's own script of it: puts memory over the root.

The tests' initramfs is not Debian's (see `initramfs.py`). The kernel unpacks archives that follow each other, so this
one adds a module and another first program to it.
"""

from __future__ import annotations

import lzma
import re
from pathlib import Path

from tests.system.initramfs import _INIT, _Archive
from tests.system.layers import command

_SCRIPT = "/usr/share/initramfs-tools/scripts/init-bottom/appliance-overlay"
_DONE_BY_DEBIAN = f"""
insmod /modules/overlay.ko
mount -t tmpfs -o mode=0755 run /run
[ -e /root{_SCRIPT} ] && rootmnt=/root sh /root{_SCRIPT}
mount --move /run /root/run
"""
_HANDS_OVER = "for folder in dev proc sys;"


def kernel_with_overlay(kernel: Path, folder: Path) -> Path:
    """A kernel layer like this one whose initramfs calls the script. A minute's less work than making one anew."""
    assert _HANDS_OVER in _INIT
    folder.mkdir()
    module = _from_disk(kernel / "modules.ext4", "kernel/fs/overlayfs", "overlay.ko", folder)
    data = module.read_bytes()
    archive = _Archive()
    archive.folder("run")
    archive.file("init", _INIT.replace(_HANDS_OVER, _DONE_BY_DEBIAN + _HANDS_OVER).encode(), executable=True)
    archive.file("modules/overlay.ko", lzma.decompress(data) if module.suffix == ".xz" else data)
    for name in ("vmlinux", "modules.ext4"):
        (folder / name).symlink_to(kernel / name)
    (folder / "initramfs").write_bytes((kernel / "initramfs").read_bytes() + archive.finished())
    return folder


def _from_disk(disk: Path, place: str, name: str, folder: Path) -> Path:
    """Copy the one file of a module off a kernel layer's disk, packed or not."""
    version = re.search(r"/(\d+\.\d[^/]*)/", command(["debugfs", "-R", "ls -p /", disk]))
    assert version, disk
    inside = f"/{version.group(1)}/{place}"
    found = re.search(rf"/({re.escape(name)}[.\w]*)/", command(["debugfs", "-R", f"ls -p {inside}", disk]))
    assert found, f"{disk} has no {inside}/{name}"
    command(["debugfs", "-R", f"dump {inside}/{found.group(1)} {folder / found.group(1)}", disk])
    return folder / found.group(1)
