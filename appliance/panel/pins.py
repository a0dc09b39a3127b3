"""The only module that imports gpiozero: from a wiring to a board of real pins, or of simulated ones.

Each part is opened alone; what can't be opened is a sentence in the board's `faults`, and the rest works.
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import gpiozero
from gpiozero.exc import SPISoftwareFallback
from gpiozero.pins import mock as mock  # for `simulated.py`

from appliance.errors import DeviceError, NotInstalled
from appliance.panel.ads1x15 import open_ads1x15
from appliance.panel.board import Board, ConverterReader
from appliance.panel.mcp3xxx import Mcp3xxx
from appliance.panel.strip import Strip, open_strip
from appliance.panel.wiring import Chip, Colour, Converter, LedWiring, Wiring

_T = TypeVar("_T")
_W = TypeVar("_W")
_MCP_BITS = {Chip.MCP3008: 10, Chip.MCP3208: 12}


def real_pins() -> Any:
    """The Pi's own pins, through lgpio. Raises DeviceError (no Pi), NotInstalled."""
    os.environ.setdefault("LG_WD", tempfile.gettempdir())  # where lgpio keeps its pipes: not in our working folder
    try:
        from gpiozero.pins.lgpio import LGPIOFactory
    except ImportError as error:
        raise NotInstalled("the GPIO header needs lgpio: pip install 'appliance[pi]'") from error
    try:
        return LGPIOFactory()
    except Exception as error:
        raise DeviceError(f"the GPIO header can't be used: {error}") from error


def open_board(wiring: Wiring, pins: Any) -> Board:
    """The board of a wiring on a gpiozero pin factory. May block for some 100 ms."""
    gpiozero.Device.pin_factory = pins  # gpiozero's own software SPI asks for the default one
    opener = _Opener(pins)
    strip = opener.part("The LED strip", lambda: _strip(wiring)) if wiring.strip else None
    if strip is not None:
        opener.closers.append(strip.close)
    return Board(
        switches=opener.parts("Switch", wiring.switches, lambda switch: opener.switch(switch.pin)),
        converter=opener.part("The converter of the pots", lambda: opener.converter(wiring.converter))
        if wiring.pots
        else None,
        encoders=opener.parts("Encoder", wiring.encoders, lambda encoder: opener.encoder(encoder.pins)),
        leds=opener.parts("LED", wiring.leds, lambda led: opener.led(led, strip)),
        show=strip.show if strip is not None else lambda: None,
        faults=opener.faults,
        close=opener.close,
    )


class _Opener:
    """Opens parts and remembers how to close them."""

    def __init__(self, pins: Any) -> None:
        self._pins = pins
        self.faults: list[str] = []
        self.closers: list[Callable[[], None]] = []

    def part(self, name: str, make: Callable[[], _T]) -> _T | None:
        """What `make` makes, or None and a fault."""
        try:
            return make()
        except Exception as error:  # gpiozero, lgpio and the kernel each have errors of their own
            self.faults.append(f"{name} can't be used: {error}")
            return None

    def parts(self, kind: str, wired: Mapping[str, _W], make: Callable[[_W], _T]) -> dict[str, _T]:
        """Those that could be made, by name."""
        made = {name: self.part(f"{kind} {name}", functools.partial(make, wiring)) for name, wiring in wired.items()}
        return {name: part for name, part in made.items() if part is not None}

    def close(self) -> None:
        """Close every part, the last one first."""
        for close in reversed(self.closers):
            with contextlib.suppress(Exception):  # it goes away with the process at the latest
                close()

    def switch(self, pin: int) -> Callable[[], bool]:
        device = self._keep(gpiozero.InputDevice(pin, pull_up=True, pin_factory=self._pins))
        return lambda: bool(device.is_active)

    def encoder(self, pins: tuple[int, int]) -> Callable[[], int]:
        # Its edges come too fast for our looks, so here gpiozero counts them in its own thread.
        device = self._keep(gpiozero.RotaryEncoder(*pins, max_steps=0, pin_factory=self._pins))
        # gpiozero leaves what it registered for edges behind; whoever claims the line next would wake it.
        watched = (device.a.pin, device.b.pin)
        self.closers += [functools.partial(setattr, pin, "when_changed", None) for pin in watched]
        return lambda: int(device.steps)

    def led(self, led: LedWiring, strip: Strip | None) -> Callable[[Colour], None]:
        if led.strip is not None:
            if strip is None:
                raise DeviceError("the strip it belongs to can't be used")
            return functools.partial(strip.set, led.strip)
        if len(led.pins) == 3:
            lamp = self._keep(gpiozero.RGBLED(*led.pins, pwm=led.pwm, pin_factory=self._pins))
            return lambda colour: setattr(lamp, "color", colour if led.pwm else tuple(round(part) for part in colour))
        if led.pwm:
            lamp = self._keep(gpiozero.PWMLED(led.pins[0], pin_factory=self._pins))
            return lambda colour: setattr(lamp, "value", max(colour))
        lamp = self._keep(gpiozero.LED(led.pins[0], pin_factory=self._pins))
        return lambda colour: setattr(lamp, "value", max(colour) > 0.0)

    def converter(self, wired: Converter) -> ConverterReader:
        if wired.chip.on_i2c:
            opened: ConverterReader = open_ads1x15(wired.bus, wired.address, fast=wired.chip is Chip.ADS1015)
        else:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                spi = self._pins.spi(port=0, device=wired.select)
            if any(issubclass(warning.category, SPISoftwareFallback) for warning in caught):
                self.faults.append(
                    "The SPI bus is switched off, so the pots are read slowly by hand: switch it on (dtparam=spi=on)"
                )
            opened = Mcp3xxx(_SpiErrors(spi), _MCP_BITS[wired.chip])
        self.closers.append(opened.close)
        return opened

    def _keep(self, device: Any) -> Any:
        self.closers.append(device.close)
        return device


class _SpiErrors:
    """An SPI device whose errors are OSErrors, whatever library they come from."""

    def __init__(self, spi: Any) -> None:
        self._spi = spi

    def transfer(self, data: Sequence[int]) -> Sequence[int]:
        try:
            found: Sequence[int] = self._spi.transfer(list(data))
        except Exception as error:
            raise OSError(str(error)) from error
        return found

    def close(self) -> None:
        self._spi.close()


def _strip(wiring: Wiring) -> Strip:
    assert wiring.strip is not None
    return open_strip(wiring.strip.device, wiring.strip.count)
