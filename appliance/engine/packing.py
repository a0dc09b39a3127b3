"""Description → the flat bytes the compiled engine reads (`native/blob.hpp`, `native/slot.hpp`).

A *model blob* is a model alone. A *patch* is what sounds: model blob + cabinet + normalising gain, stamped with the
generation of the controls it belongs to. Little-endian u32 and float32 throughout; weights stay in the layouts of
`formats/description.py`, and the engine repacks them for its own vector width.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from appliance.engine.packing_stack import pack_stack
from appliance.engine.patch_bytes import seal_patch
from appliance.errors import UnsupportedModel
from appliance.formats.description import (
    FILM_NAMES,
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
    WaveNetLayer,
)
from appliance.formats.foreign_graph import ForeignGraph
from appliance.formats.stack import Stack

MODEL_MAGIC = int.from_bytes(b"AMDL", "little")
MODEL_VERSION = 2

# The order of `enum class Act` in native/activations.hpp.
_ACTS = (
    Act.LINEAR,
    Act.TANH,
    Act.HARDTANH,
    Act.RELU,
    Act.LEAKY_RELU,
    Act.SIGMOID,
    Act.SILU,
    Act.HARDSWISH,
    Act.SOFTSIGN,
    Act.SOFTSIGMOID,
    Act.PRELU,
    Act.LEAKY_HARDTANH,
)
_GATINGS = (Gating.NONE, Gating.GATED, Gating.BLENDED)
_CELLS = (Cell.LSTM, Cell.GRU)
_KINDS: tuple[type, ...] = (WaveNet, Recurrent, ConvNet, Linear, Stack)


class _Writer:
    """Grows the stream."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def u32(self, *values: int) -> None:
        self.parts.append(struct.pack(f"<{len(values)}I", *values))

    def f32(self, *values: float) -> None:
        self.parts.append(struct.pack(f"<{len(values)}f", *values))

    def array(self, values: Array) -> None:
        self.parts.append(np.ascontiguousarray(values, dtype="<f4").tobytes())

    def optional(self, values: Array | None, count: int) -> None:
        """An array, or as many zeros."""
        self.array(np.zeros(count, np.float32) if values is None else values)

    def activation(self, activation: Activation) -> None:
        self.u32(_ACTS.index(activation.kind))
        self.f32(activation.slope)
        if activation.kind is Act.PRELU:
            self.u32(len(activation.slopes))
            self.f32(*activation.slopes)
        elif activation.kind is Act.LEAKY_HARDTANH:
            self.f32(activation.minimum, activation.maximum, activation.minimum_slope, activation.maximum_slope)

    def units(self, cell: Cell, layers: Sequence[RecurrentLayer]) -> None:
        self.u32(_CELLS.index(cell), len(layers))
        for layer in layers:
            self.u32(layer.weight_ih.shape[1], layer.weight_hh.shape[1])
            for weights in (layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh, layer.h0, layer.c0):
                self.array(weights)


def kind_number(architecture: Architecture) -> int:
    """The number of a family: `enum class ModelKind` in native/model.hpp."""
    return _KINDS.index(type(architecture))


def pack_model(description: Description) -> bytes:
    """The model blob of a description. Pure; may take milliseconds for large models.

    Raises UnsupportedModel for a graph that only ONNX Runtime can play.
    """
    writer = _Writer()
    architecture = description.architecture
    if isinstance(architecture, ForeignGraph):
        raise UnsupportedModel(
            f"{description.name} is an ONNX graph of its own: it plays only offline, with --engine onnx "
            "(appliance render, appliance bench engine). "
            "For the pedal use a .nam, GuitarML, AIDA-X or RTNeural file, or one from this pedal's trainer."
        )
    writer.u32(MODEL_MAGIC, MODEL_VERSION, kind_number(architecture))
    writer.u32(description.sample_rate_hz, 1 + len(description.knobs))
    writer.f32(10 ** (description.input_gain_db / 20), 10 ** (description.output_gain_db / 20))
    writer.u32(_skip(architecture))
    _network(writer, architecture)
    return b"".join(writer.parts)


def _skip(architecture: Architecture) -> int:
    return int(isinstance(architecture, Recurrent | Stack) and architecture.skip)


