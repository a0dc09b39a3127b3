"""Ask the panel for something (`commands.py` has the table). For the web, scripts and tests, not the audio thread."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance import paths
from appliance.bridge.commands import MAX_LINE_BYTES
from appliance.errors import NotRunning

_CHUNK_BYTES = 1 << 16
_LOOK_S = 0.5  # how often a silent watch looks whether it should stop
_RETRY_S = 0.2


class PanelClient:
    """Talks to the panel. Thread-safe: every request has a connection of its own, so there is nothing to reconnect."""

    def __init__(self, path: Path | None = None, timeout_s: float = 5.0) -> None:
        self.path = path or paths.panel_socket()
        self.timeout_s = timeout_s
        self._ids = itertools.count(1)

    def request(self, request: str, *, timeout_s: float | None = None, **fields: Any) -> dict[str, Any]:
        """Send one request, return its whole reply: {"id", "status", and "state" | "item" | "message"}.

        A refusal is a reply too (`status` other than "ok", with `message` for the player). Blocks for at most
        `timeout_s`; give imports a minute, they check the file in a process of their own.
        Raises NotRunning when the panel is absent, goes away or does not answer in time.
        """
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        number = next(self._ids)
        line = json.dumps({"id": number, "request": request, **fields}, allow_nan=False).encode() + b"\n"
        with self._connect(limit_s) as connection:
            try:
                connection.sendall(line)
                reply = _Lines(connection).next_before(time.monotonic() + limit_s)
            except OSError as error:
                raise NotRunning(f"the panel went away while it was asked to {request}: {error}") from error
        if reply is None:
            raise NotRunning(f"the panel did not answer within {limit_s:g} s: restart the pedal if this goes on")
        return reply

    def watch(self, *, stop: threading.Event | None = None, patience_s: float = 5.0) -> Iterator[dict[str, Any]]:
        """The state now, and again after every change, for as long as the caller listens.

        Reconnects by itself when the panel restarts (and yields its state again). Ends within half a second of
        `stop`. Raises NotRunning after `patience_s` without a panel.
        """
        lost_at = time.monotonic()
        while stop is None or not stop.is_set():
            connected = False
            try:
                with self._connect(self.timeout_s) as connection:
                    connected = True
                    line = json.dumps({"id": next(self._ids), "request": "watch"}).encode() + b"\n"
                    connection.sendall(line)
                    for reply in _Lines(connection).until(stop):
                        if "state" not in reply:
                            raise NotRunning(f"the panel refused to be watched: {reply.get('message', reply)}")
                        yield reply["state"]
            except OSError:
                if connected:
                    lost_at = time.monotonic()
                elif time.monotonic() - lost_at > patience_s:
                    raise NotRunning(
                        f"no panel at {self.path} for {patience_s:g} s: is the pedal running? (appliance run)"
                    ) from None
            if stop is None:
                time.sleep(_RETRY_S)
            else:
                stop.wait(_RETRY_S)

    def _connect(self, timeout_s: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(self.path))
        except OSError as error:
            connection.close()
            reason = error.strerror or error
            raise NotRunning(f"no panel at {self.path} ({reason}): is the pedal running? (appliance run)") from error
        return connection


class _Lines:
    """JSON lines from a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""

    def next_before(self, deadline: float) -> dict[str, Any] | None:
        """The next line, or None when `deadline` (time.monotonic) comes first. Raises OSError at the end."""
        while b"\n" not in self._received:
            if len(self._received) > MAX_LINE_BYTES:
                raise NotRunning(f"the panel sent a line of more than {MAX_LINE_BYTES} bytes")
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return None
            self._connection.settimeout(left_s)
            try:
                chunk = self._connection.recv(_CHUNK_BYTES)
            except TimeoutError:
                return None
            if not chunk:
                raise NotRunning("the panel closed the connection")
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        try:
            reply = json.loads(line)
        except ValueError as error:
            raise NotRunning(f"what answers is not a panel: {line[:80]!r}") from error
        if not isinstance(reply, dict):
            raise NotRunning(f"what answers is not a panel: {line[:80]!r}")
        return reply

    def until(self, stop: threading.Event | None) -> Iterator[dict[str, Any]]:
        """Lines as they come. Ends when `stop` is set; raises OSError when the other side goes."""
        while stop is None or not stop.is_set():
            reply = self.next_before(time.monotonic() + _LOOK_S)
            if reply is not None:
                yield reply
