"""What the hands need of the hardware, as plain functions: `pins.py` makes a board of real pins, tests of anything."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from appliance.panel.wiring import Colour


class ConverterReader(Protocol):
    """An analogue-to-digital converter. Each call may block for up to 3 ms."""

    def read(self, channels: Sequence[int]) -> Mapping[int, float]:
        """New readings, 0…1 of the range; a slow converter gives some channels now and the others at the next call.

        Raises OSError when it doesn't answer.
        """
        ...

    def close(self) -> None:
        """Let go of the bus."""
        ...


@dataclass
class Board:
    """Everything wired, by name. `faults`: sentences about what could not be opened; the rest works."""

    switches: Mapping[str, Callable[[], bool]] = field(default_factory=dict)  # True: contact closed
    converter: ConverterReader | None = None
    encoders: Mapping[str, Callable[[], int]] = field(default_factory=dict)  # clicks so far, clockwise up
    leds: Mapping[str, Callable[[Colour], None]] = field(default_factory=dict)
    show: Callable[[], None] = lambda: None  # after the LEDs of a look are set: sends them to a strip
    faults: Sequence[str] = ()
    rest_s: float = 0.005  # from one look to the next while nothing moves …
    busy_s: float = 0.002  # … and while something does
    close: Callable[[], None] = lambda: None


def has_header(says: Sequence[Path] = (Path("/proc/device-tree/model"), Path("/proc/cpuinfo"))) -> bool:
    """Is this a Raspberry Pi, with a GPIO header? (Laptops have GPIO lines too, of lids and power keys.) Cheap.

    says: the files in which Linux names the machine.
    """
    for file in says:
        with contextlib.suppress(OSError):
            if b"Raspberry Pi" in file.read_bytes():
                return True
    return False
