"""The first programs of the emulated machine: load the disk's drivers, mount the root, hand over to systemd.

Debian's own would do the same with every driver there is, at ten times the size, and unpacking is slow under emulation.
"""

from __future__ import annotations

import stat
from pathlib import Path

_INIT = """#!/bin/sh
mount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sys /sys
for module in $(cat /modules/order); do insmod /modules/$module; done
disk() { n=0; while [ ! -b $1 ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done; }
disk /dev/vdb
mount -t ext4 /dev/vda /root
mount -t ext4 -o ro /dev/vdb /root/usr/lib/modules
# The data partition is there before systemd is, as on a Pi whose fstab names it.
for word in $(cat /proc/cmdline); do case $word in appliance.data=*)
  disk ${word#*=}; mkdir -p /root/var/lib/appliance; mount -t ext4 ${word#*=} /root/var/lib/appliance;; esac; done
for folder in dev proc sys; do mount --move /$folder /root/$folder; done
exec switch_root /root /sbin/init
"""
_APPLETS = ("sh", "mount", "mkdir", "insmod", "switch_root", "sleep", "cat")


def write(path: Path, busybox: Path, modules: list[Path]) -> None:
    """A cpio archive with busybox (static) and the drivers, in the order they are loaded in. May block."""
    archive = _Archive()
    for folder in ("dev", "proc", "sys", "root", "modules", "bin"):
        archive.folder(folder)
    archive.file("bin/busybox", busybox.read_bytes(), executable=True)
    for applet in _APPLETS:
        archive.link(f"bin/{applet}", "busybox")
    archive.file("init", _INIT.encode(), executable=True)
    archive.file("modules/order", "\n".join(module.name for module in modules).encode())
    for module in modules:
        archive.file(f"modules/{module.name}", module.read_bytes())
    path.write_bytes(archive.finished())


class _Archive:
    """The "newc" format of cpio (kernel's Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._number = 0

    def folder(self, name: str) -> None:
        self._entry(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, data: bytes, *, executable: bool = False) -> None:
        self._entry(name, stat.S_IFREG | (0o755 if executable else 0o644), data)

    def link(self, name: str, target: str) -> None:
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def finished(self) -> bytes:
        self._entry("TRAILER!!!", 0, b"")
        return bytes(self._data)

    def _entry(self, name: str, mode: int, data: bytes) -> None:
        self._number += 1
        # inode, mode, uid, gid, links, mtime, size, the device's numbers, the special file's, name's size, checksum
        fields = (self._number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        self._data += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        self._pad()
        self._data += data
        self._pad()

    def _pad(self) -> None:
        self._data += bytes(-len(self._data) % 4)
