"""What this system is, and whether the pedal can be installed on it."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from appliance.box.layout import Box
from appliance.errors import SystemRefused

_RELEASES = {"12": "bookworm", "13": "trixie"}
_OLDEST_PYTHON = (3, 11)
_MACHINES = ("aarch64", "x86_64")


@dataclass(frozen=True)
class Host:
    """release: Debian's name for it; board: the Pi's model, "" where there is no Pi; cores: how many there are."""

    title: str
    release: str
    board: str
    cores: int

    @property
    def is_a_pi(self) -> bool:
        """Whether it is a Raspberry Pi."""
        return "Raspberry Pi" in self.board


def look(box: Box) -> Host:
    """What the system under `box.root` is. Raises SystemRefused when the pedal can't be installed there."""
    release = _release(box.root)
    title = release.get("PRETTY_NAME") or release.get("NAME") or "an unknown system"
    version = release.get("VERSION_ID", "")
    if release.get("ID") not in ("debian", "raspbian") or version not in _RELEASES:
        raise SystemRefused(
            f"this is {title}; the pedal is installed on Raspberry Pi OS or Debian, bookworm (12) or trixie (13)"
        )
    if box.is_this_system and (platform.machine() not in _MACHINES or sys.maxsize < 2**32):
        raise SystemRefused(
            f"this is a 32-bit system ({platform.machine()}): write the 64-bit image of Raspberry Pi OS Lite on the "
            "card, every Pi from the Zero 2 W on runs it"
        )
    if sys.version_info < _OLDEST_PYTHON:
        raise SystemRefused(f"this is Python {platform.python_version()}; 3.11 or newer is needed")
    board = text_of(box.root / "proc/device-tree/model").rstrip("\0\n")
    return Host(title, _RELEASES[version], board, _cores(box.root))


def must_be_root(what: str, instead: str = "") -> None:
    """Raises SystemRefused for anybody else. `what`: the words for what changes the system."""
    if os.geteuid() != 0:
        raise SystemRefused(f"{what} changes the system: run it with sudo{instead}")


def systemd_runs(box: Box) -> bool:
    """Whether services can be started now; in a tree or a container they can only be enabled."""
    return box.is_this_system and Path("/run/systemd/system").is_dir()


def _release(root: Path) -> dict[str, str]:
    found = {}
    for line in text_of(root / "etc/os-release").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.strip()] = " ".join(shlex.split(value))
    return found


def _cores(root: Path) -> int:
    """Also those that are switched off or isolated. In a tree without /sys four, which every Pi since the 2 has."""
    present = text_of(root / "sys/devices/system/cpu/present").strip()
    return int(present.rpartition("-")[2]) + 1 if present else 4


def text_of(path: Path) -> str:
    """What is in a file; "" where it can't be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
