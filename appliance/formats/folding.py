"""Weights that say what a setting beside them said: a knob held still, a gain before or behind the network.

For formats that have no such settings. Pure; what can't be folded exactly is refused in words.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from appliance.errors import BadRequest, UnsupportedModel
from appliance.formats.description import (
    Architecture,
    Array,
    ConvNet,
    Description,
    Film,
    Films,
    Linear,
    Recurrent,
    RecurrentLayer,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from appliance.formats.foreign_graph import ForeignGraph
from appliance.formats.stack import Convolution, Stack, Units

Float64 = npt.NDArray[np.float64]


def snapshot(description: Description, values: Mapping[str, float]) -> Description:
    """The model with its knobs at `values` (in their units; the default for those not named) and then without knobs.

    A stack whose first layer looks back hears the knob also where it heard nothing yet, for as long as the layer looks
    back at the very start. Raises BadRequest for a knob that the model hasn't or a value beyond its range,
    UnsupportedModel for a network whose knobs aren't only shifts and scales (of NAM's options: modulation of what a
    convolution reads, of the mix-in, of the residual or of a layer's head; modulation by the audio).
    """
    known = {knob.name: knob for knob in description.knobs}
    for name, value in values.items():
        if name not in known:
            has = f"It has: {', '.join(known)}." if known else "It has none."
            raise BadRequest(f"{description.name} has no knob {name!r}. {has}")
        knob = known[name]
        if not knob.minimum <= value <= knob.maximum:
            raise BadRequest(
                f"The knob {name} of {description.name} goes from {knob.minimum:g} to {knob.maximum:g}, "
                f"not to {value:g}."
            )
    if not known:
        return description
    if isinstance(description.architecture, ForeignGraph):
        raise _refused(description)
    held = np.array([values.get(knob.name, knob.default) for knob in description.knobs], np.float64)
    architecture = _held(description, description.architecture, held)
    # What the self-test promises was for other positions.
    return dataclasses.replace(description, architecture=architecture, knobs=(), self_test=None)


def without_gains(description: Description) -> Description:
    """The model with its input and output gains in the weights. Raises UnsupportedModel for other people's graphs, and
    for an input gain before a stack or a network steered by another one."""
    into, out = (10.0 ** (db / 20.0) for db in (description.input_gain_db, description.output_gain_db))
    if into == out == 1.0:
        return description
    architecture = description.architecture
    if isinstance(architecture, Recurrent) and not architecture.skip:
        first = architecture.layers[0]
        weight = first.weight_ih.copy()
        weight[:, 0] *= into
        layers = (dataclasses.replace(first, weight_ih=weight), *architecture.layers[1:])
        folded: Architecture = dataclasses.replace(
            architecture,
            layers=layers,
            head_weight=_float32(architecture.head_weight * out),
            head_bias=architecture.head_bias * out,
        )
    elif isinstance(architecture, WaveNet) and architecture.condition is None:
        folded = _wavenet_gains(architecture, into, out)
    elif isinstance(architecture, ConvNet):
        block = architecture.blocks[0]
        blocks = (dataclasses.replace(block, weight=_float32(block.weight * into)), *architecture.blocks[1:])
        folded = ConvNet(blocks, _float32(architecture.head_weight * out), architecture.head_bias * out)
    elif isinstance(architecture, Linear):
        folded = Linear(_float32(architecture.taps * (into * out)), architecture.bias * out)
    else:
        raise UnsupportedModel(f"{description.name} has a gain that can't be folded into its weights.")
    return dataclasses.replace(description, architecture=folded, input_gain_db=0.0, output_gain_db=0.0)


def _wavenet_gains(network: WaveNet, into: float, out: float) -> WaveNet:
    """The audio enters by the first array and by every layer's mix-in."""
    if into != 1.0 and any(layer.films for array in network.arrays for layer in array.layers):
        raise UnsupportedModel(
            "This WaveNet is modulated by its input: the input gain can't be folded into its weights."
        )
    if out != 1.0 and network.head_stages:
        raise UnsupportedModel(
            "This WaveNet has a head behind its last array: the output gain can't be folded into it."
        )
    arrays = []
    for index, array in enumerate(network.arrays):
        layers = []
        for layer in array.layers:
            mixin = layer.mixin_weight.copy()
            mixin[:, 0] *= into
            layers.append(dataclasses.replace(layer, mixin_weight=mixin))
        rechannel = array.rechannel_weight.copy()
        if index == 0:
            rechannel[:, 0] *= into
        arrays.append(dataclasses.replace(array, rechannel_weight=rechannel, layers=tuple(layers)))
    return dataclasses.replace(network, arrays=tuple(arrays), head_scale=network.head_scale * out)


