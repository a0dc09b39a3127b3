"""Small devices to train on, made of formulas."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from appliance.formats.description import Knob
from appliance.training.bench_guitar import guitar
from appliance.training.takes import DataSet, Float32, Take

RATE_HZ = 48_000


def overdrive(dry: Float32, gain: float = 5.0) -> Float32:
    """A high-pass, a soft clipper and a low-pass: what a pedal is, roughly."""
    driven = np.tanh(gain * lfilter([0.98, -0.98], [1.0, -0.96], dry))
    return lfilter([0.3], [1.0, -0.7], driven).astype(np.float32)


def _without_pauses(dry: Float32) -> Float32:
    """So that a second is enough to judge by."""
    pieces = dry[: len(dry) // 2400 * 2400].reshape(-1, 2400)
    return pieces[np.abs(pieces).max(axis=1) > 0.02].reshape(-1)


def data_set(seconds: float = 12.0, level: float = 1.0, gains: tuple[float, ...] = ()) -> DataSet:
    """Plucks through the overdrive, the last two seconds for validation and test; with `gains`, a knob of them."""
    dry = _without_pauses(guitar(4 * seconds, seed=4))[: round(seconds * RATE_HZ)]
    end = len(dry)
    assert end == round(seconds * RATE_HZ), "more pauses than playing"
    spans = {
        "train": ((0, end - 2 * RATE_HZ),),
        "validation": ((end - 2 * RATE_HZ, end - RATE_HZ),),
        "test": ((end - RATE_HZ, end),),
    }
    if not gains:
        return DataSet("overdrive", RATE_HZ, (Take("only", dry, level * overdrive(dry), **spans),))
    takes = tuple(Take(f"gain {gain}", dry, level * overdrive(dry, gain), (gain,), **spans) for gain in gains)
    return DataSet("overdrive", RATE_HZ, takes, (Knob("Gain", min(gains), max(gains), heard=gains),))
