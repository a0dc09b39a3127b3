"""What phones ask when they join the hotspot: once the welcome, then the answer that each of them hopes for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.web.scripted_pedal import ScriptedPedal

GUEST = "10.20.30.57"
PEDAL = "http://10.20.30.1"
REPORT = {"hotspot": True, "address": "10.20.30.1", "ssid": "Pedal-1F3E", "name": "pedal.local"}

SUCCESS = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"

# Who asks what, and what each takes for being online.
PROBES = [
    ("http://captive.apple.com/hotspot-detect.html", 200, SUCCESS),
    ("http://www.apple.com/library/test/success.html", 200, SUCCESS),
    ("http://captive.apple.com/", 200, SUCCESS),
    ("http://connectivitycheck.gstatic.com/generate_204", 204, ""),
    ("http://www.google.com/gen_204", 204, ""),
    ("http://connect.rom.miui.com/generate_204", 204, ""),
    ("http://www.msftconnecttest.com/connecttest.txt", 200, "Microsoft Connect Test"),
    ("http://www.msftncsi.com/ncsi.txt", 200, "Microsoft NCSI"),
    ("http://detectportal.firefox.com/success.txt?ipv4", 200, "success\n"),
    (
        "http://detectportal.firefox.com/canonical.html",
        200,
        '<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>',
    ),
    ("http://network-test.debian.org/nm", 200, "NetworkManager is online\n"),
    ("http://nmcheck.gnome.org/check_network_status.txt", 200, "NetworkManager is online\n"),
    ("http://connectivity-check.ubuntu.com/", 204, ""),
    ("http://networkcheck.kde.org/", 200, "OK\n"),
]  # fmt: skip


@pytest.fixture
def hotspot(tmp_path: Path) -> Callable[..., None]:
    """Tells that the hotspot is up; or with other fields, that something else is."""

    def tell(**fields: object) -> None:
        path = tmp_path / "network.json"
        path.with_suffix(".new").write_text(json.dumps(REPORT | fields))
        path.with_suffix(".new").replace(path)

    return tell


def ask(phone: FlaskClient, url: str, client: str = GUEST, accept: str = "*/*", method: str = "GET") -> TestResponse:
    """A request as it arrives when every name leads to the pedal."""
    parts = urlsplit(url)
    return phone.open(
        f"{parts.path}?{parts.query}" if parts.query else parts.path,
        method=method,
        headers={"Host": parts.netloc, "Accept": accept},
        environ_overrides={"REMOTE_ADDR": client},
    )


@pytest.mark.parametrize(("url", "code", "body"), PROBES)
def test_each_phone_is_welcomed_once_and_then_stays(
    pedal: ScriptedPedal, phone: FlaskClient, hotspot: Callable[..., None], url: str, code: int, body: str
) -> None:
    hotspot()
    first = ask(phone, url)
    assert (first.status_code, first.headers["Location"]) == (302, f"{PEDAL}/welcome")
    assert first.headers["Cache-Control"] == "no-store"
    welcome = ask(phone, f"{PEDAL}/welcome")
    assert welcome.status_code == 200
    assert 'href="/welcome/stay"' in welcome.text
    assert ask(phone, url).status_code == 302  # looking is not enough: Android closes its pop-up at the first success
    assert "Your phone stays" in ask(phone, f"{PEDAL}/welcome/stay").text
    then = ask(phone, url)
    assert (then.status_code, then.text) == (code, body)
    assert then.headers["Cache-Control"] == "no-store"
    if code == 204:
        assert "Content-Type" not in then.headers


def test_networkmanagers_own_header(pedal: ScriptedPedal, phone: FlaskClient, hotspot: Callable[..., None]) -> None:
    hotspot()
    ask(phone, f"{PEDAL}/welcome/stay")
    for url in ("http://connectivity-check.ubuntu.com/", "http://network-test.debian.org/nm"):
        assert ask(phone, url).headers["X-NetworkManager-Status"] == "online"


def test_who_stays_is_remembered_by_the_panel_over_a_restart_of_the_web(
    pedal: ScriptedPedal, app: Flask, phone: FlaskClient, hotspot: Callable[..., None]
) -> None:
    hotspot()
    pedal.panel.settled = [GUEST]
    assert ask(phone, "http://captive.apple.com/hotspot-detect.html").status_code == 200
    other = "10.20.30.58"
    assert ask(phone, "http://captive.apple.com/hotspot-detect.html", other).status_code == 302
    ask(phone, f"{PEDAL}/welcome/stay", other)
    assert pedal.panel.settled == [GUEST, other]


def test_a_panel_that_is_away_costs_one_more_welcome_and_no_more(
    pedal: ScriptedPedal, phone: FlaskClient, hotspot: Callable[..., None]
) -> None:
    hotspot()
    pedal.panel.settled = [GUEST]
    pedal.close()
    assert ask(phone, "http://captive.apple.com/hotspot-detect.html").status_code == 302
    assert ask(phone, f"{PEDAL}/welcome/stay").status_code == 200
    assert ask(phone, "http://captive.apple.com/hotspot-detect.html").status_code == 200


def test_any_other_name_leads_a_browser_to_the_page_and_an_app_nowhere(
    pedal: ScriptedPedal, phone: FlaskClient, hotspot: Callable[..., None]
) -> None:
    hotspot()
    ask(phone, f"{PEDAL}/welcome/stay")
    browser = ask(phone, "http://example.com/some/page?next=http://evil.example", accept="text/html,*/*")
    assert (browser.status_code, browser.headers["Location"]) == (302, f"{PEDAL}/")
    assert ask(phone, "http://api.example.com/v1").status_code == 421
    assert ask(phone, "http://example.com/api/set", method="POST").status_code in (403, 421)


@pytest.mark.parametrize(
    ("client", "fields"),
    [
        ("192.168.1.20", {}),  # on the wired side
        ("10.20.31.57", {}),
        ("127.0.0.1", {}),
        ("fe80::1", {}),
        (GUEST, {"hotspot": False}),  # the same numbers in somebody's network at home
    ],
)
def test_nobody_else_gets_any_of_it(
    pedal: ScriptedPedal, phone: FlaskClient, hotspot: Callable[..., None], client: str, fields: dict[str, object]
) -> None:
    hotspot(**fields)
    for url, _code, _body in PROBES:
        assert ask(phone, url, client).status_code == 421
    home = ask(phone, f"{PEDAL}/welcome", client)
    assert (home.status_code, home.headers["Location"]) == (302, "/")
    assert pedal.panel.settled == []


def test_without_a_hotspot_there_is_nothing_of_this(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    assert ask(phone, "http://captive.apple.com/hotspot-detect.html").status_code == 421
    assert ask(phone, f"{PEDAL}/welcome/stay").headers["Location"] == "/"
    assert pedal.panel.requests == []


def test_a_hotspot_that_goes_takes_it_along(
    pedal: ScriptedPedal, phone: FlaskClient, hotspot: Callable[..., None]
) -> None:
    hotspot()
    assert ask(phone, "http://captive.apple.com/").status_code == 302
    hotspot(hotspot=False, wifi="Home")
    assert ask(phone, "http://captive.apple.com/").status_code == 421


@pytest.mark.parametrize("url", [f"{PEDAL}/", "http://pedal.local/", "http://pedal-2.local/", "http://pedal/"])
def test_the_page_is_there_for_guests_by_each_of_its_names(
    pedal: ScriptedPedal, phone: FlaskClient, hotspot: Callable[..., None], url: str
) -> None:
    hotspot()
    answer = ask(phone, url)
    assert answer.status_code == 200
    assert "<title>Pedal</title>" in answer.text


def test_the_welcome_runs_no_script_and_carries_the_guards(
    pedal: ScriptedPedal, phone: FlaskClient, hotspot: Callable[..., None]
) -> None:
    hotspot(name='"><script>alert(1)</script>')
    answer = ask(phone, f"{PEDAL}/welcome")
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_damaged_report_means_no_hotspot(pedal: ScriptedPedal, phone: FlaskClient, tmp_path: Path) -> None:
    for text in ("", "[]", '{"hotspot": true}', "\0"):
        (tmp_path / "network.json").write_text(text)
        assert ask(phone, "http://captive.apple.com/").status_code == 421


def test_a_request_waits_for_no_name_service(
    app: Flask, phone: FlaskClient, hotspot: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> str:
        raise AssertionError("asked for this box's name: where the network is away, that takes seconds")

    hotspot()
    monkeypatch.setattr("socket.getfqdn", away)
    assert ask(phone, f"{PEDAL}/welcome").status_code == 200
    assert ask(phone, "http://captive.apple.com/").status_code == 302
