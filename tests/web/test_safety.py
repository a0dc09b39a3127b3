"""Pages elsewhere can't play this pedal; files elsewhere on the disk can't be read through it."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from appliance.web.safety import host_is_ours
from tests.web.scripted_pedal import ScriptedPedal

CROSS_SITE = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:9999"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", CROSS_SITE)
def test_requests_of_other_sites_are_refused(pedal: ScriptedPedal, phone: FlaskClient, headers: dict[str, str]) -> None:
    answer = phone.post("/api/set", json={"bypass": True}, headers=headers)
    assert answer.status_code == 403
    assert pedal.panel.state["bypass"] is False
    assert phone.get("/api/state", headers=headers).status_code == 403


def test_our_own_page_may(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert phone.post("/api/set", json={"bypass": True}, headers=headers).status_code == 200
    assert pedal.panel.state["bypass"] is True


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_plain_form_can_send_changes_nothing(pedal: ScriptedPedal, phone: FlaskClient, kind: str) -> None:
    answer = phone.post("/api/set", data='{"bypass": true}', content_type=kind)
    assert answer.status_code == 403
    assert pedal.panel.state["bypass"] is False


@pytest.mark.parametrize(
    "host",
    [
        "192.168.4.1",
        "192.168.4.1:8080",
        "[fe80::1]:8080",
        "localhost:8080",
        "pedal",
        "pedal.local",
        "PEDAL.LOCAL.",
        "x.lan",
    ],
)
def test_local_names_are_ours(host: str) -> None:
    assert host_is_ours(host, frozenset())


@pytest.mark.parametrize("host", ["", "evil.example", "pedal.local.evil.example", "192.168.4.1.evil.example", "[::1"])
def test_rebound_names_are_not(host: str) -> None:
    assert not host_is_ours(host, frozenset())


def test_a_name_given_at_start_is_ours() -> None:
    assert host_is_ours("amp.example:80", frozenset({"amp.example"}))


def test_a_foreign_host_header_gets_nothing(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    for path in ("/", "/api/state"):
        answer = phone.get(path, headers={"Host": "evil.example"})
        assert answer.status_code == 421
        assert "--host-name" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "path",
    [
        "/static/x/../../pyproject.toml",
        "/static/x/..%2f..%2fpyproject.toml",
        "/static/x/%2e%2e/%2e%2e/etc/passwd",
        "/static/x/page.html",
    ],
)
def test_no_path_leads_out_of_the_page(phone: FlaskClient, path: str) -> None:
    assert phone.get(path).status_code == 404


def test_every_answer_carries_the_guards(phone: FlaskClient) -> None:
    for path in ("/", "/api/state", "/nothing", "/manifest.webmanifest"):
        headers = phone.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
