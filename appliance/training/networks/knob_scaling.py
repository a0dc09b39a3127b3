"""Networks are trained on knob positions 0…1; the engine feeds the knob's own units. The difference is folded into the
weights that multiply a knob, and the bias beside them: w·(v - min)/(max - min) = (w/range)·v - w·min/range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from appliance.formats.description import Array, Knob


def knob_columns_to_units(weight: Array, bias: Array, knobs: Sequence[Knob], *, first_knob: int) -> tuple[Array, Array]:
    """(weight, bias) for knobs in units. weight [out, in]: its columns from `first_knob` on multiply the positions."""
    scaled, shifted = weight.astype(np.float64), bias.astype(np.float64)
    for column, knob in enumerate(knobs, start=first_knob):
        scaled[:, column] /= knob.maximum - knob.minimum
        shifted = shifted - scaled[:, column] * knob.minimum
    return scaled.astype(np.float32), shifted.astype(np.float32)


def knob_columns_to_positions(
    weight: Array, bias: Array, knobs: Sequence[Knob], *, first_knob: int
) -> tuple[Array, Array]:
    """The way back: (weight, bias) for knobs as positions."""
    scaled, shifted = weight.astype(np.float64), bias.astype(np.float64)
    for column, knob in enumerate(knobs, start=first_knob):
        shifted = shifted + scaled[:, column] * knob.minimum
        scaled[:, column] *= knob.maximum - knob.minimum
    return scaled.astype(np.float32), shifted.astype(np.float32)
