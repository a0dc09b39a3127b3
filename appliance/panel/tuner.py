"""The tuner: follows the input in the tap and says what is played. In the panel process, a thread while it is on.

The needle is the median of the last readings of one note, so a single odd look never moves it.
"""

from __future__ import annotations

import enum
import logging
import math
import statistics
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.bridge.tap import TapReader
from appliance.panel.pitch import Listener
from appliance.panel.pitch_names import nearest_note, nearest_string, note_name

log = logging.getLogger(__name__)

IN_TUNE_CENTS = 2.0
_LOOK_S = 0.02
_CALM_LOOK_S = 0.05  # once the note stands
_STANDS_S = 0.4
_CATCH_UP_S = 1.0  # of what was missed, where the thread had to wait
_READINGS = 7
_SAME_NOTE_CENTS = 60.0
_AGREE_CENTS = 25.0
_FORGET_S = 0.4  # without a pitch: the note is over


class Tuning(enum.Enum):
    """What the LEDs show."""

    SILENT = "silent"
    FLAT = "flat"
    IN_TUNE = "in_tune"
    SHARP = "sharp"


@dataclass(frozen=True)
class Reading:
    """What is played. Without a note (`state` SILENT) the rest is empty.

    string: of the chosen tuning, counted from the highest as players do; None in the chromatic one. note: "E2", of the
    string or the nearest. cents: above it.
    """

    state: Tuning = Tuning.SILENT
    frequency_hz: float = 0.0
    note: str = ""
    cents: float = 0.0
    string: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As the socket tells it."""
        return {
            "state": self.state.value,
            "frequency_hz": round(self.frequency_hz, 2),
            "note": self.note,
            "cents": round(self.cents, 1),
            "string": self.string,
        }


SILENCE = Reading()


def reading_of(frequency_hz: float, reference_hz: float, tuning: str) -> Reading:
    """A frequency as a player reads it. Pure."""
    found = nearest_string(frequency_hz, tuning, reference_hz)
    if found is not None and abs(found[2]) < 250.0:
        string, note, cents = found
        return Reading(_state(cents), frequency_hz, note_name(note), cents, string)
    note, cents = nearest_note(frequency_hz, reference_hz)
    return Reading(_state(cents), frequency_hz, note_name(note), cents)


def _state(cents: float) -> Tuning:
    if abs(cents) <= IN_TUNE_CENTS:
        return Tuning.IN_TUNE
    return Tuning.FLAT if cents < 0.0 else Tuning.SHARP


class Needle:
    """Looks in a row → one calm frequency. Pure: time is what the caller says."""

    def __init__(self) -> None:
        self._readings: deque[float] = deque(maxlen=_READINGS)
        self._odd: float | None = None
        self._heard_at = -math.inf

    def see(self, frequency_hz: float | None, now_s: float) -> float | None:
        """Take one look; the frequency to show, or None while there is none."""
        if frequency_hz is None:
            if now_s - self._heard_at > _FORGET_S:
                self._readings.clear()
            return self.shown()
        self._heard_at = now_s
        shown = self.shown()
        if shown is None or abs(_cents(frequency_hz, shown)) > _SAME_NOTE_CENTS:
            # The first look of a note, or one that does not fit: believed when the next one agrees.
            if self._odd is not None and abs(_cents(frequency_hz, self._odd)) < _AGREE_CENTS:
                self._readings.clear()
                self._readings.append(frequency_hz)
            self._odd = frequency_hz
            return self.shown()
        self._odd = None
        self._readings.append(frequency_hz)
        return self.shown()

    def shown(self) -> float | None:
        """The frequency to show, or None while there is none."""
        return statistics.median(self._readings) if self._readings else None


class Follower:
    """Audio in, readings out: what the thread runs, and the tests."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._listener = Listener(sample_rate_hz)
        self._needle = Needle()
        self._sample_rate_hz = sample_rate_hz
        self._frames = 0
        self._looked_s = -math.inf

    def hear(self, audio: npt.NDArray[np.float32]) -> float | None:
        """The next frames; the frequency to show now. Looks every 20 ms of them, and less once the note stands."""
        hop = max(1, int(_LOOK_S * self._sample_rate_hz))
        for start in range(0, len(audio), hop):
            piece = audio[start : start + hop]
            self._listener.hear(piece)
            self._frames += len(piece)
            self._look(self._frames / self._sample_rate_hz)
        return self._needle.shown()

    def _look(self, now_s: float) -> None:
        every_s = _CALM_LOOK_S if self._listener.since_onset_s > _STANDS_S else _LOOK_S
        if now_s - self._looked_s >= every_s - 1e-9:
            self._looked_s = now_s
            found = self._listener.look()
            self._needle.see(found.frequency_hz if found else None, now_s)


class Tuner:
    """Listens while it is on. `reading` may be read from any thread."""

    def __init__(self, tap: Path, told: Callable[[], None] = lambda: None) -> None:
        """told: called when the state (not the needle) changes."""
        self._tap = tap
        self._told = told
        self._guard = threading.Lock()
        self._stop: threading.Event | None = None
        self._frequency_hz: float | None = None
        self._silent = True

    def switch(self, on: bool) -> None:
        """Begin or end listening. Does not block."""
        with self._guard:
            if on == (self._stop is not None):
                return
            if self._stop is not None:
                self._stop.set()
                self._stop = None
                self._frequency_hz = None
                return
            self._stop = threading.Event()
            threading.Thread(target=self._follow, args=(self._stop,), name="panel-tuner", daemon=True).start()

    def reading(self, reference_hz: float, tuning: str) -> Reading:
        """What is played now. Does not block."""
        frequency_hz = self._frequency_hz
        return SILENCE if frequency_hz is None else reading_of(frequency_hz, reference_hz, tuning)

    def _follow(self, stop: threading.Event) -> None:
        try:
            self._listen(TapReader(self._tap), stop)
        except Exception:
            log.exception("the tuner stopped; switch it off and on again")

    def _listen(self, tap: TapReader, stop: threading.Event) -> None:
        follower: Follower | None = None
        rate_hz = 0
        at = tap.position() or 0
        while not stop.wait(_LOOK_S):
            found_hz = tap.sample_rate_hz() or 0
            if found_hz and found_hz != rate_hz:
                rate_hz, follower = found_hz, Follower(found_hz)
            first, heard, _ = tap.read(at)
            at = first + len(heard)
            if follower is not None and len(heard):
                frequency_hz = follower.hear(heard[-int(_CATCH_UP_S * rate_hz) :])
                with self._guard:
                    if not stop.is_set():
                        self._frequency_hz = frequency_hz
                if (frequency_hz is None) != self._silent:
                    self._silent = frequency_hz is None
                    self._told()
        tap.close()


def _cents(one_hz: float, other_hz: float) -> float:
    return 1200.0 * math.log2(one_hz / other_hz)
