"""GuitarML / CoreAudioML recurrent models: NeuralPi, Proteus, Automated-GuitarAmpModelling.

Source: CoreAudioML `networks.py` (what is saved), NeuralPi and Proteus `RTNeuralLSTM.cpp` (how it is played).
The file has no sample rate: the family's is 44 100 Hz. Weights are PyTorch's own layouts.
"""

from __future__ import annotations

import re
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
)
from appliance.formats.fields import Fields, show

SAMPLE_RATE_HZ = 44_100
_CELLS = {"LSTM": (Cell.LSTM, 4), "GRU": (Cell.GRU, 3)}
# The file doesn't name its knob, but the makers do in the file's name: "TS9_DriveKnob.json".
_KNOB_WORDS = {
    "drive": "Drive",
    "vol": "Volume",
    "volume": "Volume",
    "gain": "Gain",
    "tone": "Tone",
    "level": "Level",
    "dist": "Distortion",
    "distortion": "Distortion",
    "fuzz": "Fuzz",
    "bass": "Bass",
    "mid": "Middle",
    "treble": "Treble",
    "master": "Master",
    "presence": "Presence",
}


def read_guitarml(value: dict[str, Any], file: str, name: str) -> Description:
    """The model of a GuitarML object. Raises BadModelFile, UnsupportedModel."""
    top = Fields(value, file)
    config = top.fields("model_data")
    kind = config.get("model")
    if kind not in (None, "SimpleRNN"):
        raise UnsupportedModel(
            f"{file} is a GuitarML model of the kind {show(kind)}; the pedal plays SimpleRNN (LSTM and GRU). "
            "Look for an LSTM capture of the same amp."
        )
    unit = config.text("unit_type")
    if unit not in _CELLS:
        raise UnsupportedModel(f"{file} is a recurrent model of {show(unit)} units; the pedal plays LSTM and GRU.")
    if (outputs := config.integer("output_size", 1, 64, default=1)) != 1:
        raise UnsupportedModel(f"{file} has {outputs} audio outputs; the pedal plays models with one.")
    cell, gates = _CELLS[unit]
    inputs = config.integer("input_size", 1, 1 + MAX_KNOBS)
    hidden = config.integer("hidden_size", 1, MAX_HIDDEN)
    layers = config.integer("num_layers", 1, MAX_LAYERS, default=1)
    has_bias = config.flag("bias_fl", default=True)
    state = top.fields("state_dict")

    def bias(key: str, size: int) -> Array:
        if key not in state and not has_bias:
            return np.zeros(size, np.float32)
        return state.array(key, (size,))

    zeros = np.zeros(hidden, np.float32)
    stack = tuple(
        RecurrentLayer(
            weight_ih=state.array(f"rec.weight_ih_l{i}", (gates * hidden, inputs if i == 0 else hidden)),
            weight_hh=state.array(f"rec.weight_hh_l{i}", (gates * hidden, hidden)),
            bias_ih=bias(f"rec.bias_ih_l{i}", gates * hidden),
            bias_hh=bias(f"rec.bias_hh_l{i}", gates * hidden),
            h0=zeros,
            c0=zeros,
        )
        for i in range(layers)
    )
    network = Recurrent(
        cell=cell,
        layers=stack,
        head_weight=state.array("lin.weight", (1, hidden))[0],
        head_bias=float(bias("lin.bias", 1)[0]),
        skip=config.flag("skip", default=False),
    )
    return Description(
        name=name,
        source_format="GuitarML NeuralPi/Proteus",
        architecture=network,
        sample_rate_hz=SAMPLE_RATE_HZ,
        sample_rate_known=False,
        knobs=knobs_from_file_name(file, inputs - 1),
    )


def knobs_from_file_name(file: str, count: int) -> tuple[Knob, ...]:
    """Names for `count` knobs 0…1: as many as the file name tells ("DriveKnob" → Drive), else "Knob 1" …"""
    words = re.findall(r"([A-Z]?[a-z]+|[A-Z]+)[ _-]?[Kk]nob", file)
    names = [_KNOB_WORDS[word.lower()] for word in words if word.lower() in _KNOB_WORDS]
    if len(names) != count or len(set(names)) != count:
        names = [f"Knob {i + 1}" for i in range(count)]
    return tuple(Knob(knob_name) for knob_name in names)
