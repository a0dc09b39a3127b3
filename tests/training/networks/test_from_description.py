"""Fine-tuning starts from what the model plays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from appliance.engine.reference import ReferenceEngine
from appliance.errors import UnsupportedModel
from appliance.formats.description import Cell, Description, Gating, Knob, Recurrent
from appliance.training.contract import position_of
from appliance.training.networks.from_description import network_from
from tests.models import guitarish, random_linear, random_recurrent, random_wavenet

Rng = np.random.Generator
KNOB = Knob("Gain", 0.0, 10.0, 5.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: random_recurrent(rng, layers=2, knobs=1),
        lambda rng: random_recurrent(rng, cell=Cell.GRU, knobs=1),
        lambda rng: random_wavenet(rng, channels=(4, 2), dilations=((1, 2, 4), (8, 16)), knobs=1),
    ],
)
def test_it_starts_where_the_model_is(make: Callable[[Rng], Description]) -> None:
    rng = np.random.default_rng(1)
    model = dataclasses.replace(make(rng), knobs=(KNOB,), input_gain_db=3.0, output_gain_db=-2.0)
    if isinstance(model.architecture, Recurrent):  # from nothing, as the network starts
        layers = tuple(
            dataclasses.replace(layer, h0=0 * layer.h0, c0=0 * layer.c0) for layer in model.architecture.layers
        )
        model = dataclasses.replace(model, architecture=dataclasses.replace(model.architecture, layers=layers))
    network = network_from(model)
    audio = guitarish(rng, 300)
    heard = np.concatenate([np.zeros(network.past_frames, np.float32), audio])
    with torch.no_grad():
        output, _ = network(torch.from_numpy(heard)[None], torch.tensor([[position_of(KNOB, 2.5)]]))
    value = np.array([2.5], np.float32)
    engine = ReferenceEngine(model)
    if network.past_frames:
        engine.process(np.zeros(network.past_frames, np.float32), value)
    assert np.abs(output[0].numpy() - engine.process(audio, value)).max() < 1e-5


@pytest.mark.parametrize(
    "make", [random_linear, lambda rng: random_wavenet(rng, gating=Gating.GATED), lambda rng: _two_widths(rng)]
)
def test_what_cannot_be_trained_is_refused_in_words(make: Callable[[Rng], Description]) -> None:
    with pytest.raises(UnsupportedModel, match="can't be trained further"):
        network_from(make(np.random.default_rng(2)))


def _two_widths(rng: Rng) -> Description:
    wide, narrow = random_recurrent(rng, hidden=8, layers=2), random_recurrent(rng, hidden=8)
    assert isinstance(wide.architecture, Recurrent)
    assert isinstance(narrow.architecture, Recurrent)
    layers = (narrow.architecture.layers[0], dataclasses.replace(wide.architecture.layers[1]))
    first = layers[0]
    cut = dataclasses.replace(first, weight_hh=np.zeros((16, 4), np.float32))
    return dataclasses.replace(wide, architecture=dataclasses.replace(wide.architecture, layers=(cut, layers[1])))
