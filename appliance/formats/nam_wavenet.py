"""WaveNets of `.nam` files, A1 and A2.

Source: the NAM core (`NAM/wavenet/model.cpp`) and trainer (`nam/models/wavenet`), from their public descriptions of
keys, weight order and forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from appliance.errors import UnsupportedModel
from appliance.formats.activations import read_activation
from appliance.formats.description import (
    MAX_CHANNELS,
    MAX_DILATION,
    MAX_KERNEL_TAPS,
    MAX_LAYERS,
    Act,
    Activation,
    Gating,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from appliance.formats.fields import Fields, check_integer, show
from appliance.formats.nam_weights import WeightStream

_FILMS = (
    "conv_pre_film",
    "conv_post_film",
    "input_mixin_pre_film",
    "input_mixin_post_film",
    "activation_pre_film",
    "activation_post_film",
    "layer1x1_post_film",
    "head1x1_post_film",
)


@dataclass(frozen=True)
class _LayerSizes:
    taps: int
    dilation: int
    activation: Activation
    gating: Gating
    gate: Activation


@dataclass(frozen=True)
class _ArraySizes:
    """One layer array's config, checked, before any weight is read."""

    inputs: int
    channels: int
    bottleneck: int
    layers: tuple[_LayerSizes, ...]
    has_out: bool
    head_size: int
    head_taps: int
    head_bias: bool

    def weight_count(self) -> int:
        count = self.inputs * self.channels
        for layer in self.layers:
            z = self.bottleneck * (1 if layer.gating is Gating.NONE else 2)
            count += z * self.channels * layer.taps + z  # convolution
            count += z  # input mixin, one condition channel
            count += (self.bottleneck + 1) * self.channels if self.has_out else 0
        return count + self.head_size * (self.bottleneck * self.head_taps + self.head_bias)


def read_wavenet(model: Fields) -> WaveNet:
    """The WaveNet of a `.nam` object. Raises BadModelFile, UnsupportedModel."""
    config = model.fields("config")
    _refuse_unless_plain(config)
    arrays = [_read_sizes(array) for array in config.objects("layers", at_most=MAX_LAYERS)]
    _check_chain(config, arrays)
    stream = WeightStream(model, expected=sum(array.weight_count() for array in arrays) + 1)
    built = tuple(_cut(array, stream) for array in arrays)
    return WaveNet(built, head_scale=stream.scalar())  # the stream's scale overrides config.head_scale


def _refuse_unless_plain(config: Fields) -> None:
    if "condition_dsp" in config:
        raise _unsupported(config, "a second network inside it that steers the first (condition_dsp)")
    if "head" in config:
        raise _unsupported(config, "a post-stack head")
    if (inputs := config.integer("in_channels", 1, MAX_CHANNELS, default=1)) != 1:
        raise _unsupported(config, f"{inputs} audio inputs")


def _read_sizes(array: Fields) -> _ArraySizes:
    for film in _FILMS:
        if _is_active(array, film):
            raise _unsupported(array, f"FiLM ({film})")
    if _is_active(array, "head1x1"):
        raise _unsupported(array, "a head1x1")
    for key in ("groups_input", "groups_input_mixin"):
        _refuse_groups(array, key)
    has_out = True
    if "layer1x1" in array:
        out = array.fields("layer1x1")
        has_out = out.flag("active", default=True)
        _refuse_groups(out, "groups")
    if (condition := array.integer("condition_size", 1, MAX_CHANNELS)) != 1:
        raise _unsupported(array, f"{condition} conditioning inputs that it gives no names to (condition_size)")

    channels = array.integer("channels", 1, MAX_CHANNELS)
    bottleneck = array.integer("bottleneck", 1, MAX_CHANNELS, default=channels)
    if not has_out and bottleneck != channels:
        raise array.error(f"is {bottleneck}, but must equal channels ({channels}) where layer1x1 is off", "bottleneck")
    head_size, head_taps, head_bias = _read_head(array)
    return _ArraySizes(
        inputs=array.integer("input_size", 1, MAX_CHANNELS),
        channels=channels,
        bottleneck=bottleneck,
        layers=_read_layers(array),
        has_out=has_out,
        head_size=head_size,
        head_taps=head_taps,
        head_bias=head_bias,
    )


def _read_head(array: Fields) -> tuple[int, int, bool]:
    if "head" not in array:
        return array.integer("head_size", 1, MAX_CHANNELS), 1, array.flag("head_bias")
    head = array.fields("head")
    if (dilation := head.integer("head_dilation", 1, MAX_DILATION, default=1)) != 1:
        raise _unsupported(array, f"a dilated head (head_dilation {dilation})")
    return (
        head.integer("out_channels", 1, MAX_CHANNELS),
        head.integer("kernel_size", 1, MAX_KERNEL_TAPS, default=1),
        head.flag("bias"),
    )


