"""RTNeural's stacks and SmartAmpPro's window networks, against equations written out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from appliance.engine.native_engine import NativeEngine
from appliance.engine.onnx_engine import OnnxEngine
from appliance.engine.reference import ReferenceEngine
from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats.consistency import check_description
from appliance.formats.description import (
    Array,
    Cell,
    Recurrent,
    architecture_name,
    multiply_adds_per_sample,
    receptive_field_frames,
)
from appliance.formats.read import read_model, read_model_bytes
from appliance.formats.stack import Convolution, Elu, LstmStep, Scale, Softmax, Stack, Units
from tests.formats.files import as_bytes, keras_file, keras_stack_file, smartamppro_file
from tests.models import convolution, guitarish, random_convolutions, random_recurrent, random_stack, random_units

Float64 = npt.NDArray[np.float64]
FULL_SCALE_TOLERANCE = 1e-5


def stack_file() -> dict[str, Any]:
    return keras_stack_file(random_stack(np.random.default_rng(1)))


def read(file: dict[str, Any], name: str = "amp.json") -> Stack:
    found = read_model_bytes(as_bytes(file), name).architecture
    assert isinstance(found, Stack)
    return found


def dense(kernel: list[list[float]], bias: list[float] | None = None, activation: str = "") -> dict[str, Any]:
    weights: list[Any] = [kernel] if bias is None else [kernel, bias]
    return {"type": "dense", "activation": activation, "shape": [None, None, len(kernel[0])], "weights": weights}


def played(layers: list[dict[str, Any]], audio: list[float]) -> list[float]:
    """What all three engines make of the layers; they must agree."""
    file = {"in_shape": [None, None, 1], "layers": layers}
    description = read_model_bytes(as_bytes(file), "amp.json")
    x = np.array(audio, np.float32)
    outputs = [engine(description).process(x) for engine in (ReferenceEngine, NativeEngine, OnnxEngine)]
    for output in outputs[1:]:
        np.testing.assert_allclose(output, outputs[0], atol=1e-6)
    return [float(sample) for sample in outputs[0]]


@pytest.mark.parametrize("knobs", [0, 2])
def test_every_kind_of_layer_is_read_as_it_was_written(knobs: int) -> None:
    rng = np.random.default_rng(2)
    written = random_stack(rng, skip=True, knobs=knobs)
    found = read_model_bytes(as_bytes(keras_stack_file(written, in_gain=-3.0)), "amp.json")
    assert isinstance(written.architecture, Stack)
    assert isinstance(found.architecture, Stack)
    assert [type(layer) for layer in found.architecture.layers] == [
        type(layer) for layer in written.architecture.layers
    ]
    assert (found.source_format, found.input_gain_db, found.architecture.skip) == ("RTNeural", -3.0, True)
    assert len(found.knobs) == knobs
    for layer in written.architecture.layers:
        if isinstance(layer, Units):  # files start from silence
            layer.layer.h0[:] = layer.layer.c0[:] = 0.0
    audio = guitarish(rng, 400)
    knob_rows = rng.uniform(0, 1, (knobs, 400)).astype(np.float32)
    gain = 10 ** (-3.0 / 20.0)
    expected = ReferenceEngine(written).process((audio * gain).astype(np.float32), knob_rows)
    np.testing.assert_allclose(ReferenceEngine(found).process(audio, knob_rows), expected, atol=1e-6)


def test_a_convolution_hears_its_newest_tap_now_and_the_others_a_dilation_apart() -> None:
    layer = {"type": "conv1d", "activation": "", "shape": [None, None, 1], "kernel_size": [3], "dilation": [2]}
    weights = [[[[1.0]], [[10.0]], [[100.0]]], [0.5]]
    assert played([{**layer, "weights": weights}], [1, 0, 0, 0, 0, 0]) == [100.5, 0.5, 10.5, 0.5, 1.5, 0.5]


def test_groups_hear_only_their_own_channels() -> None:
    spread = dense([[1.0, 2.0, 3.0, 4.0]])
    layer = {"type": "conv1d", "activation": "", "shape": [None, None, 2], "kernel_size": 1, "dilation": 1, "groups": 2}
    grouped = {**layer, "weights": [[[[1.0, 100.0], [10.0, 1000.0]]], [0.0, 0.0]]}
    # group 1: 1·1 + 10·2; group 2: 100·3 + 1000·4
    assert played([spread, grouped, dense([[1.0], [0.0]])], [1.0]) == [21.0]
    assert played([spread, grouped, dense([[0.0], [1.0]])], [1.0]) == [4300.0]


def test_activations_are_those_of_keras() -> None:
    def after(name: str, x: float) -> float:
        return played([dense([[1.0]]), {"type": "activation", "activation": name, "shape": [1], "weights": []}], [x])[0]

    for x in (-9.0, -2.0, -1e-3, 0.0, 0.5, 3.0):
        assert after("elu", x) == pytest.approx(x if x > 0 else math.expm1(x), abs=1e-6)
        assert after("tanh", x) == pytest.approx(math.tanh(x), abs=1e-6)
        assert after("sigmoid", x) == pytest.approx(1 / (1 + math.exp(-x)), abs=1e-6)
        assert after("relu", x) == max(x, 0.0)
        assert played([dense([[1.0]], [0.0], "relu")], [x]) == [max(x, 0.0)]


def test_softmax_shares_one_among_the_channels_whatever_their_size() -> None:
    def share(logits: list[float]) -> float:
        spread = dense([[0.0] * len(logits)], logits, "softmax")
        return played([spread, dense([[1.0]] + [[0.0]] * (len(logits) - 1))], [0.0])[0]

    assert share([1.0, 2.0, 3.0]) == pytest.approx(math.exp(1) / (math.exp(1) + math.exp(2) + math.exp(3)), abs=1e-6)
    assert share([900.0, -900.0]) == pytest.approx(1.0, abs=1e-6)
    assert share([-900.0, 900.0]) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("is_affine", [True, False])
def test_batch_norm_is_folded_to_scale_and_shift(is_affine: bool) -> None:
    gamma, beta, mean, variance, epsilon = 3.0, 0.25, -0.5, 0.09, 0.07
    arrays = [[gamma], [beta], [mean], [variance]] if is_affine else [[mean], [variance]]
    norm = {"type": "batchnorm", "activation": "", "shape": [1], "weights": arrays, "epsilon": epsilon}
    expected = (0.75 - mean) / math.sqrt(variance + epsilon)
    if is_affine:
        expected = gamma * expected + beta
    assert played([dense([[1.0]]), norm], [0.75])[0] == pytest.approx(expected, abs=1e-6)
    assert [type(layer) for layer in read({"in_shape": [1], "layers": [norm]}).layers] == [Scale]


def test_a_prelu_of_one_slope_is_for_all_channels() -> None:
    prelu = {"type": "prelu", "activation": "", "shape": [2], "weights": [[[0.25]]]}
    assert played([dense([[1.0, 2.0]]), prelu, dense([[1.0], [1.0]])], [-4.0, 4.0]) == [-3.0, 12.0]


def test_units_ignore_the_activation_that_the_file_names() -> None:
    file = stack_file()
    units = next(layer for layer in file["layers"] if layer["type"] == "lstm")
    before = ReferenceEngine(read_model_bytes(as_bytes(file), "a.json")).process(np.ones(50, np.float32))
    units["activation"] = "relu"
    after = ReferenceEngine(read_model_bytes(as_bytes(file), "a.json")).process(np.ones(50, np.float32))
    np.testing.assert_array_equal(before, after)


def test_units_with_a_plain_head_stay_the_faster_kind() -> None:
    file = keras_file(random_recurrent(np.random.default_rng(3)))
    assert isinstance(read_model_bytes(as_bytes(file), "a.json").architecture, Recurrent)
    file["layers"][1]["activation"] = "tanh"
    assert [type(layer).__name__ for layer in read(file).layers] == ["Units", "Convolution", "Activate"]


def test_a_stack_knows_its_size() -> None:
    everything = random_stack(np.random.default_rng(4)).architecture
    forgetful = random_convolutions(np.random.default_rng(4)).architecture
    assert architecture_name(everything) == "Stack of dense 6, conv 9, GRU 10, conv 5, 2 more, dense 1"
    assert architecture_name(forgetful) == "Stack of conv 7, conv 14, conv 1"
    assert receptive_field_frames(everything) is None
    assert receptive_field_frames(forgetful) == 1 + 3 * 3 + 2 * 7 + 8
    assert multiply_adds_per_sample(forgetful) == 7 * 4 + 14 * 3 + 14 + 14 * 9
    impulse = np.zeros(60, np.float32)
    impulse[0] = 1.0
    description = random_convolutions(np.random.default_rng(4))
    answer = ReferenceEngine(description).process(impulse) - ReferenceEngine(description).process(
        np.zeros(60, np.float32)
    )
    assert np.flatnonzero(answer)[-1] == 1 + 3 * 3 + 2 * 7 + 8 - 1


def layer_with(kind: str, **changes: Any) -> dict[str, Any]:
    file = stack_file()
    next(layer for layer in file["layers"] if layer["type"] == kind).update(changes)
    return file


@pytest.mark.parametrize(
    ("file", "kind", "words"),
    [
        (layer_with("conv1d", type="conv2d"), UnsupportedModel, 'the kind "conv2d"; the pedal plays stacks of dense'),
        (layer_with("conv1d", strides=[2]), UnsupportedModel, "skips samples"),
        (layer_with("conv1d", groups=4), BadModelFile, "are 4, which don't divide 6 and 9 channels"),
        (layer_with("conv1d", kernel_size=[4]), BadModelFile, "is 3 × 2 × 9, but 4 × 2 × 9"),
        (layer_with("conv1d", kernel_size=[]), BadModelFile, "kernel_size is a list of 0, but a whole number"),
        (layer_with("conv1d", dilation=-1), BadModelFile, "dilation is -1, but a whole number from 1"),
        (layer_with("conv1d", dilation=1 << 20), UnsupportedModel, "further into the past"),
        (layer_with("conv1d", activation="gelu"), UnsupportedModel, 'the activation "gelu"'),
        (layer_with("batchnorm", epsilon=-1), BadModelFile, "epsilon is -1"),
        (layer_with("batchnorm", epsilon=0, weights=[[0.0] * 9] * 4), BadModelFile, "not positive"),
        (layer_with("batchnorm", weights=[[1e38] * 9, *[[1e-30] * 9] * 3], epsilon=0), BadModelFile, "finite"),
        (layer_with("batchnorm", weights=[[1.0] * 9] * 3), BadModelFile, "has 3 arrays, but 2 or 4 were wanted"),
        (layer_with("prelu", weights=[[[0.1] * 9] * 7]), UnsupportedModel, "each of 7 samples"),
        (layer_with("prelu", weights=[[0.1] * 8]), BadModelFile, "is 8, but 9 numbers"),
        (layer_with("dense", weights=[[[0.1] * 600], [0.0] * 600]), BadModelFile, "gives 600 channels"),
    ],
)
def test_stacks_that_make_no_sense_are_refused(file: dict[str, Any], kind: type[BadModelFile], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        read_model_bytes(as_bytes(file), "amp.json")
    assert type(caught.value) is kind


def test_a_softmax_of_one_channel_is_refused() -> None:
    file = {"in_shape": [1], "layers": [dense([[1.0]], [0.0], "softmax")]}
    with pytest.raises(UnsupportedModel, match="gives 1 whatever is played"):
        read(file)


def test_more_layers_than_are_played_are_refused() -> None:
    file = {"in_shape": [1], "layers": [dense([[1.0]], [0.0], "tanh")] * 200}
    with pytest.raises(UnsupportedModel, match="400 layers"):
        read(file)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((convolution(np.random.default_rng(0), 2, 1),), r"layers.0.weight has the shape \(1, 2, 1\), but \(1, 1, 1\)"),
        ((convolution(np.random.default_rng(0), 1, 2),), "gives 2 channels, but one"),
        ((Scale(np.ones(2, np.float32), np.ones(2, np.float32)),), "scale has the shape"),
        ((Softmax(),), "always 1"),
        ((LstmStep(4),), "is given 1 channels, but 12"),
        ((Convolution(np.ones((1, 1, 2), np.float32), np.ones(1, np.float32), 1 << 22, 1),), "frames back"),
        ((Convolution(np.ones((1, 1, 1), np.float32), np.ones(1, np.float32), 1, 2),), "2 groups"),
        ((Convolution(np.full((1, 1, 1), np.nan, np.float32), np.ones(1, np.float32), 1, 1),), "NaN"),
    ],
)
def test_a_stack_that_does_not_fit_together_is_refused(layers: tuple[Any, ...], words: str) -> None:
    with pytest.raises(BadModelFile, match=words):
        check_description(random_stack(np.random.default_rng(0), *layers), "amp.onnx")


# SmartAmpPro, sample by sample as its own player does it.


def same(x: Float64, kernel: Float64, bias: Float64, stride: int) -> Float64:
    """keras' Conv1D with 'same' padding on rows [time][channel]."""
    rows = math.ceil(len(x) / stride)
    padding = max((rows - 1) * stride + len(kernel) - len(x), 0)
    x = np.pad(x, ((padding // 2, padding - padding // 2), (0, 0)))
    out = [
        sum(x[row * stride + tap] @ kernel[tap] for tap in range(len(kernel))) + bias  # [in] @ [in, out]
        for row in range(rows)
    ]
    return np.array(out)


def direct(file: dict[str, Any], audio: Array) -> Float64:
    def array(layer: str, key: str) -> Float64:
        return np.array(file[layer][f"{key}:0"], np.float64)

    def sigmoid(x: Float64) -> Float64:
        return 1.0 / (1.0 + np.exp(-x))

    window = file["input_size"]
    padded = np.concatenate([np.zeros(window - 1), audio.astype(np.float64)])
    output = []
    for n in range(len(audio)):
        x = padded[n : n + window, None]
        x = same(x, array("conv1d", "kernel"), array("conv1d", "bias"), file["conv1d_stride"])
        x = same(x, array("conv1d_1", "kernel"), array("conv1d_1", "bias"), file["conv1d_1_stride"])
        assert len(x) == 1
        i, _, g, o = np.split(x[0] @ array("lstm", "kernel") + array("lstm", "bias"), 4)
        h = sigmoid(o) * np.tanh(sigmoid(i) * np.tanh(g))
        output.append(float((h @ array("dense", "kernel") + array("dense", "bias"))[0]))
    return np.array(output)


@pytest.mark.parametrize(
    ("window", "changes"),
    [(120, {}), (144, {}), (17, {"conv1d_stride": 5, "conv1d_1_stride": 4}), (1, {}), (100, {"conv1d_stride": 9})],
)
def test_smartamppro_is_its_window_slid_over_the_audio(window: int, changes: dict[str, int]) -> None:
    file = smartamppro_file(np.random.default_rng(5), window=window) | changes
    description = read_model_bytes(as_bytes(file), "Amp.json")
    audio = guitarish(np.random.default_rng(6), 300)
    expected = direct(file, audio)
    for engine in (ReferenceEngine, NativeEngine, OnnxEngine):
        np.testing.assert_allclose(engine(description).process(audio), expected, atol=2e-6)
    assert receptive_field_frames(description.architecture) == window
    assert (description.sample_rate_hz, description.sample_rate_known) == (44_100, False)


def test_a_real_smartamppro_file_plays_as_its_equations_say(shared_data: Path) -> None:
    path = shared_data / "models" / "smartamppro-TubeClean.json"
    description = read_model(path)
    assert architecture_name(description.architecture) == "Stack of conv 4, dense 72, LSTM step 24, dense 1"
    guitar, _ = soundfile.read(shared_data / "audio" / "Guitar-E2-2.flac", dtype="float32")
    start = int(np.argmax(np.abs(guitar) > 0.05))
    guitar = guitar[start : start + 600]
    expected = direct(json.loads(path.read_bytes()), guitar)
    assert np.abs(expected).max() > 0.05
    for engine in (ReferenceEngine, NativeEngine, OnnxEngine):
        assert np.abs(engine(description).process(guitar) - expected).max() <= FULL_SCALE_TOLERANCE


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda f: f.update(conv1d_stride=6), UnsupportedModel, "over 2 steps"),
        (lambda f: f.update(input_size=10**9), BadModelFile, "input_size is 1000000000"),
        (lambda f: f.update(conv1d_stride=0), BadModelFile, "conv1d_stride is 0"),
        (lambda f: f["conv1d"].update({"kernel:0": [[1.0]]}), BadModelFile, "taps × 1 × up to 64 filters"),
        (lambda f: f["conv1d_1"].pop("bias:0"), BadModelFile, "bias:0 is missing"),
        (lambda f: f["lstm"]["bias:0"].pop(), BadModelFile, "has 23 numbers, but 4 for each"),
        (lambda f: f["lstm"]["kernel:0"].pop(), BadModelFile, "is 3 × 24, but 4 × 24"),
        (lambda f: f["dense"].update({"kernel:0": [[float("nan")]] * 6}), BadModelFile, "finite"),
    ],
)
def test_damaged_smartamppro_files(change: Any, kind: type[BadModelFile], words: str) -> None:
    file = smartamppro_file(np.random.default_rng(7))
    change(file)
    with pytest.raises(kind, match=words) as caught:
        read_model_bytes(as_bytes(file), "Amp.json")
    assert type(caught.value) is kind


@pytest.mark.parametrize("cell", list(Cell))
@pytest.mark.parametrize("hidden", [1, 5, 16, 33, 130])
def test_units_of_any_width_inside_a_stack_agree_with_the_reference(cell: Cell, hidden: int) -> None:
    rng = np.random.default_rng(hidden)
    units = Units(cell, random_units(rng, cell, 3, hidden))
    description = random_stack(rng, convolution(rng, 1, 3), units, Elu(0.5), convolution(rng, hidden, 1))
    audio = guitarish(rng, 300)
    expected = ReferenceEngine(description).process(audio)
    assert np.abs(NativeEngine(description).process(audio) - expected).max() <= FULL_SCALE_TOLERANCE