def _refused(description: Description) -> UnsupportedModel:
    return UnsupportedModel(
        f"The knobs of {description.name} do more than shift and scale inside the network; they can't be fixed at one "
        "position in its weights. Export it as .onnx, which keeps the knobs."
    )


def _held(description: Description, architecture: Architecture, held: Float64) -> Architecture:
    if isinstance(architecture, Recurrent):
        first = _held_units(architecture.layers[0], held)
        return dataclasses.replace(architecture, layers=(first, *architecture.layers[1:]))
    if isinstance(architecture, WaveNet):
        arrays = [_held_array(description, array, held) for array in architecture.arrays]
        arrays[0] = _held_input(arrays[0], held)
        return dataclasses.replace(architecture, arrays=tuple(arrays))
    if isinstance(architecture, Stack):
        layer = architecture.layers[0]
        if isinstance(layer, Units):
            return dataclasses.replace(
                architecture,
                layers=(Units(layer.cell, _held_units(layer.layer, held)), *architecture.layers[1:]),
            )
        if isinstance(layer, Convolution) and layer.groups == 1:
            bias = layer.bias + np.sum(layer.weight[:, 1:] * held[None, :, None], axis=(1, 2))
            first_layer = dataclasses.replace(layer, weight=layer.weight[:, :1].copy(), bias=_float32(bias))
            return dataclasses.replace(architecture, layers=(first_layer, *architecture.layers[1:]))
    raise _refused(description)


def _held_units(layer: RecurrentLayer, held: Float64) -> RecurrentLayer:
    bias = layer.bias_ih + layer.weight_ih[:, 1:].astype(np.float64) @ held
    return dataclasses.replace(layer, weight_ih=layer.weight_ih[:, :1].copy(), bias_ih=_float32(bias))


def _held_array(description: Description, array: WaveNetArray, held: Float64) -> WaveNetArray:
    return dataclasses.replace(array, layers=tuple(_held_layer(description, layer, held) for layer in array.layers))


def _held_input(array: WaveNetArray, held: Float64) -> WaveNetArray:
    """The first array may hear the knobs beside the audio."""
    if array.rechannel_weight.shape[1] == 1:
        return array
    bias = array.rechannel_weight[:, 1:].astype(np.float64) @ held
    bias = bias if array.rechannel_bias is None else bias + array.rechannel_bias
    rechannel = array.rechannel_weight[:, :1].copy()
    return dataclasses.replace(array, rechannel_weight=rechannel, rechannel_bias=_float32(bias))


def _held_layer(description: Description, layer: WaveNetLayer, held: Float64) -> WaveNetLayer:
    """The mix-in's share of the knobs goes into the bias, a modulation that only the knobs steer into the weights that
    it modulates."""
    bias = layer.conv_bias + layer.mixin_weight[:, 1:].astype(np.float64) @ held
    layer = dataclasses.replace(layer, mixin_weight=layer.mixin_weight[:, :1].copy(), conv_bias=_float32(bias))
    films = layer.films or Films()
    foldable = dataclasses.replace(films, activation_pre=None, activation_post=None) == Films()
    if not foldable:
        raise _refused(description)
    if (film := films.activation_pre) is not None:
        scale, shift = _still(description, film, held, len(layer.conv_bias))
        layer = dataclasses.replace(
            layer,
            conv_weight=_float32(layer.conv_weight * scale[:, None, None]),
            conv_bias=_float32(layer.conv_bias * scale + shift),
            mixin_weight=_float32(layer.mixin_weight * scale[:, None]),
        )
    if (film := films.activation_post) is not None:
        if layer.head_weight is None or layer.head_bias is None:
            raise _refused(description)
        scale, shift = _still(description, film, held, layer.out_weight.shape[1])
        layer = dataclasses.replace(
            layer,
            out_weight=_float32(layer.out_weight * scale),
            out_bias=_float32(layer.out_bias + layer.out_weight @ shift),
            head_weight=_float32(layer.head_weight * scale),
            head_bias=_float32(layer.head_bias + layer.head_weight @ shift),
        )
    return dataclasses.replace(layer, films=None)


def _still(description: Description, film: Film, held: Float64, channels: int) -> tuple[Float64, Float64]:
    """(scale, shift) of a modulation that stands still while the knobs do."""
    if film.weight[:, 0].any():
        raise _refused(description)
    rows = film.weight[:, 1:].astype(np.float64) @ held + film.bias
    return rows[:channels], rows[channels:] if len(rows) > channels else np.zeros(channels)


def _float32(values: npt.NDArray[np.floating]) -> Array:
    return values.astype(np.float32)
