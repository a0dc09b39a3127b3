"""The numpy reference: slow, float64 inside, obviously right. The arbiter for the other engines and for every reader.

Streaming: state is kept between calls and the output doesn't depend on how the audio is cut into blocks. Not real-time
safe (allocates).

Sources: WaveNet – Damskägg et al. 2019 as the NAM core computes it; LSTM and GRU – PyTorch's equations;
gains and skip – AIDA-X and CoreAudioML.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from appliance.engine.contract import Float32
from appliance.errors import UnsupportedModel
from appliance.formats.description import (
    Act,
    Activation,
    Architecture,
    Array,
    Cell,
    ConvNet,
    Description,
    Film,
    Films,
    Gating,
    Linear,
    Recurrent,
    RecurrentLayer,
    WaveNet,
    WaveNetLayer,
)
from appliance.formats.foreign_graph import ForeignGraph
from appliance.formats.stack import Stack

Float64 = npt.NDArray[np.float64]


class ReferenceEngine:
    """A model engine by the contract of `engine/contract.py`, in plain numpy."""

    latency_frames = 0

    def __init__(self, description: Description) -> None:
        if isinstance(description.architecture, ForeignGraph):
            raise UnsupportedModel(
                f"{description.name} is an ONNX graph of its own: the reference has no equations for it. "
                "Play it with --engine onnx."
            )
        self.knob_count = len(description.knobs)
        self._description = description
        self._input_gain = 10.0 ** (description.input_gain_db / 20.0)
        self._output_gain = 10.0 ** (description.output_gain_db / 20.0)
        self.reset()

    def reset(self) -> None:
        """The model's own initial state, silent history."""
        self._network = _build(self._description.architecture)

    def process(self, audio: Float32, knobs: Float32 | None = None) -> Float32:
        """One block; see the contract."""
        return self.process_float64(audio, knobs).astype(np.float32)

    def process_float64(self, audio: Float32, knobs: Float32 | None = None) -> Float64:
        """The same, without rounding the result."""
        condition = condition_signal(audio, knobs, self.knob_count)
        if audio.size == 0:
            return np.zeros(0)
        condition[0] *= self._input_gain
        output: Float64 = self._output_gain * self._network.run(condition)
        return output


def condition_signal(audio: Float32, knobs: Float32 | None, knob_count: int) -> Float64:
    """[1 + knobs, frames]: the audio, then each knob held or running. ValueError for wrong shapes."""
    if audio.ndim != 1:
        raise ValueError(f"audio has shape {audio.shape}, but one dimension (frames) was wanted")
    frames = len(audio)
    condition = np.zeros((1 + knob_count, frames))
    condition[0] = audio
    if knobs is not None:
        if knobs.shape not in ((knob_count,), (knob_count, frames)):
            raise ValueError(
                f"knobs have shape {knobs.shape}, but ({knob_count},) or ({knob_count}, {frames}) was wanted"
            )
        condition[1:] = knobs if knobs.ndim == 2 else knobs[:, None]
    return condition


def activate(activation: Activation, x: Float64) -> Float64:
    """An activation function on [channels, frames]."""
    match activation.kind:
        case Act.LINEAR:
            return x
        case Act.TANH:
            return np.tanh(x)
        case Act.HARDTANH:
            return np.clip(x, -1.0, 1.0)
        case Act.RELU:
            return np.maximum(x, 0.0)
        case Act.LEAKY_RELU:
            return np.where(x > 0.0, x, activation.slope * x)
        case Act.SIGMOID:
            return sigmoid(x)
        case Act.SILU:
            return x * sigmoid(x)
        case Act.HARDSWISH:
            return x * np.clip(x + 3.0, 0.0, 6.0) / 6.0
        case Act.SOFTSIGN:
            return x / (1.0 + np.abs(x))
        case Act.SOFTSIGMOID:
            return 0.5 * (1.0 + x / (1.0 + np.abs(x)))
        case Act.PRELU:
            return np.where(x > 0.0, x, np.array(activation.slopes)[:, None] * x)
        case Act.LEAKY_HARDTANH:
            low, high = activation.minimum, activation.maximum
            below = np.minimum(x - low, 0.0) * activation.minimum_slope
            above = np.maximum(x - high, 0.0) * activation.maximum_slope
            return np.clip(x, low, high) + below + above


