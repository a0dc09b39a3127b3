"""Pots and expression pedals: from what the converter reads to a position 0…1 that rests when the hand rests. Pure.

A reading goes through a median of three (a spike is nobody's hand), then through play, as in a worn gear: the held
reading is pushed along by the measured one and stays where it is between the two flanks. The play is four times the
noise that is measured while it runs, so a resting pot does not move the sound on a noisy supply either. Readings that
no hand makes (noise everywhere, or a jump within one look to the very end of the range) hold the last position.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

END_STOP = 0.01  # at each end: what a pot's track does not reach
LEAST_TRAVEL = 0.2  # of the converter's range, for a calibration to be one
_LEAST_PLAY = 0.003
_PLAY_PER_NOISE = 4.0
_NOISE_SHARE = 0.02  # of each new look in the running mean: about 50 looks
_MEAN_TO_SIGMA = math.sqrt(math.pi / 2) / math.sqrt(6)  # mean |second difference| of white noise → its deviation
_NOISY, _CALM = 0.03, 0.015
_LEAP = 0.4  # of the range …
_LEAP_S = 0.015  # … within so short a time …
_RAIL = 0.002  # … to so near an end: a wire came off
_OFF_RAIL = 0.005
_BACK_LOOKS, _BACK_FROM_LOST_LOOKS = 20, 4  # good ones in a row


class Curve(enum.Enum):
    """How a position follows from the way travelled. `log` is slow at first: a tenth at the middle."""

    LINEAR = "linear"
    LOG = "log"
    ANTILOG = "antilog"

    def apply(self, position: float) -> float:
        """0…1 to 0…1, ends kept, rising."""
        if self is Curve.LOG:
            return (math.pow(81.0, position) - 1.0) / 80.0
        if self is Curve.ANTILOG:
            return 1.0 - (math.pow(81.0, 1.0 - position) - 1.0) / 80.0
        return position


@dataclass(frozen=True)
class Travel:
    """The readings at the two ends (0…1 of the converter's range), and how the way between them counts."""

    low: float = END_STOP
    high: float = 1.0 - END_STOP
    curve: Curve = Curve.LINEAR
    invert: bool = False

    def position(self, held: float, play: float) -> float:
        """Of a held reading with this much play; the play is taken off both ends so that they can be reached."""
        low, high = self.low + play, self.high - play
        share = (held - low) / (high - low) if high > low else (held - self.low) / (self.high - self.low)
        share = min(max(share, 0.0), 1.0)
        return self.curve.apply(1.0 - share if self.invert else share)


class Fault(enum.Enum):
    """Why a pot is not believed; the value completes the sentence 'Pot X …'."""

    SILENT = "can't be read: is the converter connected?"
    NOISY = "jumps about: is its wire loose?"
    LOST = "went to the end of its range at once: is its wire or plug out?"


class Pot:
    """One channel. Not thread-safe; no clock of its own."""

    def __init__(self, travel: Travel) -> None:
        self.travel = travel
        self.fault: Fault | None = None
        self.position: float | None = None  # None until it was read
        self.raw: float | None = None
        self._recent: list[float] = []
        self._held: float | None = None
        self._noise = 0.0
        self._looked_s = -math.inf
        self._median: float | None = None
        self._good_looks = 0

    @property
    def play(self) -> float:
        """Half the range in which the reading may wander without moving the position."""
        return max(_LEAST_PLAY, _PLAY_PER_NOISE * self._noise)

    def step(self, now_s: float, reading: float | None) -> float | None:
        """Take a reading (0…1; None: it could not be read). Returns the new position when it moved, else None.

        The first reading after switching on or after a fault is where the pot is, not a move.
        """
        self.raw = reading
        if reading is None:
            self._distrust(Fault.SILENT)
            return None
        self._recent = [*self._recent[-2:], reading]
        if len(self._recent) < 3:
            return None
        first, middle, last = self._recent
        self._noise += _NOISE_SHARE * (abs(first - 2.0 * middle + last) * _MEAN_TO_SIGMA - self._noise)
        before, self._median = self._median, sorted(self._recent)[1]
        elapsed_s, self._looked_s = now_s - self._looked_s, now_s
        if not self._believe(self._median, before, elapsed_s):
            return None
        return self._follow(self._median)

    def recalibrate(self, travel: Travel) -> None:
        """Count the way anew; where the pot stands now is no move."""
        self.travel = travel
        if self._held is not None:
            self.position = travel.position(self._held, self.play)

    def _believe(self, median: float, before: float | None, elapsed_s: float) -> bool:
        on_rail = not _RAIL < median < 1.0 - _RAIL
        if before is not None and on_rail and abs(median - before) >= _LEAP and elapsed_s <= _LEAP_S:
            self._distrust(Fault.LOST)
        elif self._noise > _NOISY:
            self._distrust(Fault.NOISY)
        if self.fault is None:
            return True
        calm = self._noise < _CALM and (self.fault is not Fault.LOST or _OFF_RAIL < median < 1.0 - _OFF_RAIL)
        self._good_looks = self._good_looks + 1 if calm else 0
        if self._good_looks >= (_BACK_FROM_LOST_LOOKS if self.fault is Fault.LOST else _BACK_LOOKS):
            self.fault, self._held = None, None
        return self.fault is None

    def _follow(self, median: float) -> float | None:
        play = self.play
        if self._held is None:
            self._held = median
            self.position = self.travel.position(median, play)
            return None
        held = min(max(self._held, median - play), median + play)
        if held == self._held:
            return None
        self._held = held
        position = self.travel.position(held, play)
        if position == self.position:
            return None
        self.position = position
        return position

    def _distrust(self, fault: Fault) -> None:
        if self.fault is None or fault is Fault.SILENT:
            self.fault = fault
        self._good_looks = 0
        if fault is Fault.SILENT:
            self._recent.clear()
            self._median = None


class Learner:
    """Finds the ends of a pot that is moved from one to the other and back."""

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf

    def step(self, reading: float | None) -> None:
        """One reading."""
        if reading is not None:
            self.low, self.high = min(self.low, reading), max(self.high, reading)

    @property
    def travelled(self) -> float:
        """Share of the converter's range seen so far."""
        return max(0.0, self.high - self.low)

    def ends(self) -> tuple[float, float] | None:
        """The two ends, a little inside of what was seen; None when that was too little to be a pot's way."""
        if self.travelled < LEAST_TRAVEL:
            return None
        inside = END_STOP * self.travelled
        return self.low + inside, self.high - inside
