"""A knob held still, a gain in the weights: the same sound as with the setting beside the network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from appliance.engine.reference import ReferenceEngine
from appliance.errors import BadRequest, UnsupportedModel
from appliance.formats.description import Cell, Description, Knob
from appliance.formats.folding import snapshot, without_gains
from tests.models import (
    convolution,
    guitarish,
    random_convnet,
    random_linear,
    random_recurrent,
    random_stack,
    random_units,
    random_wavenet,
)

Rng = np.random.Generator
KNOBS = (Knob("Gain", 0.0, 10.0, 4.0), Knob("Tone", -1.0, 1.0, 0.25))


def _units_first(rng: Rng) -> Description:
    from appliance.formats.stack import Units

    return random_stack(rng, Units(Cell.GRU, random_units(rng, Cell.GRU, 3, 6)), convolution(rng, 6, 1), knobs=2)


WITH_KNOBS: dict[str, Callable[[Rng], Description]] = {
    "lstm": lambda rng: random_recurrent(rng, hidden=6, layers=2, knobs=2, skip=True),
    "gru": lambda rng: random_recurrent(rng, cell=Cell.GRU, hidden=6, knobs=2),
    "wavenet": lambda rng: random_wavenet(rng, knobs=2),
    # three channels in the first array, as many as the signal that all arrays hear
    "wavenet, three channels": lambda rng: random_wavenet(rng, channels=(3, 3), knobs=2),
    "wavenet, all hears the knobs": lambda rng: random_wavenet(rng, knobs=2, first_hears_knobs=True),
    "stack": lambda rng: random_stack(rng, knobs=2),
    "stack, units first": _units_first,
}


@pytest.mark.parametrize("family", WITH_KNOBS)
def test_a_snapshot_sounds_like_the_knobs_there(family: str) -> None:
    rng = np.random.default_rng(1)
    model = dataclasses.replace(WITH_KNOBS[family](rng), knobs=KNOBS)
    audio = guitarish(rng, 300)
    held = snapshot(model, {"Gain": 1.5})
    assert held.knobs == ()
    wanted = ReferenceEngine(model).process(audio, np.array([1.5, 0.25], np.float32))
    assert np.abs(ReferenceEngine(held).process(audio) - wanted).max() < 2e-6


def test_a_snapshot_of_modulation_by_knobs() -> None:
    rng = np.random.default_rng(2)
    model = random_wavenet(rng, heads=(3, 2), films=("activation_pre", "activation_post"), knobs=2)
    with pytest.raises(UnsupportedModel, match="shift and scale"):
        snapshot(model, {})  # these are modulated by the audio too
    for array in model.architecture.arrays:  # type: ignore[union-attr]
        for layer in array.layers:
            for film in (layer.films.activation_pre, layer.films.activation_post):
                film.weight[:, 0] = 0.0
    audio = guitarish(rng, 300)
    wanted = ReferenceEngine(model).process(audio, np.array([0.9, 0.5], np.float32))
    held = snapshot(model, {"Knob 1": 0.9})
    assert np.abs(ReferenceEngine(held).process(audio) - wanted).max() < 2e-6


@pytest.mark.parametrize("place", ["conv_pre", "mixin_pre", "out_post"])
def test_what_cannot_be_held_is_refused(place: str) -> None:
    model = random_wavenet(np.random.default_rng(3), films=(place,), knobs=1)
    with pytest.raises(UnsupportedModel, match=r"Export it as \.onnx"):
        snapshot(model, {})


def test_a_knob_that_is_not_there_and_a_value_beyond_its_range() -> None:
    model = dataclasses.replace(random_recurrent(np.random.default_rng(4), knobs=2), knobs=KNOBS)
    with pytest.raises(BadRequest, match="It has: Gain, Tone"):
        snapshot(model, {"Bass": 1.0})
    with pytest.raises(BadRequest, match="from 0 to 10, not to 11"):
        snapshot(model, {"Gain": 11.0})


@pytest.mark.parametrize("make", [random_wavenet, random_recurrent, random_convnet, random_linear])
def test_gains_in_the_weights_sound_as_beside_them(make: Callable[[Rng], Description]) -> None:
    rng = np.random.default_rng(5)
    model = dataclasses.replace(make(rng), input_gain_db=4.0, output_gain_db=-3.0)
    folded = without_gains(model)
    assert folded.input_gain_db == folded.output_gain_db == 0.0
    audio = guitarish(rng, 300)
    wanted = ReferenceEngine(model).process(audio)
    assert np.abs(ReferenceEngine(folded).process(audio) - wanted).max() < 2e-6


def test_a_gain_that_does_not_fold_is_refused() -> None:
    model = dataclasses.replace(random_recurrent(np.random.default_rng(6), skip=True), output_gain_db=1.0)
    with pytest.raises(UnsupportedModel, match="can't be folded"):
        without_gains(model)
