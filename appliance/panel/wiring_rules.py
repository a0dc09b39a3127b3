"""What can't be wired or bound together, though each part alone is sound. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.panel.actions import STYLED, Action, Kind, Style
from appliance.panel.deliberate import MEANT, WHY_HELD
from appliance.panel.wiring import Chip, Wiring
from appliance.spelling import did_you_mean

Fault = tuple[str, str, str]  # table, key, words

_SPI_PINS = {0: (9, 10, 11, 8), 1: (9, 10, 11, 7)}  # by chip select
_I2C_PINS = (2, 3)


def faults(wiring: Wiring) -> Iterator[Fault]:
    """Every fault, with the table and the key it is said of."""
    yield from _pins(wiring)
    yield from _channels(wiring)
    yield from _switches(wiring)
    yield from _chords(wiring)
    yield from _leds(wiring)
    yield from _calibrations(wiring)


def _pins(wiring: Wiring) -> Iterator[Fault]:
    chip = wiring.converter.chip
    taken: dict[int, str] = {}
    if chip.on_i2c:
        taken = dict.fromkeys(_I2C_PINS, "the converter's I2C bus")
    elif chip is not Chip.NONE:
        taken = dict.fromkeys(_SPI_PINS[wiring.converter.select], "the converter's SPI bus")
    uses = [
        *((f"switch.{name}", "pin", switch.pin) for name, switch in wiring.switches.items()),
        *((f"encoder.{name}", "pins", pin) for name, encoder in wiring.encoders.items() for pin in encoder.pins),
        *(
            (f"led.{name}", "pin" if len(led.pins) == 1 else "pins", pin)
            for name, led in wiring.leds.items()
            for pin in led.pins
        ),
    ]
    for where, key, pin in uses:
        if pin in taken:
            yield where, key, f"GPIO {pin} belongs to {taken[pin]} already"
        taken[pin] = where


def _channels(wiring: Wiring) -> Iterator[Fault]:
    chip = wiring.converter.chip
    taken: dict[int, str] = {}
    for name, pot in wiring.pots.items():
        where = f"{'pedal' if pot.pedal else 'pot'}.{name}"
        if chip is Chip.NONE:
            yield where, "", "there is no converter to read it: name one under [converter] chip"
        elif pot.channel >= chip.channels:
            yield where, "channel", f"an {chip.value} has channels 0 to {chip.channels - 1}, not {pot.channel}"
        elif pot.channel in taken:
            yield where, "channel", f"channel {pot.channel} belongs to {taken[pot.channel]} already"
        taken[pot.channel] = where
        if pot.travel.high - pot.travel.low < 0.1:
            yield where, "high", "low and high are the readings at the two ends: high is at least 0.1 above low"


def _switches(wiring: Wiring) -> Iterator[Fault]:
    in_chords = {name for chord in wiring.chords for name in chord}
    for name, switch in wiring.switches.items():
        where = f"switch.{name}"
        yield from _style(where, "tap", switch.tap, (Style.LATCHED,), "a tap is over when it is known to be one")
        either = (Style.LATCHED, Style.MOMENTARY)
        yield from _style(where, "hold", switch.hold, either, "a hold is not a tap")
        yield from _style(where, "double", switch.double, either, "a double press is not a tap")
        for key in ("tap", "double"):
            action = getattr(switch, key)
            if action is not None and action.kind in MEANT:
                yield where, key, f"{str(action)!r} has to be meant: {WHY_HELD}"
        yield from _style(where, "boot", switch.boot, (Style.LATCHED,), "the switch is up by then")
        press = switch.press
        if press is not None and press.style is Style.TAP_OR_HOLD and switch.hold is not None:
            yield where, "hold", f"a held press ends {str(press)!r} already: bind one of the two"
        if press is not None and press.kind not in STYLED | MEANT and name in in_chords:
            yield where, "press", f"{str(press)!r} can't be undone when the press becomes a chord: use tap instead"


def _style(where: str, key: str, action: Action | None, allowed: tuple[Style, ...], why: str) -> Iterator[Fault]:
    if action is not None and action.style not in allowed:
        yield where, key, f"can't be worked {action.style.value!r}: {why}"


def _chords(wiring: Wiring) -> Iterator[Fault]:
    for pair, action in wiring.chords.items():
        key = "+".join(pair)
        for name in pair:
            if name not in wiring.switches:
                yield "chord", key, f"there is no switch {name!r}{did_you_mean(name, list(wiring.switches))}"
        yield from _style("chord", key, action, (Style.LATCHED, Style.MOMENTARY), "a chord is not a tap")


def _leds(wiring: Wiring) -> Iterator[Fault]:
    for name, led in wiring.leds.items():
        if led.shows.continuous:
            yield f"led.{name}", "shows", f"{str(led.shows)!r} is not on or off"
        if led.strip is not None and wiring.strip is None:
            yield f"led.{name}", "strip", "there is no strip: say where it is under [strip]"
        elif led.strip is not None and wiring.strip is not None and led.strip >= wiring.strip.count:
            yield f"led.{name}", "strip", f"the strip has LEDs 0 to {wiring.strip.count - 1}, not {led.strip}"
        if led.strip is not None and led.pins:
            yield f"led.{name}", "strip", "an LED is on pins or in the strip, not both"


def _calibrations(wiring: Wiring) -> Iterator[Fault]:
    bound = [
        *(
            (f"switch.{name}", key, getattr(switch, key))
            for name, switch in wiring.switches.items()
            for key in ("press", "tap", "hold", "double")
        ),
        *(("chord", "+".join(pair), action) for pair, action in wiring.chords.items()),
    ]
    for where, key, action in bound:
        if action is not None and action.kind is Kind.CALIBRATE and action.name not in wiring.pots:
            yield where, key, f"there is no pot or pedal {action.name!r}{did_you_mean(action.name, list(wiring.pots))}"
