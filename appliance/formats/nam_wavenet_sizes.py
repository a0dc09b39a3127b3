"""The `config` of a `.nam` WaveNet: read, checked and counted before any weight is touched.

Source: the NAM core (`NAM/wavenet/model.cpp`) and trainer (`nam/models/wavenet`), from their public descriptions of
keys and defaults.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from appliance.errors import UnsupportedModel
from appliance.formats.activations import check_width, read_activation
from appliance.formats.description import (
    FILM_NAMES,
    MAX_CHANNELS,
    MAX_DILATION,
    MAX_KERNEL_TAPS,
    MAX_LAYERS,
    Act,
    Activation,
    Gating,
)
from appliance.formats.fields import Fields, check_integer, show

# The keys of the file, in the order of `Films` and of the weights.
_FILM_KEYS = (
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
class ConvSizes:
    """A convolution of the file. Groups split inputs and outputs into as many parts that don't hear each other."""

    outputs: int
    inputs: int
    taps: int = 1
    groups: int = 1
    has_bias: bool = True

    def weight_count(self, *, dense: bool = False) -> int:
        """Weights in the file; dense: after the groups are written out."""
        groups = 1 if dense else self.groups
        return self.outputs * self.inputs * self.taps // groups + self.outputs * self.has_bias


@dataclass(frozen=True)
class LayerSizes:
    """One layer: its convolutions in the order of the weights."""

    conv: ConvSizes
    mixin: ConvSizes
    out: ConvSizes | None  # layer1x1
    head: ConvSizes | None  # head1x1
    films: tuple[tuple[str, ConvSizes], ...]  # by the names of `Films`
    dilation: int
    activation: Activation
    gating: Gating
    gate: Activation

    def convolutions(self) -> Iterator[ConvSizes]:
        yield from (conv for conv in (self.conv, self.mixin, self.out, self.head) if conv is not None)
        yield from (conv for _, conv in self.films)


@dataclass(frozen=True)
class ArraySizes:
    """One layer array."""

    rechannel: ConvSizes
    bottleneck: int
    condition: int
    layers: tuple[LayerSizes, ...]
    head: ConvSizes
    head_dilation: int
    allowed_channels: tuple[int, ...]  # the widths it can be slimmed to, rising to its own

    @property
    def channels(self) -> int:
        return self.rechannel.outputs

    @property
    def head_width(self) -> int:
        """Channels of the head sum."""
        return self.head.inputs

    def convolutions(self) -> Iterator[ConvSizes]:
        yield self.rechannel
        for layer in self.layers:
            yield from layer.convolutions()
        yield self.head


@dataclass(frozen=True)
class StageSizes:
    """One stage of the head behind the last array."""

    activation: Activation
    conv: ConvSizes


def read_arrays(config: Fields) -> list[ArraySizes]:
    """Every layer array of a config, each checked in itself and against the one before."""
    arrays = [_read_array(array) for array in config.objects("layers", at_most=MAX_LAYERS)]
    for index, (array, following) in enumerate(itertools.pairwise(arrays)):
        if following.rechannel.inputs != array.channels:
            raise config.error(
                f"is {following.rechannel.inputs}, but {array.channels} was wanted", f"layers[{index + 1}].input_size"
            )
        if array.head.outputs != following.head_width:
            raise config.error(
                f"gives {array.head.outputs} channels, but the next array adds {following.head_width} to them",
                f"layers[{index}].head",
            )
    if len({array.condition for array in arrays}) > 1:
        raise config.error("differs from array to array, but all hear the same signal", "layers[…].condition_size")
    if sum(len(array.layers) for array in arrays) > MAX_LAYERS:
        raise config.error(f"has more than {MAX_LAYERS} layers in all", "layers")
    return arrays


