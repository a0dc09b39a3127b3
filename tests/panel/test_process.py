"""`python -m appliance.panel` as a process: serves, refuses a second one, stops cleanly, imports what it may."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.bridge.client import PanelClient
from appliance.errors import ExitCode, NotRunning
from appliance.panel import restore_journal
from tests.library_files import write_cabinet, write_linear

REPOSITORY = Path(__file__).resolve().parents[2]

pytest.importorskip("appliance.engine._native", reason="the native engine is not built")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    folders = {"APPLIANCE_DATA": str(tmp_path / "data"), "APPLIANCE_RUNTIME": str(tmp_path / "run")}
    return {**os.environ, **folders, "PYTHONPATH": str(REPOSITORY)}


@pytest.fixture
def panel(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = start(environment)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance.panel"], env=environment, stderr=subprocess.PIPE, text=True
    )
    client = client_of(environment)
    deadline = time.monotonic() + 20
    while True:
        try:
            client.request("state")
            return process
        except NotRunning:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)


def client_of(environment: dict[str, str]) -> PanelClient:
    return PanelClient(Path(environment["APPLIANCE_RUNTIME"]) / "panel.sock")


def test_works_with_no_audio_and_no_web_and_keeps_its_state_over_sigterm(
    panel: subprocess.Popen[str], environment: dict[str, str], tmp_path: Path
) -> None:
    client = client_of(environment)
    path = write_linear(tmp_path / "mine.nam")
    item = client.request("import", path=str(path), name="Mine", timeout_s=30)["item"]
    assert client.request("select", model=item["id"])["status"] == "ok"
    client.request("set", level_db=-7.5)
    panel.send_signal(signal.SIGTERM)
    assert panel.wait(5) == ExitCode.OK
    assert not client.path.exists()
    again = start(environment)
    try:
        state = client.request("state")["state"]
        assert (state["model"], state["level_db"]) == (item["id"], -7.5)
    finally:
        again.terminate()
        again.communicate()


def test_a_bad_upload_is_refused_in_words_and_the_panel_lives_on(
    panel: subprocess.Popen[str], environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "amp.nam").write_text("<html>")
    client = client_of(environment)
    reply = client.request("import", path=str(tmp_path / "amp.nam"), timeout_s=30)
    assert reply["status"] == "bad_file"
    assert "web page" in reply["message"]
    assert client.request("state")["status"] == "ok"
    assert panel.poll() is None


@pytest.mark.usefixtures("panel")
def test_a_second_panel_is_refused_with_a_sentence(environment: dict[str, str]) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "appliance.panel"], env=environment, capture_output=True, text=True, check=False
    )
    assert second.returncode == ExitCode.NO_DEVICE
    assert "another panel is running" in second.stderr
    assert "Traceback" not in second.stderr
    assert client_of(environment).request("state")["status"] == "ok"


def test_a_killed_panel_leaves_nothing_that_stops_the_next(environment: dict[str, str]) -> None:
    first = start(environment)
    before = client_of(environment).request("state")["state"]["generation"]
    first.kill()
    first.communicate()
    second = start(environment)
    assert client_of(environment).request("state")["state"]["generation"] > before
    second.terminate()
    second.communicate()


def test_storage_that_can_not_be_used_ends_with_a_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    done = subprocess.run(
        [sys.executable, "-m", "appliance.panel"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.NO_STORAGE
    assert "Traceback" not in done.stderr
    assert "can't be opened" in done.stderr


def test_the_panel_imports_no_torch_no_flask_no_onnx(environment: dict[str, str], tmp_path: Path) -> None:
    """Asked of a panel that did everything it does, imports and cabinets at another rate included."""
    script = f"""
import sys, threading, time, os, signal
from pathlib import Path
from appliance import paths
from appliance.bridge.client import PanelClient
from appliance.panel import process
def use():
    client = PanelClient(timeout_s=30)
    while not paths.panel_socket().exists(): time.sleep(0.05)
    model = client.request("import", path={str(write_linear(tmp_path / "a.nam"))!r})["item"]
    cabinet = client.request("import", path={str(write_cabinet(tmp_path / "c.wav", rate_hz=44_100))!r})["item"]
    assert client.request("select", model=model["id"], cabinet=cabinet["id"])["status"] == "ok"
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=use).start()
process.run()
banned = ("torch", "flask", "onnxruntime", "onnx", "waitress", "soundfile", "scipy", "alsaaudio")
print([name for name in banned if name in sys.modules], "soxr" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True"


def test_a_restore_that_can_not_be_ended_keeps_no_pedal_from_playing(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """A card gone full, or read-only, meanwhile: the panel is what room is made with."""
    restore_journal.decide(tmp_path / "data", "Restored.", {"presets": (1, {})})
    (tmp_path / "data" / ".presets.json.tmp").mkdir()  # no save gets past it
    panel = start(environment)
    try:
        message = client_of(environment).request("state")["state"]["message"]
        assert "The restore waits for the next start: presets.json could not be saved" in message
        assert (tmp_path / "data/restore.json").exists()
    finally:
        panel.terminate()
        panel.communicate()
