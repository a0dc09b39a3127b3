"""`Stack` → its part of the model blob (`native/stack.cpp` reads it). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from appliance.formats.description import Activation, Array, Cell, RecurrentLayer
from appliance.formats.stack import Activate, Convolution, Elu, Layer, LstmStep, PRelu, Scale, Softmax, Stack, Units

# The order of `enum class StackKind` in native/stack.hpp.
_KINDS: tuple[type, ...] = (Convolution, Units, Scale, PRelu, Elu, Softmax, Activate, LstmStep)


class Writer(Protocol):
    """What is needed of the writer in `packing.py`."""

    def u32(self, *values: int) -> None: ...
    def f32(self, *values: float) -> None: ...
    def array(self, values: Array) -> None: ...
    def activation(self, activation: Activation) -> None: ...
    def units(self, cell: Cell, layers: Sequence[RecurrentLayer]) -> None: ...


def pack_stack(writer: Writer, stack: Stack) -> None:
    """Write the layers one after another."""
    writer.u32(len(stack.layers))
    for layer in stack.layers:
        writer.u32(_KINDS.index(type(layer)))
        _layer(writer, layer)


def _layer(writer: Writer, layer: Layer) -> None:
    match layer:
        case Convolution():
            writer.u32(*layer.weight.shape, layer.dilation, layer.groups)
            writer.array(layer.weight)
            writer.array(layer.bias)
        case Units():
            writer.units(layer.cell, [layer.layer])
        case Scale():
            writer.array(layer.scale)
            writer.array(layer.shift)
        case PRelu():
            writer.array(layer.slopes)
        case Elu():
            writer.f32(layer.alpha)
        case Softmax():
            pass
        case Activate():
            writer.activation(layer.activation)
        case LstmStep():
            writer.u32(layer.units)
