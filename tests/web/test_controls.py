"""Pots, switches and MIDI over HTTP: what crosses the border to the panel, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.web.scripted_pedal import ScriptedPedal

REPORT: dict[str, Any] = {
    "pots": {"tone": {"raw": 0.5}, "gain": {"raw": 0.2}},
    "switches": {},
    "notes": [],
    "missing": None,
}


@pytest.fixture
def box(pedal: ScriptedPedal) -> ScriptedPedal:
    """A pedal that has controls."""
    pedal.panel.controls = REPORT
    return pedal


def test_the_controls_are_shown_as_the_panel_sees_them_and_in_the_order_of_the_box(
    box: ScriptedPedal, phone: FlaskClient
) -> None:
    answer = phone.get("/api/controls")
    assert answer.status_code == 200
    assert answer.json == {**REPORT, "status": "ok"}
    assert answer.data.index(b"tone") < answer.data.index(b"gain")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("calibrate", {"pot": "gain", "step": "walk"}),
        ("calibrate", {"pot": "gain", "step": "end"}),
        ("calibrate", {"pot": "gain", "step": "cancel"}),
        ("calibrate", {"pot": "gain", "step": "forget"}),
        ("learn", {"action": "knob Input gain"}),
        ("learn", {"action": None}),
        ("unlearn", {"message": "cc 11"}),
    ],
)
def test_a_request_reaches_the_panel_as_it_is(
    box: ScriptedPedal, phone: FlaskClient, path: str, body: dict[str, Any]
) -> None:
    answer = phone.post(f"/api/{path}", json=body)
    assert answer.status_code == 200, answer.data
    assert answer.json == {**REPORT, "status": "ok"}
    asked = box.panel.requests[-1]
    assert {name: value for name, value in asked.items() if name != "id"} == {"request": path, **body}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("calibrate", {"pot": "gain"}),
        ("calibrate", {"pot": "gain", "step": "begin"}),  # a page walks: rest must not end it
        ("calibrate", {"pot": "gain", "step": ["walk"]}),
        ("calibrate", {"step": "walk"}),
        ("calibrate", {"pot": 3, "step": "walk"}),
        ("calibrate", {"pot": "", "step": "walk"}),
        ("calibrate", {"pot": "x" * 81, "step": "walk"}),
        ("calibrate", {"pot": "a\nb", "step": "walk"}),
        ("calibrate", {"pot": "gain", "step": "walk", "more": 1}),
        ("learn", {}),
        ("learn", {"action": 7}),
        ("learn", {"action": "x" * 81}),
        ("unlearn", {}),
        ("unlearn", {"message": None}),
        ("unlearn", []),
    ],
)
def test_what_makes_no_sense_never_reaches_the_panel(
    box: ScriptedPedal, phone: FlaskClient, path: str, body: Any
) -> None:
    answer = phone.post(f"/api/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json is not None
    assert (answer.json["status"], bool(answer.json["message"])) == ("bad_request", True)
    assert box.panel.requests == []


def test_a_box_without_controls_is_a_named_answer(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    answer = phone.get("/api/controls")
    assert answer.status_code == 404
    assert answer.json == {"status": "not_found", "message": "no GPIO header here, so no pots and switches"}


def test_a_panel_that_is_away_is_another(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    pedal.close()
    answer = phone.get("/api/controls")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["status"] == "away"


@pytest.mark.parametrize("path", ["calibrate", "learn", "unlearn"])
def test_another_site_may_not_teach_the_box(box: ScriptedPedal, phone: FlaskClient, path: str) -> None:
    body = {"pot": "gain", "step": "forget"} if path == "calibrate" else {"action": None}
    assert phone.post(f"/api/{path}", json=body, headers={"Origin": "http://elsewhere.example"}).status_code == 403
    assert phone.post(f"/api/{path}", data="pot=gain").status_code == 403
    assert phone.get("/api/controls", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert box.panel.requests == []


def test_the_simulated_box_is_not_moved_from_the_network(box: ScriptedPedal, phone: FlaskClient) -> None:
    assert phone.post("/api/sim", json={"switch": "left", "down": True}).status_code == 404
    assert box.panel.requests == []
