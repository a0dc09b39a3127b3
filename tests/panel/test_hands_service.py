"""The hands inside the panel process: asked over its socket, and gone without where there is no hardware."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gpiozero", reason="gpiozero is not installed")
pytest.importorskip("appliance.engine._native", reason="the native engine is not built")

from appliance.bridge.client import PanelClient
from appliance.errors import NotRunning
from appliance.panel.board import has_header

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def panel(folder: Path, **variables: str) -> Iterator[tuple[PanelClient, subprocess.Popen[str]]]:
    """`python -m appliance.panel`, killed at the end if it still lives."""
    folders = {"APPLIANCE_DATA": str(folder / "data"), "APPLIANCE_RUNTIME": str(folder / "run")}
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance.panel"],
        env={**os.environ, **folders, "PYTHONPATH": str(REPOSITORY), **variables},
        stderr=subprocess.PIPE,
        text=True,
    )
    client = PanelClient(folder / "run" / "panel.sock")
    try:
        until(lambda: answers(client))
        yield client, process
    finally:
        process.kill()
        process.communicate()


def answers(client: PanelClient) -> bool:
    try:
        return client.request("state")["status"] == "ok"
    except NotRunning:
        return False


def until(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("not in time")


def ready(client: PanelClient) -> dict[str, Any]:
    found: dict[str, Any] = until(lambda: client.request("controls").get("controls"))
    return found


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelClient]:
    with panel(tmp_path_factory.mktemp("simulated"), APPLIANCE_HANDS="sim") as (client, _):
        ready(client)
        yield client


def bypass(client: PanelClient) -> bool:
    return bool(client.request("state")["state"]["bypass"])


def test_a_press_on_the_simulated_box_goes_through_to_the_state(simulated: PanelClient) -> None:
    before = bypass(simulated)
    assert simulated.request("sim", switch="right", down=True)["status"] == "ok"
    until(lambda: bypass(simulated) is not before)
    simulated.request("sim", switch="right", down=False)
    until(lambda: not simulated.request("controls")["controls"]["switches"]["right"]["down"])
    assert bypass(simulated) is not before


def test_a_turn_on_the_simulated_box_goes_through_to_the_state(simulated: PanelClient) -> None:
    simulated.request("set", level_db=0.0)
    for level in (0.5, 0.6, 0.7, 0.8):
        simulated.request("sim", pot="level", level=level)
        time.sleep(0.06)
    until(lambda: simulated.request("state")["state"]["level_db"] > 1.0)
    assert simulated.request("controls")["controls"]["simulated"] is True


def test_learning_is_begun_and_ended_over_the_socket_and_kept(simulated: PanelClient) -> None:
    assert simulated.request("calibrate", pot="expression", step="begin")["controls"]["pots"]["expression"]["learning"]
    for level in (0.2, 0.4, 0.6, 0.8):
        simulated.request("sim", pot="expression", level=level)
        time.sleep(0.08)
    found = simulated.request("calibrate", pot="expression", step="end")["controls"]["pots"]["expression"]
    assert (found["low"], found["high"]) == (pytest.approx(0.2, abs=0.02), pytest.approx(0.8, abs=0.02))
    kept = simulated.path.parent.parent / "data" / "controls.json"
    until(kept.exists)
    simulated.request("calibrate", pot="expression", step="forget")
    learning = simulated.request("learn", action="bypass momentary")["controls"]["midi"]["learning"]
    assert learning == "bypass momentary"
    assert simulated.request("learn", action=None)["controls"]["midi"]["learning"] is None


@pytest.mark.parametrize(
    ("request_name", "fields", "words"),
    [
        ("calibrate", {"pot": "gian", "step": "begin"}, "Did you mean 'gain'?"),
        ("calibrate", {"pot": "gain", "step": "start"}, "begin, walk, end, cancel or forget"),
        ("calibrate", {"pot": 3, "step": "begin"}, "pot is text"),
        ("learn", {"action": "bypss"}, "Did you mean 'bypass'?"),
        ("learn", {"action": 7}, "an action is text"),
        ("unlearn", {"message": "cc 99"}, "no MIDI message 'cc 99' was learnt"),
        ("sim", {"switch": "lefft", "down": True}, "Did you mean 'left'?"),
        ("sim", {"pot": "gain", "level": 7}, "stands from 0 to 1"),
        ("sim", {"pot": "gain", "level": "x"}, "level is a number"),
        ("sim", {}, "sim takes a switch"),
    ],
)
def test_mistakes_are_answered_in_words(
    simulated: PanelClient, request_name: str, fields: dict[str, Any], words: str
) -> None:
    reply = simulated.request(request_name, **fields)
    assert reply["status"] in ("bad_request", "not_found")
    assert words in reply["message"]


@pytest.mark.skipif(has_header(), reason="this machine has a GPIO header")
def test_without_hardware_the_panel_goes_on_and_says_so_once(tmp_path: Path) -> None:
    with panel(tmp_path) as (client, process):
        reply = until(lambda: "no GPIO header" in client.request("controls")["message"] and client.request("controls"))
        assert reply["status"] == "not_found"
        assert client.request("set", bypass=True)["state"]["bypass"] is True
        assert client.request("state")["state"]["message"] is None
        process.send_signal(signal.SIGTERM)
        _, words = process.communicate(timeout=10)
        assert process.returncode == 0
        assert words.count("no GPIO header") == 1


@pytest.mark.skipif(has_header(), reason="this machine has a GPIO header")
def test_with_midi_alone_no_pots_are_invented_and_midi_is_learnt(tmp_path: Path) -> None:
    pytest.importorskip("mido", reason="mido is not installed")
    devices = tmp_path / "devices"
    devices.mkdir()
    os.mkfifo(devices / "midiC1D0")
    wire = os.open(devices / "midiC1D0", os.O_RDWR | os.O_NONBLOCK)
    with panel(tmp_path, APPLIANCE_MIDI=str(devices)) as (client, _):
        found = ready(client)
        assert (found["pots"], found["switches"], found["chords"], found["bound"]) == ({}, {}, {}, {})
        assert "no GPIO header" in found["missing"]
        until(lambda: ready(client)["midi"]["devices"] == ["midiC1D0"])
        client.request("learn", action="bypass")
        os.write(wire, bytes((0xB0, 20, 127)))
        midi = until(lambda: (midi := ready(client)["midi"])["learning"] is None and midi)
        assert (midi["bindings"], midi["learnt"], midi["readable"]) == ({"cc 20": "bypass"}, ["cc 20"], True)
        until(lambda: bypass(client))
        client.request("unlearn", message="cc 20")
        assert ready(client)["midi"]["bindings"] == {}
    os.close(wire)


def test_a_mistake_in_the_file_is_said_with_its_place_and_the_pedal_plays(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "appliance.toml").write_text("[switch.a]\npin = 4\ntap = 'bypas'\n")
    with panel(tmp_path, APPLIANCE_HANDS="sim") as (client, _):
        message = until(lambda: client.request("state")["state"]["message"])
        assert message.startswith("Pots and switches are off:")
        assert "line 3, [switch.a] tap: there is no action 'bypas'. Did you mean 'bypass'?" in message
        assert client.request("set", level_db=-3.0)["status"] == "ok"


def test_the_panel_with_hands_imports_no_torch_and_no_flask(tmp_path: Path) -> None:
    script = """
import os, signal, sys, threading, time
from appliance import paths
from appliance.bridge.client import PanelClient
from appliance.panel import process
def use():
    client = PanelClient(timeout_s=30)
    while not paths.panel_socket().exists(): time.sleep(0.05)
    while "controls" not in client.request("controls"): time.sleep(0.05)
    client.request("sim", switch="right", down=True)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=use).start()
process.run()
banned = ("torch", "flask", "onnxruntime", "onnx", "waitress", "soundfile", "scipy", "alsaaudio")
print([name for name in banned if name in sys.modules], "gpiozero" in sys.modules)
"""
    folders = {"APPLIANCE_DATA": str(tmp_path / "data"), "APPLIANCE_RUNTIME": str(tmp_path / "run")}
    environment = {**os.environ, **folders, "PYTHONPATH": str(REPOSITORY), "APPLIANCE_HANDS": "sim"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True"
