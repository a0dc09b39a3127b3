"""Every kind of file becomes the description it was written from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.engine.reference import ReferenceEngine
from appliance.formats.description import (
    Act,
    Activation,
    Cell,
    ConvNet,
    Description,
    Gating,
    Linear,
    Recurrent,
    RecurrentLayer,
    WaveNet,
    architecture_name,
)
from appliance.formats.read import read_model, read_model_bytes, read_variants, read_variants_bytes
from appliance.formats.tree import to_tree
from tests.formats.files import as_bytes, container, guitarml_file, keras_file, nam_file
from tests.models import (
    FAMILIES,
    describe,
    guitarish,
    random_convnet,
    random_linear,
    random_recurrent,
    random_wavenet,
)

NAM_FAMILIES = [name for name in FAMILIES if name.startswith(("wavenet", "convnet", "linear"))]
for _other in (
    "wavenet linear",  # NAM has no name for "no activation"
    "wavenet heads of layers",  # nor for a bias of the input layer: those are of SmartAmp
    "wavenet steered by an lstm",  # and keeps only the sum of an LSTM's two biases
    "wavenet steered by a gru with skip",
    "wavenet modulated everywhere",  # the residual's modulation counts only where activations are blended
    "wavenet modulated everywhere without shift, gated",
):
    NAM_FAMILIES.remove(_other)


def assert_same_network(found: Description, written: Description) -> None:
    """Same architecture, sizes and weights."""
    (tree, arrays), (tree_2, arrays_2) = to_tree(found), to_tree(written)
    assert tree["architecture"] == tree_2["architecture"]
    for name, array in arrays_2.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)


def with_summed_biases(description: Description) -> Description:
    """What is left of an LSTM's two biases in files that keep only their sum; initial state too where none is kept."""
    network = description.architecture
    assert isinstance(network, Recurrent)
    layers = tuple(
        dataclasses.replace(layer, bias_ih=layer.bias_ih + layer.bias_hh, bias_hh=np.zeros_like(layer.bias_hh))
        for layer in network.layers
    )
    return dataclasses.replace(description, architecture=dataclasses.replace(network, layers=layers))


def from_silence(description: Description) -> Description:
    """The same recurrent model with a zero initial state."""
    network = description.architecture
    assert isinstance(network, Recurrent)
    zeroed: tuple[RecurrentLayer, ...] = tuple(
        dataclasses.replace(layer, h0=np.zeros_like(layer.h0), c0=np.zeros_like(layer.c0)) for layer in network.layers
    )
    return dataclasses.replace(description, architecture=dataclasses.replace(network, layers=zeroed))


@pytest.mark.parametrize("family", NAM_FAMILIES)
def test_nam_gives_back_what_was_written(family: str) -> None:
    written = FAMILIES[family](np.random.default_rng(1))
    assert_same_network(read_model_bytes(as_bytes(nam_file(written)), "a.nam"), written)


def test_nam_lstm_keeps_its_initial_state() -> None:
    written = random_recurrent(np.random.default_rng(2), hidden=5, layers=3)
    found = read_model_bytes(as_bytes(nam_file(written)), "a.nam")
    assert_same_network(found, with_summed_biases(written))


@pytest.mark.parametrize("cell", list(Cell))
def test_guitarml_gives_back_what_was_written(cell: Cell) -> None:
    written = from_silence(random_recurrent(np.random.default_rng(3), cell=cell, layers=2, skip=True, knobs=2))
    found = read_model_bytes(as_bytes(guitarml_file(written)), "Amp.json")
    assert_same_network(found, written)
    assert (found.sample_rate_hz, found.sample_rate_known) == (44_100, False)
    assert [knob.name for knob in found.knobs] == ["Knob 1", "Knob 2"]


@pytest.mark.parametrize("cell", list(Cell))
def test_keras_json_gives_back_what_was_written(cell: Cell) -> None:
    written = from_silence(random_recurrent(np.random.default_rng(4), cell=cell, layers=2, skip=True, knobs=1))
    metadata = {"name": "Twin", "samplerate": "96000", "license": "CC0", "esr": 0.02}
    file = keras_file(written, in_gain=-3.5, out_gain=2, metadata=metadata)
    found = read_model_bytes(as_bytes(file), "a.aidax")
    assert_same_network(found, with_summed_biases(written) if cell is Cell.LSTM else written)
    assert (found.name, found.licence, found.esr) == ("Twin", "CC0", 0.02)
    assert (found.sample_rate_hz, found.sample_rate_known) == (96_000, True)
    assert (found.input_gain_db, found.output_gain_db) == (-3.5, 2.0)
    assert [knob.name for knob in found.knobs] == ["Param 1"]


