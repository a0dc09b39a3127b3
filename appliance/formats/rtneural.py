"""RTNeural's "keras JSON": AIDA-X (`.aidax`, `.json`) and relatives.

Source: RTNeural `model_loader.h`, AIDA-X `aidadsp-plugin.cpp`, Automated-GuitarAmpModelling `modelToKeras.py`.
Matrices are keras' (input rows); they are turned into PyTorch's here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from appliance.errors import UnsupportedModel
from appliance.formats.description import (
    MAX_HIDDEN,
    MAX_KNOBS,
    MAX_LAYERS,
    Array,
    Cell,
    Description,
    Knob,
    Recurrent,
    RecurrentLayer,
    SelfTest,
)
from appliance.formats.fields import (
    MAX_SAMPLE_RATE_HZ,
    MIN_SAMPLE_RATE_HZ,
    Fields,
    clean_metadata,
    clean_text,
    flat_array,
    is_number,
    list_shape,
    optional_number,
    show,
    to_array,
)
from appliance.formats.rtneural_stack import read_layers
from appliance.formats.stack import Stack

DEFAULT_SAMPLE_RATE_HZ = 48_000
_MAX_GAIN_DB = 80.0
_MAX_SELF_TEST_FRAMES = 65_536
_CELLS = {"lstm": Cell.LSTM, "gru": Cell.GRU}


def read_rtneural(value: dict[str, Any], file: str, name: str) -> Description:
    """The model of a keras-JSON object. Raises BadModelFile, UnsupportedModel."""
    top = Fields(value, file)
    inputs = _inputs(top)
    layers = list(top.objects("layers", MAX_LAYERS))
    architecture = _architecture(layers, inputs, skip=_skip(top))
    metadata = clean_metadata(value.get("metadata"))
    rate = _sample_rate(metadata.get("samplerate", value.get("samplerate")))
    return Description(
        name=clean_text(metadata.get("name")) or name,
        source_format="RTNeural" if isinstance(architecture, Stack) else "AIDA-X",
        architecture=architecture,
        sample_rate_hz=rate or DEFAULT_SAMPLE_RATE_HZ,
        sample_rate_known=rate is not None,
        knobs=tuple(Knob(f"Param {i}") for i in range(1, inputs)),
        input_gain_db=top.number("in_gain", -_MAX_GAIN_DB, _MAX_GAIN_DB, default=0.0),
        output_gain_db=top.number("out_gain", -_MAX_GAIN_DB, _MAX_GAIN_DB, default=0.0),
        esr=optional_number(metadata.get("esr"), 0, 100),
        licence=clean_text(metadata.get("license")),
        self_test=_self_test(top),
        metadata=metadata,
    )


def _architecture(layers: list[Fields], inputs: int, *, skip: bool) -> Recurrent | Stack:
    """LSTM or GRU layers with a dense layer after them, as AIDA-X makes them, or any other stack."""
    kinds = [layer.text("type").lower() for layer in layers]
    is_usual = len(kinds) > 1 and kinds[0] in _CELLS and kinds == [kinds[0]] * (len(kinds) - 1) + ["dense"]
    if not is_usual or layers[-1].get("activation") not in (None, "", "linear"):
        return read_layers(layers, inputs, _read_recurrent, skip=skip)
    cell = _CELLS[kinds[0]]
    recurrent = []
    width = inputs
    for layer in layers[:-1]:
        built = _read_recurrent(layer, cell, width)
        recurrent.append(built)
        width = built.weight_hh.shape[1]
    head_weight, head_bias = _read_dense(layers[-1], width)
    return Recurrent(cell, tuple(recurrent), head_weight, head_bias, skip=skip)


def _inputs(top: Fields) -> int:
    shape = top.get("in_shape")
    if not isinstance(shape, list) or not shape or not is_number(shape[-1]) or shape[-1] not in range(1, 2 + MAX_KNOBS):
        found = show(shape[-1]) if isinstance(shape, list) and shape else show(shape)
        raise top.error(f"ends in {found}, but the number of inputs (1 to {1 + MAX_KNOBS}) was wanted", "in_shape")
    return int(shape[-1])


def _skip(top: Fields) -> bool:
    skip = top.integer("in_skip", 0, 1_000_000, default=0) if not isinstance(top.get("in_skip"), bool) else 0
    if skip > 1:
        raise UnsupportedModel(f"{top.file} adds {skip} inputs to its output (in_skip); the pedal adds at most one.")
    return bool(skip) or top.get("in_skip") is True


def _read_recurrent(layer: Fields, cell: Cell, inputs: int) -> RecurrentLayer:
    weights = layer.items("weights", at_most=3)
    if len(weights) != 3:
        raise layer.error(f"has {len(weights)} arrays, but 3 (input, recurrent, bias) were wanted", "weights")
    hidden = (list_shape(weights[1]) or (0,))[0]
    if not 1 <= hidden <= MAX_HIDDEN:
        raise layer.error(f"name {hidden} units, but 1 to {MAX_HIDDEN} were wanted", "weights")
    gates = 4 if cell is Cell.LSTM else 3
    where = Fields({}, layer.file, layer.path("weights"))
    kernel = to_array(where, 0, weights[0], (inputs, gates * hidden)).T
    recurrent = to_array(where, 1, weights[1], (hidden, gates * hidden)).T
    if cell is Cell.LSTM:
        bias_ih = to_array(where, 2, weights[2], (4 * hidden,))
        bias_hh = np.zeros(4 * hidden, np.float32)
    else:
        if list_shape(weights[2]) == (3 * hidden,):
            raise UnsupportedModel(
                f"{layer.file} has a GRU with one bias row (keras' reset_after off); the pedal plays those with two, "
                "which is what AIDA-X exports."
            )
        both = to_array(where, 2, weights[2], (2, 3 * hidden))
        kernel, recurrent = _reset_first(kernel), _reset_first(recurrent)
        bias_ih, bias_hh = _reset_first(both[0]), _reset_first(both[1])
    zeros = np.zeros(hidden, np.float32)
    return RecurrentLayer(np.ascontiguousarray(kernel), np.ascontiguousarray(recurrent), bias_ih, bias_hh, zeros, zeros)


def _reset_first(gates: Array) -> Array:
    """Rows in the order z, r, n (keras) → r, z, n (PyTorch)."""
    z, r, n = np.split(gates, 3)
    return np.concatenate([r, z, n])


def _read_dense(layer: Fields, width: int) -> tuple[Array, float]:
    weights = layer.items("weights", at_most=2)
    where = Fields({}, layer.file, layer.path("weights"))
    if len(shape := list_shape(weights[0])) == 2 and shape[1] != 1:
        raise UnsupportedModel(f"{layer.file} ends in {shape[1]} outputs; the pedal plays models with one.")
    weight = to_array(where, 0, weights[0], (width, 1))[:, 0]
    bias = float(to_array(where, 1, weights[1], (1,))[0]) if len(weights) == 2 else 0.0
    return np.ascontiguousarray(weight), bias


def _sample_rate(value: Any) -> int | None:
    """The rate, written as text ("48000") or as a number; None if there is none that makes sense."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 12:
        value = int(value)
    rate = optional_number(value, MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ)
    return round(rate) if rate is not None else None


def _self_test(top: Fields) -> SelfTest | None:
    """The input and output that the trainer left in the file; None if absent or not two equal rows of numbers."""
    audio, expected = top.get("input_batch"), top.get("output_batch")
    shape = list_shape(audio)
    if len(shape) != 1 or not 1 <= shape[0] <= _MAX_SELF_TEST_FRAMES or list_shape(expected) != shape:
        return None
    return SelfTest(flat_array(top, "input_batch", audio), flat_array(top, "output_batch", expected))
