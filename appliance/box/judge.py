"""Does the new version play? A pure decision over looks, one a second: no clock, no files.

It has played when, for a minute on end, the same audio process was there and moved frames; the panel answered and the
page was served if they did before. A box whose sound card is gone can't play with any version: then it is enough that
the process waits for the card as it did before, or that a card which was there before is there no more.
"""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass, field
from typing import Any

PLAYED_S = 60.0
WINDOW_S = 240.0  # for all of it: a small Pi takes its time to start, and the first attempt may be disturbed
LAPSE_S = 3.0  # an xrun and its recovery are no crash
MOST_STARTS = 6  # audio processes: more means that it crashes over and over, and waiting for the end helps nobody


class Audio(enum.Enum):
    """What the audio process was seen to do."""

    PLAYS = "plays"
    NO_DEVICE = "no device"  # it is there and tries to open its sound card
    NOTHING = "nothing"


@dataclass(frozen=True)
class Look:
    """One look at the pedal. `pid`: of the audio process, 0 for none. `cards`: ids of the sound cards there are."""

    audio: Audio
    pid: int = 0
    panel: bool = False
    web: bool = False
    cards: frozenset[str] = field(default_factory=frozenset)

    def to_json(self) -> dict[str, Any]:
        """As the trial's record keeps it."""
        return {**asdict(self), "audio": self.audio.value, "cards": sorted(self.cards)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Look:
        """Raises KeyError, TypeError or ValueError for anything that `to_json` did not write."""
        return cls(**{**content, "audio": Audio(content["audio"]), "cards": frozenset(content["cards"])})


@dataclass(frozen=True)
class Verdict:
    """Whether the version stays, and why not."""

    stays: bool
    words: str = ""


class Judge:
    """Sees looks and decides. `before`: how it was under the version before; times are monotonic, in seconds."""

    def __init__(self, before: Look, now_s: float, *, played_s: float = PLAYED_S, window_s: float = WINDOW_S) -> None:
        self._before = before
        self._played_s = played_s
        self._ends_s = now_s + window_s
        self._good_since_s: float | None = None
        self._good_at_s = now_s
        self._good_pid = 0
        self._pids: set[int] = set()
        self._fault = "it did not start"

    def see(self, look: Look, now_s: float) -> Verdict | None:
        """Take a look into account; the verdict as soon as there is one."""
        fault = self._fault_of(look)
        if look.pid:
            self._pids.add(look.pid)
        if fault is None:
            if self._good_since_s is None or look.pid != self._good_pid or now_s - self._good_at_s > LAPSE_S:
                self._good_since_s = now_s
            self._good_at_s, self._good_pid = now_s, look.pid
            if now_s - self._good_since_s >= self._played_s:
                return Verdict(True)
        else:
            self._fault = fault
            if now_s - self._good_at_s > LAPSE_S:
                self._good_since_s = None
        if len(self._pids) > MOST_STARTS:
            return Verdict(False, f"its sound stopped again and again ({len(self._pids)} starts)")
        begun_s = self._good_since_s if self._good_since_s is not None else now_s
        if begun_s + self._played_s > self._ends_s:
            return Verdict(False, f"it did not play for {self._played_s:.0f} s on end: {self._fault}")
        return None

    @property
    def played_s(self) -> float:
        """For how long it has played on end, at the last look."""
        return 0.0 if self._good_since_s is None else self._good_at_s - self._good_since_s

    def _fault_of(self, look: Look) -> str | None:
        if look.audio is Audio.NOTHING:
            return "the sound process was not there, or stood still"
        if look.audio is Audio.NO_DEVICE and not self._excused(look):
            return "it did not open the sound card that the version before played on"
        if self._before.panel and not look.panel:
            return "the panel did not answer"
        if self._before.web and not look.web:
            return "the page was not served"
        return None

    def _excused(self, look: Look) -> bool:
        return self._before.audio is not Audio.PLAYS or bool(self._before.cards - look.cards)
