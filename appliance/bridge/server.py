"""The panel's socket: one JSON line per request, one thread per connection (`commands.py` has the table).

A bad line is answered, never a reason to fall over; who sends nothing costs a sleeping thread and no more.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import select
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from appliance.bridge.commands import MAX_LINE_BYTES, Status
from appliance.errors import (
    ApplianceError,
    BadAudioFile,
    BadBundle,
    BadModelFile,
    BadRequest,
    DeviceError,
    NotAllowed,
    NotFound,
    StorageError,
    TooLarge,
)

log = logging.getLogger(__name__)

_SOCKET_MODE = 0o660
_MAX_CONNECTIONS = 64
_BACKLOG = 128  # a full one refuses at once, it doesn't make the caller wait
_CHUNK_BYTES = 1 << 16
_SEND_TIMEOUT_S = 5.0
_LOOK_S = 0.5  # how often a quiet watcher is looked after
_WATCH_PAUSE_S = 0.03  # a dial being turned sends its latest value to each watcher at most this often

# The first class that fits wins, so the narrow ones stand first.
_STATUS_OF: tuple[tuple[type[ApplianceError], Status], ...] = (
    (NotFound, Status.NOT_FOUND),
    (NotAllowed, Status.NOT_ALLOWED),
    (TooLarge, Status.TOO_LARGE),
    (BadRequest, Status.BAD_REQUEST),
    (BadBundle, Status.BAD_FILE),
    (BadModelFile, Status.BAD_FILE),
    (BadAudioFile, Status.BAD_FILE),
    (StorageError, Status.STORAGE_FULL),
)


class Backend(Protocol):
    """What the server serves. Called from many threads at once."""

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of the reply, {"state": …} or {"item": …}. Raises ApplianceError to refuse."""
        ...

    def state_after(self, revision: int, timeout_s: float) -> dict[str, Any] | None:
        """The state as soon as its revision differs from `revision`; None after `timeout_s` without a change."""
        ...


class PanelServer:
    """Serves a backend on a unix socket (mode 0660), from `start` to `close`.

    Made before the backend is, so that a second panel is refused before it touches anything.
    Raises DeviceError when another panel serves there; a socket that a dead panel left behind is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._backend: Backend
        self._stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.unlink(missing_ok=True)
            self._listener.bind(str(path))
            path.chmod(_SOCKET_MODE)  # before listen: nobody can connect any earlier
            self._listener.listen(_BACKLOG)
        except OSError as error:
            self._listener.close()
            os.close(self._lock)
            raise DeviceError(f"the panel can't serve at {path}: {error}") from error
        self._thread = threading.Thread(target=self._accept, name="panel-accept", daemon=True)

    def start(self, backend: Backend) -> None:
        """Begin to answer, in threads of its own. Who connected earlier has waited."""
        self._backend = backend
        self._thread.start()

    def close(self) -> None:
        """Stop answering and remove the socket. Open connections are cut."""
        self._stopping.set()
        self._path.unlink(missing_ok=True)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._guard:
            for connection in self._connections:
                _hang_up(connection)
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)
        os.close(self._lock)

    def __enter__(self) -> PanelServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._stopping.wait(0.1):  # out of descriptors, most likely: let connections end
                    return
                continue
            connection.settimeout(_SEND_TIMEOUT_S)
            with self._guard:
                full = len(self._connections) >= _MAX_CONNECTIONS
                if not full:
                    self._connections.add(connection)
            if full:
                with contextlib.suppress(OSError), connection:
                    _refuse(connection, None, Status.NOT_ALLOWED, "too many connections to the panel: close some")
            else:
                threading.Thread(target=self._serve, args=(connection,), name="panel-client", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):  # the other side went away: nobody is left to tell
                self._serve_lines(connection)
        finally:
            with self._guard:
                self._connections.discard(connection)
            connection.close()

    def _serve_lines(self, connection: socket.socket) -> None:
        received = b""
        while not self._stopping.is_set():
            line, newline, rest = received.partition(b"\n")
            if not newline:
                if len(received) > MAX_LINE_BYTES:
                    text = f"a request is one line of at most {MAX_LINE_BYTES} bytes, this one is longer"
                    _refuse(connection, None, Status.TOO_LARGE, text)
                    return
                if not select.select([connection], [], [], _LOOK_S)[0]:
                    continue
                chunk = connection.recv(_CHUNK_BYTES)
                if not chunk:
                    return
                received += chunk
                continue
            received = rest
            if line.strip():
                self._handle(connection, line)

    def _handle(self, connection: socket.socket, line: bytes) -> None:
        number: Any = None
        try:
            request = _parse(line)
            number = request.get("id")
            reply = None if request["request"] == "watch" else self._backend.answer(request)
        except ApplianceError as error:
            status = next((status for kind, status in _STATUS_OF if isinstance(error, kind)), Status.INTERNAL)
            _refuse(connection, number, status, str(error))
        except Exception:
            log.exception("a request could not be answered: %.200r", line)
            _refuse(connection, number, Status.INTERNAL, "the panel made a mistake; its log has the details")
        else:
            if reply is None:
                self._watch(connection, number)
            else:
                _send(connection, {"id": number, "status": Status.OK.value, **reply})

    def _watch(self, connection: socket.socket, number: Any) -> None:
        revision = -1
        while not self._stopping.is_set():
            state = self._backend.state_after(revision, _LOOK_S)
            if state is not None:
                revision = state["revision"]
                _send(connection, {"id": number, "status": Status.OK.value, "state": state})
                self._stopping.wait(_WATCH_PAUSE_S)
            if select.select([connection], [], [], 0)[0]:
                if connection.recv(_CHUNK_BYTES):
                    text = "a connection that watches takes no more requests: open another one for them"
                    _refuse(connection, None, Status.BAD_REQUEST, text)
                raise ConnectionResetError("the watcher left")


def _parse(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"a request is one line of JSON; this is not: {error}") from error
    if not isinstance(request, dict) or not isinstance(request.get("request"), str):
        raise BadRequest('a request is a JSON object with a name, such as {"id": 1, "request": "state"}')
    return request


def _send(connection: socket.socket, reply: Mapping[str, Any]) -> None:
    connection.sendall(json.dumps(reply).encode() + b"\n")


def _refuse(connection: socket.socket, number: Any, status: Status, message: str) -> None:
    _send(connection, {"id": number, "status": status.value, "message": message})


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may have gone by itself
        connection.shutdown(socket.SHUT_RDWR)


def _lock(path: Path) -> int:
    """Hold `<socket>.lock`: the kernel drops it with the process, whatever way that ends."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise DeviceError(
            f"another panel is running at {path}: stop it first, or choose another runtime folder"
        ) from error
    return descriptor
