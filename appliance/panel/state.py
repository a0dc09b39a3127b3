"""The live state: what is chosen and how the knobs stand. Pure: no files, no clock, no library.

Functions take a state and give a new one; values out of range are brought into it, nonsense is refused in words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from appliance.bridge.layout import Flag
from appliance.errors import BadRequest
from appliance.formats.description import Knob
from appliance.panel.pitch_names import TUNINGS
from appliance.spelling import did_you_mean

GATE_OFF_DB = -120.0
RANGES: dict[str, tuple[float, float]] = {
    "input_gain_db": (-30.0, 30.0),
    "gate_threshold_db": (GATE_OFF_DB, 0.0),
    "bass_db": (-12.0, 12.0),
    "middle_db": (-12.0, 12.0),
    "treble_db": (-12.0, 12.0),
    "level_db": (-60.0, 20.0),
    "boost_db": (-12.0, 12.0),
    "tuner_reference_hz": (430.0, 450.0),
}
SWITCHES = ("bypass", "mute", "normalise", "tuner_mutes")
SETTINGS = (*SWITCHES, *RANGES, "oversample", "tuner_tuning", "knobs")
OVERSAMPLING = (1, 2, 4)  # times the session's rate that the model runs at
_REMEMBERED_MODELS = 1000  # with a library of that size, none is forgotten


@dataclass(frozen=True)
class LiveState:
    """What outlives a power cut. `knobs`: model id → knob name → position, kept for models not chosen now too."""

    preset: str | None = None  # the one recalled last; what follows may have been changed since
    model: str | None = None
    cabinet: str | None = None
    bypass: bool = False
    mute: bool = False
    normalise: bool = True
    input_gain_db: float = 0.0
    gate_threshold_db: float = GATE_OFF_DB
    bass_db: float = 0.0
    middle_db: float = 0.0
    treble_db: float = 0.0
    level_db: float = 0.0
    boost_db: float = 3.0  # what the boost adds while it is on
    oversample: int = 1  # one of OVERSAMPLING
    tuner_reference_hz: float = 440.0
    tuner_tuning: str = "standard"  # one of `pitch_names.TUNINGS`
    tuner_mutes: bool = True
    knobs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def flags(self) -> Flag:
        """The switches as the controls carry them."""
        flags = Flag.BYPASS if self.bypass else Flag(0)
        flags |= Flag.MUTE if self.mute else Flag(0)
        return flags | (Flag.NORMALISE if self.normalise else Flag(0))


@dataclass(frozen=True)
class Moment:
    """What lasts until the next preset, or until the plug is pulled."""

    boost: bool = False
    compare: bool = False  # the preset as it is stored is heard in place of what was changed
    tuner: bool = False
    scene: int = 0  # its number, from 1; 0: none
    overlay: Mapping[str, float] = field(default_factory=dict)  # knobs that a scene or a morph holds elsewhere
    place: int | None = None  # in the order of banks or the set list, gone to last


def knob_positions(state: LiveState, knobs: Sequence[Knob]) -> dict[str, float]:
    """Where the knobs of the chosen model stand, in the model's order: as left, else at their defaults."""
    kept = state.knobs.get(state.model or "", {})
    return {knob.name: _clamp(kept.get(knob.name, knob.default), knob.minimum, knob.maximum) for knob in knobs}


def with_settings(state: LiveState, wanted: Mapping[str, Any], knobs: Sequence[Knob]) -> LiveState:
    """The state with the settings of a `set` request; `knobs` are the chosen model's.

    All or nothing. Raises BadRequest that names every fault: unknown names, values that are no number, NaN.
    """
    faults: list[str] = []
    changes: dict[str, Any] = {}
    for name, value in wanted.items():
        if name in SWITCHES:
            if isinstance(value, bool):
                changes[name] = value
            else:
                faults.append(f"{name} is on or off (true or false), not {_shown(value)}")
        elif name in RANGES:
            if (number := _number(value)) is not None:
                changes[name] = _clamp(number, *RANGES[name])
            else:
                what = "hertz" if name.endswith("_hz") else "decibels"
                faults.append(f"{name} is a number of {what}, not {_shown(value)}")
        elif name == "oversample":
            if _is_oversampling(value):
                changes[name] = value
            else:
                faults.append(f"oversample is {', '.join(map(str, OVERSAMPLING))} times, not {_shown(value)}")
        elif name == "tuner_tuning":
            if isinstance(value, str) and value in TUNINGS:
                changes[name] = value
            else:
                faults.append(f"there is no tuning {_shown(value)}{did_you_mean(str(value), list(TUNINGS))}")
        elif name == "knobs":
            changes["knobs"] = _with_knobs(state, value, knobs, faults)
        else:
            faults.append(f"there is no setting {name!r}{did_you_mean(name, SETTINGS)}")
    if faults:
        raise BadRequest("; ".join(faults))
    return replace(state, **changes)


def to_json(state: LiveState) -> dict[str, Any]:
    """As state.json keeps it."""
    return {**vars(state), "knobs": {model: dict(positions) for model, positions in state.knobs.items()}}


def from_json(content: Any) -> LiveState:
    """The state that `to_json` wrote. A field that is missing or makes no sense gets its default."""
    if not isinstance(content, dict):
        return LiveState()
    fields: dict[str, Any] = {name: content[name] for name in SWITCHES if isinstance(content.get(name), bool)}
    fields.update(
        {name: content[name] for name in ("preset", "model", "cabinet") if isinstance(content.get(name), str)}
    )
    for name, limits in RANGES.items():
        if (number := _number(content.get(name))) is not None:
            fields[name] = _clamp(number, *limits)
    if _is_oversampling(content.get("oversample")):
        fields["oversample"] = content["oversample"]
    if isinstance(content.get("tuner_tuning"), str) and content["tuner_tuning"] in TUNINGS:
        fields["tuner_tuning"] = content["tuner_tuning"]
    kept = content.get("knobs")
    if isinstance(kept, dict):
        fields["knobs"] = {
            model: {name: float(value) for name, value in positions.items() if _number(value) is not None}
            for model, positions in kept.items()
            if isinstance(positions, dict)
        }
    return LiveState(**fields)


def _with_knobs(
    state: LiveState, wanted: Any, knobs: Sequence[Knob], faults: list[str]
) -> Mapping[str, Mapping[str, float]]:
    if not isinstance(wanted, Mapping):
        faults.append(f'knobs are named values, such as {{"Gain": 0.5}}, not {_shown(wanted)}')
        return state.knobs
    known = {knob.name: knob for knob in knobs}
    positions = dict(state.knobs.get(state.model or "", {}))
    for name, value in wanted.items():
        knob = known.get(name)
        number = _number(value)
        if knob is None:
            what = "this model has no knobs" if not knobs else f"this model has no knob {name!r}"
            faults.append(what + did_you_mean(str(name), list(known)))
        elif number is None:
            faults.append(f"{name} is a number from {knob.minimum:g} to {knob.maximum:g}, not {_shown(value)}")
        else:
            positions[name] = _clamp(number, knob.minimum, knob.maximum)
    others = {model: kept for model, kept in state.knobs.items() if model != state.model}
    while len(others) >= _REMEMBERED_MODELS:
        del others[next(iter(others))]
    return {**others, state.model or "": positions}


def _is_oversampling(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in OVERSAMPLING


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(float(value), low), high)


def _shown(value: Any) -> str:
    return repr(value)[:40]
