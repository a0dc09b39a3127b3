"""WaveNets of `.nam` files, A1 and A2: weights to arrays.

Source: the NAM core (`NAM/wavenet/model.cpp`) and trainer (`nam/models/wavenet`), from their public descriptions of
weight order and forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from appliance.formats.description import (
    MAX_KNOBS,
    Architecture,
    Array,
    Film,
    Films,
    Gating,
    HeadStage,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
    output_count,
)
from appliance.formats.fields import Fields
from appliance.formats.nam_slimmable import slim
from appliance.formats.nam_wavenet_sizes import (
    ArraySizes,
    ConvSizes,
    LayerSizes,
    StageSizes,
    read_arrays,
    read_head_stages,
    unsupported,
)
from appliance.formats.nam_weights import WeightStream


def read_wavenet(model: Fields, quality: float, read_nested: Callable[[Fields], Architecture]) -> WaveNet:
    """The WaveNet of a `.nam` object. Raises BadModelFile, UnsupportedModel.

    quality: 0…1 picks the width of a model that can be slimmed (1: the full one). read_nested: reads the .nam object
    of a network whose outputs steer this one.
    """
    config = model.fields("config")
    arrays = read_arrays(config)
    stages = read_head_stages(config, arrays[-1].head.outputs)
    condition = read_nested(config.fields("condition_dsp")) if "condition_dsp" in config else None
    _check_inputs(config, arrays, condition)
    convolutions = [conv for array in arrays for conv in array.convolutions()] + [stage.conv for stage in stages]
    stream = WeightStream(
        model,
        expected=sum(conv.weight_count() for conv in convolutions) + 1,
        dense=sum(conv.weight_count(dense=True) for conv in convolutions),
    )
    built = tuple(_cut_array(array, stream) for array in arrays)
    head_stages = tuple(_cut_stage(stage, stream) for stage in stages)
    return WaveNet(
        slim(config, built, [array.allowed_channels for array in arrays], quality),
        head_scale=stream.scalar(),  # the stream's scale overrides config.head_scale
        head_stages=head_stages,
        condition=condition,
    )


def _check_inputs(config: Fields, arrays: list[ArraySizes], condition: Architecture | None) -> None:
    """Audio is one row; what else a WaveNet hears comes from knobs or from the condition network."""
    hears, takes = arrays[0].condition, arrays[0].rechannel.inputs
    inputs = config.integer("in_channels", 1, 1 + MAX_KNOBS, default=takes if takes == hears else 1)
    if takes != inputs:
        raise config.error(f"is {takes}, but {inputs} was wanted", "layers[0].input_size")
    if condition is None:
        if hears > 1 + MAX_KNOBS:
            raise unsupported(config, f"{hears - 1} knobs (condition_size {hears}; {MAX_KNOBS} is the most)")
        if takes not in (1, hears):
            raise unsupported(config, f"{takes} audio inputs")
        return
    if takes != 1:
        raise unsupported(config, f"{takes} audio inputs")
    if (gives := output_count(condition)) != hears:
        raise config.error(f"is {hears}, but its condition_dsp gives {gives}", "layers[0].condition_size")


def _cut_array(sizes: ArraySizes, stream: WeightStream) -> WaveNetArray:
    rechannel = _cut(sizes.rechannel, stream)[0][:, :, 0]
    layers = tuple(_cut_layer(layer, sizes.channels, sizes.bottleneck, stream) for layer in sizes.layers)
    weight, bias = _cut(sizes.head, stream)
    return WaveNetArray(
        rechannel_weight=rechannel,
        layers=layers,
        head_weight=weight,
        head_bias=bias,
        head_dilation=sizes.head_dilation,
    )


def _cut_layer(sizes: LayerSizes, channels: int, bottleneck: int, stream: WeightStream) -> WaveNetLayer:
    conv_weight, conv_bias = _cut(sizes.conv, stream)
    mixin_weight, _ = _cut(sizes.mixin, stream)
    # Without its 1x1 a layer leaves the residual as it was in the core (in the trainer it adds the activation itself);
    # adding zeros says the same.
    out_weight, out_bias = np.zeros((channels, bottleneck, 1), np.float32), np.zeros(channels, np.float32)
    if sizes.out is not None:
        out_weight, out_bias = _cut_biased(sizes.out, stream)
    head = None if sizes.head is None else _cut_biased(sizes.head, stream)
    films = dict(_cut_films(sizes, stream))
    if sizes.gating is not Gating.BLENDED:
        # The core, which players use, applies this one only where activations are blended; the trainer does always.
        films.pop("out_post", None)
    assert conv_bias is not None
    return WaveNetLayer(
        conv_weight=conv_weight,
        conv_bias=conv_bias,
        mixin_weight=mixin_weight[:, :, 0],
        out_weight=out_weight[:, :, 0],
        out_bias=out_bias,
        dilation=sizes.dilation,
        activation=sizes.activation,
        gating=sizes.gating,
        gate=sizes.gate,
        head_weight=None if head is None else head[0][:, :, 0],
        head_bias=None if head is None else head[1],
        films=Films(**films) if films else None,
    )


def _cut_films(sizes: LayerSizes, stream: WeightStream) -> Iterator[tuple[str, Film]]:
    for name, conv in sizes.films:
        weight, bias = _cut_biased(conv, stream)
        yield name, Film(weight[:, :, 0], bias)


def _cut_stage(sizes: StageSizes, stream: WeightStream) -> HeadStage:
    weight, bias = _cut_biased(sizes.conv, stream)
    return HeadStage(sizes.activation, weight, bias)


def _cut(sizes: ConvSizes, stream: WeightStream) -> tuple[Array, Array | None]:
    weight = stream.take_grouped(sizes.outputs, sizes.inputs, sizes.taps, sizes.groups)
    return weight, stream.take(sizes.outputs) if sizes.has_bias else None


def _cut_biased(sizes: ConvSizes, stream: WeightStream) -> tuple[Array, Array]:
    weight, bias = _cut(sizes, stream)
    assert bias is not None
    return weight, bias
