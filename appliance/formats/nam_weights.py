"""The flat list of weights of a `.nam` file, cut into arrays."""

from __future__ import annotations

import math

import numpy as np

from appliance.errors import BadModelFile
from appliance.formats.description import Array
from appliance.formats.fields import Fields, flat_array


class WeightStream:
    """Weights in file order. `take` cuts the next array; the count is checked against the sizes beforehand."""

    def __init__(self, model: Fields, expected: int) -> None:
        """model: the .nam object. expected: how many weights its config calls for (exact, nothing allocated yet)."""
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

    def scalar(self) -> float:
        """The next single weight."""
        return float(self.take(1)[0])
