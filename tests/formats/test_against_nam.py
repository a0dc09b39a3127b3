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
from tests.models import guitarish, random_wavenet


@pytest.fixture(scope="module")
def nam() -> ModuleType:
    """The package; what it imports warns of its own future, which is not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("nam.models")


def theirs(nam: ModuleType, file: dict[str, Any], audio: Float32) -> Float32:
    """The package's output. It doesn't take the keys of version 0.5, which say the same in other words."""
    file = copy.deepcopy(file)
    for array in file["config"].get("layers", []) if file["architecture"] == "WaveNet" else []:
        if "head_size" in array:
            head = {"out_channels": array.pop("head_size"), "kernel_size": 1, "bias": array.pop("head_bias")}
            array["head"] = head
        if array.get("gated") is False:
            del array["gated"]
    model = nam.init_from_nam(file)
    model.eval()
    with torch.no_grad():
        output: Float32 = model(torch.from_numpy(audio), pad_start=True).numpy()
    return output


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
