"""The measured comparison with NAM's trainer: the same network on both sides, and the bar."""

from __future__ import annotations

import sys

import pytest
import torch

from appliance.errors import BadRequest, NotInstalled
from appliance.training.networks.wavenet import WaveNetNetwork
from appliance.training.networks.wavenet_shape import SHAPES
from appliance.training.throughput import compare, nam_config, nam_step

BAR = 1.5


@pytest.mark.parametrize("size", ["a1-nano", "a2-lite"])
def test_nam_trains_the_same_network(size: str) -> None:
    """NAM's network with our weights, in NAM's order of export, has our output."""
    nam = pytest.importorskip("nam.models.wavenet")
    from appliance.formats.description import WaveNet

    torch.manual_seed(5)
    ours = WaveNetNetwork(SHAPES[size])
    theirs = nam.WaveNet.init_from_config(nam_config(SHAPES[size]))
    architecture = ours.architecture(())
    assert isinstance(architecture, WaveNet)
    flat: list[torch.Tensor] = []
    for array in architecture.arrays:
        flat.append(torch.from_numpy(array.rechannel_weight))
        for layer in array.layers:
            weights = (layer.conv_weight, layer.conv_bias, layer.mixin_weight, layer.out_weight, layer.out_bias)
            flat += [torch.from_numpy(weight) for weight in weights]
        flat.append(torch.from_numpy(array.head_weight))
        flat += [] if array.head_bias is None else [torch.from_numpy(array.head_bias)]
    flat.append(torch.tensor([SHAPES[size].head_scale]))
    theirs.import_weights(torch.cat([weights.reshape(-1) for weights in flat]))
    audio = torch.rand(2, ours.past_frames + 500) - 0.5
    with torch.no_grad():
        expected = theirs(audio, pad_start=False)
        assert expected.shape == (2, 500)
        assert (ours(audio, torch.zeros(2, 0))[0] - expected).abs().max() < 1e-6


@pytest.mark.parametrize("size", ["a1-nano", "a1-feather"])
def test_a_second_of_cpu_trains_more_audio_than_nams_trainer(size: str) -> None:
    pytest.importorskip("nam")
    measured = compare(size, batch=4, frames=8192, rounds=3)
    assert measured.ours_cpu_s > 0
    assert measured.ratio > BAR, measured


def test_a_size_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadRequest, match="a1-nano"):
        compare("a1-micro")


def test_without_nam_it_says_so_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nam.train.lightning_module", None)
    with pytest.raises(NotInstalled, match="pip install"):
        nam_step(SHAPES["a1-nano"], torch.zeros(1, 5000), torch.zeros(1, 908))