def read_head_stages(config: Fields, inputs: int) -> tuple[StageSizes, ...]:
    """The post-stack head: activation, then convolution, once for each kernel size."""
    if "head" not in config:
        return ()
    head = config.fields("head")
    if (named := head.integer("in_channels", 1, MAX_CHANNELS, default=inputs)) != inputs:
        raise head.error(f"is {named}, but the last array gives {inputs} channels", "in_channels")
    hidden = head.integer("channels", 1, MAX_CHANNELS)
    outputs = head.integer("out_channels", 1, MAX_CHANNELS)
    activation = read_activation(head, "activation", head.get("activation"))
    kernels = head.integers("kernel_sizes", 1, MAX_KERNEL_TAPS, MAX_LAYERS)
    widths = [inputs, *[hidden] * (len(kernels) - 1), outputs]
    return tuple(
        StageSizes(check_width(head, "activation", activation, wide), ConvSizes(following, wide, taps))
        for taps, wide, following in zip(kernels, widths[:-1], widths[1:], strict=True)
    )


def _read_array(array: Fields) -> ArraySizes:
    channels = array.integer("channels", 1, MAX_CHANNELS)
    bottleneck = array.integer("bottleneck", 1, MAX_CHANNELS, default=channels)
    condition = array.integer("condition_size", 1, MAX_CHANNELS)
    has_out, out_groups = _read_layer1x1(array)
    if not has_out and bottleneck != channels:
        raise array.error(f"is {bottleneck}, but must equal channels ({channels}) where layer1x1 is off", "bottleneck")
    head1x1 = _read_head1x1(array, channels, bottleneck)
    head, head_dilation = _read_head(array, bottleneck if head1x1 is None else head1x1.outputs)
    layers = _read_layers(
        array,
        ConvSizes(1, channels, groups=_groups(array, "groups_input")),
        ConvSizes(1, condition, groups=_groups(array, "groups_input_mixin"), has_bias=False),
        ConvSizes(channels, bottleneck, groups=out_groups) if has_out else None,
        head1x1,
        bottleneck,
    )
    sizes = ArraySizes(
        rechannel=ConvSizes(channels, array.integer("input_size", 1, MAX_CHANNELS), has_bias=False),
        bottleneck=bottleneck,
        condition=condition,
        layers=layers,
        head=head,
        head_dilation=head_dilation,
        allowed_channels=_read_allowed(array, channels),
    )
    if len(sizes.allowed_channels) > 1 and any(conv.groups > 1 for conv in sizes.convolutions()):
        raise unsupported(array, "groups in a model of several sizes (slimmable)")
    return sizes


def _read_layer1x1(array: Fields) -> tuple[bool, int]:
    if "layer1x1" not in array:
        return True, 1
    out = array.fields("layer1x1")
    return out.flag("active", default=True), _groups(out, "groups")


def _read_head1x1(array: Fields, channels: int, bottleneck: int) -> ConvSizes | None:
    if not _is_active(array, "head1x1"):
        return None
    head = array.fields("head1x1")
    sizes = ConvSizes(
        head.integer("out_channels", 1, MAX_CHANNELS, default=channels), bottleneck, groups=_groups(head, "groups")
    )
    return _check_groups(head, "groups", sizes)


def _read_head(array: Fields, inputs: int) -> tuple[ConvSizes, int]:
    if "head" not in array:
        outputs = array.integer("head_size", 1, MAX_CHANNELS)
        return ConvSizes(outputs, inputs, has_bias=array.flag("head_bias")), 1
    head = array.fields("head")
    sizes = ConvSizes(
        head.integer("out_channels", 1, MAX_CHANNELS),
        inputs,
        head.integer("kernel_size", 1, MAX_KERNEL_TAPS, default=1),
        has_bias=head.flag("bias"),
    )
    return sizes, head.integer("head_dilation", 1, MAX_DILATION, default=1)


