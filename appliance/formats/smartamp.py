"""WaveNets of GuitarML's first generation: SmartGuitarAmp, SmartGuitarPedal, PedalNetRT, WaveNetVA.

Weights are named and flattened as TensorFlow keeps them, [tap][in][out]. Against NAM's WaveNet: the input layer has a
bias, nothing is mixed into the layers, and the head hears each layer with weights of its own.

Source: PedalNetRT `export.py`, `model.py`; SmartGuitarAmp `WaveNetLoader.cpp`, `WaveNet.cpp`, from their public
descriptions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats.description import (
    MAX_CHANNELS,
    MAX_DILATION,
    MAX_KERNEL_TAPS,
    MAX_LAYERS,
    MAX_WEIGHTS,
    Act,
    Activation,
    Array,
    Description,
    Gating,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from appliance.formats.fields import Fields, flat_array, show

SAMPLE_RATE_HZ = 44_100  # the family's; files don't tell
_MAX_LEVEL = 1e4

# name in the file → (gating, activation, gate)
_ACTIVATIONS = {
    "gated": (Gating.GATED, Act.TANH, Act.SIGMOID),
    "softgated": (Gating.GATED, Act.SOFTSIGN, Act.SOFTSIGN),
    "tanh": (Gating.NONE, Act.TANH, Act.SIGMOID),
    "sigmoid": (Gating.NONE, Act.SIGMOID, Act.SIGMOID),
    "relu": (Gating.NONE, Act.RELU, Act.SIGMOID),
    "softsign": (Gating.NONE, Act.SOFTSIGN, Act.SIGMOID),
    "linear": (Gating.NONE, Act.LINEAR, Act.SIGMOID),
}


def read_smartamp(value: dict[str, Any], file: str, name: str) -> Description:
    """The model of a SmartAmp/SmartPedal object. Raises BadModelFile, UnsupportedModel."""
    top = Fields(value, file)
    kind = top.text("activation")
    if kind not in _ACTIVATIONS:
        raise UnsupportedModel(
            f"{file} is a SmartAmp/SmartPedal WaveNet with the activation {show(kind)}; "
            f"the pedal plays {', '.join(_ACTIVATIONS)}."
        )
    for key in ("input_channels", "output_channels"):
        if (count := top.integer(key, 1, MAX_CHANNELS, default=1)) != 1:
            raise UnsupportedModel(f"{file} has {count} {key.replace('_', ' ')}; the pedal plays models with one.")
    channels = top.integer("residual_channels", 1, MAX_CHANNELS)
    taps = top.integer("filter_width", 1, MAX_KERNEL_TAPS)
    dilations = top.integers("dilations", 1, MAX_DILATION, MAX_LAYERS)
    # A linear factor on the output; zero or nothing means none.
    level = top.number("level_adjust", -_MAX_LEVEL, _MAX_LEVEL, default=0.0)
    return Description(
        name=name,
        source_format="GuitarML SmartAmp/SmartPedal",
        architecture=_wavenet(_Variables(top, len(dilations)), kind, channels, taps, dilations),
        sample_rate_hz=SAMPLE_RATE_HZ,
        sample_rate_known=False,
        output_gain_db=20.0 * math.log10(level) if level > 0.0 else 0.0,
    )


def _wavenet(variables: _Variables, kind: str, channels: int, taps: int, dilations: list[int]) -> WaveNet:
    gating, act, gate = _ACTIVATIONS[kind]
    z = channels if gating is Gating.NONE else 2 * channels
    count = len(dilations)
    mix = variables.take(count, "W", count, channels)
    layers = tuple(
        WaveNetLayer(
            # [tap][in][out] → [out][in][tap]
            conv_weight=np.ascontiguousarray(variables.take(i, "W_conv", taps, channels, z).transpose(2, 1, 0)),
            conv_bias=variables.take(i, "b_conv", z),
            mixin_weight=np.zeros((z, 1), np.float32),
            out_weight=np.ascontiguousarray(variables.take(i, "W_out", channels, channels).T),
            out_bias=variables.take(i, "b_out", channels),
            dilation=dilation,
            activation=Activation(act),
            gating=gating,
            gate=Activation(gate),
            head_weight=mix[i : i + 1].copy(),
            head_bias=np.zeros(1, np.float32),
        )
        for i, dilation in enumerate(dilations)
    )
    array = WaveNetArray(
        rechannel_weight=variables.take(-1, "W", channels, 1),
        layers=layers,
        head_weight=np.ones((1, 1, 1), np.float32),
        head_bias=variables.take(count, "b", 1),
        rechannel_bias=variables.take(-1, "b", channels),
    )
    return WaveNet((array,), head_scale=1.0)


class _Variables:
    """The named arrays of the file: lists of numbers, written as text."""

    def __init__(self, top: Fields, layers: int) -> None:
        self._file = top.file
        self._found: dict[tuple[int, str], Fields] = {}
        for variable in top.objects("variables", at_most=4 * MAX_LAYERS + 4):
            self._found[variable.integer("layer_idx", -1, layers), variable.text("name")] = variable

    def take(self, layer: int, name: str, *shape: int) -> Array:
        """One array, row-major."""
        variable = self._found.get((layer, name))
        if variable is None:
            raise BadModelFile(f"{self._file} lacks the weights {name} of layer {layer}. Download or export it again.")
        count = math.prod(shape)
        values = variable.items("data", MAX_WEIGHTS)
        if len(values) != count:
            raise variable.error(f"has {len(values):,} numbers, but {count:,} were wanted", "data")
        return flat_array(variable, "data", [_number(value) for value in values]).reshape(shape)


def _number(value: Any) -> Any:
    """A number written as text; anything else stays what it is, to be refused where numbers are."""
    if not isinstance(value, str) or len(value) > 60:
        return value
    try:
        return float(value)
    except ValueError:
        return value
