"""What a knob's name means for different models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.description import Knob
from appliance.panel.state import LiveState, with_settings
from appliance.panel.targets import target


def knobs(*names: str) -> list[Knob]:
    return [Knob(name=name, minimum=0.0, maximum=10.0, default=5.0) for name in names]


@pytest.mark.parametrize(
    ("asked", "there", "turned"),
    [
        ("Gain", ("Tone", "gain"), "gain"),
        ("gain", ("Drive", "Level"), "Drive"),
        ("Gain", ("Volume",), "Volume"),
        ("Gain", ("Preamp Gain",), "Preamp Gain"),
        ("Drive", ("Gain 1",), "Gain 1"),
        ("Level", ("Gain", "Master"), "Master"),
        ("Tone", ("Treble", "Bass"), "Treble"),
        ("Presence Lift", ("presence-lift",), "presence-lift"),
        ("Gain", (), "input_gain_db"),
        ("Gain", ("Tone",), "input_gain_db"),
        ("Level", ("Volume",), "level_db"),
        ("volume", ("Gain",), "level_db"),
        ("Input gain", ("Gain",), "input_gain_db"),
        ("Gate", ("Gate",), "gate_threshold_db"),
        ("Tone", ("Gain",), "treble_db"),
        ("bass", (), "bass_db"),
        ("Warp", ("Gain",), None),
    ],
)
def test_a_name_finds_the_model_s_knob_or_what_stands_for_it(
    asked: str, there: tuple[str, ...], turned: str | None
) -> None:
    found = target(asked, knobs(*there))
    assert (None if found is None else found.name or found.setting) == turned


@given(st.floats(0.0, 1.0), st.sampled_from(["Gain", "Input gain", "Level", "Gate", "Tone", "Middle"]))
def test_a_position_set_is_the_position_read_back(position: float, name: str) -> None:
    """Through the panel's own rules for settings, so that nothing is clamped on the way."""
    model = knobs("Gain")
    found = target(name, model)
    assert found is not None
    state = with_settings(LiveState(model="m"), found.request(position), model)
    value = state.knobs["m"][found.name] if found.setting == "knobs" else getattr(state, found.setting)
    near = 0.025 if name == "Level" else 1e-6  # the last of a level's way down is silence
    assert found.scale.to_position(value) == pytest.approx(position, abs=near)
    assert found.request(position + 2.0) == found.request(1.0)
