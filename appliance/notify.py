"""Telling systemd how the process is: ready, alive, stopping. Says nothing when systemd does not listen."""

from __future__ import annotations

import os
import socket
import time

_EVERY_S = 0.2  # systemd wakes up for each message; the shortest watchdog here has seconds


class Notifier:
    """Datagrams to $NOTIFY_SOCKET (sd_notify(3)). Real-time safe enough: one non-blocking send, errors ignored."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._said_alive_at = float("-inf")
        address = os.environ.get("NOTIFY_SOCKET", "")
        if not address:
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        try:
            self._socket.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        except OSError:
            self.close()

    def ready(self) -> None:
        """It does its work (the audio process: the stream runs, or waits for its card)."""
        self._send(b"READY=1")

    def alive(self) -> None:
        """Feed the watchdog; five times a second is enough, more often is taken as often."""
        now = time.monotonic()
        if now - self._said_alive_at >= _EVERY_S:
            self._said_alive_at = now
            self._send(b"WATCHDOG=1")

    def stopping(self) -> None:
        """A clean stop has begun."""
        self._send(b"STOPPING=1")

    def close(self) -> None:
        """Let the socket go."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: bytes) -> None:
        if self._socket is not None:
            try:
                self._socket.send(message)
            except OSError:
                return  # systemd is busy or gone: nothing to do about it here
