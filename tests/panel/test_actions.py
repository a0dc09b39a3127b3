"""The vocabulary of actions: what is written is read back, and what is not understood is answered in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import BadRequest
from appliance.panel.actions import CONTINUOUS, NAMED, NUMBERED, STYLED, Action, Kind, Style, parse

NAMES = st.lists(st.text("abcGäñ0/-", min_size=1, max_size=6), min_size=1, max_size=3).map(" ".join)


@st.composite
def actions(draw: st.DrawFn) -> Action:
    kind = draw(st.sampled_from(Kind))
    return Action(
        kind,
        number=draw(st.integers(1, 128)) if kind in NUMBERED else 0,
        name=draw(NAMES) if kind in NAMED else "",
        style=draw(st.sampled_from(Style)) if kind in STYLED else Style.LATCHED,
    )


@given(actions())
def test_every_action_is_read_back_from_its_text(action: Action) -> None:
    assert parse(str(action)) == action
    assert parse(f"  {str(action).replace(' ', '   ')} ") == action
    assert action.continuous == (action.kind in CONTINUOUS)


def test_words_are_read_as_people_write_them() -> None:
    assert parse("Next_Preset").kind is Kind.NEXT_PRESET
    assert parse("BYPASS Tap-Or-Hold").style is Style.TAP_OR_HOLD
    assert parse("knob Presence Lift").name == "Presence Lift"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("next-presst", "Did you mean 'next-preset'?"),
        ("bypas", "Did you mean 'bypass'?"),
        ("qqq", "There is next-preset, previous-preset"),
        ("preset", "preset takes a number from 1 to 128, such as 'preset 3'"),
        ("preset zero", "not 'zero'"),
        ("preset 129", "not '129'"),
        ("preset 0", "from 1"),
        ("scene ³", "from 1"),
        ("knob", "'knob Gain'"),
        ("bypass latchd", "Did you mean 'latched'?"),
        ("tuner latched now", "takes nothing more, and 'now' follows"),
        ("next-preset momentary", "takes nothing more"),
        ("", "an action is text"),
    ],
)
def test_what_is_not_understood_is_answered_in_words(text: str, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(text)
    assert words in str(refused.value)


@given(st.text(max_size=30))
def test_any_text_is_an_action_or_a_sentence(text: str) -> None:
    try:
        action = parse(text)
    except BadRequest:
        return
    assert parse(str(action)) == action
