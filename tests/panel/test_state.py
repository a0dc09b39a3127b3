"""The live state: pure changes, clamped values, refusals in words."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.bridge.layout import Flag
from appliance.errors import BadRequest
from appliance.formats.description import Knob
from appliance.panel.state import LiveState, from_json, knob_positions, to_json, with_settings

KNOBS = (Knob("Gain", 0.0, 1.0, 0.5), Knob("Tone", -5.0, 5.0, 1.0))


def test_defaults_are_those_of_a_pedal_just_switched_on() -> None:
    state = LiveState()
    assert (state.input_gain_db, state.gate_threshold_db, state.level_db) == (0.0, -120.0, 0.0)
    assert state.flags == Flag.NORMALISE
    assert knob_positions(state, KNOBS) == {"Gain": 0.5, "Tone": 1.0}


def test_settings_are_taken_and_the_old_state_stays_as_it_was() -> None:
    before = LiveState(model="m")
    after = with_settings(before, {"bypass": True, "level_db": -3, "knobs": {"Gain": 0.25}}, KNOBS)
    assert (after.bypass, after.level_db) == (True, -3.0)
    assert knob_positions(after, KNOBS) == {"Gain": 0.25, "Tone": 1.0}
    assert before == LiveState(model="m")
    assert after.flags == Flag.BYPASS | Flag.NORMALISE


def test_values_are_clamped_to_their_range() -> None:
    state = with_settings(
        LiveState(model="m"),
        {"input_gain_db": 1e9, "gate_threshold_db": -999, "level_db": 999, "knobs": {"Gain": 7, "Tone": -7.5}},
        KNOBS,
    )
    assert (state.input_gain_db, state.gate_threshold_db, state.level_db) == (30.0, -120.0, 20.0)
    assert knob_positions(state, KNOBS) == {"Gain": 1.0, "Tone": -5.0}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"level_db": math.nan}, "level_db is a number of decibels, not nan"),
        ({"level_db": math.inf}, "not inf"),
        ({"level_db": True}, "not True"),
        ({"level_db": "3"}, "not '3'"),
        ({"level_db": 10**400}, "number of decibels"),
        ({"bypass": 1}, "bypass is on or off"),
        ({"oversample": 3}, "oversample is 1, 2, 4 times, not 3"),
        ({"oversample": True}, "not True"),
        ({"oversample": 2.0}, "not 2.0"),
        ({"knobs": {"Gain": math.nan}}, "Gain is a number from 0 to 1, not nan"),
        ({"knobs": {"gian": 0.5}}, "no knob 'gian'. Did you mean 'Gain'"),
        ({"knobs": {"Whammy": 0.5}}, "There is Gain, Tone"),
        ({"knobs": [0.5]}, "knobs are named values"),
        ({"levl_db": 0.5}, "no setting 'levl_db'. Did you mean 'level_db'"),
    ],
)
def test_nonsense_is_refused_in_words(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        with_settings(LiveState(model="m"), settings, KNOBS)
    assert words in str(caught.value)


def test_every_fault_of_a_request_is_named_at_once() -> None:
    with pytest.raises(BadRequest) as caught:
        with_settings(LiveState(), {"bypass": 0, "level_db": None, "knobs": {"Gain": 1}, "mute": True}, ())
    assert [word in str(caught.value) for word in ("bypass", "level_db", "no knobs")] == [True] * 3


def test_each_model_keeps_its_own_knob_positions() -> None:
    state = with_settings(LiveState(model="a"), {"knobs": {"Gain": 0.1}}, KNOBS)
    state = with_settings(from_json({**to_json(state), "model": "b"}), {"knobs": {"Gain": 0.9}}, KNOBS)
    assert knob_positions(state, KNOBS)["Gain"] == 0.9
    assert knob_positions(from_json({**to_json(state), "model": "a"}), KNOBS)["Gain"] == 0.1


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    settings=st.fixed_dictionaries(
        {},
        optional={
            "bypass": st.booleans(),
            "mute": st.booleans(),
            "normalise": st.booleans(),
            "input_gain_db": finite,
            "gate_threshold_db": finite,
            "level_db": finite,
            "knobs": st.dictionaries(st.sampled_from(["Gain", "Tone"]), finite),
        },
    )
)
def test_any_state_comes_back_from_json_as_it_was(settings: dict[str, Any]) -> None:
    state = with_settings(LiveState(model="m", cabinet="c"), settings, KNOBS)
    assert from_json(json.loads(json.dumps(to_json(state), allow_nan=False))) == state


junk = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda i: st.dictionaries(st.text(), i) | st.lists(i)
)


@given(content=junk | st.dictionaries(st.sampled_from([*to_json(LiveState())]), junk))
def test_junk_becomes_defaults_never_an_error(content: Any) -> None:
    state = from_json(content)
    assert math.isfinite(state.level_db)
    json.dumps(to_json(state), allow_nan=False)
