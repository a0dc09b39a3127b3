"""Where a player without screen and network finds the pass-phrase: on the memory card, and on a screen if there is one.

/boot/firmware/pedal-wifi.txt    the partition that any PC or Mac reads when the card is put into it
/run/issue.d/appliance.issue     above the login prompt of a screen
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from appliance.box import hotspot
from appliance.box.network_settings import Settings

_CARD = Path("boot/firmware/pedal-wifi.txt")
_ISSUE = Path("run/issue.d/appliance.issue")


def words(settings: Settings) -> str:
    """What to do, in three lines."""
    return (
        f"Wi-Fi:        {settings.ssid}\n"
        f"Pass-phrase:  {settings.passphrase}\n"
        f"Page:         http://{hotspot.ADDRESS} or http://pedal.local\n"
    )


def announce(root: Path, settings: Settings) -> None:
    """Write both, where they can be written; a card that is read-only stays as it is. May block (fsync)."""
    text = words(settings)
    with contextlib.suppress(OSError):
        on_card = text.replace("\n", "\r\n").encode()  # for Windows' editor
        if not (root / _CARD).is_file() or (root / _CARD).read_bytes() != on_card:
            _write(root / _CARD, on_card)
    with contextlib.suppress(OSError):
        (root / _ISSUE).parent.mkdir(parents=True, exist_ok=True)
        # agetty reads a backslash as the start of one of its own words.
        _write(root / _ISSUE, text.replace("\\", "\\\\").encode() + b"\n")


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
