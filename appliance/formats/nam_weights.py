"""The flat list of weights of a `.nam` file, cut into arrays."""

from __future__ import annotations

import math

import numpy as np

from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats.description import MAX_WEIGHTS, Array
from appliance.formats.fields import Fields, flat_array


class WeightStream:
    """Weights in file order. `take` cuts the next array; the count is checked against the sizes beforehand."""

    def __init__(self, model: Fields, expected: int, dense: int = 0) -> None:
        """model: the .nam object. expected: how many weights its config calls for (exact, nothing allocated yet).
        dense: how many they become without groups, where that is more."""
        if dense > MAX_WEIGHTS:
            raise UnsupportedModel(
                f"{model.file} needs {dense:,} weights when its groups are written out; {MAX_WEIGHTS:,} is the most "
                "this pedal plays. Look for a standard (A1 or A2) capture of the same amp."
            )
        values = model.get("weights")
        if not isinstance(values, list):
            raise model.error("is not a list of numbers", "weights")
        if len(values) != expected:
            raise BadModelFile(
                f"{model.file} holds {len(values):,} weights, but a model of the size it names has {expected:,}. "
                "The file is damaged, or was written for another version: download or export it again."
            )
        self._values = flat_array(model, "weights", values)
        self._next = 0

    def take(self, *shape: int) -> Array:
        """The next array, row-major."""
        count = math.prod(shape)
        taken = self._values[self._next : self._next + count].reshape(shape)
        assert taken.size == count, "the expected count and the reading order disagree"
        self._next += count
        return np.ascontiguousarray(taken)

    def take_grouped(self, outputs: int, inputs: int, taps: int, groups: int) -> Array:
        """A convolution of several groups as one dense kernel [outputs, inputs, taps].

        Zeros stand where the groups keep apart. That costs speed, but only in the rare files that have groups, and
        spares every engine a second kind of convolution.
        """
        o, i = outputs // groups, inputs // groups
        if groups == 1:
            return self.take(outputs, inputs, taps)
        dense = np.zeros((outputs, inputs, taps), np.float32)
        for group, block in enumerate(self.take(groups, o, i, taps)):
            dense[group * o : (group + 1) * o, group * i : (group + 1) * i] = block
        return dense

    def scalar(self) -> float:
        """The next single weight."""
        return float(self.take(1)[0])
