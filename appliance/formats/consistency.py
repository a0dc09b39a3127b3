"""Do the arrays of a description fit together? The readers of other people's files make it so; our own file, and a
description put together by hand, are checked here before an engine trusts them."""

from __future__ import annotations

import numpy as np

from appliance.errors import BadModelFile
from appliance.formats.description import (
    FILM_NAMES,
    MAX_CHANNELS,
    MAX_HIDDEN,
    MAX_KERNEL_TAPS,
    MAX_LAYERS,
    Act,
    Activation,
    Architecture,
    Array,
    Cell,
    ConvNet,
    Description,
    Films,
    Gating,
    Linear,
    Recurrent,
    RecurrentLayer,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
    output_count,
)
from appliance.formats.foreign_graph import ForeignGraph
from appliance.formats.stack import Stack
from appliance.formats.stack_checks import check_stack


def check_description(description: Description, file: str) -> None:
    """Raise BadModelFile for the first thing that doesn't fit: shapes, sizes, NaN, knob ranges."""
    check = _Check(file)
    inputs = 1 + len(description.knobs)
    architecture = description.architecture
    check.network(architecture, inputs)
    check.that(output_count(architecture) == 1, f"it has {output_count(architecture)} audio outputs")
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

    def network(self, network: Architecture, inputs: int) -> None:
        """inputs: audio and knobs."""
        if isinstance(network, WaveNet):
            self.wavenet(network, inputs)
        elif isinstance(network, Recurrent):
            self.recurrent(network, inputs)
        elif isinstance(network, ConvNet):
            self.that(inputs == 1, "a ConvNet can't have knobs")
            self.convnet(network)
        elif isinstance(network, Stack):
            check_stack(network, inputs, self)
        elif isinstance(network, ForeignGraph):
            pass  # `foreign.py` has checked it whole
        else:
            self.that(inputs == 1, "an impulse response can't have knobs")
            self.linear(network)

    def wavenet(self, network: WaveNet, inputs: int) -> None:
        layers = sum(len(array.layers) for array in network.arrays)
        self.that(1 <= layers <= MAX_LAYERS, f"{layers} layers, but 1 to {MAX_LAYERS} were wanted")
        condition = inputs
        if network.condition is not None:
            self.that(inputs == 1, "a network that another one steers can't have knobs")
            self.network(network.condition, 1)
            condition = output_count(network.condition)
        first_width = network.arrays[0].rechannel_weight.shape[1]
        self.that(first_width in (1, inputs), f"arrays.0 takes {first_width} inputs, but there are {inputs}")
        for index, array in enumerate(network.arrays):
            place = f"arrays.{index}"
            width = first_width if index == 0 else network.arrays[index - 1].rechannel_weight.shape[0]
            self.wavenet_array(place, array, width, condition)
            if index + 1 < len(network.arrays):
                wanted = network.arrays[index + 1].head_weight.shape[1]
                given = array.head_weight.shape[0]
                self.that(given == wanted, f"{place} has a head of {given} channels, but {wanted} were wanted")
        width = network.arrays[-1].head_weight.shape[0]
        self.that(len(network.head_stages) <= MAX_LAYERS, f"{len(network.head_stages)} stages of the head")
        for number, stage in enumerate(network.head_stages):
            place = f"head_stages.{number}"
            outputs, _, taps = stage.weight.shape
            self.that(outputs <= MAX_CHANNELS and taps <= MAX_KERNEL_TAPS, f"{place} is {outputs} × {taps} taps")
            self.array(f"{place}.weight", stage.weight, (outputs, width, taps))
            self.array(f"{place}.bias", stage.bias, (outputs,))
            self.activation(f"{place}.activation", stage.activation, width)
            width = outputs

    def wavenet_array(self, place: str, array: WaveNetArray, inputs: int, condition: int) -> None:
        c = array.rechannel_weight.shape[0]
        head_size, s, head_taps = array.head_weight.shape
        self.that(max(c, s, head_size) <= MAX_CHANNELS, f"{place} has more than {MAX_CHANNELS} channels")
        self.that(head_taps <= MAX_KERNEL_TAPS, f"{place} has a head of {head_taps} taps")
        self.that(len(array.layers) > 0, f"{place} has no layers")
        self.array(f"{place}.rechannel_weight", array.rechannel_weight, (c, inputs))
        if array.rechannel_bias is not None:
            self.array(f"{place}.rechannel_bias", array.rechannel_bias, (c,))
        b = array.layers[0].out_weight.shape[1]
        self.that(b <= MAX_CHANNELS, f"{place} has more than {MAX_CHANNELS} channels")
        for number, layer in enumerate(array.layers):
            self.wavenet_layer(f"{place}.layers.{number}", layer, (c, b, s, condition))
        self.array(f"{place}.head_weight", array.head_weight, (head_size, s, head_taps))
        if array.head_bias is not None:
            self.array(f"{place}.head_bias", array.head_bias, (head_size,))

    def wavenet_layer(self, where: str, layer: WaveNetLayer, widths: tuple[int, int, int, int]) -> None:
        """widths: residual C, bottleneck B, head sum S, condition D."""
        c, b, s, condition = widths
        z = b if layer.gating is Gating.NONE else 2 * b
        taps = layer.conv_weight.shape[2]
        self.that(taps <= MAX_KERNEL_TAPS, f"{where} has {taps} taps")
        self.array(f"{where}.conv_weight", layer.conv_weight, (z, c, taps))
        self.array(f"{where}.conv_bias", layer.conv_bias, (z,))
        self.array(f"{where}.mixin_weight", layer.mixin_weight, (z, condition))
        self.array(f"{where}.out_weight", layer.out_weight, (c, b))
        self.array(f"{where}.out_bias", layer.out_bias, (c,))
        self.activation(f"{where}.activation", layer.activation, b)
        self.activation(f"{where}.gate", layer.gate, b)
        if layer.head_weight is None:
            self.that(s == b and layer.head_bias is None, f"{where} gives {b} channels to a head sum of {s}")
        else:
            self.array(f"{where}.head_weight", layer.head_weight, (s, b))
            self.that(layer.head_bias is not None, f"{where} has a head_weight, but no head_bias")
        if layer.head_bias is not None:
            self.array(f"{where}.head_bias", layer.head_bias, (s,))
        films = layer.films or Films()
        self.that(films.head_post is None or layer.head_weight is not None, f"{where} modulates a head it lacks")
        for name, width in zip(FILM_NAMES, (c, z, condition, z, z, b, c, s), strict=True):
            if (film := getattr(films, name)) is not None:
                rows = film.weight.shape[0]
                self.that(rows in (width, 2 * width), f"{where}.{name} gives {rows} rows for {width} channels")
                self.array(f"{where}.{name}.weight", film.weight, (rows, condition))
                self.array(f"{where}.{name}.bias", film.bias, (rows,))

    def activation(self, place: str, activation: Activation, channels: int) -> None:
        slopes = len(activation.slopes)
        is_fitting = slopes == channels if activation.kind is Act.PRELU else slopes == 0
        self.that(is_fitting, f"{place} ({activation.kind.value}) has {slopes} slopes for {channels} channels")
        self.that(activation.minimum <= activation.maximum, f"{place} goes from maximum to minimum")

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
            self.activation(f"blocks.{index}.activation", block.activation, c)
            inputs = c
        self.array("head_weight", network.head_weight, (inputs,))

    def linear(self, network: Linear) -> None:
        self.that(len(network.taps) <= MAX_KERNEL_TAPS, f"{len(network.taps)} taps")
        self.array("taps", network.taps, (len(network.taps),))
