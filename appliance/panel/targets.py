"""What a knob's name means for the sound that plays: a knob of the model, or a dial of the pedal in its place. Pure.

`knob Gain` turns the model's Gain; where the model calls it otherwise (Drive, Volume …) it turns that; where it has no
such knob, the pedal's own input gain. The names that stand for each other are the families below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.formats.description import Knob
from appliance.panel.state import GATE_OFF_DB

# Asked for by any name of `names`, looked for in the model in the order of `models`, else the pedal's own setting.
_FAMILIES: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (
        ("gain", "drive", "distortion", "dist", "overdrive", "fuzz", "preamp"),
        ("gain", "drive", "distortion", "dist", "overdrive", "fuzz", "preamp", "volume", "vol"),
        "input_gain_db",
    ),
    (("level", "master", "output", "out"), ("level", "master", "output", "out"), "level_db"),
    (("volume", "vol"), ("volume", "vol", "master", "level", "output"), "level_db"),
    (
        ("tone", "treble", "colour", "color", "filter"),
        ("tone", "treble", "colour", "color", "filter", "cut", "presence"),
        "treble_db",
    ),
    (("bass", "low", "depth"), ("bass", "low", "lows", "depth"), "bass_db"),
    (("middle", "mid", "mids"), ("middle", "mid", "mids"), "middle_db"),
    (("presence", "high", "highs"), ("presence", "high", "highs", "treble"), "treble_db"),
)
# Names of the pedal's own dials, never the model's.
_OWN = {"inputgain": "input_gain_db", "outputlevel": "level_db", "gate": "gate_threshold_db"}

_LEVEL_TOP_DB, _SILENT_DB = 6.0, -60.0


@dataclass(frozen=True)
class Scale:
    """A dial's way, as positions 0…1."""

    to_value: Callable[[float], float]
    to_position: Callable[[float], float]


@dataclass(frozen=True)
class Target:
    """What is turned: `setting` of a `set` request ("knobs" for one of the model's), and the knob's `name`."""

    setting: str
    name: str
    scale: Scale

    def request(self, position: float) -> dict[str, Any]:
        """The fields of the `set` request that turns it to `position`."""
        value = self.scale.to_value(min(max(position, 0.0), 1.0))
        return {"knobs": {self.name: value}} if self.setting == "knobs" else {self.setting: value}


def target(name: str, knobs: Sequence[Knob]) -> Target | None:
    """What `knob NAME` turns while a model with these knobs plays; None: nothing there answers to the name."""
    wanted = _plain(name)
    if wanted in _OWN:
        return _setting(_OWN[wanted])
    by_name = {_plain(knob.name): knob for knob in knobs}
    if wanted in by_name:
        return _model_knob(by_name[wanted])
    family = next((family for family in _FAMILIES if wanted in family[0]), None)
    if family is None:
        return None
    for alias in family[1]:
        for knob in knobs:
            if alias in _words(knob.name):
                return _model_knob(knob)
    return _setting(family[2])


def linear(low: float, high: float) -> Scale:
    """Positions in even steps between two values."""
    width = high - low
    return Scale(
        lambda position: low + position * width,
        lambda value: min(max((value - low) / width, 0.0), 1.0) if width else 0.0,
    )


def _level_db(position: float) -> float:
    """As an audio-taper pot: the gain goes with the square of the way, -6 dB at the middle, silent at the start."""
    return max(_SILENT_DB, _LEVEL_TOP_DB + 40.0 * math.log10(position)) if position > 0.0 else _SILENT_DB


def _level_position(level_db: float) -> float:
    return 0.0 if level_db <= _SILENT_DB else min(1.0, math.pow(10.0, (level_db - _LEVEL_TOP_DB) / 40.0))


_gate = linear(-90.0, -20.0)


def _gate_db(position: float) -> float:
    """Off at the start of the way."""
    return _gate.to_value(position) if position > 0.0 else GATE_OFF_DB


_SETTINGS: Mapping[str, Scale] = {
    "input_gain_db": linear(-20.0, 20.0),
    "level_db": Scale(_level_db, _level_position),
    "gate_threshold_db": Scale(_gate_db, _gate.to_position),
    "bass_db": linear(-12.0, 12.0),
    "middle_db": linear(-12.0, 12.0),
    "treble_db": linear(-12.0, 12.0),
}


def _setting(name: str) -> Target:
    return Target(name, "", _SETTINGS[name])


def _model_knob(knob: Knob) -> Target:
    return Target("knobs", knob.name, linear(knob.minimum, knob.maximum))


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _words(name: str) -> set[str]:
    spaced = "".join(character if character.isalpha() else " " for character in name.casefold())
    return set(spaced.split())
