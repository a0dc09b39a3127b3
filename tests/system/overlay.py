"""An initramfs that does what Debian's does with the pedal's own script of it: puts memory over the root.

The tests' initramfs is not Debian's (see `initramfs.py`). The kernel unpacks archives that follow each other, so this
one adds another first program to it.
"""

from __future__ import annotations

from pathlib import Path

from tests.system.initramfs import _INIT, _Archive

_SCRIPT = "/usr/share/initramfs-tools/scripts/init-bottom/appliance-overlay"
_MODULES = "mount -t ext4 -o ro /dev/vdb /root/usr/lib/modules\n"
_DONE_BY_DEBIAN = f"""
mount -t ext4 -o ro /dev/vdb /kernel
insmod /kernel/*/kernel/fs/overlayfs/overlay.ko*
mount -t tmpfs -o mode=0755 run /run
[ -e /root{_SCRIPT} ] && rootmnt=/root sh /root{_SCRIPT}
mount --move /run /root/run
mount --move /kernel /root/usr/lib/modules
"""


def kernel_with_overlay(kernel: Path, folder: Path) -> Path:
    """A kernel layer like this one whose initramfs calls the script. A minute's less work than making one anew."""
    assert _MODULES in _INIT
    archive = _Archive()
    for place in ("run", "kernel"):
        archive.folder(place)
    archive.file("init", _INIT.replace(_MODULES, _DONE_BY_DEBIAN).encode(), executable=True)
    folder.mkdir()
    for name in ("vmlinux", "modules.ext4"):
        (folder / name).symlink_to(kernel / name)
    (folder / "initramfs").write_bytes((kernel / "initramfs").read_bytes() + archive.finished())
    return folder
