"""What is wired to the box and what it is bound to: `appliance.toml` as values (docs/controls.md has the keys).

Reading is in `wiring_file.py`; here are the parts, each with its defaults, and the plan that holds when no file says
otherwise (docs/wiring.md draws it).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.panel.actions import Action
from appliance.panel.pickup import Mode
from appliance.panel.pots import Curve, Travel

Colour = tuple[float, float, float]  # red, green, blue, each 0…1


class Chip(enum.Enum):
    """Analogue-to-digital converters that are known."""

    MCP3008 = "mcp3008"
    MCP3208 = "mcp3208"
    ADS1015 = "ads1015"
    ADS1115 = "ads1115"
    NONE = "none"

    @property
    def channels(self) -> int:
        """How many inputs it has."""
        return {Chip.NONE: 0, Chip.ADS1015: 4, Chip.ADS1115: 4}.get(self, 8)

    @property
    def on_i2c(self) -> bool:
        """On I2C; the others are on SPI."""
        return self in (Chip.ADS1015, Chip.ADS1115)


@dataclass(frozen=True)
class Converter:
    """`select`: SPI chip select 0 or 1 of bus 0. `bus`, `address`: on I2C."""

    chip: Chip = Chip.MCP3008
    select: int = 0
    bus: int = 1
    address: int = 0x48


@dataclass(frozen=True)
class PotWiring:
    """A pot or an expression pedal. `turns`: the first of these that the present sound has."""

    channel: int
    turns: tuple[Action, ...]
    travel: Travel = field(default_factory=Travel)
    pickup: Mode = Mode.PICKUP
    pedal: bool = False


@dataclass(frozen=True)
class SwitchWiring:
    """A footswitch (or an encoder's push) between its pin and ground. What it does for each gesture; None: nothing."""

    pin: int
    press: Action | None = None
    tap: Action | None = None
    hold: Action | None = None
    double: Action | None = None
    boot: Action | None = None  # held while the box starts, then let go
    hold_s: float = 0.5


@dataclass(frozen=True)
class EncoderWiring:
    """A rotary encoder. `step`: share of the range that one click turns."""

    pins: tuple[int, int]
    turns: tuple[Action, ...]
    step: float = 0.02


@dataclass(frozen=True)
class LedWiring:
    """An LED: one pin, three (red, green, blue), or a place in the strip. `shows`: the action whose state it shows."""

    shows: Action
    pins: tuple[int, ...] = ()
    strip: int | None = None
    invert: bool = False
    pwm: bool = False
    brightness: float = 1.0
    colour: Colour = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class StripWiring:
    """One strip of addressable LEDs on an SPI bus of its own."""

    device: str = "/dev/spidev1.0"
    count: int = 8


@dataclass(frozen=True)
class MidiWiring:
    """`channel`: 1…16, None: all. `bindings`: message text (midi.py) → action."""

    enabled: bool = True
    channel: int | None = None
    program_change: bool = True
    bindings: Mapping[str, Action] = field(default_factory=dict)


@dataclass(frozen=True)
class Wiring:
    """The whole box. Chords: names of the two switches → action."""

    converter: Converter = Converter()
    pots: Mapping[str, PotWiring] = field(default_factory=dict)
    switches: Mapping[str, SwitchWiring] = field(default_factory=dict)
    encoders: Mapping[str, EncoderWiring] = field(default_factory=dict)
    chords: Mapping[tuple[str, str], Action] = field(default_factory=dict)
    leds: Mapping[str, LedWiring] = field(default_factory=dict)
    strip: StripWiring | None = None
    midi: MidiWiring = MidiWiring()


DEFAULT_TEXT = """\
# The plan of docs/wiring.md: three pots, three footswitches with an LED each, one expression jack, an MCP3008.
[converter]
chip = "mcp3008"

[pot.gain]
channel = 0
turns = "knob Gain"

[pot.tone]
channel = 1
turns = "knob Tone"

[pot.level]
channel = 2
turns = "knob Level"

[pedal.expression]
channel = 3
turns = ["morph", "knob Level"]

[switch.left]
pin = 5
tap = "previous-preset"
hold = "bank-down"
boot = "safe-mode"

[switch.middle]
pin = 6
tap = "next-preset"
hold = "bank-up"

[switch.right]
pin = 13
press = "bypass tap-or-hold"

[chord]
"left+middle" = "tuner"
"left+right" = "shutdown"

[led.left]
pin = 17
shows = "tuner"

[led.middle]
pin = 27
shows = "next-preset"

[led.right]
pin = 26
shows = "bypass"
"""

CURVES = {curve.value: curve for curve in Curve}
PICKUPS = {mode.value: mode for mode in Mode}