def sigmoid(x: Float64) -> Float64:
    """1 / (1 + e^-x), by tanh: no overflow for large negative x."""
    return 0.5 * (np.tanh(0.5 * x) + 1.0)


class _Network(Protocol):
    def run(self, condition: Float64) -> Float64:
        """[1 + knobs, frames] → [frames]."""
        ...


def _build(architecture: Architecture) -> _Network:
    assert not isinstance(architecture, ForeignGraph), "refused before"
    if isinstance(architecture, WaveNet):
        return _WaveNet(architecture)
    if isinstance(architecture, Recurrent):
        return _Recurrent(architecture)
    if isinstance(architecture, ConvNet):
        return _ConvNet(architecture)
    if isinstance(architecture, Stack):
        from appliance.engine.reference_stack import StackNetwork  # which is made of the parts below

        return StackNetwork(architecture)
    return _Linear(architecture)


class _Conv:
    """A causal dilated convolution that remembers its past. weight [out, in, K]; tap K-1 is the newest sample."""

    def __init__(self, weight: Array, bias: Array | None, dilation: int) -> None:
        self._weight = weight.astype(np.float64)
        self._bias = 0.0 if bias is None else bias.astype(np.float64)[:, None]
        self._dilation = dilation
        _, inputs, taps = weight.shape
        self._past = np.zeros((inputs, (taps - 1) * dilation))

    def run(self, x: Float64) -> Float64:
        frames = x.shape[1]
        known = np.concatenate([self._past, x], axis=1)
        out = np.zeros((self._weight.shape[0], frames)) + self._bias
        for tap in range(self._weight.shape[2]):
            start = tap * self._dilation
            out += self._weight[:, :, tap] @ known[:, start : start + frames]
        self._past = known[:, frames:]
        return out


class _WaveNet:
    def __init__(self, network: WaveNet) -> None:
        self._network = network
        self._convs = [
            [_Conv(layer.conv_weight, layer.conv_bias, layer.dilation) for layer in array.layers]
            for array in network.arrays
        ]
        self._heads = [_Conv(array.head_weight, array.head_bias, array.head_dilation) for array in network.arrays]
        self._stages = [_Conv(stage.weight, stage.bias, 1) for stage in network.head_stages]
        self._condition = None if network.condition is None else _build(network.condition)

    def run(self, condition: Float64) -> Float64:
        output: Float64 = self.rows(condition)[0]
        return output

    def rows(self, inputs: Float64) -> Float64:
        """[1 + knobs, frames] → [outputs, frames]."""
        condition = inputs
        if isinstance(self._condition, _WaveNet):
            condition = self._condition.rows(inputs)
        elif self._condition is not None:
            condition = self._condition.run(inputs)[None]
        signal = inputs[: self._network.arrays[0].rechannel_weight.shape[1]]
        head_sum: Float64 | float = 0.0
        for array, convs, head in zip(self._network.arrays, self._convs, self._heads, strict=True):
            h = _affine(array.rechannel_weight, array.rechannel_bias, signal)
            for layer, conv in zip(array.layers, convs, strict=True):
                a, h = _layer(layer, conv, h, condition)
                head_sum = head_sum + a
            signal = h
            head_sum = head.run(np.asarray(head_sum))
        output = self._network.head_scale * np.asarray(head_sum)
        for stage, conv in zip(self._network.head_stages, self._stages, strict=True):
            output = conv.run(activate(stage.activation, output))
        return output


def _layer(layer: WaveNetLayer, conv: _Conv, h: Float64, condition: Float64) -> tuple[Float64, Float64]:
    """(what the layer adds to the head sum, the residual after it)."""
    films = layer.films or Films()
    z = _film(films.conv_post, conv.run(_film(films.conv_pre, h, condition)), condition)
    mixin = layer.mixin_weight.astype(np.float64) @ _film(films.mixin_pre, condition, condition)
    z = _film(films.activation_pre, z + _film(films.mixin_post, mixin, condition), condition)
    a = _film(films.activation_post, _gate(layer, z), condition)
    out = _film(films.out_post, _affine(layer.out_weight, layer.out_bias, a), condition)
    if layer.head_weight is not None:
        a = _film(films.head_post, _affine(layer.head_weight, layer.head_bias, a), condition)
    return a, h + out


def _affine(weight: Array, bias: Array | None, x: Float64) -> Float64:
    product = weight.astype(np.float64) @ x
    return product if bias is None else product + bias[:, None]


