"""Who may ask for what: the guards in front of every route, and the headers behind.

The pedal has no passwords: whoever is in its network may play it. What must not work is a web page elsewhere that makes
a phone in this network do it (cross-site requests, a name rebound to the pedal's address).
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, request

from appliance.bridge.commands import Status
from appliance.web.answers import RefusedError
from appliance.web.settings import WebSettings

# A page elsewhere can't set this header without the browser asking us first, and we never say yes.
CONFIRM_HEADER = "X-Pedal"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

# Endings nobody can register: a name under one of these (or with no dot at all) can't be an attacker's.
_LOCAL_ENDINGS = (".local", ".localhost", ".lan", ".internal", ".home.arpa", ".home", ".fritz.box")

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def host_is_ours(host: str, own_names: frozenset[str]) -> bool:
    """Whether a Host header (`name[:port]`) can mean this pedal: an address, a local name, its own."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    name = name.rstrip(".").lower()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(_LOCAL_ENDINGS) or name in own_names)
    return True


def names_of_ours(settings: WebSettings) -> frozenset[str]:
    """The names this pedal has beside local ones and addresses."""
    return settings.host_names | {socket.gethostname().lower(), socket.getfqdn().lower()}


def _same_origin() -> bool:
    """Whether the browser says that one of our own pages asked. Clients that say nothing (curl) pass this check."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.host.lower()


def register(app: Flask) -> None:
    """Put the guards in front of and the headers behind every route."""
    settings: WebSettings = app.config["PEDAL"]
    own_names = names_of_ours(settings)

    @app.before_request
    def guard() -> None:
        if not host_is_ours(request.headers.get("Host", ""), own_names):
            raise RefusedError(
                Status.NOT_ALLOWED.value,
                "This pedal is not known by that name. Use its address, its name ending in .local, or start it with "
                "--host-name NAME.",
                421,
            )
        is_api = request.path.startswith("/api/")
        if is_api and not _same_origin():
            raise RefusedError(
                Status.NOT_ALLOWED.value, "Only the pedal's own page may do that. Open the page and try there."
            )
        if request.method not in _READS and not (request.is_json or request.headers.get(CONFIRM_HEADER)):
            raise RefusedError(
                Status.NOT_ALLOWED.value,
                f"Requests that change something must be JSON or carry the header {CONFIRM_HEADER}: 1.",
            )

    @app.after_request
    def headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.path.startswith("/api/"):
            response.headers["Cache-Control"] = "no-store"
        return response


def settings() -> WebSettings:
    """Settings of the running app."""
    found: WebSettings = current_app.config["PEDAL"]
    return found
