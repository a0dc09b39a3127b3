"""The audio HATs the installer knows: what the firmware must load, what ALSA calls the card, which pins it takes.

Sources: README of the firmware's overlays, the drivers under sound/soc/bcm in the Raspberry Pi kernel (the card's name,
which ALSA shortens to its id), Raspberry Pi's documentation of its audio boards (pins).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.box import hat_mixers
from appliance.errors import BadRequest
from appliance.spelling import did_you_mean

_I2S_PINS = frozenset({18, 19, 20, 21})


@dataclass(frozen=True)
class Hat:
    """One HAT. pins: GPIO numbers that nothing else may use (I2C, 2 and 3, is shared by address and not among them)."""

    name: str  # what --hat takes
    title: str
    overlays: tuple[str, ...]  # lines of config.txt
    card: str  # ALSA's id of the card
    pins: frozenset[int] = _I2S_PINS
    products: tuple[str, ...] = ()  # what the product's name in its EEPROM contains
    mixer: tuple[hat_mixers.Setting, ...] = ()  # in the order they are set
    notes: str = ""


HATS = (
    Hat(
        "hifiberry-dacplusadc",
        "HiFiBerry DAC+ ADC",
        ("dtoverlay=hifiberry-dacplusadc",),
        "sndrpihifiberry",
        mixer=hat_mixers.PCM512X,
    ),
    Hat(
        "hifiberry-dacplusadcpro",
        "HiFiBerry DAC+ ADC Pro",
        ("dtoverlay=hifiberry-dacplusadcpro",),
        "sndrpihifiberry",
        products=("DAC+ADC Pro", "DAC+ ADC Pro"),
        mixer=hat_mixers.PCM512X + hat_mixers.PCM186X,
    ),
    Hat(
        "codec-zero",
        "Raspberry Pi Codec Zero",
        ("dtoverlay=rpi-codeczero",),
        "Zero",
        pins=_I2S_PINS | {23, 24, 27},
        products=("Codec Zero",),
        mixer=hat_mixers.DA7213,
        notes="the guitar goes to AUX IN, through a buffer; its microphone is off",
    ),
    Hat(
        "iqaudio-codec",
        "IQaudIO Codec",
        ("dtoverlay=iqaudio-codec",),
        "IQaudIOCODEC",
        products=("Pi-Codec",),
        mixer=hat_mixers.DA7213,
        notes="the guitar goes to AUX IN, through a buffer; its microphone is off",
    ),
    Hat(
        "audioinjector",
        "Audio Injector Stereo",
        ("dtoverlay=audioinjector-wm8731-audio",),
        "audioinjectorpi",
        mixer=hat_mixers.WM8731,
    ),
    Hat(
        "wm8960",
        "WM8960 Audio HAT",
        ("dtoverlay=wm8960-soundcard",),
        "wm8960soundcard",
        mixer=hat_mixers.WM8960,
        notes="its inputs are wired to its microphones: a guitar takes soldering",
    ),
    Hat(
        "pisound",
        "Pisound",
        ("dtoverlay=pisound",),
        "pisound",
        pins=_I2S_PINS | {8, 12, 13, 16, 17, 24, 25, 26},
        products=("Pisound",),
        notes="it takes SPI's first chip select: put an SPI converter on the second",
    ),
)


def by_name(name: str) -> Hat:
    """The HAT that --hat names. Raises BadRequest with the nearest name."""
    for hat in HATS:
        if hat.name == name:
            return hat
    known = [*(hat.name for hat in HATS), "ask", "none"]
    raise BadRequest(f"the HAT {name!r} is not known{did_you_mean(name, known)}")


def detected(root: Path) -> Hat | None:
    """The HAT whose EEPROM the firmware has read, if it has one that says what it is. Not every HAT has one."""
    try:
        product = (root / "proc/device-tree/hat/product").read_text(errors="replace").strip("\0\n ").casefold()
    except OSError:
        return None
    fitting = [(part, hat) for hat in HATS for part in hat.products if part.casefold() in product]
    return max(fitting, key=lambda found: len(found[0]))[1] if fitting else None
