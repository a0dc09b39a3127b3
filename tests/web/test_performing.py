"""Presets, set lists and tuner over HTTP: what crosses the border to the panel, and what does not."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from appliance.web.performing import _REQUESTS
from tests.web.scripted_pedal import ScriptedPedal

GOOD: dict[str, dict[str, Any]] = {
    "preset_recall": {"preset": "5c0f", "place": 2},
    "preset_store": {},
    "preset_add": {"name": "Solo"},
    "preset_rename": {"preset": "5c0f", "name": "Solo"},
    "preset_move": {"preset": "5c0f", "to": 0},
    "preset_remove": {"preset": "5c0f"},
    "bank_size": {"size": 4},
    "scene_store": {"number": 1, "name": "Verse"},
    "scene_remove": {"number": 1},
    "setlist_add": {"name": "Club", "presets": ["a", "b"]},
    "setlist_put": {"setlist": "77ab", "presets": []},
    "setlist_remove": {"setlist": "77ab"},
    "setlist_choose": {"setlist": None},
    "tuner": {"on": True},
    "action": {"action": "next-preset"},
    "riff": {"do": "record"},
    "preflight": {},
}


def test_every_request_has_an_example() -> None:
    assert set(GOOD) == set(_REQUESTS)


@pytest.mark.parametrize("command", GOOD)
def test_a_request_reaches_the_panel_as_it_is(pedal: ScriptedPedal, phone: FlaskClient, command: str) -> None:
    answer = phone.post(f"/api/{command}", json=GOOD[command])
    assert answer.status_code == 200, answer.data
    asked = pedal.panel.requests[-1]
    assert {name: value for name, value in asked.items() if name != "id"} == {"request": command, **GOOD[command]}
    if command != "preflight":  # its report has presets of its own
        assert "models" not in (answer.json or {})


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("preset_recall", {}),
        ("preset_recall", {"preset": 3}),
        ("preset_recall", {"preset": "a", "place": -1}),
        ("preset_recall", {"preset": "a", "place": True}),
        ("preset_add", {"name": "  "}),
        ("preset_add", {"name": "x" * 81}),
        ("preset_move", {"preset": "a", "to": 1.5}),
        ("setlist_put", {"setlist": "a", "presets": "abc"}),
        ("setlist_put", {"setlist": "a", "presets": ["x"] * 101}),
        ("tuner", {"on": 1}),
        ("action", {"action": ""}),
        ("action", {"action": "morph", "value": "half"}),
        ("action", {"action": "boost", "more": 1}),
        ("preflight", []),
    ],
)
def test_what_makes_no_sense_never_reaches_the_panel(
    pedal: ScriptedPedal, phone: FlaskClient, command: str, body: Any
) -> None:
    answer = phone.post(f"/api/{command}", json=body)
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["message"]
    assert pedal.panel.requests == []


def test_another_site_may_not_press_a_switch(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    answer = phone.post("/api/action", json={"action": "mute"}, headers={"Origin": "http://elsewhere.example"})
    assert answer.status_code == 403
    assert pedal.panel.requests == []


def test_tone_and_tuner_settings_are_taken(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    wanted = {"bass_db": 3.0, "tuner_reference_hz": 442.0, "tuner_tuning": "drop-d", "tuner_mutes": False}
    assert phone.post("/api/set", json=wanted).status_code == 200
    assert {**pedal.panel.requests[-1], "id": 0} == {"id": 0, "request": "set", **wanted}
    assert phone.post("/api/set", json={"tuner_tuning": 3}).status_code == 400


def events(phone: FlaskClient, topic: str, seconds: float = 5.0) -> Any:
    """The first event of a topic."""
    stream = phone.get("/api/events")
    end, text = time.monotonic() + seconds, ""
    try:
        for piece in stream.response:
            text += piece.decode() if isinstance(piece, bytes) else piece
            for block in text.split("\n\n"):
                if block.startswith(f"event: {topic}\n") and block.count("\n") == 1:
                    return json.loads(block.split("data: ", 1)[1])
            assert time.monotonic() < end, text[-300:]
    finally:
        stream.close()
    raise AssertionError(f"no {topic}")


def test_presets_and_set_lists_come_as_a_topic_of_their_own(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    presets = [{"id": "p", "name": "Solo", "scenes": []}]
    pedal.panel.change(presets=presets, setlists=[])
    assert events(phone, "stage") == {"presets": presets, "setlists": []}
    assert "presets" not in events(phone, "state")


def test_the_needle_comes_while_the_tuner_is_on(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    pedal.panel.reading = {"state": "flat", "frequency_hz": 82.0, "note": "E2", "cents": -8.6, "string": 6}
    pedal.panel.change(tuner=True)
    assert events(phone, "tuner") == pedal.panel.reading
