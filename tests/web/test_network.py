"""The network over HTTP: what crosses the border to the panel, what does not, and the card."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.web.scripted_pedal import ScriptedPedal

REPORT = {
    "radio": True, "hotspot": True, "wish": "auto", "ssid": "Pedal-1F3E", "passphrase": "abcdefghjkmn", "wpa3": False,
    "address": "10.20.30.1", "guests": 1, "wifi": None, "near": [], "known": [], "country": "GB",
    "name": "pedal-2.local", "addresses": ["10.20.30.1"], "told": None, "busy": None,
}  # fmt: skip


def test_the_page_sees_what_the_service_told(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    assert phone.get("/api/network").json == {"network": None, "status": "ok"}
    pedal.panel.network = REPORT
    assert phone.get("/api/network").json == {"network": REPORT, "status": "ok"}


@pytest.mark.parametrize(
    "body",
    [
        {"do": "hotspot", "wish": "on"},
        {"do": "passphrase", "passphrase": "a better one 99"},
        {"do": "country", "country": "DE"},
        {"do": "wpa3", "wpa3": True},
        {"do": "look"},
        {"do": "join", "ssid": "Café", "passphrase": "correct horse"},
        {"do": "join", "ssid": "Venue", "passphrase": None},
        {"do": "forget", "ssid": "Café"},
    ],
)
def test_what_is_asked_reaches_the_panel(pedal: ScriptedPedal, phone: FlaskClient, body: dict[str, Any]) -> None:
    pedal.panel.network = REPORT
    answer = phone.post("/api/network", json=body)
    assert answer.status_code == 200, answer.data
    assert {key: pedal.panel.requests[-1][key] for key in body} == body


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"do": "settle", "address": "10.20.30.9"},  # the phone's own to say, through the welcome page
        {"do": "hotspot"},
        {"do": "wpa3", "wpa3": "yes"},
        {"do": "hotspot", "wish": "on", "lasting": False},
        {"do": "hotspot", "wish": ["on"]},
        {"do": "passphrase", "passphrase": None},
        {"do": "passphrase", "passphrase": "x" * 201},
        {"do": "forget", "ssid": None},
        [],
    ],
)
def test_what_makes_no_sense_never_reaches_the_panel(pedal: ScriptedPedal, phone: FlaskClient, body: Any) -> None:
    assert phone.post("/api/network", json=body).status_code == 400
    assert pedal.panel.requests == []


def test_another_site_neither_reads_the_passphrase_nor_changes_it(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    pedal.panel.network = REPORT
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert phone.get("/api/network", headers=elsewhere).status_code == 403
    assert phone.get("/api/network/card.svg", headers=elsewhere).status_code == 403
    assert phone.post("/api/network", json={"do": "look"}, headers=elsewhere).status_code == 403
    assert pedal.panel.requests == []


def test_the_card_is_a_picture_or_there_is_none(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    assert phone.get("/api/network/card.svg").status_code == 404
    pedal.panel.network = REPORT
    answer = phone.get("/api/network/card.svg")
    assert answer.content_type == "image/svg+xml"
    assert "abcdefghjkmn" in answer.text
    assert "pedal-2.local" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
