"""Memory for what a forward pass saves for its backward pass, kept between steps: fresh memory of that size costs as
much as the work done in it."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Generic, TypeVar

RoomT = TypeVar("RoomT", bound=Sized)


class Rooms(Generic[RoomT]):
    """A few pieces of memory that wait to be used again. Not for several threads at once.

    make: a fresh piece of so many values, of any content.
    """

    def __init__(self, make: Callable[[int], RoomT], kept: int = 2) -> None:
        self._make, self._kept = make, kept
        self._free: list[RoomT] = []

    def take(self, size: int) -> RoomT:
        """`size` values, of any content."""
        for index, room in enumerate(self._free):
            if len(room) == size:
                return self._free.pop(index)
        return self._make(size)

    def give_back(self, room: RoomT) -> None:
        """Nobody reads it any more."""
        self._free = [*self._free, room][-self._kept :]
