"""The box over HTTP: what crosses the border to the panel, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.web.scripted_pedal import ScriptedPedal


def test_the_page_knows_whether_it_is_a_box(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    pedal.panel.box = {"installed": False, "missing": "this is a computer"}
    answer = phone.get("/api/box")
    assert answer.status_code == 200
    assert answer.json == {"installed": False, "missing": "this is a computer", "status": "ok"}


@pytest.mark.parametrize("do", ["off", "restart"])
def test_power_reaches_the_panel_and_tells_every_phone(pedal: ScriptedPedal, phone: FlaskClient, do: str) -> None:
    answer = phone.post("/api/power", json={"do": do})
    assert answer.status_code == 200, answer.data
    assert answer.json is not None
    assert answer.json["leaving"] == do
    assert "models" not in answer.json
    assert pedal.panel.requests[-1]["do"] == do


@pytest.mark.parametrize("body", [{}, {"do": "explode"}, {"do": ["off"]}, {"do": "off", "now": True}, []])
def test_what_makes_no_sense_never_reaches_the_panel(pedal: ScriptedPedal, phone: FlaskClient, body: Any) -> None:
    answer = phone.post("/api/power", json=body)
    assert answer.status_code == 400
    assert pedal.panel.requests == []


def test_another_site_may_not_switch_the_box_off(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    assert (
        phone.post("/api/power", json={"do": "off"}, headers={"Origin": "http://elsewhere.example"}).status_code == 403
    )
    assert phone.post("/api/power", data="do=off").status_code == 403
    assert phone.get("/api/power").status_code == 405
    assert pedal.panel.requests == []
