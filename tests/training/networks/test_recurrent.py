"""Recurrent networks: what is trained is what the engine plays."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from appliance.engine.engines import make_engine
from appliance.formats.description import Cell, Description, Knob, Recurrent
from appliance.training.contract import Network, position_of
from appliance.training.networks.recurrent import RecurrentNetwork
from tests.models import guitarish

KNOBS = (Knob("Gain", 0.0, 10.0, 5.0), Knob("Bass", -12.0, 12.0, 0.0, "dB"))


def _played(network: Network, knobs: tuple[Knob, ...], audio: np.ndarray, values: list[float]) -> np.ndarray:
    described = Description("test", "test", network.architecture(knobs), 48_000, knobs=knobs)
    return make_engine("reference", described).process(audio, np.array(values, np.float32) if knobs else None)


@pytest.mark.parametrize("cell", Cell)
@pytest.mark.parametrize(("layers", "skip", "count"), [(1, True, 0), (2, False, 1), (3, True, 2)])
def test_the_engine_plays_what_was_trained(cell: Cell, layers: int, skip: bool, count: int) -> None:
    torch.manual_seed(1)
    knobs, values = KNOBS[:count], [7.5, -9.0][:count]
    network = RecurrentNetwork(cell, 8, layers, knob_count=count, skip=skip)
    audio = guitarish(np.random.default_rng(1), 600)
    positions = [position_of(knob, value) for knob, value in zip(knobs, values, strict=True)]
    with torch.no_grad():
        output, _ = network(torch.from_numpy(audio)[None], torch.tensor(positions)[None])
    assert np.abs(output[0].numpy() - _played(network, knobs, audio, values)).max() < 2e-6


def test_segments_with_carried_state_are_one_stream() -> None:
    torch.manual_seed(2)
    network = RecurrentNetwork(Cell.LSTM, 8, 2, knob_count=1)
    audio, position = torch.randn(3, 500), torch.rand(3, 1)
    whole, _ = network(audio, position)
    state, parts = None, []
    for part in audio.split(200, dim=1):
        out, state = network(part, position, Network.detached(state))
        parts.append(out)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-6)


def test_a_batch_is_its_members_one_by_one() -> None:
    torch.manual_seed(3)
    network = RecurrentNetwork(Cell.GRU, 8, knob_count=1)
    audio, positions = torch.randn(4, 300), torch.rand(4, 1)
    whole, _ = network(audio, positions)
    for row in range(4):
        alone, _ = network(audio[row : row + 1], positions[row : row + 1])
        assert torch.allclose(alone[0], whole[row], atol=1e-6)


@pytest.mark.parametrize("cell", Cell)
def test_training_goes_on_from_a_model(cell: Cell) -> None:
    torch.manual_seed(4)
    first = RecurrentNetwork(cell, 8, 2, knob_count=2)
    architecture = first.architecture(KNOBS)
    assert isinstance(architecture, Recurrent)
    second = RecurrentNetwork.from_architecture(architecture, KNOBS)
    audio, positions = torch.randn(2, 200), torch.rand(2, 2)
    assert torch.allclose(first(audio, positions)[0], second(audio, positions)[0], atol=2e-6)


def test_it_learns_a_gain_with_a_knob() -> None:
    """A few dozen steps are enough for an output that follows its knob."""
    torch.manual_seed(5)
    network = RecurrentNetwork(Cell.LSTM, 8, knob_count=1)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    audio = 0.3 * torch.randn(16, 64)
    positions = torch.linspace(0, 1, 16)[:, None]
    target = torch.tanh((1 + 4 * positions) * audio)
    for _ in range(150):
        loss = ((network(audio, positions)[0] - target) ** 2).mean() / (target**2).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert loss.item() < 0.03


def _memories_frames(network: RecurrentNetwork, layer: int) -> torch.Tensor:
    """How long a unit that hears nothing keeps 1/e of its state."""
    hidden = network.units.hidden_size
    forget = (network._parameter("bias_ih", layer) + network._parameter("bias_hh", layer))[hidden : 2 * hidden]
    return -1.0 / torch.sigmoid(forget.detach().double()).log()


def test_one_unit_in_four_of_an_lstm_starts_with_a_memory_of_up_to_600_frames() -> None:
    torch.manual_seed(6)
    network = RecurrentNetwork(Cell.LSTM, 16, 2, knob_count=1)
    for layer in range(2):
        memories = _memories_frames(network, layer)
        assert bool((memories[:12] < 10.0).all())
        assert memories[12:].tolist() == pytest.approx([2.47, 202.2, 401.8, 601.5], rel=0.01)
    RecurrentNetwork(Cell.LSTM, 3)  # too few for one


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="4 layers of 8 units"):
        RecurrentNetwork(Cell.LSTM, 8, 4)
