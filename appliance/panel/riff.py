"""Record the player's own riff: ten seconds of dry input from the tap, for matching the presets' loudness."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from appliance.bridge.tap import TapReader
from appliance.errors import ApplianceError, NotAllowed, NotRunning

log = logging.getLogger(__name__)

RIFF_S = 10.0
QUIETEST_DB = -60.0
_LOOK_S = 0.1
_SILENT_LOOKS = 20  # without a new frame: audio has stopped


class RiffRecorder:
    """Records in a thread of its own. `words` tells how it goes; any thread may read it."""

    def __init__(
        self, tap: Path, keep: Callable[[npt.NDArray[np.float32], int], None], told: Callable[[], None]
    ) -> None:
        """keep: takes the finished recording and its rate in Hz. told: called when `words` changes."""
        self._tap = tap
        self._keep = keep
        self._told = told
        self._running = threading.Lock()
        self.words: str | None = None

    def start(self) -> None:
        """Begin to record now. Raises NotRunning (no audio), NotAllowed (one is being recorded)."""
        tap = TapReader(self._tap)
        at, rate_hz = tap.position(), tap.sample_rate_hz()
        if at is None or not rate_hz:
            raise NotRunning("the pedal makes no sound at present, so there is nothing to record")
        if not self._running.acquire(blocking=False):
            raise NotAllowed("a riff is being recorded already")
        threading.Thread(target=self._record, args=(tap, at, rate_hz), name="panel-riff", daemon=True).start()

    def _record(self, tap: TapReader, at: int, rate_hz: int) -> None:
        try:
            self._say(self._heard(tap, at, rate_hz))
        except ApplianceError as error:
            self._say(str(error))
        except Exception:
            log.exception("the riff could not be recorded")
            self._say("The riff could not be recorded.")
        finally:
            tap.close()
            self._running.release()

    def _heard(self, tap: TapReader, at: int, rate_hz: int) -> str:
        wanted = int(RIFF_S * rate_hz)
        pieces: list[npt.NDArray[np.float32]] = []
        frames = silent = 0
        while frames < wanted:
            self._say(f"Recording: play what you play most. {math.ceil((wanted - frames) / rate_hz)} s")
            threading.Event().wait(_LOOK_S)
            first, heard, _ = tap.read(at)
            at = first + len(heard)
            frames += len(heard)
            pieces.append(heard)
            silent = 0 if len(heard) else silent + 1
            if silent > _SILENT_LOOKS:
                return "The sound stopped while recording. Try again."
        riff = np.concatenate(pieces)[:wanted]
        level_db = 10.0 * math.log10(max(float(np.mean(np.square(riff, dtype=np.float64))), 1e-30))
        if level_db < QUIETEST_DB:
            return "Nothing was heard. Plug in, turn the guitar up and record again."
        self._keep(riff, rate_hz)
        return "Your riff is kept. Presets are matched by it from their next recall."

    def _say(self, words: str) -> None:
        if words != self.words:
            self.words = words
            self._told()
