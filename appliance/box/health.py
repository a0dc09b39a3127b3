"""Look at the running pedal from outside: what `judge.py` decides by. May block for seconds."""

from __future__ import annotations

import os
from pathlib import Path

from appliance import paths
from appliance.box.judge import Audio, Look
from appliance.bridge.layout import AudioState
from appliance.bridge.status import StatusReader
from appliance.probes import panel_probe, web_probe

WEB_PORTS = (80, 8080)
_SLOW_EVERY = 5  # looks: the panel and the page are asked less often than the status is read


class Onlooker:
    """Looks again and again; frames are seen to move between two looks. `proc`: where the kernel tells of itself."""

    def __init__(self, proc: Path = Path("/proc"), web_ports: tuple[int, ...] = WEB_PORTS) -> None:
        self._status = StatusReader(paths.status_file())
        self._panel = panel_probe(paths.panel_socket())
        self._pages = [web_probe("127.0.0.1", port) for port in web_ports]
        self._proc = proc
        self._seen: tuple[int, int] | None = None
        self._looks = 0
        self._others = (False, False)

    def look(self) -> Look:
        """How it is now."""
        audio, pid = self._look_at_audio()
        if self._looks % _SLOW_EVERY == 0 or self._others != (True, True):
            self._others = (self._panel(0), any(page(0) for page in self._pages))
        self._looks += 1
        return Look(audio, pid, *self._others, cards=self._cards())

    def close(self) -> None:
        """Let go of the status."""
        self._status.close()

    def _look_at_audio(self) -> tuple[Audio, int]:
        status = self._status.read()
        if status is None or not _lives(status.pid):  # the file outlives its writer
            return Audio.NOTHING, 0
        progress = (status.pid, status.frames)
        moved, self._seen = self._seen not in (None, progress), progress
        if status.state is AudioState.NO_DEVICE:
            return Audio.NO_DEVICE, status.pid
        return (Audio.PLAYS if moved else Audio.NOTHING), status.pid

    def _cards(self) -> frozenset[str]:
        found = (self._proc / "asound").glob("card*/id")
        return frozenset(path.read_text().strip() for path in found)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
