"""The same hands on real GPIO lines, where the kernel's gpio-sim can make some: lgpio, the kernel, and no mock."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gpiozero", reason="gpiozero is not installed")

from appliance.panel import pins
from appliance.panel.hands import Hands
from appliance.panel.nobody import Nobody
from appliance.panel.wiring_file import read

CONFIGURATION = Path("/sys/kernel/config/gpio-sim")
NUMBERS = itertools.count(1)

pytestmark = pytest.mark.skipif(
    not CONFIGURATION.is_dir() or not os.access(CONFIGURATION, os.W_OK),
    reason="no gpio-sim here (modprobe gpio-sim, configfs mounted, as root)",
)

PLAN = """
[switch.right]
pin = 13
press = "bypass tap-or-hold"
[led.right]
pin = 26
shows = "bypass"
[encoder.e]
pins = [22, 23]
turns = "knob Gain"
"""


class Lines:
    """28 simulated lines on a chip of their own."""

    def __init__(self) -> None:
        self._device = CONFIGURATION / f"appliance-{os.getpid()}-{next(NUMBERS)}"
        self._bank = self._device / "bank"
        self._bank.mkdir(parents=True)
        (self._bank / "num_lines").write_text("28")
        (self._device / "live").write_text("1")
        self.chip = (self._bank / "chip_name").read_text().strip()
        self._folder = Path("/sys/devices/platform") / (self._device / "dev_name").read_text().strip() / self.chip

    def drive(self, line: int, high: bool) -> None:
        (self._folder / f"sim_gpio{line}" / "pull").write_text("pull-up" if high else "pull-down")

    def level(self, line: int) -> bool:
        return (self._folder / f"sim_gpio{line}" / "value").read_text().strip() == "1"

    def close(self) -> None:
        (self._device / "live").write_text("0")
        self._bank.rmdir()
        self._device.rmdir()


@pytest.fixture
def lines() -> Iterator[Lines]:
    made = Lines()
    yield made
    made.close()


@pytest.fixture
def factory(lines: Lines) -> Iterator[Any]:
    lgpio = pytest.importorskip("gpiozero.pins.lgpio", reason="lgpio is not installed")

    class SimulatedPi(lgpio.LGPIOFactory):  # type: ignore[misc, name-defined]
        def _get_revision(self) -> int:
            return 0xA02082

    made = SimulatedPi(chip=int(lines.chip.removeprefix("gpiochip")))
    yield made
    made.close()


def test_a_bouncing_stomp_on_a_real_line_toggles_once_and_lights_its_led(lines: Lines, factory: Any) -> None:
    board = pins.open_board(read(PLAN, "x"), factory)
    assert board.faults == []
    nobody = Nobody()
    hands = Hands(read(PLAN, "x"), board, nobody, nobody, lambda _: None)

    def play(seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            time.sleep(hands.tick(time.monotonic()))

    lines.drive(13, True)
    play(0.2)
    before = lines.level(26)
    for level in (False, True, False, True, False):
        lines.drive(13, level)
        play(0.002)
    play(0.1)
    assert lines.level(26) is not before
    for level in (True, False, True):
        lines.drive(13, level)
        play(0.002)
    play(0.1)
    assert lines.level(26) is not before
    hands.close()
