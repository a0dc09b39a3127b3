"""The compiled engine against the float64 reference: every family, every block size, any split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.engine import _native
from appliance.engine.native_engine import NativeEngine
from appliance.engine.onnx_engine import OnnxEngine
from appliance.engine.packing import pack_model
from appliance.engine.reference import ReferenceEngine
from appliance.errors import UnsupportedModel
from appliance.formats.description import Act, Activation, Cell, Description, Gating, Recurrent
from appliance.formats.read import read_model
from tests import models

FULL_SCALE_TOLERANCE = 1e-5


def knobs_for(description: Description, frames: int, rng: np.random.Generator) -> np.ndarray | None:
    if not description.knobs:
        return None
    return rng.uniform(0, 1, (len(description.knobs), frames)).astype(np.float32)


@pytest.mark.parametrize("family", models.FAMILIES)
def test_every_family_agrees_with_the_reference(family: str) -> None:
    rng = np.random.default_rng(11)
    description = models.FAMILIES[family](rng)
    audio = models.guitarish(rng, 2500)
    knobs = knobs_for(description, len(audio), rng)
    expected = ReferenceEngine(description).process(audio, knobs)
    made = NativeEngine(description).process(audio, knobs)
    assert np.abs(made - expected).max() <= FULL_SCALE_TOLERANCE


@pytest.mark.parametrize("channels", range(1, 18))
@pytest.mark.parametrize("activation", [Act.TANH, Act.LEAKY_RELU, Act.RELU])
def test_every_width_of_wavenet_agrees_with_the_reference(channels: int, activation: Act) -> None:
    rng = np.random.default_rng(channels)
    description = models.random_wavenet(
        rng, channels=(channels,), dilations=((1, 3, 9),), head_kernel=3, activation=Activation(activation)
    )
    audio = models.guitarish(rng, 300)
    expected = ReferenceEngine(description).process(audio)
    assert np.abs(NativeEngine(description).process(audio) - expected).max() <= FULL_SCALE_TOLERANCE


@pytest.mark.parametrize("gating", Gating)
@pytest.mark.parametrize("activation", Act)
def test_every_activation_and_gating_agrees_with_the_reference(gating: Gating, activation: Act) -> None:
    rng = np.random.default_rng(3)
    shaped = models.PRELU if activation is Act.PRELU else Activation(activation)
    description = models.random_wavenet(rng, channels=(5, 4), bottlenecks=(4, 4), gating=gating, activation=shaped)
    audio = models.guitarish(rng, 400)
    expected = ReferenceEngine(description).process(audio)
    assert np.abs(NativeEngine(description).process(audio) - expected).max() <= FULL_SCALE_TOLERANCE


@pytest.mark.parametrize("cell", Cell)
@pytest.mark.parametrize("hidden", [1, 3, 4, 8, 15, 16, 17, 24, 40, 64, 80, 96, 130])
def test_every_width_of_recurrent_net_agrees_with_the_reference(cell: Cell, hidden: int) -> None:
    rng = np.random.default_rng(hidden)
    description = models.random_recurrent(rng, cell=cell, hidden=hidden, knobs=1, skip=True)
    audio = models.guitarish(rng, 400)
    knobs = knobs_for(description, len(audio), rng)
    expected = ReferenceEngine(description).process(audio, knobs)
    assert np.abs(NativeEngine(description).process(audio, knobs) - expected).max() <= FULL_SCALE_TOLERANCE


@pytest.mark.parametrize("cell", Cell)
@pytest.mark.parametrize(
    ("layers", "hidden"),
    [(2, 4), (2, 8), (3, 8), (2, 12), (2, 16), (4, 4), (4, 8), (2, 7), (3, 16), (2, 40)],
)
def test_layers_of_recurrent_nets_agree_with_the_reference_in_any_blocks(cell: Cell, layers: int, hidden: int) -> None:
    rng = np.random.default_rng(100 * layers + hidden)
    description = models.random_recurrent(rng, cell=cell, hidden=hidden, layers=layers, skip=True, knobs=1)
    audio = models.guitarish(rng, 400)
    knobs = rng.uniform(0, 1, (1, len(audio))).astype(np.float32)
    expected = ReferenceEngine(description).process(audio, knobs)
    engine = NativeEngine(description)
    whole = engine.process(audio, knobs)
    assert np.abs(whole - expected).max() <= FULL_SCALE_TOLERANCE
    for sizes in ([1], [2], [3, 1], [layers], [64, 5], [37]):
        engine.reset()
        made, start = [], 0
        while start < len(audio):
            size = sizes[len(made) % len(sizes)]
            made.append(engine.process(audio[start : start + size], _cut(knobs, start, size)))
            start += size
        np.testing.assert_array_equal(np.concatenate(made), whole)


@pytest.mark.parametrize("family", models.FAMILIES)
def test_every_block_size_gives_the_same_stream(family: str) -> None:
    rng = np.random.default_rng(12)
    description = models.FAMILIES[family](rng)
    audio = models.guitarish(rng, 600)
    knobs = knobs_for(description, len(audio), rng)
    whole = NativeEngine(description).process(audio, knobs)
    engine = NativeEngine(description)
    for block in range(1, 257):
        engine.reset()
        stop = min(len(audio), 2 * block + 1)
        made = [engine.process(audio[i : i + block], _cut(knobs, i, block)) for i in range(0, stop, block)]
        np.testing.assert_allclose(np.concatenate(made), whole[: sum(map(len, made))], atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(splits=st.lists(st.integers(1, 1500), min_size=1, max_size=8), seed=st.integers(0, 2**16))
def test_any_split_of_the_stream_gives_the_same_output(splits: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    family = list(models.FAMILIES)[seed % len(models.FAMILIES)]
    description = models.FAMILIES[family](rng)
    audio = models.guitarish(rng, sum(splits))
    knobs = knobs_for(description, len(audio), rng)
    whole = NativeEngine(description).process(audio, knobs)
    engine = NativeEngine(description, max_block_frames=64)
    made, start = [], 0
    for length in splits:
        made.append(engine.process(audio[start : start + length], _cut(knobs, start, length)))
        start += length
    np.testing.assert_allclose(np.concatenate(made), whole, atol=1e-6)


def _cut(knobs: np.ndarray | None, start: int, length: int) -> np.ndarray | None:
    return None if knobs is None else knobs[:, start : start + length]


def test_the_three_engines_agree_on_every_file_on_real_guitar(shared_data: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    guitar, _ = soundfile.read(shared_data / "audio" / "Guitar-E2-2.flac", dtype="float32")
    start = int(np.argmax(np.abs(guitar) > 0.05))
    guitar = guitar[start : start + 4000]
    played = 0
    for path in sorted((shared_data / "models").iterdir()):
        try:
            description = read_model(path)
        except (UnsupportedModel, ValueError):
            continue
        knobs = np.full(len(description.knobs), 0.4, np.float32) if description.knobs else None
        expected = ReferenceEngine(description).process(guitar, knobs)
        onnx = OnnxEngine(description).process(guitar, knobs)
        native = NativeEngine(description).process(guitar, knobs)
        # Some recurrent nets amplify rounding itself: float32 with an exact tanh is as far off as ONNX Runtime is.
        allowed = max(FULL_SCALE_TOLERANCE * max(1.0, np.abs(expected).max()), 2 * np.abs(onnx - expected).max())
        assert np.abs(native - expected).max() <= allowed, path.name
        played += 1
    assert played >= 15


def test_reset_brings_the_initial_state_back() -> None:
    rng = np.random.default_rng(4)
    for make in models.FAMILIES.values():
        engine = NativeEngine(make(rng))
        audio = models.guitarish(rng, 700)
        first = engine.process(audio)
        engine.reset()
        np.testing.assert_array_equal(engine.process(audio), first)


@pytest.mark.parametrize("seconds", [2])
def test_loud_nonsense_leaves_recurrent_nets_finite(seconds: int) -> None:
    rng = np.random.default_rng(6)
    engine = NativeEngine(models.random_recurrent(rng, hidden=24))
    made = engine.process(rng.uniform(-10, 10, 48_000 * seconds).astype(np.float32))
    assert np.isfinite(made).all()


def test_tanh_is_exact_to_5e_7() -> None:
    # One channel, identity weights: the output is tanh of the input.
    description = models.random_wavenet(np.random.default_rng(0), channels=(1,), dilations=((1,),))
    layer = description.architecture.arrays[0].layers[0]  # type: ignore[union-attr]
    layer.conv_weight[:] = 0
    layer.conv_bias[:] = 0
    layer.mixin_weight[:] = 1
    array = description.architecture.arrays[0]  # type: ignore[union-attr]
    array.head_weight[:] = 1
    if array.head_bias is not None:
        array.head_bias[:] = 0
    x = np.linspace(-12, 12, 200_001).astype(np.float32)
    scale = description.architecture.head_scale  # type: ignore[union-attr]
    made = NativeEngine(description).process(x).astype(np.float64) / scale
    assert np.abs(made - np.tanh(x.astype(np.float64))).max() <= 5e-7


@pytest.mark.parametrize("hidden", [8, 16, 24, 40, 9])
def test_gates_are_exact_to_5e_7(hidden: int) -> None:
    # Only the first unit is heard. Gates that stand wide open or shut leave what it gives to the gate that is not.
    x = np.linspace(-24, 24, 200_001).astype(np.float32)
    exact = x.astype(np.float64)
    made = NativeEngine(_one_unit(hidden, forget=30.0, candidate=30.0, output=None)).process(x)
    # The cell grows by one a frame: after twenty its tanh is one.
    assert np.abs(made - 1 / (1 + np.exp(-exact)))[20:].max() <= 5e-7
    made = NativeEngine(_one_unit(hidden, forget=-30.0, candidate=None, output=30.0)).process(x)
    assert np.abs(made - np.tanh(np.tanh(exact))).max() <= 5e-7
    still = NativeEngine(_one_unit(hidden, forget=-30.0, candidate=None, output=30.0)).process(np.zeros(9, np.float32))
    assert np.abs(still).max() <= 1e-8


def _one_unit(hidden: int, *, forget: float, candidate: float | None, output: float | None) -> Description:
    """An LSTM whose gates i, f, g, o are constants of the first unit; None: the input."""
    description = models.random_recurrent(np.random.default_rng(0), hidden=hidden)
    net = description.architecture
    assert isinstance(net, Recurrent)
    (layer,) = net.layers
    for weights in (layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh, layer.h0, layer.c0):
        weights[:] = 0
    for gate, value in enumerate((30.0, forget, candidate, output)):
        if value is None:
            layer.weight_ih[gate * hidden] = 1
        else:
            layer.bias_ih[gate * hidden] = value
    head = np.zeros(hidden, np.float32)
    head[0] = 1
    return replace(description, architecture=replace(net, head_weight=head, head_bias=0.0))


@pytest.mark.parametrize("cut", [0, 3, 20, 200])
def test_a_cut_blob_is_refused_in_words(cut: int) -> None:
    blob = pack_model(models.random_wavenet(np.random.default_rng(0)))
    with pytest.raises(ValueError, match="prepared model"):
        _native.Model(blob[:cut])


def test_a_blob_of_another_version_says_what_to_do() -> None:
    blob = bytearray(pack_model(models.random_linear(np.random.default_rng(0))))
    blob[4] = 99
    with pytest.raises(ValueError, match="prepare the model file again"):
        _native.Model(bytes(blob))


def test_knobs_of_the_wrong_shape_are_refused() -> None:
    engine = NativeEngine(models.random_recurrent(np.random.default_rng(0), knobs=2))
    with pytest.raises(ValueError, match="knobs"):
        engine.process(np.zeros(8, np.float32), np.zeros(3, np.float32))