@pytest.mark.parametrize(
    ("file", "knob"),
    [
        ("TS9_DriveKnob.json", "Drive"),
        ("BluesJrAmp_VolKnob.json", "Volume"),
        ("Klon_GainKnob_v2.json", "Gain"),
        ("SomethingKnob.json", "Knob 1"),
        ("Amp.json", "Knob 1"),
        ("proteus-Mesa_IICplus_DriveKnob_DirectOut.json", "Drive"),
    ],
)
def test_the_file_name_names_the_knob_of_a_proteus_model(file: str, knob: str) -> None:
    data = as_bytes(guitarml_file(random_recurrent(np.random.default_rng(5), knobs=1)))
    assert [k.name for k in read_model_bytes(data, file).knobs] == [knob]


def test_legacy_nam_keys_mean_the_same_as_the_new_ones() -> None:
    written = random_wavenet(np.random.default_rng(6), gating=Gating.GATED)
    file = nam_file(written, version="0.5.2", sample_rate=None)
    for array in file["config"]["layers"]:
        head = array.pop("head")
        array |= {"head_size": head["out_channels"], "head_bias": head["bias"], "gated": True, "kernel_size": 3}
        array |= {"activation": "Tanh"}
        for key in ("kernel_sizes", "gating_mode", "secondary_activation", "bottleneck"):
            del array[key]
    found = read_model_bytes(b"\xef\xbb\xbf" + as_bytes(file), "old.nam")
    assert_same_network(found, written)
    assert (found.sample_rate_hz, found.sample_rate_known, found.source_format) == (48_000, False, "NAM 0.5.2")


def test_layers_without_their_1x1_leave_the_residual_as_it_is() -> None:
    written = random_wavenet(np.random.default_rng(7), channels=(3,), dilations=((1, 2, 4),))
    assert isinstance(written.architecture, WaveNet)
    array = written.architecture.arrays[0]
    zeroed = tuple(
        dataclasses.replace(a, out_weight=np.zeros_like(a.out_weight), out_bias=np.zeros_like(a.out_bias))
        for a in array.layers
    )
    file = nam_file(written)
    parts = [array.rechannel_weight]
    for layer in array.layers:
        parts += [layer.conv_weight, layer.conv_bias, layer.mixin_weight]
    assert array.head_bias is not None
    parts += [array.head_weight, array.head_bias, np.array([written.architecture.head_scale])]
    file["weights"] = [float(w) for part in parts for w in part.ravel()]
    file["config"]["layers"][0]["layer1x1"] = {"active": False, "groups": 1}
    expected = WaveNet((dataclasses.replace(array, layers=zeroed),), written.architecture.head_scale)
    assert_same_network(read_model_bytes(as_bytes(file), "a.nam"), describe(expected))


def test_a_container_gives_each_size_with_its_own_metadata() -> None:
    rng = np.random.default_rng(8)
    small = nam_file(random_wavenet(rng, channels=(2,), dilations=((1,),)), metadata={"loudness": -20, "name": None})
    big = nam_file(random_wavenet(rng, channels=(4,), dilations=((1,),)), metadata={"loudness": -18.5})
    outer = {"name": "Twin", "loudness": 0.0, "training": {"validation_esr": 0.01}}
    data = as_bytes(container(small, big, metadata=outer, sample_rate=44100))
    sizes = read_variants_bytes(data, "a.nam")
    assert [size.levels.loudness_db for size in sizes] == [-20.0, -18.5]
    assert [size.variant for size in sizes] == ["1 of 2", "2 of 2"]
    assert [size.name for size in sizes] == ["Twin", "Twin"]
    assert {(size.esr, size.sample_rate_hz) for size in sizes} == {(0.01, 44_100)}
    picked = [read_model_bytes(data, "a.nam", quality=q).variant for q in (0.0, 0.49, 0.5, 1.0)]
    assert picked == ["1 of 2", "1 of 2", "2 of 2", "2 of 2"]
    assert read_model_bytes(data, "a.nam").variant == "2 of 2"


