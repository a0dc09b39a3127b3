"""The audio HATs the installer knows: what the firmware must load, what ALSA calls the card, which pins it takes.

Sources: README of the firmware's overlays and the drivers under sound/soc/bcm in the Raspberry Pi kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.errors import BadRequest
from appliance.spelling import did_you_mean

_I2S_PINS = frozenset({18, 19, 20, 21})
_I2C_PINS = frozenset({2, 3})


@dataclass(frozen=True)
class Hat:
    """One HAT. pins: GPIO numbers that nothing else may use (I2C, 2 and 3, is shared by address and not among them)."""

    name: str  # what --hat takes
    title: str
    overlays: tuple[str, ...]  # lines of config.txt
    card: str  # ALSA's id of the card
    pins: frozenset[int] = _I2S_PINS
    products: tuple[str, ...] = ()  # begins of what its EEPROM says
    mixer: tuple[tuple[str, str], ...] = ()  # control and value, in the order they are set
    notes: str = ""


HATS = (
    Hat("hifiberry-dacplusadc", "HiFiBerry DAC+ ADC", ("dtoverlay=hifiberry-dacplusadc",), "sndrpihifiberry"),
    Hat("hifiberry-dacplusadcpro", "HiFiBerry DAC+ ADC Pro", ("dtoverlay=hifiberry-dacplusadcpro",), "sndrpihifiberry"),
    Hat("codec-zero", "Raspberry Pi Codec Zero", ("dtoverlay=rpi-codeczero",), "Zero"),
    Hat("iqaudio-codec", "IQaudIO Codec", ("dtoverlay=iqaudio-codec",), "IQaudIOCODEC"),
    Hat("audioinjector", "Audio Injector Stereo", ("dtoverlay=audioinjector-wm8731-audio",), "audioinjectorpi"),
    Hat("wm8960", "WM8960 HAT", ("dtoverlay=wm8960-soundcard",), "wm8960soundcard"),
    Hat(
        "pisound",
        "Pisound",
        ("dtoverlay=pisound",),
        "pisound",
        pins=_I2S_PINS | {8, 9, 10, 11, 12, 13, 16, 17, 24, 25, 26},
        products=("pisound",),
        notes="takes SPI's first chip select: put an SPI converter on the second",
    ),
)  # fmt: skip


def by_name(name: str) -> Hat:
    """The HAT that --hat names. Raises BadRequest with the nearest name."""
    for hat in HATS:
        if hat.name == name:
            return hat
    known = [*(hat.name for hat in HATS), "ask", "none"]
    raise BadRequest(f"the HAT {name!r} is not known{did_you_mean(name, known)}")


def detected(root: Path) -> Hat | None:
    """The HAT whose EEPROM the firmware has read, if it has one that says what it is."""
    try:
        product = (root / "proc/device-tree/hat/product").read_text(errors="replace").rstrip("\0\n").strip().lower()
    except OSError:
        return None
    fitting = [hat for hat in HATS if any(product.startswith(begin.lower()) for begin in hat.products)]
    return fitting[0] if fitting else None
