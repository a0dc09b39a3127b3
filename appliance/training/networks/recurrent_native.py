"""The compiled recurrent kernels (`appliance/training/native`) as a PyTorch function with a gradient.

They serve one layer on the CPU in float32, and give no gradient for audio, knobs or state; `kernels_for` and `usable`
say where they don't serve, and the caller takes PyTorch's own layers.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from appliance.formats.description import Cell
from appliance.training.networks.rooms import Rooms

if TYPE_CHECKING:
    from appliance.training._kernels import Recurrent

_N = 2  # the place of n among a GRU's gates r, z, n
# Without a gradient to come what is saved need not last: so much of the audio at a time.
_UNTAUGHT_FRAMES = 4096
_rooms: Rooms[Tensor] = Rooms(torch.empty)


@functools.cache
def kernels_for(cell: Cell, hidden: int, inputs: int) -> Recurrent | None:
    """The kernels of a size; None where the extension wasn't built or is too old."""
    try:
        from appliance.training._kernels import Recurrent
    except ImportError:
        return None
    return Recurrent(cell.value, hidden, inputs)


def usable(*tensors: Tensor | None) -> bool:
    """Whether audio, positions and state are what the kernels take."""
    given = [tensor for tensor in tensors if tensor is not None]
    are_plain = all(tensor.device.type == "cpu" and tensor.dtype is torch.float32 for tensor in given)
    return are_plain and not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given))


def native_forward(
    kernels: Recurrent, weights: Tensor, head: Tensor, audio: Tensor, positions: Tensor, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """audio [batch, frames], positions [batch, knobs], state [2, batch, hidden] → output [batch, frames], next state.

    weights, head: as `rows_of` and `Recurrent` have them. The gradient is the same to the last bit for any number of
    threads (`torch.set_num_threads`); it can be asked for once. Raises ValueError when shapes don't fit.
    """
    if torch.is_grad_enabled() and (weights.requires_grad or head.requires_grad):
        made, following = _RecurrentFunction.apply(kernels, weights, head, audio, positions, state)  # type: ignore[no-untyped-call]
        return made, following
    parts = []
    for part in torch.split(audio, _UNTAUGHT_FRAMES, dim=1):
        made, state = _RecurrentFunction.apply(kernels, weights, head, part, positions, state)  # type: ignore[no-untyped-call]
        parts.append(made)
    assert state is not None, "there is audio"
    return torch.cat(parts, dim=1), state


def rows_of(cell: Cell, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    """PyTorch's weights [G·H, …] in the order of the kernels [4·H, H + inputs + 1]; differentiable."""
    hidden = weight_hh.shape[1]
    gates = [part.view(-1, hidden, *part.shape[1:]) for part in (weight_hh, weight_ih, bias_ih, bias_hh)]
    state, inputs, bias, state_bias = gates
    if cell is Cell.LSTM:
        rows = torch.cat([state, inputs, (bias + state_bias)[:, :, None]], dim=2)  # [4, H, columns]
    else:
        both = torch.cat([state[:_N], inputs[:_N], (bias + state_bias)[:_N, :, None]], dim=2)
        heard = torch.cat([torch.zeros_like(state[_N]), inputs[_N], bias[_N][:, None]], dim=1)
        kept = torch.cat([state[_N], torch.zeros_like(inputs[_N]), state_bias[_N][:, None]], dim=1)
        rows = torch.cat([both, heard[None], kept[None]])
    return rows.transpose(0, 1).reshape(4 * hidden, -1)


class _RecurrentFunction(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        kernels: Recurrent,
        weights: Tensor,
        head: Tensor,
        audio: Tensor,
        positions: Tensor,
        state: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        weights, head, audio, positions = (part.detach().contiguous() for part in (weights, head, audio, positions))
        following = torch.empty(2, len(audio), len(head) - 1) if state is None else state.detach().clone()
        output = torch.empty_like(audio)
        saved = _rooms.take(kernels.saved_size(*audio.shape))
        kernels.forward(
            weights.numpy(),
            head.numpy(),
            audio.numpy(),
            positions.numpy(),
            state is None,
            following.numpy(),
            output.numpy(),
            saved.numpy(),
            torch.get_num_threads(),
        )
        ctx.kernels, ctx.saved = kernels, saved
        if not any(ctx.needs_input_grad[1:3]):
            _rooms.give_back(saved)
            ctx.saved = None
        ctx.save_for_backward(weights, head, audio, positions)
        ctx.mark_non_differentiable(following)
        return output, following

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.saved is None:
            raise RuntimeError("this network's gradient was already worked out; do another forward pass")
        weights, head, audio, positions = ctx.saved_tensors
        weight_gradient, head_gradient = torch.empty_like(weights), torch.empty_like(head)
        ctx.kernels.backward(
            weights.numpy(),
            head.numpy(),
            audio.numpy(),
            positions.numpy(),
            gradient.contiguous().numpy(),
            ctx.saved.numpy(),
            weight_gradient.numpy(),
            head_gradient.numpy(),
            torch.get_num_threads(),
        )
        _rooms.give_back(ctx.saved)
        ctx.saved = None
        return None, weight_gradient, head_gradient, None, None, None
