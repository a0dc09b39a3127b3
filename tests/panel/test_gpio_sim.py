"""The same hands on real GPIO lines, where the kernel's gpio-sim can make some: lgpio, the kernel, and no mock.

`LINES=gpio-sim pytest tests/panel` runs the tests of the whole pedal there too (`real_lines.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("gpiozero", reason="gpiozero is not installed")

from appliance.panel import pins
from appliance.panel.hands import Hands
from appliance.panel.nobody import Nobody
from appliance.panel.wiring_file import read
from tests.panel.real_lines import Lines, are_there, pin_factory

pytestmark = pytest.mark.skipif(
    not are_there(), reason="no gpio-sim here (modprobe gpio-sim, configfs mounted, as root)"
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


@pytest.fixture
def lines() -> Iterator[Lines]:
    made = Lines()
    yield made
    made.close()


@pytest.fixture
def factory(lines: Lines) -> Iterator[Any]:
    made = pin_factory(lines)
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
