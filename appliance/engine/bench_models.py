"""One model of every family, made up on the spot: what `appliance bench engine --all` measures without any file.

Shapes are those people use; weights are random (they don't change the cost) and keep the sound within about ±1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from appliance.formats.description import (
    FILM_NAMES,
    Act,
    Activation,
    Architecture,
    Array,
    Cell,
    ConvBlock,
    ConvNet,
    Description,
    Film,
    Films,
    Gating,
    Knob,
    Linear,
    Recurrent,
    RecurrentLayer,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from appliance.formats.stack import Activate, Convolution, Stack, Units

_SEED = 1
_RATE_HZ = 48_000
_TANH, _LEAKY = Activation(Act.TANH), Activation(Act.LEAKY_RELU)

_DOUBLING = tuple(2**n for n in range(10))
_A1_STANDARD = (_DOUBLING, _DOUBLING)
_A1_SMALL = (_DOUBLING[:7], (*_DOUBLING[7:], *_DOUBLING))
_A2_CYCLE = (1, 3, 7, 17, 41, 101, 239)
_A2_DILATIONS = (*_A2_CYCLE, *_A2_CYCLE, 1, 13, *_A2_CYCLE)
_A2_TAPS = (*(6 for _ in range(14)), 15, 15, *(6 for _ in range(7)))


def representatives() -> list[tuple[str, Description]]:
    """(name, model) of every family. Pure: the same models each time."""
    make = _Maker(np.random.default_rng(_SEED))
    found: list[tuple[str, Architecture, int]] = [
        ("A1 standard", make.a1((16, 8), _A1_STANDARD), 0),
        ("A1 lite", make.a1((12, 6), _A1_SMALL), 0),
        ("A1 feather", make.a1((8, 4), _A1_SMALL), 0),
        ("A1 nano", make.a1((4, 2), _A1_SMALL), 0),
        ("A2 full", make.a2(8), 0),
        ("A2 lite", make.a2(3), 0),
        ("WaveNet with every modulation", make.modulated(8, knobs=1), 1),
        ("LSTM 1×16", make.recurrent(Cell.LSTM, 16), 0),
        ("LSTM 2×8", make.recurrent(Cell.LSTM, 8, layers=2), 0),
        ("LSTM 1×40 with a knob", make.recurrent(Cell.LSTM, 40, knobs=1), 1),
        ("GRU 1×24", make.recurrent(Cell.GRU, 24), 0),
        ("ConvNet 16 channels", make.convnet(16), 0),
        ("Linear 8192 taps", make.linear(8192), 0),
        ("stack of convolutions and a GRU", make.stack(), 0),
    ]
    return [(name, _describe(name, architecture, knobs)) for name, architecture, knobs in found]


def _describe(name: str, architecture: Architecture, knobs: int) -> Description:
    named = tuple(Knob(f"Knob {index + 1}") for index in range(knobs))
    return Description(name, "made up for the bench", architecture, _RATE_HZ, knobs=named)


class _Maker:
    """Architectures with random weights."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def _weights(self, *shape: int, fan_in: int) -> Array:
        bound = fan_in**-0.5
        return self._rng.uniform(-bound, bound, shape).astype(np.float32)

    def a1(self, channels: Sequence[int], dilations: Sequence[Sequence[int]]) -> WaveNet:
        """Two arrays of three taps with tanh; the first one's head feeds the second."""
        arrays = []
        for index, (width, own_dilations) in enumerate(zip(channels, dilations, strict=True)):
            is_last = index == len(channels) - 1
            arrays.append(
                WaveNetArray(
                    rechannel_weight=self._weights(width, channels[index - 1] if index else 1, fan_in=width),
                    layers=tuple(self._layer(width, 3, dilation, _TANH) for dilation in own_dilations),
                    head_weight=self._weights(1 if is_last else channels[index + 1], width, 1, fan_in=4 * width),
                    head_bias=self._weights(1, fan_in=16) if is_last else None,
                )
            )
        return WaveNet(tuple(arrays), head_scale=1.0)

    def a2(self, channels: int) -> WaveNet:
        """One array of 23 layers with leaky ReLU and a head of 16 taps."""
        layers = [self._layer(channels, k, d, _LEAKY) for k, d in zip(_A2_TAPS, _A2_DILATIONS, strict=True)]
        return self._one_array(channels, layers, head_taps=16)

    def modulated(self, channels: int, knobs: int) -> WaveNet:
        """Gated layers, modulated wherever that can be (FiLM), with heads of their own: the general path."""
        layers = []
        for dilation in _DOUBLING[:8]:
            plain = self._layer(2 * channels, 3, dilation, _TANH, inputs=channels, rows=1 + knobs)
            z, rows = 2 * channels, 1 + knobs
            places = (channels, z, rows, z, z, channels, channels, channels)
            films = {name: self._film(count, rows) for name, count in zip(FILM_NAMES, places, strict=True)}
            layers.append(
                WaveNetLayer(
                    conv_weight=plain.conv_weight,
                    conv_bias=plain.conv_bias,
                    mixin_weight=plain.mixin_weight,
                    out_weight=self._weights(channels, channels, fan_in=4 * channels),
                    out_bias=self._weights(channels, fan_in=64),
                    dilation=dilation,
                    activation=_TANH,
                    gating=Gating.GATED,
                    head_weight=self._weights(channels, channels, fan_in=channels),
                    head_bias=self._weights(channels, fan_in=64),
                    films=Films(**films),
                )
            )
        return self._one_array(channels, layers, head_taps=1)

    def recurrent(self, cell: Cell, hidden: int, *, layers: int = 1, knobs: int = 0) -> Recurrent:
        """Layers in a row and a linear head."""
        units = [self._units(cell, 1 + knobs if index == 0 else hidden, hidden) for index in range(layers)]
        return Recurrent(cell, tuple(units), self._weights(hidden, fan_in=hidden), head_bias=0.0)

    def convnet(self, channels: int) -> ConvNet:
        """Ten blocks of two taps."""
        blocks = []
        for index, dilation in enumerate(_DOUBLING):
            inputs = channels if index else 1
            weight = self._weights(channels, inputs, 2, fan_in=inputs)
            blocks.append(ConvBlock(weight, self._weights(channels, fan_in=64), dilation, _TANH))
        return ConvNet(tuple(blocks), self._weights(channels, fan_in=4 * channels), head_bias=0.0)

    def linear(self, taps: int) -> Linear:
        """A response that dies away, as a cabinet's."""
        envelope = np.exp(-8.0 * np.arange(taps) / taps).astype(np.float32)
        return Linear(envelope * self._weights(taps, fan_in=64))

    def stack(self) -> Stack:
        """Layers as RTNeural files have them."""
        return Stack(
            (
                Convolution(self._weights(8, 1, 5, fan_in=5), self._weights(8, fan_in=64), 2, 1),
                Activate(_TANH),
                Convolution(self._weights(16, 8, 3, fan_in=24), self._weights(16, fan_in=64), 4, 1),
                Activate(_LEAKY),
                Units(Cell.GRU, self._units(Cell.GRU, 16, 12)),
                Convolution(self._weights(1, 12, 1, fan_in=12), self._weights(1, fan_in=64), 1, 1),
            )
        )

    def _one_array(self, channels: int, layers: Sequence[WaveNetLayer], *, head_taps: int) -> WaveNet:
        array = WaveNetArray(
            rechannel_weight=self._weights(channels, 1, fan_in=channels),
            layers=tuple(layers),
            head_weight=self._weights(1, channels, head_taps, fan_in=4 * channels * head_taps),
            head_bias=self._weights(1, fan_in=64),
        )
        return WaveNet((array,), head_scale=1.0)

    def _layer(
        self, outputs: int, taps: int, dilation: int, activation: Activation, inputs: int = 0, rows: int = 1
    ) -> WaveNetLayer:
        channels = inputs or outputs
        return WaveNetLayer(
            conv_weight=self._weights(outputs, channels, taps, fan_in=channels * taps),
            conv_bias=self._weights(outputs, fan_in=64),
            mixin_weight=self._weights(outputs, rows, fan_in=4 * rows),
            out_weight=self._weights(channels, outputs, fan_in=8 * outputs),
            out_bias=self._weights(channels, fan_in=256),
            dilation=dilation,
            activation=activation,
        )

    def _film(self, channels: int, rows: int) -> Film:
        bias = np.concatenate([np.ones(channels, np.float32), np.zeros(channels, np.float32)])
        return Film(self._weights(2 * channels, rows, fan_in=16 * rows), bias)

    def _units(self, cell: Cell, inputs: int, hidden: int) -> RecurrentLayer:
        gates = hidden * (4 if cell is Cell.LSTM else 3)
        return RecurrentLayer(
            weight_ih=self._weights(gates, inputs, fan_in=inputs),
            weight_hh=self._weights(gates, hidden, fan_in=hidden),
            bias_ih=self._weights(gates, fan_in=hidden),
            bias_hh=self._weights(gates, fan_in=hidden),
            h0=np.zeros(hidden, np.float32),
            c0=np.zeros(hidden, np.float32),
        )
