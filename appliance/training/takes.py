"""Recordings of a device, as every part of training and the report take them. Imports no torch.

Audio is float32, mono, full scale ±1. Knob values in a `Take` are in the knob's own unit; what a network is fed is the
knob's *position*, 0 at its minimum and 1 at its maximum (`position_of`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.formats.description import Knob

Float32 = npt.NDArray[np.float32]
Span = tuple[int, int]  # first frame, one past the last frame


@dataclass(frozen=True)
class Take:
    """One recording of the device: what went in and, aligned to the sample, what came out.

    train, validation, test: spans of frames that don't overlap. A take that is `held_out` (a knob position that is
    never trained on) has no train and no validation spans. Audio before a span may be used to warm a network up.
    """

    name: str
    dry: Float32  # [frames]
    wet: Float32  # [frames]; wet[n] is the device's answer to dry[n]
    knobs: tuple[float, ...] = ()  # in the order and units of DataSet.knobs
    held_out: bool = False
    train: tuple[Span, ...] = ()
    validation: tuple[Span, ...] = ()
    test: tuple[Span, ...] = ()
    notes: tuple[str, ...] = ()  # what was found and repaired, in words for the player


@dataclass(frozen=True)
class DataSet:
    """Every take of one device, at one sample rate. `knobs[i].heard` lists the positions of takes not held out."""

    name: str
    sample_rate_hz: int
    takes: tuple[Take, ...]
    knobs: tuple[Knob, ...] = ()
    notes: tuple[str, ...] = ()


def position_of(knob: Knob, value: float) -> float:
    """0 at the knob's minimum, 1 at its maximum."""
    return (value - knob.minimum) / (knob.maximum - knob.minimum)
