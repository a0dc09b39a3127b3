"""Does this sound end the pedal? Starts of the panel and of the audio process that ended within seconds are counted.

After `CRASHES` in a row with nothing changed between them, the factory sound is played instead (`safe_state.py`).
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from appliance.bridge.layout import AudioState

log = logging.getLogger(__name__)

CRASHES = 3
SHORT_LIFE_S = 10.0


class PanelStarts:
    """The panel's own starts, counted in a file in memory: a crash does not reach `settled`, so the count stays.

    `begin` comes before anything that could crash; in memory, because a start must not wait for a memory card. A start
    of the machine counts from zero.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._settled = False

    def begin(self, state_file: Path) -> bool:
        """Count this start. True where the ones before ended within seconds and the state is still the same."""
        mark = _mark(state_file)
        before = self._read()
        count = before["count"] if before and before.get("mark") == mark else 0
        self._write({"count": count + 1, "mark": mark})
        return bool(count >= CRASHES)

    def settled(self) -> None:
        """This start went well, or ended as it should."""
        if not self._settled:
            self._settled = True
            self._write({"count": 0, "mark": None})

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) and isinstance(found.get("count"), int) else {}

    def _write(self, content: dict[str, Any]) -> None:
        try:
            self._file.write_text(json.dumps(content))
        except OSError as error:
            log.warning("starts are not counted: %s", error)


class AudioCrashes:
    """The audio process, as its status shows it: another pid, and the old one never said that it stopped: a crash."""

    def __init__(self) -> None:
        self._pid = 0
        self._state: int = AudioState.STOPPED
        self._seen_s = 0.0
        self._sound: object = None
        self._count = 0

    def look(self, now_s: float, pid: int, state: int, sound: object) -> bool:
        """One look; `sound` differs when another one is wanted. True once: this sound ends the process again and again.

        A process that plays for `SHORT_LIFE_S`, or ends in order, starts the count anew.
        """
        if sound != self._sound:
            self._sound, self._count = sound, 0
        if pid != self._pid:
            if (
                self._state in (AudioState.STARTING, AudioState.PLAYING)
                and self._pid != 0
                and now_s - self._seen_s < SHORT_LIFE_S
            ):
                self._count += 1
            self._pid, self._seen_s = pid, now_s
        elif now_s - self._seen_s >= SHORT_LIFE_S or state == AudioState.STOPPED:
            self._count = 0
        self._state = state
        if self._count >= CRASHES:
            self._count = 0
            return True
        return False


def _mark(path: Path) -> list[int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size]
