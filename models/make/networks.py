"""The two kinds of network the factory models use, in torch, and how they become a `Description`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from appliance.formats.description import (
    Act,
    Activation,
    Array,
    Cell,
    Recurrent,
    RecurrentLayer,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)

SETTLE_FRAMES = 48_000


class KnobLstm(nn.Module):
    """LSTM with the knob as second input and the dry signal added to the output (Wright et al. 2019)."""

    MEMORY_FRAMES = 600

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden)
        self.head = nn.Linear(hidden, 1)
        # Memories from 1 to MEMORY_FRAMES at the start ("chrono" initialisation, Tallec & Ollivier 2018): without them
        # the coupling capacitors and the tone stack's bass are hardly learned.
        memory = torch.log(torch.linspace(1, self.MEMORY_FRAMES, hidden) + 1)
        with torch.no_grad():
            for bias in (self.lstm.bias_ih_l0, self.lstm.bias_hh_l0):  # gates i, f, g, o
                bias[:hidden] = -memory / 2
                bias[hidden : 2 * hidden] = memory / 2

    def forward(self, frames: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """[time, batch, inputs] → [time, batch]."""
        hidden, state = self.lstm(frames, state)
        return self.head(hidden)[..., 0] + frames[..., 0], state

    def architecture(self, default_knob: float) -> Recurrent:
        """Starts in the state that silence leads to, or loading it would thump."""
        silence = torch.zeros(SETTLE_FRAMES, 1, self.lstm.input_size)
        silence[..., 1:] = default_knob
        with torch.no_grad():
            _, (h0, c0) = self.lstm(silence)
        layer = RecurrentLayer(
            weight_ih=_array(self.lstm.weight_ih_l0),
            weight_hh=_array(self.lstm.weight_hh_l0),
            bias_ih=_array(self.lstm.bias_ih_l0),
            bias_hh=_array(self.lstm.bias_hh_l0),
            h0=_array(h0[0, 0]),
            c0=_array(c0[0, 0]),
        )
        head_weight, head_bias = _array(self.head.weight)[0], float(self.head.bias.item())
        return Recurrent(Cell.LSTM, (layer,), head_weight, head_bias, skip=True)


class _Layer(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.mixin = nn.Conv1d(1, channels, 1, bias=False)
        self.out = nn.Conv1d(channels, channels, 1)


class _LayerArray(nn.Module):
    def __init__(self, inputs: int, channels: int, head_size: int, head_bias: bool, dilations: list[int]) -> None:
        super().__init__()
        self.rechannel = nn.Conv1d(inputs, channels, 1, bias=False)
        self.layers = nn.ModuleList(_Layer(channels, dilation) for dilation in dilations)
        self.head = nn.Conv1d(channels, head_size, 1, bias=head_bias)

    def forward(self, residual: Tensor, dry: Tensor, head_sum: Tensor | None) -> tuple[Tensor, Tensor]:
        residual = self.rechannel(residual)
        for layer in self.layers:
            z = layer.conv(residual)
            frames = z.shape[-1]
            heard = torch.tanh(z + layer.mixin(dry[..., -frames:]))
            head_sum = heard if head_sum is None else head_sum[..., -frames:] + heard
            residual = residual[..., -frames:] + layer.out(heard)
        return residual, self.head(head_sum)


class NanoWaveNet(nn.Module):
    """The WaveNet of NAM's A1 "nano": 4 then 2 channels, 2 × 7 and 13 dilated layers, no gating."""

    HEAD_SCALE = 0.02
    RECEPTIVE_FIELD_FRAMES = 4093
    DILATIONS = ([2**i for i in range(7)], [2**i for i in range(7, 10)] + [2**i for i in range(10)])

    def __init__(self) -> None:
        super().__init__()
        self.first = _LayerArray(1, 4, 2, False, self.DILATIONS[0])
        self.second = _LayerArray(4, 2, 1, True, self.DILATIONS[1])

    def forward(self, audio: Tensor) -> Tensor:
        """[batch, frames] → [batch, frames - receptive field + 1]."""
        dry = audio[:, None]
        residual, head_sum = self.first(dry, dry, None)
        _, head_sum = self.second(residual, dry, head_sum)
        return self.HEAD_SCALE * head_sum[:, 0]

    def architecture(self) -> WaveNet:
        return WaveNet((_description_of(self.first), _description_of(self.second)), self.HEAD_SCALE)


def _description_of(stack: _LayerArray) -> WaveNetArray:
    layers = tuple(
        WaveNetLayer(
            conv_weight=_array(layer.conv.weight),
            conv_bias=_array(layer.conv.bias),
            mixin_weight=_array(layer.mixin.weight)[:, :, 0],
            out_weight=_array(layer.out.weight)[:, :, 0],
            out_bias=_array(layer.out.bias),
            dilation=layer.conv.dilation[0],
            activation=Activation(Act.TANH),
        )
        for layer in stack.layers
    )
    bias = None if stack.head.bias is None else _array(stack.head.bias)
    return WaveNetArray(_array(stack.rechannel.weight)[:, :, 0], layers, _array(stack.head.weight), bias)


def _array(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().numpy(), dtype=np.float32)
