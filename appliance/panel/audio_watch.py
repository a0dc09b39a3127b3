"""What becomes of the sound that was asked for: the audio process's status, looked at now and then. Does not block."""

from __future__ import annotations

import enum
import time
from pathlib import Path

from appliance.bridge import layout
from appliance.bridge.status import StatusReader
from appliance.panel.crash_guard import AudioCrashes
from appliance.panel.sounds import Sounds

DEFAULT_PERIOD_FRAMES = 64  # until the audio process says what it runs at

Wanted = tuple[str | None, str | None]  # model and cabinet


class Finding(enum.Enum):
    """What calls for something to be done."""

    OTHER_RATE = "audio runs at another rate, and patches are made for one"
    CRASHES = "audio ends again and again with this sound"
    KEPT_FAILED = "audio could not take the patch that was kept over the power cut"
    FAILED = "audio could not load this sound"


class AudioWatch:
    """Not thread-safe, but for `runs_at`. `reason`: audio's words with FAILED."""

    def __init__(self, status: Path, sounds: Sounds) -> None:
        self._file = status
        self._status = StatusReader(status)
        self._sounds = sounds
        self._crashes = AudioCrashes()
        self._sounded: Wanted | None = None
        self._reported = 0
        self.reason = ""

    @property
    def is_up(self) -> bool:
        """Whether there is an audio process, or was."""
        return self._status.read() is not None

    def look(self, wanted: Wanted) -> Finding | None:
        """Read the status; `wanted` is what was asked for last. At another rate the sounds are told of it."""
        found = self._status.read()
        if found is None:
            return None
        if found.sample_rate_hz not in (0, self._sounds.rate_hz):
            self._sounds.at_rate(found.sample_rate_hz)
            return Finding.OTHER_RATE
        if self._crashes.look(time.monotonic(), found.pid, found.state, wanted):
            return Finding.CRASHES
        generation = self._sounds.generation
        if found.generation == generation:
            self._sounded = wanted
        if found.failed_generation != generation:
            return None
        if generation >= layout.KEPT_GENERATION:
            return Finding.KEPT_FAILED
        if self._reported == generation:
            return None
        self.reason = found.message or "the audio process gave no reason"
        return Finding.FAILED

    def to_go_back_to(self, wanted: Wanted) -> Wanted | None:
        """What sounded before `wanted` failed; None: the same, or nothing yet."""
        return self._sounded if self._sounded != wanted else None

    def reported(self, generation: int) -> None:
        """The player knows of this one's failure."""
        self._reported = generation

    def runs_at(self) -> tuple[int, int]:
        """Rate in Hz and frames of a period. For any thread."""
        found = StatusReader(self._file).read()
        frames = found.period_frames if found is not None else 0
        return self._sounds.rate_hz, frames or DEFAULT_PERIOD_FRAMES

    def close(self) -> None:
        """Let go of the shared memory."""
        self._status.close()
