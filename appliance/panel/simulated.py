"""A box without hardware: gpiozero's mock pins with an MCP3008 on them that is simulated bit by bit.

Everything from the level of a line upward is the real thing; here only hands and electricity are played.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from appliance.errors import BadRequest, BadSettings, NotFound
from appliance.panel.board import Board
from appliance.panel.pins import mock, open_board
from appliance.panel.wiring import Chip, Converter, Wiring
from appliance.spelling import did_you_mean

_CLOCK, _MOSI, _MISO, _SELECT = 11, 10, 9, 8
_TOP = 1023
_REST_S, _BUSY_S = 0.02, 0.01  # clocking bits in Python takes 3 ms a look


class _Pins(mock.MockFactory):  # type: ignore[misc]
    """Mock pins, each of which keeps the class it was made with."""

    def pin(self, name: Any, pin_class: Any = None, **options: Any) -> Any:
        for _, info in self.board_info.find_pin(name):
            if info in self.pins:
                return self.pins[info]
        return super().pin(name, pin_class, **options)


class SimulatedMcp3008(mock.MockSPIDevice):  # type: ignore[misc]
    """The chip's side of the wire: hears a start bit, a mode and a channel, answers a null bit and ten bits.

    `levels`: what is on the channels, 0…1. Source: Microchip's data sheet DS21295, figure 5-1.
    """

    def __init__(self, pins: Any) -> None:
        for number in (_MOSI, _MISO):
            pins.pin(number, pin_class=mock.MockPin)
        super().__init__(_CLOCK, _MOSI, _MISO, _SELECT, pin_factory=pins)
        self.levels = [0.0] * 8
        self.connected = True
        self._start: int | None = None

    def on_start(self) -> None:
        """The chip select went low."""
        super().on_start()
        self._start = None
        if not self.connected:
            self.tx_buf = [True] * 64  # a bus that nobody drives, pulled up

    def on_bit(self) -> None:
        """A bit came in."""
        if not self.connected:
            return
        if self._start is None and self.rx_buf[-1]:
            self._start = len(self.rx_buf)
        elif self._start is not None and len(self.rx_buf) == self._start + 4:
            single_ended, *channel = self.rx_buf[-4:]
            number = channel[0] << 2 | channel[1] << 1 | channel[2]
            value = round(min(max(self.levels[number], 0.0), 1.0) * _TOP) if single_ended else 0
            self.tx_buf.extend([False, False])  # the sampling bit, then the null bit
            self.tx_word(value, 10)


class SimulatedBox:
    """A box wired like this, with handles for hands: `press`, `turn`, `click`, and `seen` for eyes. Thread-safe."""

    def __init__(self, wiring: Wiring) -> None:
        if wiring.pots and wiring.converter.chip is not Chip.MCP3008:
            if max(pot.channel for pot in wiring.pots.values()) >= 8:
                raise BadSettings("the simulated converter has channels 0 to 7")
            wiring = replace(wiring, converter=Converter())
        if wiring.strip is not None:
            leds = {name: led for name, led in wiring.leds.items() if led.strip is None}
            wiring = replace(wiring, strip=None, leds=leds)
        self.wiring = wiring
        self._pins = _Pins(pin_class=mock.MockPWMPin)
        self.chip = SimulatedMcp3008(self._pins)
        self._guard = threading.Lock()
        self.board: Board = open_board(wiring, self._pins)
        self.board.rest_s, self.board.busy_s = _REST_S, _BUSY_S
        for pot in wiring.pots.values():
            self.chip.levels[pot.channel] = 0.5

    def press(self, switch: str, down: bool) -> None:
        """Close or open a contact. Raises NotFound."""
        pin = self.line(self._known(switch, self.wiring.switches).pin)
        with self._guard:
            pin.drive_low() if down else pin.drive_high()

    def turn(self, pot: str, level: float) -> None:
        """Put what is on a pot's wiper, 0…1 of the supply. Raises NotFound, BadRequest."""
        if not 0.0 <= level <= 1.0:
            raise BadRequest(f"a pot stands from 0 to 1, not at {level!r:.20}")
        self.chip.levels[self._known(pot, self.wiring.pots).channel] = level

    def click(self, encoder: str, clicks: int) -> None:
        """Turn an encoder by some clicks, clockwise up. Raises NotFound."""
        first, second = (self.line(pin) for pin in self._known(encoder, self.wiring.encoders).pins)
        leading, trailing = (first, second) if clicks > 0 else (second, first)
        with self._guard:
            for _ in range(abs(clicks)):
                leading.drive_low()
                trailing.drive_low()
                leading.drive_high()
                trailing.drive_high()

    def seen(self) -> dict[str, list[float]]:
        """What each LED shows: the level of its pin, or of its three."""
        return {name: [float(self.line(pin).state) for pin in led.pins] for name, led in self.wiring.leds.items()}

    def line(self, number: int) -> Any:
        """The mock pin of a GPIO number."""
        return self._pins.pin(number)

    @staticmethod
    def _known(name: str, there: Mapping[str, Any]) -> Any:
        if name not in there:
            raise NotFound(f"nothing is called {name!r:.40}{did_you_mean(str(name), list(there))}")
        return there[name]
