"""Outputs agree with the Python package of Neural Amp Modeler, on real guitar and for what no real file here has."""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from appliance.engine.contract import Float32
from appliance.engine.onnx_engine import OnnxEngine
from appliance.formats.description import Act, Activation, Gating, Recurrent
from appliance.formats.read import read_model_bytes
from tests.formats.files import as_bytes, nam_file
from tests.formats.nam_package import import_nam, nam_output
from tests.models import guitarish, random_wavenet


@pytest.fixture(scope="module")
def nam() -> ModuleType:
    return import_nam()


def theirs(nam: ModuleType, file: dict[str, Any], audio: Float32) -> Float32:
    """The package's output. It doesn't take the keys of version 0.5, which say the same in other words."""
    file = copy.deepcopy(file)
    for array in file["config"].get("layers", []) if file["architecture"] == "WaveNet" else []:
        if "head_size" in array:
            head = {"out_channels": array.pop("head_size"), "kernel_size": 1, "bias": array.pop("head_bias")}
            array["head"] = head
        if array.get("gated") is False:
            del array["gated"]
    return nam_output(nam, file, audio)


def guitar(shared_data: Path, frames: int) -> Float32:
    """A note and NAM's own example (silence, then a sine), half of each."""
    note, _ = soundfile.read(shared_data / "audio" / "Guitar-E2-2.flac", dtype="float32", frames=frames // 2)
    example, _ = soundfile.read(shared_data / "audio" / "nam-example-input.wav", dtype="float32", start=47_500)
    return np.concatenate([note, example[: frames // 2]])


def ours(file: dict[str, Any], audio: Float32) -> Float32:
    """Our output, after silence as long as the package's padding (LSTMs start from the state in the file)."""
    description = read_model_bytes(json.dumps(file).encode(), "a.nam")
    engine = OnnxEngine(description)
    if not isinstance(description.architecture, Recurrent):
        engine.process(np.zeros(8192, np.float32))
    return engine.process(audio)


@pytest.mark.parametrize(
    ("name", "submodel"),
    [
        ("BossWN-nano.nam", None),
        ("BossWN-standard.nam", None),
        ("tubescreamer-mini-standard.nam", None),
        ("vox-ac15.nam", None),
        ("BossWN-a2.nam", 0),
        ("BossWN-a2.nam", 1),
        ("core-A2.nam", 1),
        ("BossLSTM-1x16.nam", None),
        ("BossLSTM-2x8.nam", None),
        ("core-lstm.nam", None),
    ],
)
def test_real_models_on_real_guitar(name: str, submodel: int | None, nam: ModuleType, shared_data: Path) -> None:
    file = json.loads((shared_data / "models" / name).read_text())
    if submodel is not None:
        file = file["config"]["submodels"][submodel]["model"]
    # the package's LSTM takes 0.2 ms a frame: an eighth of a second has to do there
    frames = 6_000 if file["architecture"] == "LSTM" else 48_000
    audio = guitar(shared_data, frames)
    expected = theirs(nam, file, audio)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(ours(file, audio), expected, atol=1e-4)


@pytest.mark.parametrize("gating", list(Gating))
@pytest.mark.parametrize("act", [Act.SILU, Act.HARDSWISH, Act.SOFTSIGN, Act.LEAKY_RELU])
def test_gatings_bottlenecks_and_activations(gating: Gating, act: Act, nam: ModuleType) -> None:
    rng = np.random.default_rng(1)
    description = random_wavenet(
        rng,
        channels=(4, 3),
        bottlenecks=(2, 5),
        dilations=((1, 3), (2, 5, 1)),
        kernel_sizes=((2, 4), (3, 1, 6)),
        head_kernel=3,
        activation=Activation(act),
        gating=gating,
        gate=Activation(Act.SIGMOID),
    )
    file = nam_file(description)
    audio = guitarish(rng, 2000)
    np.testing.assert_allclose(ours(file, audio), theirs(nam, file, audio), atol=1e-5)


@pytest.mark.parametrize("has_batchnorm", [False, True])
def test_convnets(has_batchnorm: bool, nam: ModuleType) -> None:
    from nam.models.conv_net import ConvNet

    torch.manual_seed(1)
    model = ConvNet(5, [1, 2, 4, 8], batchnorm=has_batchnorm, activation="Tanh")
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5) if "var" in name else tensor.uniform_(-0.6, 0.6)
    model.eval()
    weights = [float(w) for w in model._export_weights()]
    config = model._export_config()
    file = {"version": "0.7.0", "architecture": "ConvNet", "config": config, "weights": weights}
    audio = guitarish(np.random.default_rng(2), 2000)
    with torch.no_grad():
        expected = model(torch.from_numpy(audio), pad_start=True).numpy()
    np.testing.assert_allclose(ours(json.loads(as_bytes(file)), audio), expected, atol=1e-5)


def options(**changes: Any) -> dict[str, Any]:
    """A layer array in the package's own words, with something of every size."""
    return {
        "input_size": 1,
        "condition_size": 1,
        "channels": 4,
        "bottleneck": 6,
        "kernel_sizes": [3, 2],
        "dilations": [1, 3],
        "head": {"out_channels": 1, "kernel_size": 2, "bias": True},
        "activation": "Tanh",
    } | changes


FILM = {"active": True, "shift": True, "groups": 1}
PLACES = (
    "conv_pre_film",
    "conv_post_film",
    "input_mixin_pre_film",
    "input_mixin_post_film",
    "activation_pre_film",
    "activation_post_film",
    "head1x1_post_film",
)
BLENDED = {"name": "PairBlend", "primary": "Tanh", "secondary": "Sigmoid"}
GATED = {"name": "PairMultiply", "primary": "SiLU", "secondary": "Hardswish"}
HEAD1X1 = {"active": True, "out_channels": 2, "groups": 2}
# Not here, because players and trainer differ and the pedal plays as players do: layer1x1 that is off (the trainer adds
# the activation to the residual then, players add nothing), layer1x1_post_film without blending (players skip it).
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "groups": [options(groups_input=2, layer_1x1_config={"active": True, "groups": 2}, head_1x1_config=HEAD1X1)],
    "blended, gated": [options(activation=[BLENDED, GATED], head_1x1_config=HEAD1X1)],
    "residual modulated": [options(activation=BLENDED, film_params={"layer1x1_post_film": FILM})],
    "softsigmoid, leaky hardtanh": [options(activation=["Softsigmoid", "LeakyHardtanh"])],
    "prelu": [options(activation=[{"name": "PReLU", "num_parameters": 6}, "Tanh"])],
    **{place: [options(film_params={place: FILM}, head_1x1_config=HEAD1X1)] for place in PLACES},
    "all modulated, groups": [
        options(
            activation=BLENDED,
            head_1x1_config=HEAD1X1,
            film_params=dict.fromkeys((*PLACES, "layer1x1_post_film"), FILM)
            | {"conv_post_film": {"active": True, "shift": False, "groups": 1}},
        )
    ],
    "two arrays": [
        options(head={"out_channels": 3, "kernel_size": 1, "bias": False}, head_1x1_config=HEAD1X1),
        options(input_size=4, channels=3, bottleneck=3),
    ],
}


@pytest.mark.parametrize(
    "head", [None, {"channels": 3, "activation": "ReLU", "out_channels": 1, "kernel_sizes": [2, 3]}]
)
@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_of_the_trainer(name: str, head: dict[str, Any] | None, nam: ModuleType) -> None:
    from nam.models.wavenet import WaveNet as Theirs

    torch.manual_seed(3)
    arrays = copy.deepcopy(OPTIONS[name])
    if head is not None:
        arrays[-1]["head"]["out_channels"] = 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Theirs.init_from_config({"layers_configs": arrays, "head": copy.deepcopy(head), "head_scale": 1.5})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.7, 0.7)
    audio = guitarish(np.random.default_rng(4), 1000)
    with torch.no_grad():
        expected = model(torch.from_numpy(audio)[None], pad_start=True)[0].numpy()
    weights = [float(w) for w in model._export_weights()]
    file = {"version": "0.7.0", "architecture": "WaveNet", "config": model._export_config(), "weights": weights}
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(ours(json.loads(as_bytes(file)), audio), expected.reshape(-1), atol=2e-5)
