"""WaveNets to train: what the engine plays is what was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from appliance.engine.native_engine import NativeEngine
from appliance.formats.description import Description, Knob, WaveNet, architecture_name, receptive_field_frames
from appliance.formats.read import read_model
from appliance.training.contract import position_of
from appliance.training.networks.wavenet import PackedNetwork, WaveNetNetwork, build
from appliance.training.networks.wavenet_shape import SHAPES

KNOBS = (Knob("Gain", 1.0, 11.0), Knob("Bright", -20.0, 20.0))
TOLERANCE = 1e-5


def network_of(size: str, knob_count: int = 0, *, film: bool = False, seed: int = 3) -> WaveNetNetwork:
    """A network whose output is about as loud as its input, so that the tolerance is one of full scale."""
    torch.manual_seed(seed)
    network = build(size, knob_count, film=film)
    assert isinstance(network, WaveNetNetwork)
    with torch.no_grad():
        network.weights.mul_(1.3)
        if network.knob_scales is not None:
            network.knob_scales.uniform_(-0.5, 0.5)
    return network


def play(network: WaveNetNetwork, knobs: tuple[Knob, ...], values: tuple[float, ...], audio: Tensor) -> Tensor:
    """The engine's output for the frames whose whole past is in the audio."""
    description = Description("test", "test", network.architecture(knobs), 48_000, knobs=knobs)
    engine = NativeEngine(description)
    held = np.array(values, np.float32)
    blocks = [engine.process(block, held) for block in np.split(audio.numpy(), range(500, len(audio), 500))]
    return torch.from_numpy(np.concatenate(blocks))[network.past_frames :]


@pytest.mark.parametrize("film", [False, True])
@pytest.mark.parametrize("knobs", [(), KNOBS])
@pytest.mark.parametrize("size", SHAPES)
def test_the_engine_plays_what_was_trained(size: str, knobs: tuple[Knob, ...], film: bool) -> None:
    network = network_of(size, len(knobs), film=film)
    audio = torch.rand(network.past_frames + 1500) * 2 - 1
    values = tuple(
        knob.minimum + share * (knob.maximum - knob.minimum) for knob, share in zip(knobs, (0.2, 0.9), strict=False)
    )
    positions = torch.tensor([[position_of(knob, value) for knob, value in zip(knobs, values, strict=True)]])
    with torch.no_grad():
        trained = network(audio[None], positions)[0][0]
        others = network(audio[None], 1 - positions)[0][0]
    assert len(trained) == 1500
    assert trained.std() > 1e-3
    assert (play(network, knobs, values, audio) - trained).abs().max() < TOLERANCE
    assert not knobs or (others - trained).abs().max() > 100 * TOLERANCE


@pytest.mark.parametrize(
    ("size", "file", "name"),
    [
        ("a1-nano", "BossWN-nano.nam", "WaveNet A1 nano"),
        ("a1-feather", "BossWN-feather.nam", "WaveNet A1 feather"),
        ("a1-standard", "BossWN-standard.nam", "WaveNet A1 standard"),
    ],
)
def test_a_shape_is_the_one_in_files(size: str, file: str, name: str, shared_data: Path) -> None:
    description = read_model(shared_data / "models" / file)
    assert isinstance(description.architecture, WaveNet)
    network = WaveNetNetwork.from_architecture(description.architecture, ())
    assert network.shape.arrays == SHAPES[size].arrays
    assert network.shape.activation == SHAPES[size].activation
    assert architecture_name(network.architecture(())) == name
    audio = torch.rand(network.past_frames + 800) * 0.5
    with torch.no_grad():
        trained = network(audio[None], torch.zeros(1, 0))[0][0]
    played = NativeEngine(description).process(audio.numpy())[network.past_frames :]
    assert np.abs(played - trained.numpy()).max() < TOLERANCE


@pytest.mark.parametrize("size", SHAPES)
def test_past_frames_are_those_the_description_tells(size: str) -> None:
    network = network_of(size)
    assert receptive_field_frames(network.architecture(())) == network.past_frames + 1


def test_a_network_comes_back_from_its_description_with_its_knobs() -> None:
    network = network_of("a1-nano", 2)
    architecture = network.architecture(KNOBS)
    assert isinstance(architecture, WaveNet)
    again = WaveNetNetwork.from_architecture(architecture, KNOBS)
    assert torch.allclose(again.weights, network.weights, atol=1e-6)
    assert network.knob_weights is not None
    assert again.knob_weights is not None
    assert torch.allclose(again.knob_weights, network.knob_weights, atol=1e-6)


def test_a_modulated_network_can_not_be_imported() -> None:
    architecture = network_of("a1-nano", 2, film=True).architecture(KNOBS)
    assert isinstance(architecture, WaveNet)
    with pytest.raises(ValueError, match="only plain ones"):
        WaveNetNetwork.from_architecture(architecture, KNOBS)


def test_a_pack_has_its_members_smallest_first_and_each_hears_its_own_past() -> None:
    pack = build("a2", 1)
    assert isinstance(pack, PackedNetwork)
    assert [architecture_name(member.architecture(KNOBS[:1])) for member in pack.members] == [
        "WaveNet A2 lite",
        "WaveNet A2 full",
    ]
    trained = {id(parameter) for parameter in pack.parameters()}
    assert {id(parameter) for member in pack.members for parameter in member.parameters()} == trained
    short = build("a1-nano")
    assert isinstance(short, WaveNetNetwork)
    mixed = PackedNetwork([WaveNetNetwork(SHAPES["a2-full"]), short])
    audio = torch.rand(1, mixed.past_frames + 64)
    for member in mixed.members:
        assert member(mixed.member_audio(member, audio), torch.zeros(1, 0))[0].shape == (1, 64)


def test_unknown_sizes_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="a1-nano"):
        build("a1-micro")
