"""What a phone on the hotspot asks to find out whether it is online, and the page that it then shows.

Each system fetches an address of its maker and compares. First the phone is sent to our welcome page, which it pops up
by itself; once the player has tapped "Stay on this Wi-Fi" there, it gets the answer it hopes for and stays, now and at
every later evening (docs/network.md: why so, and what each system does). Only guests of the hotspot get any of this:
without a hotspot these addresses are as foreign as any other. Nobody is ever sent anywhere but to the pedal.
"""

from __future__ import annotations

import contextlib
import ipaddress
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, render_template, request

from appliance.box.hotspot import PREFIX_BITS
from appliance.box.network_settings import read_report
from appliance.bridge.client import PanelClient
from appliance.errors import NotRunning
from appliance.web.bundle import Bundle
from appliance.web.safety import host_is_ours, names_of_ours, settings

blueprint = Blueprint("captive", __name__)

_ONLINE_NM = {"X-NetworkManager-Status": "online"}


@dataclass(frozen=True)
class Hoped:
    """The answer that means "you are online" to the one who asks."""

    body: str = ""
    content_type: str = "text/plain"
    headers: Mapping[str, str] | None = None

    def response(self) -> Response:
        """It, in HTTP: 204 where there is nothing to say."""
        response = Response(
            self.body, 200 if self.body else 204, dict(self.headers or {}), content_type=self.content_type
        )
        if not self.body:
            del response.headers["Content-Type"]
            response.headers["Content-Length"] = "0"  # some Androids wait for a body otherwise
        return response


_APPLE = Hoped("<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>", "text/html")
_NETWORK_MANAGER = Hoped("NetworkManager is online\n", headers=_ONLINE_NM)

# By path, since makers change hosts more often. With a host where the path alone says nothing.
_HOPED: Mapping[str, Hoped] = {
    "/hotspot-detect.html": _APPLE,  # iOS, macOS
    "/library/test/success.html": _APPLE,
    "captive.apple.com/": _APPLE,
    "/generate_204": Hoped(),  # Android, ChromeOS, Chromium, and Xiaomi's, Huawei's, Oppo's own hosts
    "/gen_204": Hoped(),
    "/connecttest.txt": Hoped("Microsoft Connect Test"),  # Windows 10 and 11
    "/ncsi.txt": Hoped("Microsoft NCSI"),  # before
    "/success.txt": Hoped("success\n"),  # Firefox
    "/canonical.html": Hoped(
        '<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>', "text/html"
    ),
    "/check_network_status.txt": _NETWORK_MANAGER,  # GNOME, Fedora
    "network-test.debian.org/nm": _NETWORK_MANAGER,
    "connectivity-check.ubuntu.com/": Hoped(headers=_ONLINE_NM),
    "networkcheck.kde.org/": Hoped("OK\n"),
}


class Hotspot:
    """Who is on the hotspot, and who has said that they stay. Thread-safe; made once for the app."""

    def __init__(self, report: Path, panel: Path) -> None:
        self._report = report
        self._panel = PanelClient(panel, timeout_s=2.0)
        self._guard = threading.Lock()
        self._seen: tuple[int, int] | None = None  # of the report's file
        self._address: str | None = None
        self._settled: set[str] = set()
        self._asked = False

    @property
    def address(self) -> str | None:
        """The pedal's own there; None while there is no hotspot. Looks at one file in memory."""
        try:
            stat = self._report.stat()
        except OSError:
            return None
        with self._guard:
            if self._seen != (stat.st_mtime_ns, stat.st_ino):
                self._seen = stat.st_mtime_ns, stat.st_ino
                with contextlib.suppress(OSError):
                    report = read_report(self._report) or {}
                    self._address = report.get("address") if report.get("hotspot") else None
            return self._address

    def guest_of(self, client: str | None) -> str | None:
        """The pedal's address for a guest of the hotspot; None for anybody else."""
        address = self.address
        if address is None or client is None:
            return None
        try:
            inside = ipaddress.ip_address(client) in ipaddress.ip_network(f"{address}/{PREFIX_BITS}", strict=False)
        except ValueError:
            return None
        return address if inside else None

    def has_settled(self, client: str) -> bool:
        """Whether this phone stays. The panel remembers for it; the hotspot gives a phone the same address again."""
        if not self._asked and (found := self._ask()) is not None:
            with self._guard:
                self._settled.update(found)
                self._asked = True
        return client in self._settled

    def settle(self, client: str) -> None:
        """This phone stays."""
        with self._guard:
            self._settled.add(client)
        self._ask(do="settle", address=client)

    def _ask(self, **fields: Any) -> list[str] | None:
        """The panel's memory of phones; None where it is away, which costs a phone one more welcome."""
        with contextlib.suppress(NotRunning):
            found = self._panel.request("network", **fields).get("network", {}).get("settled")
            return found if isinstance(found, list) else []
        return None


def register(app: Flask) -> None:
    """Answer guests of the hotspot before anything else looks at the request: what they ask for is not ours."""
    of = app.config["PEDAL"]
    hotspot = Hotspot(of.network_file, of.panel_socket)
    app.config["HOTSPOT"] = hotspot
    app.register_blueprint(blueprint)
    own_names = names_of_ours(of)  # once: it asks the name service, which is away where the network is

    @app.before_request
    def asked_for_another() -> Response | None:
        host = request.headers.get("Host", "")
        if request.method not in ("GET", "HEAD") or host_is_ours(host, own_names):
            return None
        address = hotspot.guest_of(request.remote_addr)
        if address is None or request.remote_addr is None:
            return None
        if not hotspot.has_settled(request.remote_addr):
            return _to(f"http://{address}/welcome")
        hoped = _hoped(host, request.path)
        if hoped is not None:
            return _not_kept(hoped.response())
        return _to(f"http://{address}/") if "text/html" in request.headers.get("Accept", "") else None


@blueprint.get("/welcome")
def welcome() -> Response:
    """What the phone pops up. On another network than the hotspot: the page itself."""
    hotspot, address = _hotspot()
    if address is None:
        return _to("/")
    stays = hotspot.has_settled(str(request.remote_addr))
    return _page(address, stays=stays)


@blueprint.get("/welcome/stay")
def stay() -> Response:
    """The player's answer. A link and no form, since some phones' pop-ups send no forms; all it does is be polite to
    the phone that asks."""
    hotspot, address = _hotspot()
    if address is None:
        return _to("/")
    hotspot.settle(str(request.remote_addr))
    return _page(address, stays=True)


def _hotspot() -> tuple[Hotspot, str | None]:
    hotspot: Hotspot = current_app.config["HOTSPOT"]
    return hotspot, hotspot.guest_of(request.remote_addr)


def _page(address: str, *, stays: bool) -> Response:
    bundle: Bundle = current_app.config["BUNDLE"]
    report = read_report(settings().network_file) or {}
    name = report.get("name")
    return _not_kept(
        Response(render_template("welcome.html", build=bundle.build, address=address, name=name, stays=stays))
    )


def _hoped(host: str, path: str) -> Hoped | None:
    name = (urlsplit(f"//{host}").hostname or "").lower()
    return _HOPED.get(f"{name}{path}") or _HOPED.get(path)


def _to(place: str) -> Response:
    return _not_kept(Response(status=302, headers={"Location": place}))


def _not_kept(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
