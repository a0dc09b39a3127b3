"""Small sound files of our own for the library's tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile


def write_linear(path: Path, taps: tuple[float, ...] = (0.5, 0.25), name: str | None = None) -> Path:
    """A NAM "Linear" model: the smallest model file there is. Newest sample first."""
    metadata = {"name": name} if name else {}
    content = {
        "version": "0.5.4",
        "metadata": metadata,
        "architecture": "Linear",
        "config": {"receptive_field": len(taps), "bias": False},
        "weights": list(taps),
        "sample_rate": 48000,
    }
    path.write_text(json.dumps(content))
    return path


def write_knobbed(path: Path, seed: int = 1) -> Path:
    """A GuitarML LSTM with two units and one knob; the knob's name comes from the file's name."""
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> list[object]:
        return rng.normal(0, 0.4, shape).tolist()

    content = {
        "model_data": {
            "model": "SimpleRNN",
            "input_size": 2,
            "skip": 1,
            "output_size": 1,
            "unit_type": "LSTM",
            "num_layers": 1,
            "hidden_size": 2,
            "bias_fl": True,
        },
        "state_dict": {
            "rec.weight_ih_l0": weights(8, 2),
            "rec.weight_hh_l0": weights(8, 2),
            "rec.bias_ih_l0": weights(8),
            "rec.bias_hh_l0": weights(8),
            "lin.weight": weights(1, 2),
            "lin.bias": weights(1),
        },
    }
    path.write_text(json.dumps(content))
    return path


def write_cabinet(path: Path, seed: int = 1, rate_hz: int = 48_000) -> Path:
    """An impulse response of 20 ms."""
    frames = rate_hz // 50
    noise = np.random.default_rng(seed).standard_normal(frames) * np.exp(-np.arange(frames) / (0.003 * rate_hz))
    soundfile.write(path, (0.2 * noise).astype(np.float32), rate_hz, subtype="FLOAT")
    return path
