"""The sizes of WaveNet that can be trained, and where each weight lies in a network's one flat vector.

One vector instead of a hundred small tensors: the optimiser then takes one step over one tensor, and the compiled
kernels (`appliance/training/native`) read the weights and write the gradient without packing anything.

Source of the shapes: the A1 and A2 files that NAM's trainer writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from appliance.formats.description import Act, Activation

TANH = Activation(Act.TANH)
LEAKY_RELU = Activation(Act.LEAKY_RELU, slope=0.01)


@dataclass(frozen=True)
class ArrayShape:
    """One stack of layers: its width, and taps and dilation of each layer's convolution."""

    channels: int
    taps: tuple[int, ...]
    dilations: tuple[int, ...]
    head_size: int
    head_taps: int = 1
    head_bias: bool = True

    @property
    def past_frames(self) -> int:
        return self.layers_past_frames + self.head_taps - 1

    @property
    def layers_past_frames(self) -> int:
        return sum((taps - 1) * dilation for taps, dilation in zip(self.taps, self.dilations, strict=True))


@dataclass(frozen=True)
class Part:
    """Weights that belong together: `size` values of the flat vector from `offset` on, laid out as `dimensions`."""

    offset: int
    dimensions: tuple[int, ...]
    fan_in: int

    @property
    def size(self) -> int:
        size = 1
        for dimension in self.dimensions:
            size *= dimension
        return size


@dataclass(frozen=True)
class LayerParts:
    """One layer's weights. Inputs come before outputs, so that a kernel reads the outputs' weights side by side."""

    conv: Part  # [taps, in, out]
    bias: Part  # [out]
    mixin: Part  # [out]; the audio's share of the condition. The knobs' is not in the flat vector.
    out: Part  # [in, out]
    out_bias: Part  # [out]


@dataclass(frozen=True)
class ArrayParts:
    """One array's weights, in the order of the flat vector."""

    rechannel: Part  # [in, out]
    layers: tuple[LayerParts, ...]
    head: Part  # [taps, in, out]
    head_bias: Part | None  # [out]


@dataclass(frozen=True)
class WaveNetShape:
    """A WaveNet without its weights: arrays in signal order, one activation, the factor behind the last head."""

    name: str
    arrays: tuple[ArrayShape, ...]
    activation: Activation
    head_scale: float

    @property
    def past_frames(self) -> int:
        """Frames of past audio that one output frame hears."""
        return sum(array.past_frames for array in self.arrays)

    @property
    def layer_channels(self) -> int:
        """Channels of all layers together: the number of places where a knob is mixed in."""
        return sum(array.channels * len(array.taps) for array in self.arrays)

    @property
    def weight_count(self) -> int:
        return sum(part.size for part in self.all_parts())

    @cached_property
    def parts(self) -> tuple[ArrayParts, ...]:
        """Where each weight is."""
        offset = 0

        def part(*dimensions: int, fan_in: int) -> Part:
            nonlocal offset
            made = Part(offset, dimensions, fan_in)
            offset += made.size
            return made

        arrays = []
        inputs = 1
        for array in self.arrays:
            width = array.channels
            rechannel = part(inputs, width, fan_in=inputs)
            layers = tuple(
                LayerParts(
                    conv=part(taps, width, width, fan_in=taps * width),
                    bias=part(width, fan_in=taps * width),
                    mixin=part(width, fan_in=1),
                    out=part(width, width, fan_in=width),
                    out_bias=part(width, fan_in=width),
                )
                for taps in array.taps
            )
            head = part(array.head_taps, width, array.head_size, fan_in=array.head_taps * width)
            bias = part(array.head_size, fan_in=array.head_taps * width) if array.head_bias else None
            arrays.append(ArrayParts(rechannel, layers, head, bias))
            inputs = width
        return tuple(arrays)

    def all_parts(self) -> Iterator[Part]:
        """Every part, in the order of the flat vector."""
        for array in self.parts:
            yield array.rechannel
            for layer in array.layers:
                yield from (layer.conv, layer.bias, layer.mixin, layer.out, layer.out_bias)
            yield array.head
            if array.head_bias is not None:
                yield array.head_bias


_POWERS = tuple(2**exponent for exponent in range(10))


def _a1(name: str, channels: tuple[int, int], first_layers: int) -> WaveNetShape:
    dilations = _POWERS + _POWERS
    first, second = dilations[:first_layers], dilations[first_layers:]
    arrays = (
        ArrayShape(channels[0], (3,) * len(first), first, head_size=channels[1], head_bias=False),
        ArrayShape(channels[1], (3,) * len(second), second, head_size=1),
    )
    return WaveNetShape(name, arrays, TANH, head_scale=0.02)


def _a2(name: str, channels: int) -> WaveNetShape:
    seven = (1, 3, 7, 17, 41, 101, 239)
    dilations = (*seven, *seven, 1, 13, *seven)
    taps = (6,) * 14 + (15,) * 2 + (6,) * 7
    return WaveNetShape(
        name, (ArrayShape(channels, taps, dilations, head_size=1, head_taps=16),), LEAKY_RELU, head_scale=0.01
    )


SHAPES: dict[str, WaveNetShape] = {
    shape.name: shape
    for shape in (
        _a1("a1-nano", (4, 2), 7),
        _a1("a1-feather", (8, 4), 7),
        _a1("a1-lite", (12, 6), 7),
        _a1("a1-standard", (16, 8), 10),
        _a2("a2-lite", 3),
        _a2("a2-full", 8),
    )
}
