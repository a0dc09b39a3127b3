"""What a phone may ask for, and what it hears when it may not."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.web.answers import RefusedError
from appliance.web.control import MAX_NAME_CHARACTERS, clean_name
from tests.web.scripted_pedal import ScriptedPedal


def test_the_state_is_the_panels_with_the_demo_flag(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    answer = phone.get("/api/state")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["model"] == "m-drive"
    assert answer.json["demo"] is True
    assert len(answer.json["models"]) == 3
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_tap_on_a_model_reaches_the_panel(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    answer = phone.post("/api/select", json={"model": "m-clean"})
    assert answer.status_code == 200
    assert answer.json is not None
    assert (answer.json["model"], answer.json["generation"]) == ("m-clean", 2)
    assert "models" not in answer.json  # the list doesn't travel with every touch
    assert pedal.panel.state["model"] == "m-clean"


def test_no_cabinet_is_a_choice(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    assert phone.post("/api/select", json={"cabinet": None}).status_code == 200
    assert pedal.panel.state["cabinet"] is None


def test_switches_amounts_and_knobs_reach_the_panel(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    change = {"bypass": True, "level_db": -3.5, "oversample": 4, "knobs": {"Drive": 0.25}}
    assert phone.post("/api/set", json=change).status_code == 200
    assert pedal.panel.state["bypass"] is True
    assert pedal.panel.state["level_db"] == -3.5
    assert pedal.panel.state["oversample"] == 4
    assert pedal.panel.state["knobs"] == {"Drive": 0.25}


def test_rename_and_remove(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    assert phone.post("/api/rename", json={"item": "m-drive", "name": "  Lead\nchannel "}).status_code == 200
    assert pedal.panel.state["models"][1]["name"] == "Lead channel"
    assert phone.post("/api/remove", json={"item": "m-drive"}).status_code == 200
    assert [model["id"] for model in pedal.panel.state["models"]] == ["m-clean", "m-three"]


@pytest.mark.parametrize(
    ("path", "body", "code", "words"),
    [
        ("select", {"model": "gone"}, 404, "no model 'gone'"),
        ("remove", {"item": "m-clean"}, 403, "came with the pedal"),
        ("set", {"oversample": "2"}, 400, "oversample must be 1, 2 or 4"),
        ("select", {}, 400, "either a model or a cabinet"),
        ("select", {"model": "a", "cabinet": "b"}, 400, "either a model or a cabinet"),
        ("select", {"model": "x" * 500}, 400, "id of an item"),
        ("select", {"model": None}, 400, "id of an item"),
        ("set", {}, 400, "Nothing to set"),
        ("set", {"volume": 11}, 400, "Unknown field 'volume'"),
        ("set", {"bypass": 1}, 400, "bypass must be true or false"),
        ("set", {"level_db": "loud"}, 400, "level_db must be a number"),
        ("set", {"level_db": True}, 400, "level_db must be a number"),
        ("set", {"knobs": [1]}, 400, "knobs must be an object"),
        ("set", {"knobs": {str(i): 0 for i in range(17)}}, 400, "at most 16"),
        ("set", {"knobs": {"Drive": None}}, 400, "Knob Drive must be a number"),
        ("rename", {"item": "m-drive", "name": " \t"}, 400, "name is empty"),
        ("rename", {"item": "m-drive", "name": "x" * 81}, 400, "81 characters"),
        ("set", [1, 2], 400, "JSON object"),
    ],
)
def test_refusals_have_a_code_and_say_what_is_wrong(
    pedal: ScriptedPedal, phone: FlaskClient, path: str, body: Any, code: int, words: str
) -> None:
    before = pedal.panel.state["revision"]
    answer = phone.post(f"/api/{path}", json=body)
    assert answer.status_code == code
    assert answer.json is not None
    assert words in answer.json["message"]
    assert answer.json["status"] != "ok"
    assert pedal.panel.state["revision"] == before


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(pedal: ScriptedPedal, phone: FlaskClient, number: str) -> None:
    answer = phone.post("/api/set", data=f'{{"level_db": {number}}}', content_type="application/json")
    assert answer.status_code == 400
    assert pedal.panel.state["level_db"] == 0.0


def test_without_a_panel_everything_says_so(phone: FlaskClient) -> None:
    for answer in (phone.get("/api/state"), phone.post("/api/set", json={"bypass": True})):
        assert answer.status_code == 503
        assert answer.json is not None
        assert answer.json["status"] == "away"
        assert "controls don't answer" in answer.json["message"]
        assert "/" not in answer.json["message"]  # no paths of the pedal's disk


def test_unknown_addresses_answer_in_words(phone: FlaskClient) -> None:
    answer = phone.get("/api/nothing")
    assert answer.status_code == 404
    assert answer.json is not None
    assert "nothing at this address" in answer.json["message"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200))
def test_a_name_is_one_short_printable_line_or_refused(text: str) -> None:
    try:
        name = clean_name(text)
    except RefusedError as error:
        assert error.code == 400  # noqa: PT017
        return
    assert name.isprintable()
    assert 0 < len(name) <= MAX_NAME_CHARACTERS
    assert name == clean_name(name)
