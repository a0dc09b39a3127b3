"""From one preset to the next: pure functions, their properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import NotFound
from appliance.formats.description import Knob
from appliance.library.presets import Preset
from appliance.panel.recall import (
    bank_places,
    bank_step,
    is_edited,
    likely_next,
    morphed,
    recalled,
    step,
    stored,
    with_overlay,
)
from appliance.panel.state import LiveState, knob_positions

KNOBS = (Knob("Gain", 0.0, 1.0, 0.5), Knob("Tone", -5.0, 5.0, 1.0))
orders = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12)


def test_a_recalled_preset_is_unedited_until_a_knob_moves() -> None:
    preset = Preset("p", "P", model="m", knobs={"Gain": 0.7}, treble_db=4.0)
    state = recalled(LiveState(mute=True, knobs={"m": {"Gain": 0.1, "Tone": 3.0}, "n": {"X": 1.0}}), preset)
    assert (state.preset, state.model, state.treble_db, state.mute) == ("p", "m", 4.0, True)
    assert knob_positions(state, KNOBS) == {"Gain": 0.7, "Tone": 1.0}
    assert state.knobs["n"] == {"X": 1.0}
    assert not is_edited(state, preset, KNOBS)
    turned = with_overlay(state, {"Tone": 2.0})
    assert is_edited(turned, preset, KNOBS)
    kept = stored(preset, turned, KNOBS, "Model", "")
    assert not is_edited(turned, kept, KNOBS)
    assert (kept.id, kept.knobs) == ("p", {"Gain": 0.7, "Tone": 2.0})


@given(order=orders, data=st.data())
def test_next_then_previous_comes_back_even_through_presets_that_are_listed_twice(
    order: list[str], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(order) - 1))
    there = step(order, order[place], place, 1)
    assert step(order, order[there], there, -1) == place


def test_from_no_preset_next_is_the_first_and_previous_the_last() -> None:
    assert step(["a", "b", "c"], None, None, 1) == 0
    assert step(["a", "b", "c"], "gone", 7, -1) == 2
    with pytest.raises(NotFound, match="no presets yet"):
        step([], None, None, 1)


@given(count=st.integers(1, 30), size=st.integers(1, 10), data=st.data())
def test_banks_cover_every_place_once_and_going_round_them_comes_back(
    count: int, size: int, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, count - 1))
    assert place in bank_places(count, size, place)
    banks = -(-count // size)
    covered = [at for bank in range(banks) for at in bank_places(count, size, bank * size)]
    assert covered == list(range(count))
    seen = {place // size}
    for _ in range(banks):
        place = bank_step(count, size, place, 1)
        seen.add(place // size)
    assert len(seen) == banks


@given(order=orders, data=st.data(), size=st.integers(1, 4))
def test_the_likely_next_are_the_neighbours_first_and_never_the_one_that_plays(
    order: list[str], data: st.DataObject, size: int
) -> None:
    place = data.draw(st.integers(0, len(order) - 1))
    current = order[place]
    likely = likely_next(order, current, place, size, 4)
    assert current not in likely
    assert len(likely) == len(set(likely)) <= 4
    for by in (1, -1):
        neighbour = order[step(order, current, place, by)]
        assert neighbour in likely or neighbour == current


@given(position=st.floats(0, 1), a=st.floats(-5, 5), b=st.floats(-5, 5))
def test_a_morph_lies_between_its_scenes_and_ends_on_them(position: float, a: float, b: float) -> None:
    made = morphed({"x": a, "only": 1.0}, {"x": b}, position)
    assert set(made) == {"x"}
    assert min(a, b) - 1e-9 <= made["x"] <= max(a, b) + 1e-9
    assert morphed({"x": a}, {"x": b}, -3.0) == {"x": a}
    assert morphed({"x": a}, {"x": b}, 1.0)["x"] == pytest.approx(b)
