"""Between presets and the live state, and from one preset to its neighbours. Pure: no files, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from appliance.errors import NotFound
from appliance.formats.description import Knob
from appliance.library.presets import Preset
from appliance.panel.state import LiveState, knob_positions

_SHARED = (
    "model", "cabinet", "input_gain_db", "gate_threshold_db", "bass_db", "middle_db", "treble_db", "level_db",
    "boost_db", "oversample",
)  # fmt: skip


def recalled(state: LiveState, preset: Preset) -> LiveState:
    """The state with everything that the preset holds; switches that belong to the box stay."""
    knobs = dict(state.knobs)
    if preset.model is not None:
        knobs.pop(preset.model, None)  # to the end: what was used last is remembered longest
        knobs[preset.model] = dict(preset.knobs)
    return replace(state, preset=preset.id, knobs=knobs, **{name: getattr(preset, name) for name in _SHARED})


def stored(preset: Preset, state: LiveState, knobs: Sequence[Knob], model_name: str, cabinet_name: str) -> Preset:
    """The preset with what sounds now; its name, scenes and bindings stay. `knobs`: of the state's model."""
    return replace(
        preset,
        model_name=model_name,
        cabinet_name=cabinet_name,
        knobs=knob_positions(state, knobs),
        **{name: getattr(state, name) for name in _SHARED},
    )


def is_edited(state: LiveState, preset: Preset, knobs: Sequence[Knob]) -> bool:
    """Whether anything that a preset holds was changed since it was recalled."""
    if any(getattr(state, name) != getattr(preset, name) for name in _SHARED):
        return True
    kept = LiveState(model=state.model, knobs={state.model or "": preset.knobs})
    return knob_positions(state, knobs) != knob_positions(kept, knobs)


def with_overlay(state: LiveState, overlay: Mapping[str, float]) -> LiveState:
    """The state with other knob values for a while (a scene, a morph)."""
    if not overlay:
        return state
    own = state.knobs.get(state.model or "", {})
    return replace(state, knobs={**state.knobs, state.model or "": {**own, **overlay}})


def morphed(first: Mapping[str, float], second: Mapping[str, float], position: float) -> dict[str, float]:
    """Knob values between two sets; position 0 is the first, 1 the second. Knobs that one lacks are left out."""
    share = min(max(position, 0.0), 1.0)
    return {name: value + share * (second[name] - value) for name, value in first.items() if name in second}


def step(order: Sequence[str], current: str | None, at: int | None, by: int) -> int:
    """The place in the order that is `by` further, round its ends.

    `at`: the place last gone to, which tells two entries of the same preset apart. Raises NotFound for an empty order.
    """
    if not order:
        raise NotFound("there are no presets yet: save the sound that plays as one")
    if at is not None and at < len(order) and order[at] == current:
        return (at + by) % len(order)
    if current in order:
        return (order.index(current) + by) % len(order)
    return 0 if by > 0 else len(order) - 1


def bank_places(count: int, bank_size: int, place: int) -> range:
    """The places of the bank that `place` is in; the last one may be short."""
    first = place - place % bank_size
    return range(first, min(first + bank_size, count))


def bank_step(count: int, bank_size: int, place: int, by: int) -> int:
    """The same switch's place in the next or previous bank, round the ends; the last preset of a bank too short."""
    banks = -(-count // bank_size)
    bank = (place // bank_size + by) % banks
    return min(bank * bank_size + place % bank_size, count - 1)


def likely_next(order: Sequence[str], current: str | None, at: int | None, bank_size: int, count: int) -> list[str]:
    """The presets that one press may ask for, the likeliest first: next, previous, the rest of the bank, the banks
    beside it. At most `count`, each once."""
    if not order:
        return []
    if current not in order:
        return list(dict.fromkeys([order[0], order[-1], *order]))[:count]
    place = step(order, current, at, 0)
    places = [
        step(order, current, at, 1),
        step(order, current, at, -1),
        *bank_places(len(order), bank_size, place),
        bank_step(len(order), bank_size, place, 1),
        bank_step(len(order), bank_size, place, -1),
    ]
    return [entry for entry in dict.fromkeys(order[index] for index in places) if entry != current][:count]
