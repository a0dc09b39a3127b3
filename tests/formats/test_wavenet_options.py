"""WaveNets with what only few files have: sizes to choose from, networks that steer others, modulation, SmartAmp's."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.engine.contract import Float32
from appliance.engine.reference import ReferenceEngine
from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats.description import (
    FILM_NAMES,
    Act,
    Activation,
    Description,
    Films,
    Gating,
    WaveNet,
    architecture_name,
    multiply_adds_per_sample,
    receptive_field_frames,
)
from appliance.formats.own import own_bytes
from appliance.formats.read import read_model, read_model_bytes, read_variants, read_variants_bytes
from tests.formats.files import as_bytes, container, nam_file, smartamp_file
from tests.formats.test_formats import assert_same_network, with_summed_biases
from tests.models import (
    PRELU,
    describe,
    guitarish,
    random_convnet,
    random_linear,
    random_recurrent,
    random_wavenet,
    steering,
)

RNG = np.random.default_rng


def wavenet(description: Description) -> WaveNet:
    assert isinstance(description.architecture, WaveNet)
    return description.architecture


# Sizes to choose from


def slimmable_file(rng: np.random.Generator, allowed: list[int] | None, **options: Any) -> dict[str, Any]:
    file = nam_file(random_wavenet(rng, channels=(4,), dilations=((1, 2),), **options))
    kwargs = {} if allowed is None else {"kwargs": {"allowed_channels": allowed}}
    file["config"]["layers"][0]["slimmable"] = {"method": "slice_channels_uniform", **kwargs}
    return file


@pytest.mark.parametrize(
    ("quality", "width"), [(0.0, 1), (0.33, 1), (0.34, 3), (0.66, 3), (0.67, 4), (2 / 3, 4), (1.0, 4)]
)
def test_quality_picks_the_width(quality: float, width: int) -> None:
    found = wavenet(read_model_bytes(as_bytes(slimmable_file(RNG(1), [1, 3, 4])), "a.nam", quality=quality))
    assert found.arrays[0].rechannel_weight.shape[0] == width


def test_a_slimmed_model_is_the_first_channels_of_the_full_one() -> None:
    file = as_bytes(slimmable_file(RNG(2), [2, 4], bottlenecks=(2,), gating=Gating.GATED))
    small, full = (wavenet(d) for d in read_variants_bytes(file, "a.nam"))
    part, whole = small.arrays[0].layers[1], full.arrays[0].layers[1]
    np.testing.assert_array_equal(part.conv_weight, whole.conv_weight[:2, :2])
    np.testing.assert_array_equal(part.mixin_weight, whole.mixin_weight[:2])
    np.testing.assert_array_equal(part.out_weight, whole.out_weight[:2, :1])
    np.testing.assert_array_equal(small.arrays[0].head_weight, full.arrays[0].head_weight[:, :1])
    assert small.head_scale == full.head_scale


def test_every_size_of_a_slimmable_model_plays_and_tells_which_it_is() -> None:
    file = slimmable_file(RNG(3), None, heads=(3,), films=FILM_NAMES, gating=Gating.BLENDED, activation=PRELU)
    file["config"]["layers"][0]["secondary_activation"] = "Sigmoid"
    sizes = read_variants_bytes(as_bytes(file), "a.nam")
    assert [size.variant for size in sizes] == ["1 of 4", "2 of 4", "3 of 4", "4 of 4"]
    costs = [multiply_adds_per_sample(size.architecture) for size in sizes]
    assert costs == sorted(set(costs))
    for size in sizes:
        assert np.isfinite(ReferenceEngine(size).process(guitarish(RNG(0), 50))).all()
        own_bytes(size, "a")  # whose checks it passes


def test_the_sizes_of_a_real_slimmable_model(shared_data: Path) -> None:
    sizes = read_variants(shared_data / "models" / "core-slimmable_wavenet.nam")
    assert [architecture_name(size.architecture) for size in sizes] == [
        f"WaveNet {width} ch, 10 layers" for width in (1, 2, 3)
    ]


def test_arrays_are_slimmed_together() -> None:
    file = nam_file(random_wavenet(RNG(4), channels=(4, 4)))
    for array in file["config"]["layers"]:
        array["slimmable"] = {"method": "slice_channels_uniform", "kwargs": {"allowed_channels": [2, 4]}}
    small = wavenet(read_model_bytes(as_bytes(file), "a.nam", quality=0.2))
    assert [array.rechannel_weight.shape for array in small.arrays] == [(2, 1), (2, 2)]
    assert [array.head_weight.shape[:2] for array in small.arrays] == [(2, 2), (1, 2)]


# Inputs


@pytest.mark.parametrize("hears", [False, True])
def test_inputs_beyond_the_audio_are_knobs(hears: bool) -> None:
    written = random_wavenet(RNG(5), knobs=2, first_hears_knobs=hears)
    found = read_model_bytes(as_bytes(nam_file(written)), "a.nam")
    assert [knob.name for knob in found.knobs] == ["Knob 1", "Knob 2"]
    assert_same_network(found, written)


def test_inputs_of_an_lstm_beyond_the_audio_are_knobs() -> None:
    written = with_summed_biases(random_recurrent(RNG(6), knobs=1))
    found = read_model_bytes(as_bytes(nam_file(written)), "Amp DriveKnob.nam")
    assert [knob.name for knob in found.knobs] == ["Drive"]
    assert_same_network(found, written)


# Networks that steer


def test_a_steered_model_hears_the_steering_network_and_not_the_guitar() -> None:
    written = random_wavenet(RNG(7), condition=steering(RNG(8), 3))
    network = wavenet(written)
    audio = guitarish(RNG(9), 400)
    assert isinstance(network.condition, WaveNet)
    rows = []
    for index in range(3):  # each output of the steering network as a model of its own
        (array,) = network.condition.arrays
        assert array.head_bias is not None
        one = dataclasses.replace(
            array, head_weight=array.head_weight[index : index + 1], head_bias=array.head_bias[index : index + 1]
        )
        alone = describe(dataclasses.replace(network.condition, arrays=(one,)))
        rows.append(ReferenceEngine(alone).process(audio))
    expected = direct_wavenet(network, audio, np.stack(rows).astype(np.float64))
    np.testing.assert_allclose(ReferenceEngine(written).process(audio), expected, atol=1e-6)


def direct_wavenet(network: WaveNet, audio: Float32, condition: Any) -> Any:
    """A plain tanh WaveNet in a few lines, for a whole recording at once."""
    h: Any = audio[None].astype(np.float64)
    head: Any = 0.0
    for array in network.arrays:
        h = array.rechannel_weight @ h
        for layer in array.layers:
            z = causal(layer.conv_weight, layer.conv_bias, h, layer.dilation) + layer.mixin_weight @ condition
            head = head + np.tanh(z)
            h = h + layer.out_weight @ np.tanh(z) + layer.out_bias[:, None]
        head = causal(array.head_weight, array.head_bias, head, 1)
    return network.head_scale * head[0]


def causal(weight: Any, bias: Any, x: Any, dilation: int) -> Any:
    """y[n] = Σ_k W_k x[n - (K-1-k)·dilation] + b, with silence before the start."""
    taps, frames = weight.shape[2], x.shape[1]
    padded = np.concatenate([np.zeros((x.shape[0], (taps - 1) * dilation)), x], axis=1)
    y = sum(weight[:, :, k] @ padded[:, k * dilation : k * dilation + frames] for k in range(taps))
    return y if bias is None else y + bias[:, None]


@pytest.mark.parametrize("inner", [random_recurrent, random_convnet, random_linear])
def test_any_kind_of_network_can_steer(inner: Any) -> None:
    steers = inner(RNG(10))
    if inner is random_recurrent:
        steers = with_summed_biases(steers)
    written = random_wavenet(RNG(11), condition=steers.architecture)
    assert_same_network(read_model_bytes(as_bytes(nam_file(written)), "a.nam"), written)


def test_a_container_that_steers_does_so_at_its_full_size() -> None:
    small, big = (nam_file(random_linear(RNG(12), taps=taps)) for taps in (3, 5))
    file = nam_file(random_wavenet(RNG(13), condition=random_linear(RNG(12), taps=5).architecture))
    file["config"]["condition_dsp"] = container(small, big)
    condition = wavenet(read_model_bytes(as_bytes(file), "a.nam")).condition
    assert condition is not None
    assert receptive_field_frames(condition) == 5


def test_the_memory_of_a_steering_network_counts() -> None:
    network = wavenet(random_wavenet(RNG(14), dilations=((1,), (1,)), condition=random_linear(RNG(0)).architecture))
    assert receptive_field_frames(network) == 33 + 4
    assert receptive_field_frames(dataclasses.replace(network, condition=random_recurrent(RNG(0)).architecture)) is None


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda f: f["config"]["condition_dsp"].update(sample_rate=44_100), BadModelFile, "sample_rate is 44100, but"),
        (lambda f: f["config"]["condition_dsp"]["weights"].pop(), BadModelFile, "weights, but a model of the size"),
        (lambda f: f["config"].update(condition_dsp=nam_file(random_linear(RNG(0)))), BadModelFile, "is 3, but its"),
        (
            lambda f: f["config"].update(condition_dsp=nam_file(random_wavenet(RNG(0), knobs=2))),
            UnsupportedModel,
            "takes 3 inputs",
        ),
    ],
)
def test_steering_networks_that_do_not_fit(change: Any, kind: type[BadModelFile], words: str) -> None:
    file = nam_file(random_wavenet(RNG(15), condition=steering(RNG(16), 3)), sample_rate=48_000)
    change(file)
    with pytest.raises(kind, match=words):
        read_model_bytes(as_bytes(file), "a.nam")


# Modulation


@pytest.mark.parametrize("gating", Gating)
def test_the_residual_is_modulated_only_where_activations_are_blended(gating: Gating) -> None:
    written = random_wavenet(RNG(17), films=("out_post", "conv_post"), gating=gating)
    found = wavenet(read_model_bytes(as_bytes(nam_file(written)), "a.nam"))
    for array, array_found in zip(wavenet(written).arrays, found.arrays, strict=True):
        for layer, layer_found in zip(array.layers, array_found.layers, strict=True):
            assert isinstance(layer.films, Films)
            assert isinstance(layer_found.films, Films)
            np.testing.assert_array_equal(layer_found.films.conv_post.weight, layer.films.conv_post.weight)  # type: ignore[union-attr]
            assert (layer_found.films.out_post is not None) == (gating is Gating.BLENDED)


# SmartAmp


SMARTAMP = {
    "gated": (Gating.GATED, Act.TANH, Act.SIGMOID),
    "softgated": (Gating.GATED, Act.SOFTSIGN, Act.SOFTSIGN),
    "tanh": (Gating.NONE, Act.TANH, Act.SIGMOID),
    "sigmoid": (Gating.NONE, Act.SIGMOID, Act.SIGMOID),
    "relu": (Gating.NONE, Act.RELU, Act.SIGMOID),
    "softsign": (Gating.NONE, Act.SOFTSIGN, Act.SIGMOID),
    "linear": (Gating.NONE, Act.LINEAR, Act.SIGMOID),
}


def random_smartamp(rng: np.random.Generator, activation: str = "gated", channels: int = 3) -> dict[str, Any]:
    gating, act, gate = SMARTAMP[activation]
    description = random_wavenet(
        rng,
        channels=(channels,),
        dilations=((1, 2, 4),),
        heads=(1,),
        activation=Activation(act),
        gating=gating,
        gate=Activation(gate),
        rechannel_bias=True,
    )
    return smartamp_file(description, activation)


def direct_smartamp(file: dict[str, Any], audio: Float32) -> Any:
    """What the file means, straight from its own names and its TensorFlow layouts [tap][in][out]."""
    values = {(v["layer_idx"], v["name"]): np.array([float(x) for x in v["data"]]) for v in file["variables"]}
    c, taps, count = file["residual_channels"], file["filter_width"], len(file["dilations"])
    soft = lambda x: x / (1 + np.abs(x))  # noqa: E731
    logistic = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    plain = {
        "tanh": np.tanh,
        "sigmoid": logistic,
        "relu": lambda x: np.maximum(x, 0),
        "softsign": soft,
        "linear": lambda x: x,
    }
    h = values[-1, "W"][:, None] * audio.astype(np.float64) + values[-1, "b"][:, None]
    skips = []
    for index, dilation in enumerate(file["dilations"]):
        kernel = values[index, "W_conv"].reshape(taps, c, -1)
        z = np.zeros((kernel.shape[2], len(audio))) + values[index, "b_conv"][:, None]
        for k in range(taps):
            back = (taps - 1 - k) * dilation
            late = np.concatenate([np.zeros((c, back)), h], axis=1)[:, : len(audio)]
            z += kernel[k].T @ late
        if file["activation"] == "gated":
            a = np.tanh(z[:c]) * logistic(z[c:])
        elif file["activation"] == "softgated":
            a = soft(z[:c]) * soft(z[c:])
        else:
            a = plain[file["activation"]](z)
        skips.append(a)
        h = h + values[index, "W_out"].reshape(c, c).T @ a + values[index, "b_out"][:, None]
    y = values[count, "W"] @ np.concatenate(skips) + values[count, "b"]
    return y * (file.get("level_adjust") or 1.0)


@pytest.mark.parametrize("activation", SMARTAMP)
def test_smartamp_plays_what_its_file_says(activation: str) -> None:
    file = random_smartamp(RNG(18), activation) | {"level_adjust": 2.5}
    audio = guitarish(RNG(19), 500)
    found = ReferenceEngine(read_model_bytes(as_bytes(file), "amp.json")).process(audio)
    np.testing.assert_allclose(found, direct_smartamp(file, audio), atol=1e-5)


@pytest.mark.parametrize("name", ["smartamp-Bassman59.json", "smartamp-GreenOverdrive.json"])
def test_real_smartamp_models(name: str, shared_data: Path) -> None:
    path = shared_data / "models" / name
    description = read_model(path)
    assert (description.sample_rate_hz, description.sample_rate_known) == (44_100, False)
    assert receptive_field_frames(description.architecture) == 2047
    audio = guitarish(RNG(20), 3000)
    expected = direct_smartamp(json.loads(path.read_text()), audio)
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(ReferenceEngine(description).process(audio), expected, atol=1e-6)


@pytest.mark.parametrize("level", [None, 0, -3.0])
def test_no_level_means_as_it_is(level: float | None) -> None:
    file = random_smartamp(RNG(21)) | {"level_adjust": level, "gain_max": 12}
    assert read_model_bytes(as_bytes(file), "amp.json").output_gain_db == 0.0


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda f: f.update(activation="elu"), UnsupportedModel, 'activation "elu"'),
        (lambda f: f.update(input_channels=2), UnsupportedModel, "2 input channels"),
        (lambda f: f.update(residual_channels=10**9), BadModelFile, "residual_channels is 1000000000"),
        (lambda f: f.update(residual_channels=4), BadModelFile, "has 9 numbers, but 12 were wanted"),
        (lambda f: f.update(filter_width=2), BadModelFile, "has 54 numbers, but 36 were wanted"),
        (lambda f: f.update(dilations=[1, 2]), BadModelFile, r"layer_idx is 3, but a whole number from -1 to 2"),
        (lambda f: f["variables"].pop(3), BadModelFile, "lacks the weights b_conv of layer 0"),
        (lambda f: f["variables"][2]["data"].__setitem__(1, "abc"), BadModelFile, 'has "abc" at position 1'),
        (lambda f: f["variables"][2]["data"].__setitem__(1, "nan"), BadModelFile, "not a finite number at position 1"),
        (lambda f: f["variables"][2].pop("data"), BadModelFile, "data is missing"),
        (lambda f: f.update(variables=[]), BadModelFile, "variables has 0 entries"),
        (lambda f: f.update(level_adjust="loud"), BadModelFile, 'level_adjust is "loud"'),
    ],
)
def test_damaged_smartamp_files(change: Any, kind: type[BadModelFile], words: str) -> None:
    file = random_smartamp(RNG(22))
    change(file)
    with pytest.raises(kind, match=words):
        read_model_bytes(as_bytes(file), "amp.json")
