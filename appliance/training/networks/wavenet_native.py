"""The compiled WaveNet kernels (`appliance/training/native`) as a PyTorch function with a gradient.

Where they can't serve – another device than the CPU, another type than float32, a shape nothing was compiled for, an
install without the extension – `kernels_for` or `usable` say so, and the caller takes `wavenet_torch.py`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from appliance.training.contract import Float32
from appliance.training.networks.rooms import Rooms
from appliance.training.networks.wavenet_shape import WaveNetShape

if TYPE_CHECKING:
    from appliance.training._kernels import WaveNet


@functools.cache
def kernels_for(shape: WaveNetShape) -> WaveNet | None:
    """The kernels of a shape; None where there are none or the extension wasn't built."""
    try:
        from appliance.training import _kernels
    except ImportError:
        return None
    layout: list[int] = []
    for array in shape.arrays:
        layout += [array.channels, array.head_size, array.head_taps, int(array.head_bias), len(array.taps)]
        for taps, dilation in zip(array.taps, array.dilations, strict=True):
            layout += [taps, dilation]
    activation = shape.activation
    try:
        kernels = _kernels.WaveNet(layout, activation.kind.value, activation.slope, shape.head_scale)
    except _kernels.UnknownShape:
        return None
    assert (kernels.past_frames, kernels.weight_count) == (shape.past_frames, shape.weight_count), shape.name
    return kernels


def usable(weights: Tensor, audio: Tensor) -> bool:
    """Whether these tensors are what the kernels take. They give no gradient for the audio."""
    return all(tensor.device.type == "cpu" and tensor.dtype is torch.float32 for tensor in (weights, audio)) and not (
        audio.requires_grad and torch.is_grad_enabled()
    )


def native_forward(kernels: WaveNet, weights: Tensor, audio: Tensor) -> Tensor:
    """audio [batch, past_frames + frames] → [batch, frames]. weights [1 or batch, weight_count].

    The gradient of `weights` is the same to the last bit for any number of threads (`torch.set_num_threads`); it can
    be asked for once. Raises ValueError when shapes don't fit.
    """
    output: Tensor = _WaveNetFunction.apply(kernels, weights, audio)  # type: ignore[no-untyped-call]
    return output


class _WaveNetFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernels: WaveNet, weights: Tensor, audio: Tensor) -> Tensor:
        weights, audio = weights.detach().contiguous(), audio.detach().contiguous()
        items, frames = audio.shape
        output = torch.empty(items, max(frames - kernels.past_frames, 0))
        saved = _rooms.take(items * kernels.saved_size(frames)) if ctx.needs_input_grad[1] else None
        kernels.forward(
            weights.numpy(),
            audio.numpy(),
            output.numpy(),
            saved,
            torch.get_num_threads(),
        )
        ctx.kernels, ctx.saved = kernels, saved
        ctx.save_for_backward(weights, audio)
        return output

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        if ctx.saved is None:
            raise RuntimeError("this WaveNet's gradient was already worked out; do another forward pass")
        weights, audio = ctx.saved_tensors
        gradients = torch.empty(len(audio), weights.shape[1])
        ctx.kernels.backward(
            weights.numpy(),
            audio.numpy(),
            ctx.saved,
            gradient.contiguous().numpy(),
            gradients.numpy(),
            torch.get_num_threads(),
        )
        _rooms.give_back(ctx.saved)
        ctx.saved = None
        return None, gradients if len(weights) > 1 else gradients.sum(dim=0, keepdim=True), None


def _new_room(size: int) -> Float32:
    from appliance.training._kernels import room

    return room(size)


_rooms = Rooms(_new_room)  # a pack trains two networks in turn: two are kept