def _network(writer: _Writer, architecture: Architecture) -> None:
    assert not isinstance(architecture, ForeignGraph), "refused before"
    if isinstance(architecture, WaveNet):
        _wavenet(writer, architecture)
    elif isinstance(architecture, Recurrent):
        _recurrent(writer, architecture)
    elif isinstance(architecture, ConvNet):
        _convnet(writer, architecture)
    elif isinstance(architecture, Stack):
        pack_stack(writer, architecture)
    else:
        writer.u32(len(architecture.taps))
        writer.array(architecture.taps)
        writer.f32(architecture.bias)


def _wavenet(writer: _Writer, wavenet: WaveNet) -> None:
    condition = wavenet.condition
    writer.u32(0 if condition is None else 1 + _KINDS.index(type(condition)))
    if condition is not None:
        writer.u32(_skip(condition))
        _network(writer, condition)
    writer.u32(len(wavenet.arrays), len(wavenet.head_stages))
    writer.f32(wavenet.head_scale)
    for array in wavenet.arrays:
        channels, input_size = array.rechannel_weight.shape
        head_size, head_width, head_taps = array.head_weight.shape
        bottleneck = array.layers[0].out_weight.shape[1]
        writer.u32(channels, input_size, bottleneck, len(array.layers), head_size, head_width, head_taps)
        writer.u32(array.head_dilation)
        writer.array(array.rechannel_weight)
        writer.optional(array.rechannel_bias, channels)
        for layer in array.layers:
            _wavenet_layer(writer, layer)
        writer.array(array.head_weight)
        writer.optional(array.head_bias, head_size)
    for stage in wavenet.head_stages:
        outputs, _, taps = stage.weight.shape
        writer.u32(outputs, taps)
        writer.activation(stage.activation)
        writer.array(stage.weight)
        writer.array(stage.bias)


def _wavenet_layer(writer: _Writer, layer: WaveNetLayer) -> None:
    films = layer.films or Films()
    places = [getattr(films, name) for name in FILM_NAMES]
    writer.u32(layer.conv_weight.shape[2], layer.dilation, _GATINGS.index(layer.gating))
    writer.u32(int(layer.head_weight is not None), sum(1 << i for i, film in enumerate(places) if film is not None))
    writer.activation(layer.activation)
    writer.activation(layer.gate)
    for weights in (layer.conv_weight, layer.conv_bias, layer.mixin_weight, layer.out_weight, layer.out_bias):
        writer.array(weights)
    if layer.head_weight is not None:
        writer.array(layer.head_weight)
        writer.optional(layer.head_bias, layer.head_weight.shape[0])
    for film in places:
        if film is not None:
            writer.u32(film.weight.shape[0])
            writer.array(film.weight)
            writer.array(film.bias)


def _recurrent(writer: _Writer, network: Recurrent) -> None:
    writer.units(network.cell, network.layers)
    writer.array(network.head_weight)
    writer.f32(network.head_bias)


def _convnet(writer: _Writer, network: ConvNet) -> None:
    writer.u32(len(network.blocks))
    for block in network.blocks:
        writer.u32(*block.weight.shape, block.dilation)
        writer.activation(block.activation)
        writer.array(block.weight)
        writer.array(block.bias)
    writer.array(network.head_weight)
    writer.f32(network.head_bias)


def _knob_count(model_blob: bytes) -> int:
    if not model_blob:
        return 0
    inputs: int = struct.unpack_from("<I", model_blob, 16)[0]
    return inputs - 1


def pack_patch(
    *,
    generation: int,
    sample_rate_hz: int,
    model_blob: bytes,
    cabinet: Array | None = None,
    normalise_gain_db: float = 0.0,
    oversample: int = 1,
    knob_count: int | None = None,
) -> bytes:
    """The patch the audio process loads.

    model_blob: from `pack_model`, or b"" for no model (the guitar goes straight to the cabinet).
    cabinet: impulse response, float32 (frames,), already at `sample_rate_hz`; None for none.
    normalise_gain_db: what brings the model to the common loudness; applied while the controls' NORMALISE flag is set.
    oversample: 1, 2 or 4; how many times the session's rate the model runs at (`engine/rates.py`).
    knob_count: of a model that is not in the patch but put in its place (`Pedal.load_patch`); else the blob's own.
    """
    frames = np.zeros(0, np.float32) if cabinet is None else np.ascontiguousarray(cabinet, dtype="<f4")
    return seal_patch(
        generation=generation,
        sample_rate_hz=sample_rate_hz,
        normalise_gain=10 ** (normalise_gain_db / 20),
        model_blob=model_blob,
        cabinet=frames.tobytes(),
        knob_count=_knob_count(model_blob) if knob_count is None else knob_count,
        oversample=oversample,
    )
