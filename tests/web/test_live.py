"""Live events: every phone hears what changed, when it changed, and nothing piles up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from appliance.bridge import layout
from appliance.bridge.status import StatusReader
from appliance.web import hub as hub_module
from appliance.web.meters import Meters
from tests.web.scripted_pedal import ScriptedPedal

PATIENCE_S = 5.0


class Phone:
    """Reads an event stream."""

    def __init__(self, client: FlaskClient) -> None:
        self.response = client.get("/api/events", buffered=False)
        assert self.response.status_code == 200
        assert self.response.mimetype == "text/event-stream"
        self._chunks = self.response.iter_encoded()
        self._blocks: list[str] = []

    def events(self) -> Iterator[tuple[str, Any]]:
        while self._blocks or self._receive():
            block = self._blocks.pop(0)
            if block.startswith("event: "):
                head, _, data = block.partition("\ndata: ")
                yield head.removeprefix("event: "), json.loads(data)

    def _receive(self) -> bool:
        chunk = next(self._chunks, b"")
        self._blocks = chunk.decode().split("\n\n")
        return bool(chunk)

    def next(self, topic: str) -> Any:
        """The next event of a topic."""
        end = time.monotonic() + PATIENCE_S
        for found, content in self.events():
            if found == topic:
                return content
            assert time.monotonic() < end, f"no {topic} event within {PATIENCE_S} s"
        raise AssertionError("the stream ended")

    def close(self) -> None:
        self.response.close()


@pytest.fixture
def first(pedal: ScriptedPedal, app: Flask) -> Iterator[Phone]:
    phone = Phone(app.test_client())
    yield phone
    phone.close()


def test_a_phone_is_told_everything_at_once(pedal: ScriptedPedal, first: Phone) -> None:
    assert len(first.next("library")["models"]) == 3
    state = first.next("state")
    assert (state["model"], state["demo"]) == ("m-drive", True)
    assert "models" not in state


def test_two_phones_stay_in_step_and_the_last_write_wins(pedal: ScriptedPedal, app: Flask, first: Phone) -> None:
    second = Phone(app.test_client())
    first.next("state"), second.next("state")
    hands = app.test_client()
    for level_db in (-1.0, -2.0):
        hands.post("/api/set", json={"level_db": level_db})
    for phone in (first, second):
        while phone.next("state")["level_db"] != -2.0:
            pass
    second.close()


def test_the_lists_travel_only_when_they_changed(pedal: ScriptedPedal, first: Phone) -> None:
    first.next("state")
    pedal.panel.change(level_db=-6.0)
    topics = []
    for topic, content in first.events():
        topics.append(topic)
        if topic == "state" and content["level_db"] == -6.0:
            break
    assert "library" not in topics
    pedal.panel.change(models=[])
    assert first.next("library")["models"] == []


def test_meters_move_and_count(pedal: ScriptedPedal, first: Phone) -> None:
    pedal.audio.tell(input_peak=0.5, output_rms=0.1, load=0.25, xruns=3, late_periods=2, frames=64)
    meters = first.next("meters")
    assert meters["input_peak_db"] == pytest.approx(-6.0, abs=0.05)
    assert meters["output_rms_db"] == -20.0
    assert (meters["load_percent"], meters["xruns"], meters["late_periods"]) == (25.0, 3, 2)
    assert meters["audio"] == "playing"


def test_a_panel_that_goes_away_is_told_and_its_return_too(pedal: ScriptedPedal, first: Phone) -> None:
    first.next("state")
    pedal.close()
    assert "controls don't answer" in first.next("away")["message"]
    pedal.open()
    assert first.next("state")["model"] == "m-drive"


def test_more_phones_than_threads_are_refused_in_words_and_places_come_back(
    pedal: ScriptedPedal, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "MAX_PHONES", 1)
    only = Phone(app.test_client())
    refused = app.test_client().get("/api/events")
    assert refused.status_code == 503
    assert refused.json is not None
    assert refused.json["status"] == "busy"
    only.close()
    again = Phone(app.test_client())
    again.close()


def test_a_slow_phone_finds_only_the_newest_of_each(pedal: ScriptedPedal, first: Phone) -> None:
    first.next("state")
    for step in range(50):
        pedal.panel.change(level_db=-float(step))
    time.sleep(0.5)
    states = []
    end = time.monotonic() + 0.5
    for topic, content in first.events():
        if topic == "state":
            states.append(content["level_db"])
        if time.monotonic() > end:
            break
    assert states == [-49.0]


def test_frames_that_stand_still_are_no_sound(pedal: ScriptedPedal) -> None:
    reader = StatusReader(pedal.folder / "status")
    meters = Meters()
    assert meters.read(reader.read(), 10.0)["audio"] == "playing"
    assert meters.read(reader.read(), 10.5)["audio"] == "playing"
    assert meters.read(reader.read(), 11.5)["audio"] == "absent"
    pedal.audio.tell(frames=64)
    assert meters.read(reader.read(), 12.0)["audio"] == "playing"
    pedal.audio.tell(state=int(layout.AudioState.NO_DEVICE))
    assert meters.read(reader.read(), 20.0)["audio"] == "no_device"
    assert meters.read(None, 21.0) == {"audio": "absent"}
