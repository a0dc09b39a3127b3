"""When a pot stands elsewhere than what it turns: after a preset change, or a turn on the phone. Pure."""

from __future__ import annotations

import enum

_MET = 0.01  # so near is the same place
_SAME = 1e-3  # a position that comes back from the sound as it was set


class Mode(enum.Enum):
    """What a move does while the pot and the sound disagree."""

    JUMP = "jump"  # the sound goes to the pot at once
    PICKUP = "pickup"  # nothing, until the pot passes where the sound stands
    SCALE = "scale"  # the sound moves the same way, faster or slower, so that both reach the end together


class Pickup:
    """One pot on one target."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._sound: object = None
        self._set: float | None = None  # what the sound stood at after our last move
        self._at: float | None = None  # where the pot was then
        self._met = False
        self.waiting = False

    def move(self, sound: object, pot: float, stands_at: float) -> float | None:
        """The pot moved to `pot` while what it turns stands at `stands_at`. Returns the position to set, or None."""
        engaged = self._set is not None and sound == self._sound and abs(stands_at - self._set) <= _SAME
        before, self._at, self._sound = self._at, pot, sound
        wanted: float | None = pot
        if not engaged and self._mode is not Mode.JUMP and abs(pot - stands_at) > _MET:
            if self._mode is Mode.PICKUP:
                wanted = pot if before is not None and _passes(before, pot, stands_at) else None
            else:
                wanted = None if before is None else _scaled(before, pot, stands_at)
        self.waiting = wanted is None
        self._met = wanted == pot
        if not self._met:
            self._set = None
        return wanted

    def rest(self, pot: float | None) -> None:
        """Where the pot stands without having moved: at switching on, and after a fault."""
        self._at = pot
        self._set = None

    def settled(self, stands_at: float | None) -> None:
        """Where the sound stands after what `move` gave was set."""
        if self._met:
            self._set = stands_at

    @property
    def placed(self) -> bool:
        """Is it known where the pot stands?"""
        return self._at is not None


def _passes(before: float, pot: float, stands_at: float) -> bool:
    return abs(before - stands_at) <= _MET or (before - stands_at) * (pot - stands_at) < 0.0


def _scaled(before: float, pot: float, stands_at: float) -> float:
    """`stands_at` shares out what is left of its way as the pot does."""
    if pot > before:
        return min(1.0, stands_at + (pot - before) * (1.0 - stands_at) / (1.0 - before))
    return stands_at * pot / before if before > 0.0 else stands_at
