"""Memory for what a forward pass saves for its backward pass, kept between steps: fresh memory of that size costs as
much as the work done in it."""

from __future__ import annotations

import torch
from torch import Tensor


class Rooms:
    """A few pieces of memory that wait to be used again. Not for several threads at once."""

    def __init__(self, kept: int = 2) -> None:
        self._kept = kept
        self._free: list[Tensor] = []

    def take(self, size: int) -> Tensor:
        """`size` values, of any content."""
        for index, room in enumerate(self._free):
            if len(room) == size:
                return self._free.pop(index)
        return torch.empty(size)

    def give_back(self, room: Tensor) -> None:
        """Nobody reads it any more."""
        self._free = [*self._free, room][-self._kept :]