def _read_layers(array: Fields) -> tuple[_LayerSizes, ...]:
    dilations = array.integers("dilations", 1, MAX_DILATION, MAX_LAYERS)
    count = len(dilations)
    if ("kernel_size" in array) == ("kernel_sizes" in array):
        raise array.error('needs exactly one of "kernel_size" and "kernel_sizes"')
    key = "kernel_size" if "kernel_size" in array else "kernel_sizes"
    taps = [check_integer(array, key, value, 1, MAX_KERNEL_TAPS) for value in _per_layer(array, key, count)]
    activations = [read_activation(array, "activation", v) for v in _per_layer(array, "activation", count)]
    if "gating_mode" in array:
        gatings = [_read_gating(array, value) for value in _per_layer(array, "gating_mode", count)]
    else:
        gatings = [Gating.GATED if array.flag("gated", default=False) else Gating.NONE] * count
    gates = []
    seconds = _per_layer(array, "secondary_activation", count) if "secondary_activation" in array else [None] * count
    for gating, second in zip(gatings, seconds, strict=True):
        is_used = gating is not Gating.NONE and second not in (None, "")
        gates.append(read_activation(array, "secondary_activation", second) if is_used else Activation(Act.SIGMOID))
    return tuple(_LayerSizes(*sizes) for sizes in zip(taps, dilations, activations, gatings, gates, strict=True))


def _per_layer(array: Fields, key: str, count: int) -> list[Any]:
    """One value for all layers, or a list with one for each."""
    value = array.get(key)
    if value is None:
        raise array.error("is missing", key)
    if not isinstance(value, list):
        return [value] * count
    if len(value) != count:
        raise array.error(f"has {len(value)} entries, but there are {count} layers (dilations)", key)
    return value


def _read_gating(array: Fields, value: Any) -> Gating:
    for gating in Gating:
        if value == gating.value:
            return gating
    raise array.error(f'is {show(value)}, but "none", "gated" or "blended" was wanted', "gating_mode")


def _check_chain(config: Fields, arrays: list[_ArraySizes]) -> None:
    inputs = 1
    for index, array in enumerate(arrays):
        place = f"layers[{index}]"
        if array.inputs != inputs:
            raise config.error(f"is {array.inputs}, but {inputs} was wanted", f"{place}.input_size")
        inputs = array.channels
        if index + 1 < len(arrays):
            following = arrays[index + 1].bottleneck
            if array.head_size != following:
                raise config.error(
                    f"gives {array.head_size} channels, but the next array adds {following} to them", f"{place}.head"
                )
        elif array.head_size != 1:
            raise _unsupported(config, f"{array.head_size} audio outputs")
    if sum(len(array.layers) for array in arrays) > MAX_LAYERS:
        raise config.error(f"has more than {MAX_LAYERS} layers in all", "layers")


def _cut(sizes: _ArraySizes, stream: WeightStream) -> WaveNetArray:
    c, b = sizes.channels, sizes.bottleneck
    rechannel = stream.take(c, sizes.inputs)
    layers = []
    for layer in sizes.layers:
        z = b if layer.gating is Gating.NONE else 2 * b
        layers.append(
            WaveNetLayer(
                conv_weight=stream.take(z, c, layer.taps),
                conv_bias=stream.take(z),
                mixin_weight=stream.take(z, 1),
                # Without its 1x1 a layer leaves the residual as it was: adding zeros says the same.
                out_weight=stream.take(c, b) if sizes.has_out else np.zeros((c, b), np.float32),
                out_bias=stream.take(c) if sizes.has_out else np.zeros(c, np.float32),
                dilation=layer.dilation,
                activation=layer.activation,
                gating=layer.gating,
                gate=layer.gate,
            )
        )
    return WaveNetArray(
        rechannel_weight=rechannel,
        layers=tuple(layers),
        head_weight=stream.take(sizes.head_size, b, sizes.head_taps),
        head_bias=stream.take(sizes.head_size) if sizes.head_bias else None,
    )


def _is_active(array: Fields, key: str) -> bool:
    value = array.get(key)
    if value is None or value is False:
        return False
    return array.fields(key).flag("active", default=True)


def _refuse_groups(fields: Fields, key: str) -> None:
    if (groups := fields.integer(key, 1, MAX_CHANNELS, default=1)) != 1:
        raise _unsupported(fields, f"grouped convolutions ({key} {groups})")


def _unsupported(fields: Fields, feature: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"{fields.file} is a NAM WaveNet with {feature}, which this pedal doesn't play yet. "
        "Look for a standard (A1 or A2) capture of the same amp."
    )