def test_batch_norm_is_folded_into_the_convolution() -> None:
    rng = np.random.default_rng(9)
    plain = random_convnet(rng, channels=3, dilations=(1, 2))
    assert isinstance(plain.architecture, ConvNet)
    file = nam_file(plain)
    file["config"]["batchnorm"] = True
    mean, variance, gain, offset = rng.uniform(0.5, 1.5, (4, 3))
    weights: list[float] = []
    for block in plain.architecture.blocks:
        weights += block.weight.ravel().tolist()
        weights += [*mean, *variance, *gain, *offset, 1e-3]
    file["weights"] = [*weights, *plain.architecture.head_weight.tolist(), plain.architecture.head_bias]

    x = guitarish(rng, 100).astype(np.float64)[None, :]
    audio = x[0].astype(np.float32)
    for block in plain.architecture.blocks:
        past = np.pad(x, ((0, 0), (block.dilation, 0)))[:, : x.shape[1]]
        z = block.weight[:, :, 0] @ past + block.weight[:, :, 1] @ x
        z = (z - mean[:, None]) / np.sqrt(variance[:, None] + 1e-3) * gain[:, None] + offset[:, None]
        x = np.tanh(z)
    expected = plain.architecture.head_weight @ x + plain.architecture.head_bias
    output = ReferenceEngine(read_model_bytes(as_bytes(file), "a.nam")).process(audio)
    np.testing.assert_allclose(output, expected, atol=2e-6)


def test_linear_weight_zero_meets_the_newest_sample(shared_data: Path) -> None:
    identity = read_model(shared_data / "models" / "identity-linear-10.nam")
    audio = guitarish(np.random.default_rng(10), 50)
    np.testing.assert_array_equal(ReferenceEngine(identity).process(audio), audio)


def test_metadata_never_stops_a_model_from_playing() -> None:
    metadata: dict[str, Any] = {"loudness": float("nan"), "gain": "loud", "name": 7, "training": [], "x": {"y": [None]}}
    file = nam_file(random_linear(np.random.default_rng(11)), metadata=metadata, notes=["anything"])
    found = read_model_bytes(as_bytes(file), "My Amp.nam")
    assert isinstance(found.architecture, Linear)
    assert (found.name, found.levels.loudness_db, found.levels.gain, found.esr) == ("My Amp", None, None, None)


def test_a_name_is_one_line_of_printable_text() -> None:
    metadata = {"name": "  Two\nlines\x00 and \u202ea turn \ud800" + "x" * 500}
    file = nam_file(random_linear(np.random.default_rng(12)), metadata=metadata)
    name = read_model_bytes(as_bytes(file), "a.nam").name
    assert name.startswith("Two lines and a turn")
    assert len(name) <= 200
    assert name.encode()


def test_activation_objects_carry_their_slope() -> None:
    written = random_wavenet(np.random.default_rng(13), activation=Activation(Act.LEAKY_RELU, 0.3))
    found = read_model_bytes(as_bytes(nam_file(written)), "a.nam").architecture
    assert isinstance(found, WaveNet)
    assert found.arrays[0].layers[0].activation == Activation(Act.LEAKY_RELU, 0.3)


REAL = {
    "BossWN-standard.nam": ("WaveNet A1 standard", 48_000, True),
    "BossWN-feather.nam": ("WaveNet A1 feather", 48_000, False),
    "BossWN-nano.nam": ("WaveNet A1 nano", 48_000, False),
    "BossWN-a2.nam": ("WaveNet A2 full", 48_000, True),
    "BossLSTM-2x8.nam": ("LSTM 2×8", 48_000, False),
    "core-slimmable_wavenet.nam": ("WaveNet 3 ch, 10 layers", 48_000, True),
    "vox-ac15.nam": ("WaveNet 24+8 ch, 20 layers", 48_000, False),
    "aidax-tw40-blues-deluxe.json": ("LSTM 1×12", 48_000, True),
    "neuralpi-TS9_FullD.json": ("LSTM 1×20", 44_100, False),
    "proteus-TS9_DriveKnob.json": ("LSTM 1×40", 44_100, False),
}


@pytest.mark.parametrize("file", REAL)
def test_real_files_are_what_their_makers_say(file: str, shared_data: Path) -> None:
    found = read_model(shared_data / "models" / file)
    assert (architecture_name(found.architecture), found.sample_rate_hz, found.sample_rate_known) == REAL[file]


def test_the_sizes_of_a_real_container(shared_data: Path) -> None:
    sizes = read_variants(shared_data / "models" / "core-A2.nam")
    assert [architecture_name(size.architecture) for size in sizes] == ["WaveNet A2 lite", "WaveNet A2 full"]
    assert [round(size.levels.loudness_db or 0, 2) for size in sizes] == [-24.04, -26.38]
