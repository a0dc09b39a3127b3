"""`python -m appliance.web`: serve the phone page on a production WSGI server.

Threads: an open page holds one for its events and a listener one for its sound; settings.py counts them. Output is
bounded per phone (`outbuf_high_watermark`): one that is slow waits by itself, and one that vanished is found by TCP.
On a Pi systemd hands over the socket of port 80 and watches that the server's loop turns.
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
from types import FrameType
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from appliance.errors import ApplianceError, ExitCode
from appliance.notify import Notifier
from appliance.web.app import create_app
from appliance.web.handed import handed_sockets
from appliance.web.hub import Hub
from appliance.web.settings import MAX_LISTENERS, MAX_PHONES, MAX_UPLOAD_BYTES, SPARE_THREADS, WebSettings

_OUTPUT_BYTES = 32 << 10
_GONE_AFTER_MS = 15_000
_LONGEST_TURN_S = 1.0
_SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    # A small send buffer keeps what a phone hears and sees close to now.
    (socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _GONE_AFTER_MS),
]


def build_parser() -> argparse.ArgumentParser:
    """The command line of the web process."""
    parser = argparse.ArgumentParser(prog="python -m appliance.web", description="Serve the pedal's phone page.")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default: every one)")
    parser.add_argument("--port", type=int, default=8080, help="TCP port (default 8080)")
    parser.add_argument("--demo", action="store_true", help="the demo sound card plays: offer Listen on the page")
    parser.add_argument(
        "--host-name",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name this pedal is reached by (addresses and names of the local network always work)",
    )
    return parser


def serve(app: Flask, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, on the sockets that systemd handed over if it did, else at `host` and `port`.

    Raises OSError when the address can't be had.
    """
    handed = handed_sockets()
    where: dict[str, Any] = {"sockets": handed} if handed else {"host": host, "port": port}
    connections: dict[int, Any] = {}
    server = create_server(
        app,
        map=connections,
        **where,
        threads=MAX_PHONES + MAX_LISTENERS + SPARE_THREADS,
        ident="pedal",
        max_request_body_size=MAX_UPLOAD_BYTES + (1 << 20),  # Flask refuses a little less, in our words
        outbuf_high_watermark=_OUTPUT_BYTES,
        channel_timeout=60,
    )
    server.adj.socket_options = _SOCKET_OPTIONS
    hub: Hub = app.config["HUB"]

    def stop(_signal: int, _frame: FrameType | None) -> None:
        hub.close()  # or endless answers would hold up the shutdown
        raise SystemExit(int(ExitCode.OK))

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    at = handed[0].getsockname()[:2] if handed else (host, port)
    logging.getLogger(__name__).info("the page is at http://%s:%s/", *at)
    notifier = Notifier()
    notifier.ready()
    try:
        while True:
            wasyncore.loop(timeout=_LONGEST_TURN_S, use_poll=True, map=connections, count=1)
            notifier.alive()
    except SystemExit:
        notifier.stopping()
        server.task_dispatcher.shutdown()
    finally:
        hub.close()
        wasyncore.close_all(connections, ignore_all=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the web process; returns an exit code."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("waitress").setLevel(logging.WARNING)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # endless answers make its queue look long
    try:
        app = create_app(
            WebSettings(demo=options.demo, host_names=frozenset(name.lower() for name in options.host_name))
        )
        serve(app, options.host, options.port)
    except ApplianceError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return int(error.exit_code)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        print(  # noqa: T201
            f"{options.host} port {options.port} can't be used: {reason}. Is a pedal running already? "
            "Stop it, or choose another port with --port.",
            file=sys.stderr,
        )
        return int(ExitCode.USAGE)
    return int(ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main())
