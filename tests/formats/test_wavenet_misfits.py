"""WaveNets put together wrongly, by hand or by a damaged file of our own, are refused before an engine trusts them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from appliance.engine.contract import Float32
from appliance.errors import BadModelFile
from appliance.formats.description import (
    FILM_NAMES,
    Act,
    Activation,
    Description,
    Film,
    Films,
    HeadStage,
    WaveNet,
)
from appliance.formats.own import own_bytes
from appliance.formats.read import read_model_bytes
from tests.formats.test_formats import assert_same_network
from tests.models import FAMILIES, PRELU, describe, random_wavenet, steering

RNG = np.random.default_rng


def wavenet(description: Description) -> WaveNet:
    assert isinstance(description.architecture, WaveNet)
    return description.architecture


@pytest.mark.parametrize("depth", [3, 12])
def test_networks_nested_too_deeply_are_refused(depth: int) -> None:
    network = FAMILIES["wavenet one tap"](RNG(0)).architecture
    for _ in range(depth):
        network = dataclasses.replace(wavenet(random_wavenet(RNG(1))), condition=network)
    data = own_bytes(describe(network), "a")
    if depth == 3:
        assert_same_network(read_model_bytes(data, "a.onnx"), describe(network))
    else:
        with pytest.raises(BadModelFile, match="more deeply nested"):
            read_model_bytes(data, "a.onnx")


def changed(description: Description, **changes: Any) -> Description:
    return dataclasses.replace(description, architecture=dataclasses.replace(wavenet(description), **changes))


def with_layer(description: Description, **changes: Any) -> Description:
    """The first layer of the first array changed."""
    first, *arrays = wavenet(description).arrays
    layers = (dataclasses.replace(first.layers[0], **changes), *first.layers[1:])
    return changed(description, arrays=(dataclasses.replace(first, layers=layers), *arrays))


def zeros(*shape: int) -> Float32:
    return np.zeros(shape, np.float32)


PLAIN = random_wavenet(RNG(23))
EVERYTHING = random_wavenet(RNG(24), heads=(2, 5), films=FILM_NAMES, condition=steering(RNG(25), 3))
MISFITS: dict[str, tuple[Description, str]] = {
    "slopes": (with_layer(PLAIN, activation=dataclasses.replace(PRELU, slopes=(0.1,))), "1 slopes for 4 channels"),
    "slopes of no use": (with_layer(PLAIN, gate=Activation(Act.TANH, slopes=(0.1,))), "gate .tanh. has 1 slopes"),
    "hardtanh": (with_layer(PLAIN, activation=Activation(Act.LEAKY_HARDTANH, minimum=2.0)), "from maximum to minimum"),
    "film rows": (with_layer(EVERYTHING, films=Films(conv_pre=Film(zeros(5, 3), zeros(5)))), "5 rows for 4 channels"),
    "film inputs": (with_layer(EVERYTHING, films=Films(conv_pre=Film(zeros(4, 1), zeros(4)))), r"\(4, 3\) was wanted"),
    "film without head": (with_layer(PLAIN, films=Films(head_post=Film(zeros(4, 1), zeros(4)))), "head it lacks"),
    "head sum": (with_layer(EVERYTHING, head_weight=zeros(3, 4)), r"\(2, 4\) was wanted"),
    "no head": (with_layer(EVERYTHING, head_weight=None, head_bias=None, films=None), "4 channels to a head sum of 2"),
    "no head bias": (with_layer(EVERYTHING, head_bias=None), "no head_bias"),
    "outputs": (random_wavenet(RNG(26), outputs=2), "2 audio outputs"),
    "stage": (changed(PLAIN, head_stages=(HeadStage(Activation(Act.TANH), zeros(1, 2, 3), zeros(1)),)), "1, 3. was"),
    "arrays": (changed(PLAIN, arrays=wavenet(PLAIN).arrays[:1]), "3 audio outputs"),
    "head of arrays": (changed(PLAIN, arrays=wavenet(PLAIN).arrays[:1] * 2), "head of 3 channels, but 4"),
    "steering": (changed(PLAIN, condition=steering(RNG(27), 2)), r"mixin_weight has the shape \(4, 1\), but \(4, 2\)"),
    "steering with knobs": (changed(random_wavenet(RNG(28), knobs=1), condition=steering(RNG(29), 2)), "knobs"),
    "inputs": (random_wavenet(RNG(30), knobs=2, first_hears_knobs=True), "takes 3 inputs, but there are 1"),
}
MISFITS["inputs"] = (dataclasses.replace(MISFITS["inputs"][0], knobs=()), MISFITS["inputs"][1])


@pytest.mark.parametrize("misfit", MISFITS)
def test_descriptions_that_do_not_fit_together_are_not_written(misfit: str) -> None:
    description, words = MISFITS[misfit]
    with pytest.raises(BadModelFile, match=words):
        own_bytes(description, "a")
