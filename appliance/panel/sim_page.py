"""The simulated box as a page: serves `web/sim.html` on this machine alone and hands its moves to the panel."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from appliance.errors import DeviceError, NotRunning

_LARGEST_BODY = 4096

Ask = Callable[..., dict[str, Any]]


class SimPage:
    """Serves at 127.0.0.1 from `start` to `close`. `ask`: `PanelClient.request`. Raises DeviceError: port taken."""

    def __init__(self, ask: Ask, page: Path, port: int) -> None:
        content = page.read_bytes()

        class Handler(_Handler):
            pass

        Handler.ask, Handler.page = staticmethod(ask), content
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise DeviceError(
                f"the box's page can't be served at port {port} ({error.strerror}): choose another one with --port"
            ) from error
        self._server.daemon_threads = True
        self.url = f"http://localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="sim-page", daemon=True)

    def start(self) -> None:
        """Serve, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """GET / and /controls, POST /move. Other sites are kept out: they can't send JSON here, nor name this host."""

    ask: Ask
    page: bytes

    def do_GET(self) -> None:
        if not self._is_ours():
            self._answer(HTTPStatus.FORBIDDEN, b"", "text/plain")
        elif self.path == "/":
            self._answer(HTTPStatus.OK, self.page, "text/html; charset=utf-8")
        elif self.path == "/controls":
            self._ask("controls", {})
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"", "text/plain")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not self._is_ours() or self.headers.get_content_type() != "application/json":
            self._answer(HTTPStatus.FORBIDDEN, b"", "text/plain")
            return
        if self.path != "/move" or not length.isdigit() or int(length) > _LARGEST_BODY:
            self._answer(HTTPStatus.BAD_REQUEST, b"", "text/plain")
            return
        try:
            fields = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            fields = None
        known = {"switch", "down", "pot", "level", "encoder", "clicks"}
        if not isinstance(fields, dict) or not set(fields) <= known:
            self._answer(HTTPStatus.BAD_REQUEST, b"", "text/plain")
            return
        self._ask("sim", fields)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 – the base class's name
        """Say nothing: the terminal shows the box."""

    def _is_ours(self) -> bool:
        host = self.headers.get("Host", "").rpartition(":")[0]
        return host in ("localhost", "127.0.0.1")

    def _ask(self, request: str, fields: dict[str, Any]) -> None:
        try:
            reply = type(self).ask(request, **fields)
        except (NotRunning, ValueError) as error:
            reply = {"status": "internal", "message": str(error)}
        self._answer(HTTPStatus.OK, json.dumps(reply).encode(), "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)
