"""Parts of a board on gpiozero's pins: opened, and let go."""

from __future__ import annotations

import pytest

pytest.importorskip("gpiozero", reason="gpiozero is not installed")

from gpiozero.pins.mock import MockFactory, MockPin

from appliance.panel import pins
from appliance.panel.wiring_file import read

ENCODER = '[encoder.e]\npins = [22, 23]\nturns = "knob Gain"\n'


class PinAsOfLgpio(MockPin):  # type: ignore[misc]
    """Closing one resets its function and leaves its listeners (gpiozero 2.0, pins/lgpio.py)."""

    def close(self) -> None: ...


def test_a_closed_encoder_listens_no_more() -> None:
    factory = MockFactory(pin_class=PinAsOfLgpio)
    board = pins.open_board(read(ENCODER, "test.toml"), factory)
    assert board.faults == []
    lines = [factory.pin(number) for number in (22, 23)]
    assert None not in [line.when_changed for line in lines]
    board.close()
    assert [line.when_changed for line in lines] == [None, None]
