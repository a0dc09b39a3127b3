"""WaveNets to train: NAM's A1 and A2 sizes, with knobs.

Knobs reach every layer through the condition, as its mix-in does the audio: while a take is played they stand still, so
that they shift each channel's pre-activation (and with `film` also scale it: feature-wise linear modulation, Perez et
al., AAAI 2018). Source of the network: Damskägg, Juvela, Thuillier, Välimäki, "Deep learning for tube amplifier
emulation", ICASSP 2019, as NAM builds it; the forward pass is `engine/reference.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from appliance.formats.description import (
    Architecture,
    Array,
    Film,
    Films,
    Gating,
    Knob,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from appliance.training.contract import Network
from appliance.training.networks.knob_scaling import knob_columns_to_positions, knob_columns_to_units
from appliance.training.networks.wavenet_native import kernels_for, native_forward, usable
from appliance.training.networks.wavenet_shape import SHAPES, ArrayParts, ArrayShape, LayerParts, Part, WaveNetShape
from appliance.training.networks.wavenet_torch import wavenet_forward


class WaveNetNetwork(Network):
    """A WaveNet of a shape, freshly initialised.

    weights: all weights but the knobs', flat (`WaveNetShape.parts`). knob_weights [layer_channels, knob_count] and,
    with `film`, knob_scales of the same shape: what a full turn of a knob adds to a pre-activation, and to its scale.
    """

    def __init__(self, shape: WaveNetShape, knob_count: int = 0, *, film: bool = False) -> None:
        super().__init__()
        self.shape = shape
        self.knob_count = knob_count
        self.past_frames = shape.past_frames
        self.weights = nn.Parameter(torch.empty(shape.weight_count))
        self.knob_weights = nn.Parameter(torch.zeros(shape.layer_channels, knob_count)) if knob_count else None
        self.knob_scales = nn.Parameter(torch.zeros(shape.layer_channels, knob_count)) if knob_count and film else None
        self._bias_places: Tensor
        self._channel_of_weight: Tensor
        self.register_buffer("_bias_places", torch.empty(0, dtype=torch.long), persistent=False)
        self.register_buffer("_channel_of_weight", torch.empty(0, dtype=torch.long), persistent=False)
        self._find_knob_places()
        self._initialise()

    def _find_knob_places(self) -> None:
        """Where in the flat vector each layer channel's bias is, and which channel's pre-activation a weight is part of
        (or, one past the last channel, none)."""
        shape = self.shape
        channels = torch.full((shape.weight_count,), shape.layer_channels)
        biases = []
        channel = 0
        for array in shape.parts:
            for layer in array.layers:
                width = layer.bias.size
                own = torch.arange(channel, channel + width)
                for part in (layer.conv, layer.bias, layer.mixin):
                    channels[part.offset : part.offset + part.size] = own.expand(part.dimensions).reshape(-1)
                biases.append(torch.arange(layer.bias.offset, layer.bias.offset + width))
                channel += width
        self._bias_places = torch.cat(biases)
        self._channel_of_weight = channels

    def _initialise(self) -> None:
        """Uniform, ±1/√(inputs) of each convolution (PyTorch's own start)."""
        with torch.no_grad():
            for part in self.shape.all_parts():
                bound = part.fan_in**-0.5
                self._values(part).uniform_(-bound, bound)
            if self.knob_weights is not None:
                self.knob_weights.uniform_(-0.5, 0.5)

    def _values(self, part: Part) -> Tensor:
        return self.weights.detach()[part.offset : part.offset + part.size].view(part.dimensions)

    def forward(self, audio: Tensor, positions: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """See the contract. There is no state: the past is in the audio."""
        kernels = kernels_for(self.shape) if usable(self.weights, audio) else None
        if kernels is not None:
            return native_forward(kernels, self._item_weights(positions), audio), None
        return self.torch_forward(audio, positions), None

    def torch_forward(self, audio: Tensor, positions: Tensor) -> Tensor:
        """`forward` in PyTorch's own operations, on any device."""
        knob_bias = knob_scale = None
        if self.knob_weights is not None:
            knob_bias = positions @ self.knob_weights.t()
        if self.knob_scales is not None:
            knob_scale = 1.0 + positions @ self.knob_scales.t()
        return wavenet_forward(self.shape, self.weights, audio, knob_bias, knob_scale)

    def _item_weights(self, positions: Tensor) -> Tensor:
        """[1, weight_count], or [batch, weight_count] with each item's knobs folded into the weights and biases."""
        weights = self.weights[None]
        if self.knob_scales is not None:
            scales = 1.0 + positions @ self.knob_scales.t()
            ones = scales.new_ones(len(scales), 1)
            weights = weights * torch.cat([scales, ones], dim=1).index_select(1, self._channel_of_weight)
        if self.knob_weights is not None:
            weights = weights.expand(len(positions), -1).index_add(
                1, self._bias_places, positions @ self.knob_weights.t()
            )
        return weights

    def architecture(self, knobs: Sequence[Knob]) -> Architecture:
        if len(knobs) != self.knob_count:
            raise ValueError(f"the network has {self.knob_count} knobs, {len(knobs)} were described")
        arrays = []
        channel = 0
        for shape, parts in zip(self.shape.arrays, self.shape.parts, strict=True):
            arrays.append(self._array(shape, parts, knobs, channel))
            channel += shape.channels * len(shape.taps)
        return WaveNet(tuple(arrays), self.shape.head_scale)

    def _array(self, shape: ArrayShape, parts: ArrayParts, knobs: Sequence[Knob], channel: int) -> WaveNetArray:
        layers = []
        for layer, dilation in zip(parts.layers, shape.dilations, strict=True):
            layers.append(self._layer(layer, dilation, knobs, slice(channel, channel + shape.channels)))
            channel += shape.channels
        return WaveNetArray(
            rechannel_weight=_array(self._values(parts.rechannel).t()),
            layers=tuple(layers),
            head_weight=_array(self._values(parts.head).permute(2, 1, 0)),
            head_bias=None if parts.head_bias is None else _array(self._values(parts.head_bias)),
        )

    def _layer(self, layer: LayerParts, dilation: int, knobs: Sequence[Knob], channels: slice) -> WaveNetLayer:
        audio_mixin = _array(self._values(layer.mixin))[:, None]
        mixin, bias, films = audio_mixin, _array(self._values(layer.bias)), None
        if self.knob_weights is not None and self.knob_scales is None:
            both = np.concatenate([audio_mixin, _array(self.knob_weights[channels])], axis=1)
            mixin, bias = knob_columns_to_units(both, bias, knobs, first_knob=1)
        elif self.knob_weights is not None and self.knob_scales is not None:
            mixin = np.concatenate([audio_mixin, np.zeros((len(bias), len(knobs)), np.float32)], axis=1)
            rows = torch.cat([self.knob_scales[channels], self.knob_weights[channels]])
            columns = np.concatenate([np.zeros((len(rows), 1), np.float32), _array(rows)], axis=1)
            start = np.repeat(np.array([1.0, 0.0], np.float32), len(bias))
            films = Films(activation_pre=Film(*knob_columns_to_units(columns, start, knobs, first_knob=1)))
        return WaveNetLayer(
            conv_weight=_array(self._values(layer.conv).permute(2, 1, 0)),
            conv_bias=bias,
            mixin_weight=mixin,
            out_weight=_array(self._values(layer.out).t()),
            out_bias=_array(self._values(layer.out_bias)),
            dilation=dilation,
            activation=self.shape.activation,
            films=films,
        )

    @classmethod
    def from_architecture(cls, architecture: WaveNet, knobs: Sequence[Knob]) -> WaveNetNetwork:
        """A network that goes on from a model's weights.

        Raises ValueError for a WaveNet with a part that networks here don't have (gates, layers of several activations,
        modulation, a network for the condition, a head behind the last array).
        """
        shape = _shape_of(architecture)
        network = cls(shape, len(knobs))
        channel = 0
        with torch.no_grad():
            for array, parts in zip(architecture.arrays, shape.parts, strict=True):
                network._values(parts.rechannel).copy_(_tensor(array.rechannel_weight).t())
                network._values(parts.head).copy_(_tensor(array.head_weight).permute(2, 1, 0))
                if parts.head_bias is not None and array.head_bias is not None:
                    network._values(parts.head_bias).copy_(_tensor(array.head_bias))
                for layer, places in zip(array.layers, parts.layers, strict=True):
                    mixin, bias = knob_columns_to_positions(layer.mixin_weight, layer.conv_bias, knobs, first_knob=1)
                    network._values(places.conv).copy_(_tensor(layer.conv_weight).permute(2, 1, 0))
                    network._values(places.bias).copy_(_tensor(bias))
                    network._values(places.mixin).copy_(_tensor(mixin[:, 0]))
                    network._values(places.out).copy_(_tensor(layer.out_weight).t())
                    network._values(places.out_bias).copy_(_tensor(layer.out_bias))
                    if network.knob_weights is not None:
                        network.knob_weights[channel : channel + len(bias)] = _tensor(mixin[:, 1:])
                    channel += len(bias)
        return network


class PackedNetwork(Network):
    """Networks of several sizes that are trained together on the same batches and end in one file, smallest first.

    For training go through `members`: each is a network of its own, with its own forward, loss and best epoch.
    `past_frames` is that of the longest; `member_audio` gives each member as much as it hears. `forward` is the largest
    member's.
    """

    def __init__(self, members: Sequence[WaveNetNetwork]) -> None:
        super().__init__()
        if not members or len({member.knob_count for member in members}) != 1:
            raise ValueError("a pack needs at least one network, and all of them with the same knobs")
        self._members = sorted(members, key=lambda member: member.shape.weight_count)
        self._modules_of_members = nn.ModuleList(self._members)
        self.past_frames = max(member.past_frames for member in members)
        self.knob_count = members[0].knob_count

    @property
    def members(self) -> Sequence[Network]:
        return self._members

    def member_audio(self, member: Network, audio: Tensor) -> Tensor:
        """The end of audio [batch, past_frames + frames] that gives `frames` outputs of the member."""
        return audio[:, self.past_frames - member.past_frames :]

    def forward(self, audio: Tensor, positions: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        largest = self.members[-1]
        output: tuple[Tensor, Any] = largest(self.member_audio(largest, audio), positions, state)
        return output

    def architecture(self, knobs: Sequence[Knob]) -> Architecture:
        """The largest member's; each member's own comes from itself."""
        return self.members[-1].architecture(knobs)


def build(size: str, knob_count: int = 0, *, film: bool = False) -> Network:
    """A network by the name of its size: those of `SHAPES`, or "a2" for A2 lite and full together.

    Raises ValueError for any other name.
    """
    if size == "a2":
        return PackedNetwork([WaveNetNetwork(SHAPES[name], knob_count, film=film) for name in ("a2-lite", "a2-full")])
    if size not in SHAPES:
        raise ValueError(f"there is no WaveNet of size {size!r}; there are a2, {', '.join(SHAPES)}")
    return WaveNetNetwork(SHAPES[size], knob_count, film=film)


def _shape_of(architecture: WaveNet) -> WaveNetShape:
    layers = [layer for array in architecture.arrays for layer in array.layers]
    extras = (
        architecture.head_stages
        or architecture.condition is not None
        or any(layer.gating is not Gating.NONE or layer.films or layer.head_weight is not None for layer in layers)
        or any(layer.out_weight.shape[0] != layer.out_weight.shape[1] for layer in layers)
        or any(array.head_dilation != 1 or array.rechannel_bias is not None for array in architecture.arrays)
        or len({layer.activation for layer in layers}) != 1
    )
    if extras:
        raise ValueError("this WaveNet has gates, modulation or a second head; only plain ones can be trained further")
    arrays = tuple(
        ArrayShape(
            channels=array.rechannel_weight.shape[0],
            taps=tuple(layer.conv_weight.shape[2] for layer in array.layers),
            dilations=tuple(layer.dilation for layer in array.layers),
            head_size=array.head_weight.shape[0],
            head_taps=array.head_weight.shape[2],
            head_bias=array.head_bias is not None,
        )
        for array in architecture.arrays
    )
    return WaveNetShape("imported", arrays, layers[0].activation, architecture.head_scale)


def _array(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
