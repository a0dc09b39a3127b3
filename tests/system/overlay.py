"""An initramfs that does what Debian's does with the pedal's own script of it: puts memory over the root.

The tests' initramfs is not Debian's (see `initramfs.py`). The kernel unpacks archives that follow each other, so this
one adds a module and another first program to it.
"""

from __future__ import annotations

import lzma
from pathlib import Path

from tests.system.initramfs import _INIT, _Archive

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
    (module,) = kernel.glob("modules/*/kernel/fs/overlayfs/overlay.ko*")
    data = module.read_bytes()
    archive = _Archive()
    archive.folder("run")
    archive.file("init", _INIT.replace(_HANDS_OVER, _DONE_BY_DEBIAN + _HANDS_OVER).encode(), executable=True)
    archive.file("modules/overlay.ko", lzma.decompress(data) if module.suffix == ".xz" else data)
    folder.mkdir()
    (folder / "vmlinux").symlink_to(kernel / "vmlinux")
    (folder / "initramfs").write_bytes((kernel / "initramfs").read_bytes() + archive.finished())
    return folder
