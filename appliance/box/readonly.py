"""The root that is not written: switched on and off, looked at, and written all the same by updates (docs/power.md).

| what                                  | whose                                                             |
|---------------------------------------|-------------------------------------------------------------------|
| /etc/appliance-read-only              | there: the next start puts memory over the root                   |
| initramfs: scripts/init-bottom/appliance-overlay | does it                                                |
| partition with the label appliance-data | presets, settings, networks, versions; mounted by appliance-data.service |

Each function takes the root it works on, so that it can be tried without being root.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.box.run import run
from appliance.errors import SystemRefused

DATA_LABEL = "appliance-data"
DATA_SERVICE = "appliance-data.service"
_ROOT = Path("/")
_FLAG = "etc/appliance-read-only"
_FLAG_TEXT = "The root of this system is read-only from its next start on: appliance readonly off ends that.\n"
_LOWER = "run/overlay/lower"
_SCRIPT = "usr/share/initramfs-tools/scripts/init-bottom/appliance-overlay"
_INITRAMFS_TIMEOUT_S = 600.0

Run = Callable[..., str]  # `run.run`


@dataclass(frozen=True)
class Standing:
    """How it is. `kept`: presets and settings are on the data partition now; `writable`: it takes changes."""

    now: bool
    next_start: bool
    data_partition: bool
    kept: bool
    writable: bool
    data_free_bytes: int = 0

    def in_words(self) -> str:
        """For people, some sentences."""
        now = "read-only, with memory above it" if self.now else "written as usual"
        then = "read-only" if self.next_start else "written as usual"
        after = "" if self.now == self.next_start else f"; from the next start on {then}"
        if self.kept:
            data = f"Presets, settings and networks are on the data partition, {self.data_free_bytes >> 20} MB free"
            data += "." if self.writable else ", which became read-only after an error: save them (appliance backup)."
        elif self.data_partition:
            data = "There is a data partition, not in use" + (" before the next start." if self.next_start else ".")
        else:
            data = "There is no data partition." + (" Nothing that is changed is kept!" if self.now else "")
        return f"The root is {now}{after}. {data}"


def standing(root: Path = _ROOT) -> Standing:
    """Look. Cheap: two small files of the kernel and a folder."""
    mounts = _mounts(root)
    kept = "/data" in mounts
    free = 0
    if kept:
        found = os.statvfs(root / "data")
        free = found.f_bavail * found.f_frsize
    return Standing(
        now=is_overlaid(root),
        next_start=(_own_root(root) / _FLAG).exists(),
        data_partition=(root / "dev/disk/by-label" / DATA_LABEL).exists(),
        kept=kept,
        writable=kept and "rw" in mounts["/data"][1],
        data_free_bytes=free,
    )


def is_overlaid(root: Path = _ROOT) -> bool:
    """Whether what is written to the root now lies in memory."""
    return _mounts(root).get("/", ("", ()))[0] == "overlay"


def switch_on(root: Path = _ROOT, run: Run = run) -> None:
    """From the next start on nothing is written to the root. Blocks for a minute (the initramfs is made anew).

    Raises SystemRefused where something for it is missing; nothing is then changed.
    """
    if not (root / "dev/disk/by-label" / DATA_LABEL).exists():
        raise SystemRefused(
            f"there is no partition with the label {DATA_LABEL}, so presets would not be kept: the ready card image "
            f"has one; else make one, for instance on a USB stick: mkfs.ext4 -L {DATA_LABEL} /dev/sdX1"
        )
    if not (root / _SCRIPT).exists():
        raise SystemRefused(f"/{_SCRIPT} is missing: install the pedal first (sudo ./system/install.sh)")
    if not (root / "usr/sbin/update-initramfs").exists():
        raise SystemRefused("this system makes no initramfs (update-initramfs is missing): apt install initramfs-tools")
    with writable_root(root, run) as own:
        if own == root:  # else it is on now, and its initramfs is there
            run(["systemctl", "add-wants", "local-fs.target", DATA_SERVICE])
            run(["update-initramfs", "-u"], timeout_s=_INITRAMFS_TIMEOUT_S)
        _write(own / _FLAG, _FLAG_TEXT)


def switch_off(root: Path = _ROOT, run: Run = run) -> None:
    """From the next start on the root is written as usual; the data partition stays in use. Raises SystemRefused."""
    with writable_root(root, run) as own:
        (own / _FLAG).unlink(missing_ok=True)
        os.sync()


@contextmanager
def writable_root(root: Path = _ROOT, run: Run = run) -> Iterator[Path]:
    """The root that the next start has, writable for as long as this lasts: `root`, or what lies below its overlay.

    An update lays its units down here, and in `root` too if they shall hold before the next start.
    Raises SystemRefused.
    """
    if not is_overlaid(root):
        yield root
        return
    lower = root / _LOWER
    run(["mount", "-o", "remount,rw", str(lower)])
    try:
        yield lower
    finally:
        os.sync()
        run(["mount", "-o", "remount,ro", str(lower)])


def _own_root(root: Path) -> Path:
    return root / _LOWER if is_overlaid(root) else root


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    os.sync()


def _mounts(root: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """By mount point: kind of file system and options. The last one counts: it lies on top."""
    found = {}
    for line in (root / "proc/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        found[place] = kind, tuple(options.split(","))
    return found