def _film(film: Film | None, x: Float64, condition: Float64) -> Float64:
    """x modulated by the condition signal."""
    if film is None:
        return x
    rows = _affine(film.weight, film.bias, condition)
    scaled = rows[: len(x)] * x
    return scaled if len(rows) == len(x) else scaled + rows[len(x) :]


def _gate(layer: WaveNetLayer, z: Float64) -> Float64:
    if layer.gating is Gating.NONE:
        return activate(layer.activation, z)
    width = z.shape[0] // 2
    value, gate = z[:width], activate(layer.gate, z[width:])
    if layer.gating is Gating.GATED:
        return activate(layer.activation, value) * gate
    return gate * activate(layer.activation, value) + (1.0 - gate) * value


class _Recurrent:
    def __init__(self, network: Recurrent) -> None:
        self._network = network
        self._cells = recurrent_cells(network)

    def run(self, condition: Float64) -> Float64:
        out = np.empty(condition.shape[1])
        head = self._network.head_weight.astype(np.float64)
        for n in range(condition.shape[1]):
            x = condition[:, n]
            for cell in self._cells:
                x = cell.step(x)
            out[n] = head @ x + self._network.head_bias
        return out + condition[0] if self._network.skip else out


def recurrent_cells(network: Recurrent) -> list[RecurrentCell]:
    """The network's layers, each in the state it starts from."""
    return [Lstm(layer) if network.cell is Cell.LSTM else Gru(layer) for layer in network.layers]


class RecurrentCell(Protocol):
    """One recurrent layer, a frame at a time. `h` and `c` [H] are its state (a GRU has no c: zeros)."""

    h: Float64
    c: Float64

    def step(self, x: Float64) -> Float64:
        """Inputs [I] of one frame → the new h."""


class Lstm:
    """See `RecurrentCell`."""

    def __init__(self, layer: RecurrentLayer) -> None:
        self._w, self._u = layer.weight_ih.astype(np.float64), layer.weight_hh.astype(np.float64)
        self._b = layer.bias_ih.astype(np.float64) + layer.bias_hh
        self.h, self.c = layer.h0.astype(np.float64), layer.c0.astype(np.float64)

    def step(self, x: Float64) -> Float64:
        """Inputs [I] of one frame → the new h."""
        i, f, g, o = np.split(self._w @ x + self._u @ self.h + self._b, 4)
        self.c = sigmoid(f) * self.c + sigmoid(i) * np.tanh(g)
        self.h = sigmoid(o) * np.tanh(self.c)
        return self.h


class Gru:
    """See `RecurrentCell`."""

    def __init__(self, layer: RecurrentLayer) -> None:
        self._w, self._u = layer.weight_ih.astype(np.float64), layer.weight_hh.astype(np.float64)
        self._bw, self._bu = layer.bias_ih.astype(np.float64), layer.bias_hh.astype(np.float64)
        self.h, self.c = layer.h0.astype(np.float64), np.zeros(len(layer.h0))

    def step(self, x: Float64) -> Float64:
        """Inputs [I] of one frame → the new h."""
        r_in, z_in, n_in = np.split(self._w @ x + self._bw, 3)
        r_rec, z_rec, n_rec = np.split(self._u @ self.h + self._bu, 3)
        r, z = sigmoid(r_in + r_rec), sigmoid(z_in + z_rec)
        n = np.tanh(n_in + r * n_rec)
        self.h = (1.0 - z) * n + z * self.h
        return self.h


class _ConvNet:
    def __init__(self, network: ConvNet) -> None:
        self._network = network
        self._convs = [_Conv(block.weight, block.bias, block.dilation) for block in network.blocks]

    def run(self, condition: Float64) -> Float64:
        x = condition[:1]
        for block, conv in zip(self._network.blocks, self._convs, strict=True):
            x = activate(block.activation, conv.run(x))
        output: Float64 = self._network.head_weight.astype(np.float64) @ x + self._network.head_bias
        return output


class _Linear:
    def __init__(self, network: Linear) -> None:
        self._conv = _Conv(network.taps[None, None, ::-1], None, 1)
        self._bias = network.bias

    def run(self, condition: Float64) -> Float64:
        output: Float64 = self._conv.run(condition[:1])[0] + self._bias
        return output
