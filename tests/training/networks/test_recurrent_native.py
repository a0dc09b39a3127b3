"""The compiled recurrent kernels against PyTorch's own layers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from appliance.formats.description import Cell
from appliance.training.networks import recurrent_native
from appliance.training.networks.recurrent import RecurrentNetwork
from appliance.training.networks.recurrent_native import kernels_for, native_forward, rows_of, usable

pytest.importorskip("appliance.training._kernels")


@pytest.fixture
def threads() -> Iterator[None]:
    """Puts the number of threads back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _made(network: RecurrentNetwork, batch: int, frames: int, *, native: bool) -> list[Tensor]:
    """Two segments' outputs with the state carried over, and every gradient of a weighted sum of both."""
    torch.manual_seed(2)
    audio, positions = torch.randn(batch, 2 * frames), torch.rand(batch, network.knob_count)
    weights = torch.randn(batch, frames)
    network.zero_grad()
    path = network.forward if native else network._torch_forward
    first, state = path(audio[:, :frames], positions, None)
    second, _ = path(audio[:, frames:], positions, network.detached(state))
    assert isinstance(state, Tensor) or not native, "this was to be the compiled path"
    ((first + second) * weights).sum().backward()  # type: ignore[no-untyped-call]
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    assert len(gradients) == 6
    return [first.detach(), second.detach(), *(gradient.clone() for gradient in gradients)]


@pytest.mark.parametrize("cell", Cell)
@pytest.mark.parametrize(
    ("hidden", "batch", "frames", "knobs"), [(5, 3, 40, 0), (8, 16, 50, 1), (16, 37, 33, 2), (7, 70, 20, 1)]
)
def test_output_and_gradient_are_those_of_pytorch(cell: Cell, hidden: int, batch: int, frames: int, knobs: int) -> None:
    torch.manual_seed(1)
    network = RecurrentNetwork(cell, hidden, knob_count=knobs, skip=False)
    for found, wanted in zip(
        _made(network, batch, frames, native=True), _made(network, batch, frames, native=False), strict=True
    ):
        assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def test_any_number_of_threads_gives_the_same_bits(threads: None) -> None:
    torch.manual_seed(3)
    network = RecurrentNetwork(Cell.LSTM, 12, skip=False)
    found = []
    for count in (1, 3):
        torch.set_num_threads(count)
        found.append(_made(network, 100, 30, native=True))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_long_audio_without_a_gradient_is_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    network = RecurrentNetwork(Cell.GRU, 8)
    audio, positions = torch.randn(2, 500), torch.rand(2, 0)
    whole, _ = network(audio, positions)
    monkeypatch.setattr(recurrent_native, "_UNTAUGHT_FRAMES", 64)
    with torch.no_grad():
        parts, state = network(audio, positions)
    assert torch.equal(parts, whole)
    assert state.shape == (2, 2, 8)


def test_they_say_what_they_do_not_serve() -> None:
    assert usable(torch.zeros(2), None)
    assert not usable(torch.zeros(2, dtype=torch.double))
    assert not usable(torch.zeros(2, requires_grad=True))
    double = RecurrentNetwork(Cell.LSTM, 4).double()
    assert double(torch.randn(1, 5, dtype=torch.double), torch.zeros(1, 0, dtype=torch.double))[0].dtype is torch.double


def test_a_gradient_for_the_audio_goes_by_pytorch() -> None:
    audio = torch.randn(2, 20, requires_grad=True)
    RecurrentNetwork(Cell.GRU, 8)(audio, torch.zeros(2, 0))[0].sum().backward()
    assert audio.grad is not None
    assert audio.grad.abs().max() > 0


@pytest.mark.parametrize("wrong", ["weights", "head", "positions", "state"])
def test_shapes_that_do_not_fit_are_refused(wrong: str) -> None:
    network = RecurrentNetwork(Cell.LSTM, 8, knob_count=1)
    kernels = kernels_for(Cell.LSTM, 8, 2)
    assert kernels is not None
    given = {
        "weights": network._rows(),
        "head": network._head(),
        "audio": torch.zeros(3, 10),
        "positions": torch.zeros(3, 1),
        "state": torch.zeros(2, 3, 8),
    }
    given[wrong] = given[wrong][:-1]
    with pytest.raises(ValueError, match=r"shape|size"):
        native_forward(kernels, *given.values())


def test_rows_keep_the_gradient_apart_where_a_gru_has_two_biases() -> None:
    bias_ih, bias_hh = (torch.zeros(12, requires_grad=True) for _ in range(2))
    rows = rows_of(Cell.GRU, torch.ones(12, 1), torch.ones(12, 4), bias_ih, bias_hh)
    rows.view(4, 4, -1)[:, 2].sum().backward()  # type: ignore[no-untyped-call]
    assert bias_ih.grad is not None
    assert bias_ih.grad.sum() == 4
    assert bias_hh.grad is not None
    assert bias_hh.grad.sum() == 0
