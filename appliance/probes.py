"""Is a process of the pedal up, and is it still getting somewhere? For the supervisor; a look may block for a second.

A probe is called with the process id and answers True when it saw a sign of life since it was last called.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from pathlib import Path

from appliance.addresses import reachable
from appliance.bridge.client import PanelClient
from appliance.bridge.layout import AudioState
from appliance.bridge.status import StatusReader
from appliance.errors import NotRunning

Probe = Callable[[int], bool]

_PATIENCE_S = 1.0


def panel_probe(socket_path: Path) -> Probe:
    """The panel answers on its socket."""
    client = PanelClient(socket_path, timeout_s=_PATIENCE_S)

    def look(_pid: int) -> bool:
        try:
            client.request("state")
        except NotRunning:
            return False
        return True

    return look


def audio_probe(status_path: Path) -> Probe:
    """Frames move. Without a sound card they can't: then it is enough that the process says so and tries again."""
    reader = StatusReader(status_path)
    seen: tuple[int, int] | None = None

    def look(pid: int) -> bool:
        nonlocal seen
        status = reader.read()
        if status is None or status.pid != pid:  # what an earlier process left behind
            return False
        before, seen = seen, (status.pid, status.frames)
        moved = before is not None and before[0] == pid and status.frames != before[1]
        return moved or status.state is AudioState.NO_DEVICE

    return look


def web_probe(host: str, port: int) -> Probe:
    """The page is served."""

    def look(_pid: int) -> bool:
        connection = http.client.HTTPConnection(reachable(host), port, timeout=_PATIENCE_S)
        try:
            connection.request("HEAD", "/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    return look
