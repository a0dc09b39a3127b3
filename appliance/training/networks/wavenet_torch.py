"""The forward pass of a WaveNet in plain PyTorch operations: what a GPU runs, and what the compiled kernels must equal.

Valid convolutions: no padding anywhere, each layer works out just the frames that the next ones hear.
"""

from __future__ import annotations

from torch import Tensor, nn

from appliance.formats.description import Act, Activation
from appliance.training.networks.wavenet_shape import Part, WaveNetShape


def wavenet_forward(
    shape: WaveNetShape, weights: Tensor, audio: Tensor, knob_bias: Tensor | None, knob_scale: Tensor | None
) -> Tensor:
    """audio [batch, past_frames + frames] → [batch, frames].

    weights: the flat vector. knob_bias, knob_scale [batch, shape.layer_channels]: what the knobs add to each layer's
    pre-activation, after they have multiplied it by the scale.
    """
    table = dict(
        zip(shape.all_parts(), weights.split_with_sizes([part.size for part in shape.all_parts()]), strict=True)
    )

    def get(part: Part) -> Tensor:
        return table[part].view(part.dimensions)

    dry = audio[:, None]
    signal, head_sum = dry, None
    channel = 0
    for array, parts in zip(shape.arrays, shape.parts, strict=True):
        signal = nn.functional.conv1d(signal, get(parts.rechannel).t()[:, :, None])
        for layer, dilation in zip(parts.layers, array.dilations, strict=True):
            z = nn.functional.conv1d(signal, get(layer.conv).permute(2, 1, 0), get(layer.bias), dilation=dilation)
            frames = z.shape[-1]
            z = z + get(layer.mixin)[:, None] * dry[..., -frames:]
            here = slice(channel, channel + array.channels)
            channel += array.channels
            if knob_scale is not None:
                z = z * knob_scale[:, here, None]
            if knob_bias is not None:
                z = z + knob_bias[:, here, None]
            heard = _activate(shape.activation, z)
            head_sum = heard if head_sum is None else head_sum[..., -frames:] + heard
            out = nn.functional.conv1d(heard, get(layer.out).t()[:, :, None], get(layer.out_bias))
            signal = signal[..., -frames:] + out
        assert head_sum is not None
        bias = None if parts.head_bias is None else get(parts.head_bias)
        head_sum = nn.functional.conv1d(head_sum, get(parts.head).permute(2, 1, 0), bias)
    assert head_sum is not None
    return shape.head_scale * head_sum[:, 0]


def _activate(activation: Activation, z: Tensor) -> Tensor:
    if activation.kind is Act.TANH:
        return z.tanh()
    assert activation.kind is Act.LEAKY_RELU, activation
    return nn.functional.leaky_relu(z, activation.slope)
