"""Do the arrays of a description fit together? The readers of other people's files make it so; our own file, and a
description put together by hand, are checked here before an engine trusts them."""

from __future__ import annotations

import numpy as np

from appliance.errors import BadModelFile
from appliance.formats.description import (
    MAX_CHANNELS,
    MAX_HIDDEN,
    MAX_KERNEL_TAPS,
    MAX_LAYERS,
    Array,
    Cell,
    ConvNet,
    Description,
    Gating,
    Linear,
    Recurrent,
    RecurrentLayer,
    WaveNet,
)
from appliance.formats.foreign_graph import ForeignGraph
from appliance.formats.stack import Stack
from appliance.formats.stack_checks import check_stack


def check_description(description: Description, file: str) -> None:
    """Raise BadModelFile for the first thing that doesn't fit: shapes, sizes, NaN, knob ranges."""
    check = _Check(file)
    inputs = 1 + len(description.knobs)
    architecture = description.architecture
    if isinstance(architecture, WaveNet):
        check.wavenet(architecture, inputs)
    elif isinstance(architecture, Recurrent):
        check.recurrent(architecture, inputs)
    elif isinstance(architecture, ConvNet):
        check.that(inputs == 1, "a ConvNet can't have knobs")
        check.convnet(architecture)
    elif isinstance(architecture, Stack):
        check_stack(architecture, inputs, check)
    elif isinstance(architecture, ForeignGraph):
        pass  # `foreign.py` has checked it whole
    else:
        check.that(inputs == 1, "an impulse response can't have knobs")
        check.linear(architecture)
    names = [knob.name for knob in description.knobs]
    check.that(len(set(names)) == len(names), f"two knobs have the same name ({', '.join(names)})")
    for knob in description.knobs:
        check.that(
            knob.minimum <= knob.default <= knob.maximum and knob.minimum < knob.maximum,
            f"the knob {knob.name} goes from {knob.minimum:g} to {knob.maximum:g} but starts at {knob.default:g}",
        )
    if (test := description.self_test) is not None:
        check.array("self_test.expected", test.expected, test.audio.shape)
        check.array("self_test.audio", test.audio, test.expected.shape)


class _Check:
    def __init__(self, file: str) -> None:
        self._file = file

    def that(self, is_fine: bool, problem: str) -> None:
        if not is_fine:
            raise BadModelFile(f"{self._file} does not fit together: {problem}. Export it again.")

    def array(self, name: str, array: Array, shape: tuple[int, ...]) -> None:
        self.that(array.dtype == np.float32, f"{name} is {array.dtype}, but float32 was wanted")
        self.that(array.shape == shape, f"{name} has the shape {array.shape}, but {shape} was wanted")
        self.that(bool(np.isfinite(array).all()), f"{name} holds NaN or infinity")

    def wavenet(self, network: WaveNet, condition: int) -> None:
        inputs = 1
        layers = sum(len(array.layers) for array in network.arrays)
        self.that(1 <= layers <= MAX_LAYERS, f"{layers} layers, but 1 to {MAX_LAYERS} were wanted")
        for index, array in enumerate(network.arrays):
            place = f"arrays.{index}"
            c = array.rechannel_weight.shape[0]
            head_size, b, head_taps = array.head_weight.shape
            self.that(max(c, b, head_size) <= MAX_CHANNELS, f"{place} has more than {MAX_CHANNELS} channels")
            self.that(head_taps <= MAX_KERNEL_TAPS, f"{place} has a head of {head_taps} taps")
            self.that(len(array.layers) > 0, f"{place} has no layers")
            self.array(f"{place}.rechannel_weight", array.rechannel_weight, (c, inputs))
            for number, layer in enumerate(array.layers):
                where = f"{place}.layers.{number}"
                z = b if layer.gating is Gating.NONE else 2 * b
                taps = layer.conv_weight.shape[2]
                self.that(taps <= MAX_KERNEL_TAPS, f"{where} has {taps} taps")
                self.array(f"{where}.conv_weight", layer.conv_weight, (z, c, taps))
                self.array(f"{where}.conv_bias", layer.conv_bias, (z,))
                self.array(f"{where}.mixin_weight", layer.mixin_weight, (z, condition))
                self.array(f"{where}.out_weight", layer.out_weight, (c, b))
                self.array(f"{where}.out_bias", layer.out_bias, (c,))
            is_last = index == len(network.arrays) - 1
            wanted = 1 if is_last else network.arrays[index + 1].head_weight.shape[1]
            self.array(f"{place}.head_weight", array.head_weight, (wanted, b, head_taps))
            if array.head_bias is not None:
                self.array(f"{place}.head_bias", array.head_bias, (wanted,))
            inputs = c

    def recurrent(self, network: Recurrent, inputs: int) -> None:
        self.that(1 <= len(network.layers) <= MAX_LAYERS, f"{len(network.layers)} layers")
        for index, layer in enumerate(network.layers):
            inputs = self.units(f"layers.{index}", network.cell, layer, inputs)
        self.array("head_weight", network.head_weight, (inputs,))

    def units(self, place: str, cell: Cell, layer: RecurrentLayer, inputs: int) -> int:
        """One recurrent layer; how many units it has."""
        gates = 4 if cell is Cell.LSTM else 3
        h = int(layer.weight_hh.shape[1])
        self.that(h <= MAX_HIDDEN, f"{place} has {h} units, but at most {MAX_HIDDEN} were wanted")
        self.array(f"{place}.weight_ih", layer.weight_ih, (gates * h, inputs))
        self.array(f"{place}.weight_hh", layer.weight_hh, (gates * h, h))
        self.array(f"{place}.bias_ih", layer.bias_ih, (gates * h,))
        self.array(f"{place}.bias_hh", layer.bias_hh, (gates * h,))
        self.array(f"{place}.h0", layer.h0, (h,))
        self.array(f"{place}.c0", layer.c0, (h,))
        return h

    def convnet(self, network: ConvNet) -> None:
        inputs = 1
        self.that(1 <= len(network.blocks) <= MAX_LAYERS, f"{len(network.blocks)} blocks")
        for index, block in enumerate(network.blocks):
            c, _, taps = block.weight.shape
            self.that(c <= MAX_CHANNELS and taps <= MAX_KERNEL_TAPS, f"blocks.{index} is {c} channels × {taps} taps")
            self.array(f"blocks.{index}.weight", block.weight, (c, inputs, taps))
            self.array(f"blocks.{index}.bias", block.bias, (c,))
            inputs = c
        self.array("head_weight", network.head_weight, (inputs,))

    def linear(self, network: Linear) -> None:
        self.that(len(network.taps) <= MAX_KERNEL_TAPS, f"{len(network.taps)} taps")
        self.array("taps", network.taps, (len(network.taps),))
