"""The simulated box with its switches, encoders and LEDs on real GPIO lines: the kernel's gpio-sim, lgpio, no mock.

`LINES=gpio-sim` lets every test that plays a whole pedal (`simulated_rig.py`) use it. Needs Linux with `modprobe
gpio-sim`, configfs mounted, and root. Converters stay simulated: no kernel has an SPI chip to play with.
"""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.panel.board import Board
from appliance.panel.pins import open_board
from appliance.panel.simulated import SimulatedBox
from appliance.panel.wiring import Wiring

CONFIGURATION = Path("/sys/kernel/config/gpio-sim")
_NUMBERS = itertools.count(1)
_EDGE_S = 0.002  # encoders' edges are counted in a thread of gpiozero's
_THREAD_S = 0.05
_LOOKED_AT_S = 0.2  # pulses of a dimmed LED come from a thread, a hundred a second


def are_wanted() -> bool:
    """Whether the environment asks for real lines."""
    return os.environ.get("LINES") == "gpio-sim"


def are_there() -> bool:
    """Whether this kernel can make some, for us."""
    return CONFIGURATION.is_dir() and os.access(CONFIGURATION, os.W_OK)


class Lines:
    """28 simulated lines on a chip of their own."""

    def __init__(self) -> None:
        self._device = CONFIGURATION / f"appliance-{os.getpid()}-{next(_NUMBERS)}"
        self._bank = self._device / "bank"
        self._bank.mkdir(parents=True)
        (self._bank / "num_lines").write_text("28")
        (self._device / "live").write_text("1")
        self.chip = (self._bank / "chip_name").read_text().strip()
        self._folder = Path("/sys/devices/platform") / (self._device / "dev_name").read_text().strip() / self.chip

    def drive(self, line: int, high: bool) -> None:
        """What is at the other end of the wire."""
        (self._folder / f"sim_gpio{line}" / "pull").write_text("pull-up" if high else "pull-down")

    def level(self, line: int) -> bool:
        """What is on the line."""
        return (self._folder / f"sim_gpio{line}" / "value").read_text().strip() == "1"

    def close(self) -> None:
        """Take the chip away."""
        (self._device / "live").write_text("0")
        self._bank.rmdir()
        self._device.rmdir()


def pin_factory(lines: Lines) -> Any:
    """gpiozero's pins on these lines, through lgpio."""
    lgpio = pytest.importorskip("gpiozero.pins.lgpio", reason="lgpio is not installed")

    class SimulatedPi(lgpio.LGPIOFactory):  # type: ignore[misc, name-defined]
        def _get_revision(self) -> int:
            return 0xA02082

    return SimulatedPi(chip=int(lines.chip.removeprefix("gpiochip")))


class BoxOnRealLines(SimulatedBox):
    """See the module. Has the handles of `SimulatedBox`."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        simulated = self.board
        self._lines = Lines()
        self._factory = pin_factory(self._lines)
        real = open_board(replace(self.wiring, pots={}), self._factory)
        self.board = replace(real, converter=simulated.converter, close=lambda: self._close(real, simulated))

    def press(self, switch: str, down: bool) -> None:
        """Close or open a contact."""
        self._lines.drive(self.wiring.switches[switch].pin, not down)

    def click(self, encoder: str, clicks: int) -> None:
        """Turn an encoder."""
        first, second = self.wiring.encoders[encoder].pins
        turned = (first, second) if clicks > 0 else (second, first)
        for _ in range(abs(clicks)):
            for high in (False, True):
                for pin in turned:
                    self._lines.drive(pin, high)
                    time.sleep(_EDGE_S)
        time.sleep(_THREAD_S)

    def seen(self) -> dict[str, list[float]]:
        """What an eye sees of each LED: how long its line is high, to a sixteenth."""
        pins = [pin for led in self.wiring.leds.values() for pin in led.pins]
        high, looks = dict.fromkeys(pins, 0), 0
        end_s = time.monotonic() + _LOOKED_AT_S
        while time.monotonic() < end_s:
            looks += 1
            for pin in pins:
                high[pin] += self._lines.level(pin)
        return {
            name: [round(16 * high[pin] / looks) / 16 for pin in led.pins] for name, led in self.wiring.leds.items()
        }

    def _close(self, *boards: Board) -> None:
        for board in boards:
            board.close()
        self._factory.close()
        self._lines.close()
