"""The smaller architectures of `.nam` files: LSTM, ConvNet, Linear. Source: NAM core `lstm.cpp`, `convnet.cpp`,
`linear.cpp`."""

from __future__ import annotations

import numpy as np

from appliance.errors import UnsupportedModel
from appliance.formats.activations import check_width, read_activation
from appliance.formats.description import (
    MAX_CHANNELS,
    MAX_DILATION,
    MAX_HIDDEN,
    MAX_KERNEL_TAPS,
    MAX_KNOBS,
    MAX_LAYERS,
    Cell,
    ConvBlock,
    ConvNet,
    Linear,
    Recurrent,
    RecurrentLayer,
)
from appliance.formats.fields import Fields
from appliance.formats.nam_weights import WeightStream


def read_lstm(model: Fields) -> Recurrent:
    """Per layer: [input | recurrent] weights 4H × (I + H), bias 4H, h0, c0; then the linear head.

    Inputs beyond the first are knobs.
    """
    config = model.fields("config")
    size = config.integer("input_size", 1, 1 + MAX_KNOBS, default=1)
    if (count := config.integer("in_channels", 1, MAX_CHANNELS, default=size)) not in (1, size):
        raise config.error(f"is {count}, but {size} (input_size) was wanted", "in_channels")
    if (count := config.integer("out_channels", 1, MAX_CHANNELS, default=1)) != 1:
        raise UnsupportedModel(
            f"{model.file} is an LSTM with {count} audio outputs (out_channels); the pedal plays those with one. "
            "Look for another capture of the same amp."
        )
    h = config.integer("hidden_size", 1, MAX_HIDDEN)
    count = config.integer("num_layers", 1, MAX_LAYERS)
    inputs = [size] + [h] * (count - 1)
    stream = WeightStream(model, expected=sum(4 * h * (i + h) + 6 * h for i in inputs) + h + 1)
    layers = []
    for i in inputs:
        both = stream.take(4 * h, i + h)
        layers.append(
            RecurrentLayer(
                weight_ih=np.ascontiguousarray(both[:, :i]),
                weight_hh=np.ascontiguousarray(both[:, i:]),
                bias_ih=stream.take(4 * h),
                bias_hh=np.zeros(4 * h, np.float32),  # the file keeps the sum of the two
                h0=stream.take(h),
                c0=stream.take(h),
            )
        )
    return Recurrent(Cell.LSTM, tuple(layers), head_weight=stream.take(h), head_bias=stream.scalar())


def read_convnet(model: Fields) -> ConvNet:
    """Blocks of two taps; batch-norm is folded into the convolution."""
    config = model.fields("config")
    for key in ("groups", "in_channels", "out_channels"):  # groups can't split the one channel the first block hears
        if (count := config.integer(key, 1, MAX_CHANNELS, default=1)) != 1:
            raise UnsupportedModel(
                f"{model.file} is a ConvNet with {key} {count}; the pedal plays those with 1. "
                "Look for a standard (A1 or A2) capture of the same amp."
            )
    channels = config.integer("channels", 1, MAX_CHANNELS)
    dilations = config.integers("dilations", 1, MAX_DILATION, MAX_LAYERS)
    has_batchnorm = config.flag("batchnorm")
    activation = read_activation(config, "activation", config.get("activation"))
    check_width(config, "activation", activation, channels)
    inputs = [1] + [channels] * (len(dilations) - 1)
    per_block = 4 * channels + 1 if has_batchnorm else channels
    expected = sum(2 * channels * i + per_block for i in inputs) + channels + 1
    stream = WeightStream(model, expected)
    blocks = []
    for i, dilation in zip(inputs, dilations, strict=True):
        weight = stream.take(channels, i, 2)
        if has_batchnorm:
            mean, variance, gain, offset = (stream.take(channels).astype(np.float64) for _ in range(4))
            if (variance + (epsilon := stream.scalar()) <= 0).any():
                raise model.error("hold a batch-norm variance that is not positive", "weights")
            scale = gain / np.sqrt(variance + epsilon)
            weight = (weight * scale[:, None, None]).astype(np.float32)
            bias = (offset - scale * mean).astype(np.float32)
            if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
                raise model.error("hold a batch-norm that is too large to be played", "weights")
        else:
            bias = stream.take(channels)
        blocks.append(ConvBlock(weight, bias, dilation, activation))
    return ConvNet(tuple(blocks), head_weight=stream.take(channels), head_bias=stream.scalar())


def read_linear(model: Fields) -> Linear:
    """An impulse response. Weight 0 multiplies the newest sample, as the NAM core plays it."""
    config = model.fields("config")
    taps = config.integer("receptive_field", 1, MAX_KERNEL_TAPS)
    has_bias = config.flag("bias")
    stream = WeightStream(model, expected=taps + has_bias)
    return Linear(stream.take(taps), bias=stream.scalar() if has_bias else 0.0)
