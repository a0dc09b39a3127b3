"""The numpy reference of a `Stack`: float64, one layer after another. Not real-time safe (allocates)."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from appliance.engine.reference import Float64, Gru, Lstm, _Conv, activate, sigmoid
from appliance.formats.description import Cell
from appliance.formats.stack import Activate, Convolution, Elu, Layer, PRelu, Scale, Softmax, Stack, Units


class StackNetwork:
    """The layers with their state."""

    def __init__(self, stack: Stack) -> None:
        self._skip = stack.skip
        self._layers = [_build(layer) for layer in stack.layers]

    def run(self, condition: Float64) -> Float64:
        """[1 + knobs, frames] → [frames]."""
        rows = condition
        for layer in self._layers:
            rows = layer.run(rows)
        output: Float64 = rows[0] + condition[0] if self._skip else rows[0]
        return output


class _Rows(Protocol):
    def run(self, x: Float64) -> Float64:
        """[channels in, frames] → [channels out, frames]."""
        ...


def _build(layer: Layer) -> _Rows:
    if isinstance(layer, Convolution):
        return _Grouped(layer)
    return _Units(layer) if isinstance(layer, Units) else _Pointwise(layer)


class _Grouped:
    def __init__(self, layer: Convolution) -> None:
        weights, biases = np.split(layer.weight, layer.groups), np.split(layer.bias, layer.groups)
        self._convs = [_Conv(weight, bias, layer.dilation) for weight, bias in zip(weights, biases, strict=True)]

    def run(self, x: Float64) -> Float64:
        parts = np.split(x, len(self._convs))
        return np.concatenate([conv.run(part) for conv, part in zip(self._convs, parts, strict=True)])


class _Units:
    def __init__(self, layer: Units) -> None:
        self._cell = (Lstm if layer.cell is Cell.LSTM else Gru)(layer.layer)

    def run(self, x: Float64) -> Float64:
        return np.stack([self._cell.step(column) for column in x.T], axis=1)


class _Pointwise:
    """Layers without a memory."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def run(self, x: Float64) -> Float64:
        layer = self._layer
        if isinstance(layer, Scale):
            return x * layer.scale.astype(np.float64)[:, None] + layer.shift.astype(np.float64)[:, None]
        if isinstance(layer, PRelu):
            return np.where(x > 0.0, x, layer.slopes.astype(np.float64)[:, None] * x)
        if isinstance(layer, Elu):
            return np.where(x > 0.0, x, layer.alpha * np.expm1(np.minimum(x, 0.0)))
        if isinstance(layer, Softmax):
            powers: Float64 = np.exp(x - x.max(axis=0))
            shares: Float64 = powers / powers.sum(axis=0)
            return shares
        if isinstance(layer, Activate):
            return activate(layer.activation, x)
        i, g, o = np.split(x, 3)
        hidden: Float64 = sigmoid(o) * np.tanh(sigmoid(i) * np.tanh(g))
        return hidden