def _read_layers(
    array: Fields, conv: ConvSizes, mixin: ConvSizes, out: ConvSizes | None, head: ConvSizes | None, bottleneck: int
) -> tuple[LayerSizes, ...]:
    """conv, mixin: all but the outputs, which depend on the gating, and the taps."""
    dilations = array.integers("dilations", 1, MAX_DILATION, MAX_LAYERS)
    count = len(dilations)
    if ("kernel_size" in array) == ("kernel_sizes" in array):
        raise array.error('needs exactly one of "kernel_size" and "kernel_sizes"')
    key = "kernel_size" if "kernel_size" in array else "kernel_sizes"
    kernels = [check_integer(array, key, value, 1, MAX_KERNEL_TAPS) for value in _per_layer(array, key, count)]
    activations = [read_activation(array, "activation", v) for v in _per_layer(array, "activation", count)]
    if "gating_mode" in array:
        gatings = [_read_gating(array, value) for value in _per_layer(array, "gating_mode", count)]
    else:
        gatings = [Gating.GATED if array.flag("gated", default=False) else Gating.NONE] * count
    seconds = _per_layer(array, "secondary_activation", count) if "secondary_activation" in array else [None] * count
    layers = []
    for taps, dilation, activation, gating, second in zip(
        kernels, dilations, activations, gatings, seconds, strict=True
    ):
        z = bottleneck if gating is Gating.NONE else 2 * bottleneck
        gate = Activation(Act.SIGMOID)
        if gating is not Gating.NONE and second not in (None, ""):
            gate = read_activation(array, "secondary_activation", second)
        layer_conv = _check_groups(array, "groups_input", ConvSizes(z, conv.inputs, taps, conv.groups))
        layer_mixin = ConvSizes(z, mixin.inputs, groups=mixin.groups, has_bias=False)
        layers.append(
            LayerSizes(
                conv=layer_conv,
                mixin=_check_groups(array, "groups_input_mixin", layer_mixin),
                out=None if out is None else _check_groups(array, "layer1x1.groups", out),
                head=head,
                films=tuple(_read_films(array, mixin.inputs, conv.inputs, bottleneck, z, out, head)),
                dilation=dilation,
                activation=check_width(array, "activation", activation, bottleneck),
                gating=gating,
                gate=check_width(array, "secondary_activation", gate, bottleneck),
            )
        )
    return tuple(layers)


def _read_films(
    array: Fields, condition: int, channels: int, bottleneck: int, z: int, out: ConvSizes | None, head: ConvSizes | None
) -> Iterator[tuple[str, ConvSizes]]:
    """(name in `Films`, its 1x1 convolution) for every active one."""
    out_width = None if out is None else channels
    head_width = None if head is None else head.outputs
    widths = (channels, z, condition, z, z, bottleneck, out_width, head_width)
    for name, key, width in zip(FILM_NAMES, _FILM_KEYS, widths, strict=True):
        if not _is_active(array, key):
            continue
        if width is None:
            raise array.error(f"is on, but {key.removesuffix('_post_film')} is off", key)
        film = array.fields(key)
        outputs = 2 * width if film.flag("shift", default=True) else width
        yield name, _check_groups(film, "groups", ConvSizes(outputs, condition, groups=_groups(film, "groups")))


def _read_allowed(array: Fields, channels: int) -> tuple[int, ...]:
    if not isinstance(array.get("slimmable"), dict):
        return (channels,)
    slimmable = array.fields("slimmable")
    if "method" not in slimmable:
        return (channels,)
    if slimmable.text("method") != "slice_channels_uniform":
        raise unsupported(array, f"several sizes by the method {show(slimmable.text('method'))}")
    if "kwargs" not in slimmable or "allowed_channels" not in (kwargs := slimmable.fields("kwargs")):
        return tuple(range(1, channels + 1))
    allowed = kwargs.integers("allowed_channels", 1, MAX_CHANNELS, MAX_CHANNELS)
    if allowed != sorted(set(allowed)) or allowed[-1] != channels:
        raise kwargs.error(f"must rise to channels ({channels})", "allowed_channels")
    return tuple(allowed)


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


def _is_active(array: Fields, key: str) -> bool:
    value = array.get(key)
    if value is None or value is False:
        return False
    return array.fields(key).flag("active", default=key != "head1x1")


def _groups(fields: Fields, key: str) -> int:
    return fields.integer(key, 1, 2 * MAX_CHANNELS, default=1)


def _check_groups(fields: Fields, key: str, sizes: ConvSizes) -> ConvSizes:
    if sizes.inputs % sizes.groups or sizes.outputs % sizes.groups:
        raise fields.error(f"is {sizes.groups}, which doesn't divide {sizes.inputs} into {sizes.outputs} channels", key)
    return sizes


def unsupported(fields: Fields, feature: str) -> UnsupportedModel:
    """The refusal of a WaveNet with something that no engine has."""
    return UnsupportedModel(
        f"{fields.file} is a NAM WaveNet with {feature}, which this pedal doesn't play. "
        "Look for a standard (A1 or A2) capture of the same amp."
    )
