"""The compiled kernels beside PyTorch's own operations: outputs to 1e-6, gradients to 1e-5 of the largest.

The arbiter is PyTorch in float64. A leaky ReLU has a kink: where rounding puts a value on the other side of 0, one
frame's share of a gradient changes, in PyTorch's float32 just as here; smooth activations don't do that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from appliance.training import _kernels
from appliance.training.networks.wavenet import WaveNetNetwork
from appliance.training.networks.wavenet_native import kernels_for, native_forward, usable
from appliance.training.networks.wavenet_shape import LEAKY_RELU, SHAPES, TANH, ArrayShape, WaveNetShape

# Delays that reach over several tiles of 256 frames, and heads of one tap and of many.
SMALL = ArrayShape(4, (3, 2, 3), (1, 300, 7), head_size=2, head_bias=False)
SECOND = ArrayShape(2, (3, 3), (2, 64), head_size=1)
LONG_HEAD = ArrayShape(6, (6, 15, 6), (1, 13, 239), head_size=1, head_taps=16)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network_of(shape: WaveNetShape, knob_count: int = 0, *, film: bool = False) -> WaveNetNetwork:
    torch.manual_seed(11)
    network = WaveNetNetwork(shape, knob_count, film=film)
    if network.knob_scales is not None:
        torch.nn.init.uniform_(network.knob_scales, -0.4, 0.4)
    return network


def error_and_gradients(network: WaveNetNetwork, output: Tensor, target: Tensor) -> dict[str, Tensor]:
    network.zero_grad()
    (output - target.to(output.dtype)).square().sum().backward()  # type: ignore[no-untyped-call]
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return {name: gradient.double().clone() for name, gradient in gradients.items() if gradient is not None}


def compare(network: WaveNetNetwork, items: int, frames: int, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(2)
    audio = torch.rand(items, network.past_frames + frames, generator=generator) * 2 - 1
    positions = torch.rand(items, network.knob_count, generator=generator)
    target = torch.rand(items, frames, generator=generator)
    assert kernels_for(network.shape) is not None
    ours, _ = network(audio, positions)
    our_gradients = error_and_gradients(network, ours, target)
    network.double()
    assert not usable(network.weights, audio.double())
    exact = network(audio.double(), positions.double())[0]
    exact_gradients = error_and_gradients(network, exact, target)
    assert ours.shape == exact.shape == (items, frames)
    assert exact.abs().max() > 1e-3
    assert (ours - exact).abs().max() < 1e-6
    assert our_gradients.keys() == exact_gradients.keys()
    for name, gradient in exact_gradients.items():
        assert gradient.abs().max() > 0.0
        assert (our_gradients[name] - gradient).abs().max() < tolerance * gradient.abs().max(), name


@pytest.mark.parametrize("size", SHAPES)
def test_every_size_equals_pytorch(size: str) -> None:
    leaky = SHAPES[size].activation is LEAKY_RELU
    compare(network_of(SHAPES[size]), items=2, frames=300, tolerance=3e-4 if leaky else 1e-5)


@pytest.mark.parametrize("film", [False, True])
@pytest.mark.parametrize(
    "shape", [WaveNetShape("two", (SMALL, SECOND), TANH, 0.5), WaveNetShape("long head", (LONG_HEAD,), TANH, 0.5)]
)
@pytest.mark.parametrize("frames", [1, 255, 256, 1000])
def test_knobs_and_any_length_equal_pytorch(shape: WaveNetShape, film: bool, frames: int) -> None:
    compare(network_of(shape, 2, film=film), items=3, frames=frames, tolerance=1e-5)


@pytest.mark.parametrize("channels", [2, 3, 4, 6, 8, 12, 16])
def test_every_width_equals_pytorch(channels: int) -> None:
    array = ArrayShape(channels, (3, 6), (5, 31), head_size=1, head_taps=2)
    compare(network_of(WaveNetShape("one", (array,), TANH, 1.0)), items=2, frames=500, tolerance=1e-5)


def test_the_gradient_is_the_same_for_any_number_of_threads() -> None:
    network = network_of(SHAPES["a1-nano"], 1)
    audio, positions = torch.rand(5, network.past_frames + 400) - 0.5, torch.rand(5, 1)
    found = []
    for threads in (1, 2, 3, 8):
        torch.set_num_threads(threads)
        output, _ = network(audio, positions)
        found.append((output.detach(), error_and_gradients(network, output, torch.zeros(5, 400))))
    for output, gradients in found[1:]:
        assert torch.equal(output, found[0][0])
        assert all(torch.equal(gradient, found[0][1][name]) for name, gradient in gradients.items())


def test_without_a_gradient_the_output_is_the_same() -> None:
    network = network_of(SHAPES["a2-lite"], 1)
    audio, positions = torch.rand(2, network.past_frames + 700) - 0.5, torch.rand(2, 1)
    with torch.no_grad():
        quiet, _ = network(audio, positions)
    assert torch.equal(quiet, network(audio, positions)[0].detach())


def test_two_forward_passes_before_their_backward_passes() -> None:
    """Saved activations of one must not be those of the other."""
    network = network_of(SHAPES["a1-nano"])
    first, second = (torch.rand(2, network.past_frames + 300) - 0.5 for _ in range(2))
    none, target = torch.zeros(2, 0), torch.ones(2, 300)
    expected = error_and_gradients(network, network(first, none)[0], target)["weights"]
    expected += error_and_gradients(network, network(second, none)[0], target)["weights"]
    both = [network(audio, none)[0] for audio in (first, second)]
    network.zero_grad()
    for output in both:
        (output - target).square().sum().backward()  # type: ignore[no-untyped-call]
    assert network.weights.grad is not None
    assert torch.allclose(network.weights.grad.double(), expected, rtol=1e-5, atol=1e-6)


def test_a_second_backward_pass_is_refused_in_words() -> None:
    network = network_of(SHAPES["a1-nano"])
    loss = network(torch.rand(1, network.past_frames + 50), torch.zeros(1, 0))[0].sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="another forward pass"):
        loss.backward()


def test_a_shape_without_kernels_is_trained_by_pytorch() -> None:
    array = ArrayShape(5, (3, 3), (1, 9), head_size=1)
    network = network_of(WaveNetShape("odd", (array,), TANH, 1.0))
    assert kernels_for(network.shape) is None
    output, _ = network(torch.rand(2, network.past_frames + 100), torch.zeros(2, 0))
    assert error_and_gradients(network, output, torch.zeros(2, 100))["weights"].abs().max() > 0


def test_a_gradient_for_the_audio_comes_from_pytorch() -> None:
    network = network_of(SHAPES["a1-nano"])
    audio = torch.rand(1, network.past_frames + 50, requires_grad=True)
    network(audio, torch.zeros(1, 0))[0].sum().backward()
    assert audio.grad is not None
    assert audio.grad.abs().max() > 0


def test_arrays_that_do_not_fit_are_refused() -> None:
    shape = SHAPES["a1-nano"]
    kernels = kernels_for(shape)
    assert kernels is not None
    weights = torch.zeros(1, shape.weight_count)
    with pytest.raises(ValueError, match="frames"):
        native_forward(kernels, weights, torch.zeros(2, shape.past_frames))
    with pytest.raises(ValueError, match="weights"):
        native_forward(kernels, weights[:, 1:], torch.zeros(2, shape.past_frames + 9))
    with pytest.raises(ValueError, match="weights"):
        native_forward(kernels, weights.expand(3, -1), torch.zeros(2, shape.past_frames + 9))
    audio, output = torch.zeros(2, shape.past_frames + 9).numpy(), torch.zeros(2, 9).numpy()
    with pytest.raises(ValueError, match="room"):
        kernels.forward(weights.numpy(), audio, output, torch.zeros(100).numpy(), 1)
    with pytest.raises(ValueError, match="output"):
        kernels.forward(weights.numpy(), audio, output[:, :5].copy(), None, 1)


def test_layouts_without_kernels_are_named() -> None:
    for layout, told in (
        ([], "empty"),
        ([4, 1, 1], "ends early"),
        ([5, 1, 1, 1, 1, 3, 1], "5 channels"),
        ([4, 2, 1, 1, 1, 3, 1], "more than one output"),
        ([4, 3, 1, 1, 1, 3, 1, 2, 1, 1, 1, 1, 3, 1], "not the next array's"),
        ([4, 2, 2, 1, 1, 3, 1, 2, 1, 1, 1, 1, 3, 1], "only the last"),
        ([4, 1, 1, 1, 1, 99, 1], "99"),
    ):
        with pytest.raises(_kernels.UnknownShape, match=told):
            _kernels.WaveNet(layout, "tanh", 0.0, 1.0)
    with pytest.raises(_kernels.UnknownShape, match="relu"):
        _kernels.WaveNet([4, 1, 1, 1, 1, 3, 1], "relu", 0.0, 1.0)
    assert kernels_for(replace(SHAPES["a1-nano"], arrays=(ArrayShape(7, (3,), (1,), head_size=1),))) is None
