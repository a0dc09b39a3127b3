"""The reference engine against equations written out by hand, and against itself in other block sizes."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.engine.reference import ReferenceEngine, activate
from appliance.formats.description import Act, Activation, Cell, Linear, Recurrent
from appliance.formats.read import read_model
from tests.models import FAMILIES, LEAKY_HARDTANH, PRELU, describe, guitarish, random_recurrent, random_wavenet

TORCH_ACTIVATIONS = {
    Act.TANH: torch.nn.Tanh(),
    Act.HARDTANH: torch.nn.Hardtanh(),
    Act.RELU: torch.nn.ReLU(),
    Act.LEAKY_RELU: torch.nn.LeakyReLU(0.2),
    Act.SIGMOID: torch.nn.Sigmoid(),
    Act.SILU: torch.nn.SiLU(),
    Act.HARDSWISH: torch.nn.Hardswish(),
    Act.SOFTSIGN: torch.nn.Softsign(),
    Act.LINEAR: torch.nn.Identity(),
    Act.SOFTSIGMOID: lambda x: 0.5 * (1.0 + torch.nn.functional.softsign(x)),
}


@pytest.mark.parametrize("act", [act for act in Act if act not in (Act.PRELU, Act.LEAKY_HARDTANH)])
def test_activations_are_those_of_pytorch(act: Act) -> None:
    x = np.linspace(-30, 30, 601)
    expected = TORCH_ACTIVATIONS[act](torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(activate(Activation(act, 0.2), x), expected, atol=1e-12)


def test_prelu_has_a_slope_per_channel_as_in_pytorch() -> None:
    x = np.random.default_rng(0).normal(size=(4, 50))
    prelu = torch.nn.PReLU(4, dtype=torch.float64)
    with torch.no_grad():
        prelu.weight.copy_(torch.tensor(PRELU.slopes))
        expected = prelu(torch.from_numpy(x)[None])[0].numpy()
    np.testing.assert_allclose(activate(PRELU, x), expected, atol=1e-7)


def test_leaky_hardtanh_is_straight_inside_and_bent_outside() -> None:
    x = np.array([-1.4, -0.4, 0.0, 0.6, 0.7, 2.7])
    expected = [-0.4 - 1.0 * 0.1, -0.4, 0.0, 0.6, 0.7, 0.7 - 2.0 * 0.05]
    np.testing.assert_allclose(activate(LEAKY_HARDTANH, x), expected, atol=1e-12)


@pytest.mark.parametrize("cell", list(Cell))
@pytest.mark.parametrize("layers", [1, 3])
def test_recurrent_cells_are_those_of_pytorch(cell: Cell, layers: int) -> None:
    rng = np.random.default_rng(1)
    description = random_recurrent(rng, cell=cell, hidden=6, layers=layers, knobs=1, skip=True)
    network = description.architecture
    assert isinstance(network, Recurrent)
    make = torch.nn.LSTM if cell is Cell.LSTM else torch.nn.GRU
    twin = make(2, 6, num_layers=layers)
    with torch.no_grad():
        for index, layer in enumerate(network.layers):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(twin, f"{name}_l{index}").copy_(torch.from_numpy(getattr(layer, name)))
        h0 = torch.from_numpy(np.stack([layer.h0 for layer in network.layers]))
        c0 = torch.from_numpy(np.stack([layer.c0 for layer in network.layers]))
        audio, knob = guitarish(rng, 200), rng.uniform(0, 1, 200).astype(np.float32)
        inputs = torch.from_numpy(np.stack([audio, knob], axis=1))
        hidden, _ = twin(inputs, (h0, c0) if cell is Cell.LSTM else h0)
    expected = hidden.numpy() @ network.head_weight + network.head_bias + audio
    output = ReferenceEngine(description).process(audio, knob[None, :])
    np.testing.assert_allclose(output, expected, atol=2e-6)


def test_linear_plays_its_taps_newest_first_and_its_gains() -> None:
    taps = np.array([0.5, 0.25, -0.125], np.float32)
    description = describe(Linear(taps, bias=0.5), input_gain_db=20.0, output_gain_db=-20.0)
    impulse = np.array([1, 0, 0, 0], np.float32)
    expected = [0.5 + 0.05, 0.25 + 0.05, -0.125 + 0.05, 0.05]
    np.testing.assert_allclose(ReferenceEngine(description).process(impulse), expected, atol=1e-7)


def test_skip_adds_the_input_after_the_input_gain() -> None:
    rng = np.random.default_rng(3)
    with_skip = random_recurrent(np.random.default_rng(4), skip=True)
    without = random_recurrent(np.random.default_rng(4), skip=False)
    audio = guitarish(rng, 64)
    gain = {"input_gain_db": 6.0, "output_gain_db": -3.0}
    outputs = [
        ReferenceEngine(describe(each.architecture, **gain)).process(audio)  # type: ignore[arg-type]
        for each in (with_skip, without)
    ]
    np.testing.assert_allclose(outputs[0] - outputs[1], audio * 10 ** (3.0 / 20.0), atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=5, deadline=None)
@given(cuts=st.lists(st.integers(0, 700), max_size=12), seed=st.integers(0, 99))
def test_output_does_not_depend_on_how_the_stream_is_cut(family: str, cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    description = FAMILIES[family](rng)
    audio = guitarish(rng, 700)
    knobs = rng.uniform(0, 1, (len(description.knobs), 700)).astype(np.float32)
    whole = ReferenceEngine(description).process(audio, knobs)
    engine = ReferenceEngine(description)
    edges = [0, *sorted(cuts), 700]
    parts = [engine.process(audio[a:b], knobs[:, a:b]) for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-7)
    engine.reset()
    np.testing.assert_array_equal(engine.process(audio, knobs), whole)


def test_a_held_knob_is_the_same_as_one_that_does_not_move_and_none_is_zero() -> None:
    rng = np.random.default_rng(5)
    description = random_wavenet(rng, knobs=2)
    audio = guitarish(rng, 100)
    held = np.array([0.2, 0.9], np.float32)
    moving = np.repeat(held[:, None], 100, axis=1)
    outputs = [ReferenceEngine(description).process(audio, knobs) for knobs in (held, moving)]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    silent = [ReferenceEngine(description).process(audio, knobs) for knobs in (None, np.zeros(2, np.float32))]
    np.testing.assert_array_equal(silent[0], silent[1])
    assert np.abs(outputs[0] - silent[0]).max() > 1e-3


def test_knobs_of_the_wrong_shape_are_refused_with_both_shapes() -> None:
    engine = ReferenceEngine(random_wavenet(np.random.default_rng(6), knobs=2))
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        engine.process(np.zeros(8, np.float32), np.zeros(3, np.float32))


def test_self_test_vectors_of_an_aidax_file_agree(shared_data: Path) -> None:
    description = read_model(shared_data / "models" / "aidax-tw40-blues-deluxe.json")
    assert description.self_test is not None
    output = ReferenceEngine(description).process(description.self_test.audio)
    np.testing.assert_allclose(output, description.self_test.expected, atol=1e-5)
