"""WaveNets trained to be played at several widths ("slimmable"): the first channels alone are a smaller model.

Source: NAM core `NAM/wavenet/slimmable.cpp`, from its public description.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from appliance.formats.description import Activation, Film, Films, Gating, WaveNetArray, WaveNetLayer
from appliance.formats.fields import Fields
from appliance.formats.nam_wavenet_sizes import read_arrays

_MOST_SIZES = 16  # that are listed; any other still can be picked


def size_limits(config: Fields) -> tuple[float, ...]:
    """Qualities at which the next size of a WaveNet begins; none for most files."""
    lists = [array.allowed_channels for array in read_arrays(config)]
    limits = sorted({index / len(allowed) for allowed in lists for index in range(1, len(allowed))})
    if len(limits) < _MOST_SIZES:
        return tuple(limits)
    return tuple(limits[round((k + 1) * len(limits) / _MOST_SIZES) - 1] for k in range(_MOST_SIZES))


def slim(
    config: Fields, arrays: tuple[WaveNetArray, ...], allowed: Sequence[Sequence[int]], quality: float
) -> tuple[WaveNetArray, ...]:
    """The arrays at the widths that `quality` 0…1 picks from each list of allowed ones."""
    # The small addition makes k / n pick the k-th of n in spite of rounding.
    picked = [widths[min(math.floor(quality * len(widths) + 1e-9), len(widths) - 1)] for widths in allowed]
    if all(widths[-1] == width for widths, width in zip(allowed, picked, strict=True)):
        return arrays
    slimmed: list[WaveNetArray] = []
    for array, channels in zip(arrays, picked, strict=True):
        inputs = picked[len(slimmed) - 1] if slimmed else array.rechannel_weight.shape[1]
        slimmed.append(_slim_array(array, channels, inputs))
    for index, following in enumerate(slimmed[1:]):
        outputs = following.head_weight.shape[1]
        array = slimmed[index]
        if array.head_weight.shape[0] < outputs:
            raise config.error("can't feed the next array at this size", f"layers[{index}].head")
        bias = None if array.head_bias is None else array.head_bias[:outputs]
        slimmed[index] = dataclasses.replace(array, head_weight=array.head_weight[:outputs].copy(), head_bias=bias)
    return tuple(slimmed)


def _slim_array(array: WaveNetArray, channels: int, inputs: int) -> WaveNetArray:
    full = array.rechannel_weight.shape[0]
    layers = tuple(_slim_layer(layer, channels, full) for layer in array.layers)
    last = layers[-1]
    head_width = last.out_weight.shape[1] if last.head_weight is None else last.head_weight.shape[0]
    return dataclasses.replace(
        array,
        rechannel_weight=array.rechannel_weight[:channels, :inputs].copy(),
        layers=layers,
        head_weight=array.head_weight[:, :head_width].copy(),
    )


def _slim_layer(layer: WaveNetLayer, channels: int, full: int) -> WaveNetLayer:
    # Also right where there is no layer1x1: the bottleneck is as wide as the channels then.
    bottleneck = max(1, layer.out_weight.shape[1] * channels // full)
    z = bottleneck if layer.gating is Gating.NONE else 2 * bottleneck
    films = layer.films
    if films is not None:
        films = Films(
            conv_pre=_slim_film(films.conv_pre, channels, full),
            conv_post=_slim_film(films.conv_post, z, layer.conv_weight.shape[0]),
            mixin_pre=films.mixin_pre,
            mixin_post=_slim_film(films.mixin_post, z, layer.conv_weight.shape[0]),
            activation_pre=_slim_film(films.activation_pre, z, layer.conv_weight.shape[0]),
            activation_post=_slim_film(films.activation_post, bottleneck, layer.out_weight.shape[1]),
            out_post=_slim_film(films.out_post, channels, full),
            head_post=films.head_post,
        )
    return dataclasses.replace(
        layer,
        conv_weight=layer.conv_weight[:z, :channels].copy(),
        conv_bias=layer.conv_bias[:z].copy(),
        mixin_weight=layer.mixin_weight[:z].copy(),
        out_weight=layer.out_weight[:channels, :bottleneck].copy(),
        out_bias=layer.out_bias[:channels].copy(),
        activation=_slim_activation(layer.activation, bottleneck),
        gate=_slim_activation(layer.gate, bottleneck),
        head_weight=None if layer.head_weight is None else layer.head_weight[:, :bottleneck].copy(),
        films=films,
    )


def _slim_film(film: Film | None, channels: int, full: int) -> Film | None:
    """As the core does it: the first rows, even where that mixes rows of scale and of shift."""
    if film is None:
        return None
    rows = channels * (film.weight.shape[0] // full)
    return Film(film.weight[:rows].copy(), film.bias[:rows].copy())


def _slim_activation(activation: Activation, channels: int) -> Activation:
    return dataclasses.replace(activation, slopes=activation.slopes[:channels])
