"""The web process as it runs: its threads suffice, it ends when told, it says why it can't begin."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.errors import ExitCode
from appliance.web.settings import MAX_PHONES
from tests.web.scripted_pedal import ScriptedPedal

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 15.0


class Web:
    """`python -m appliance.web` on a free port."""

    def __init__(self, runtime: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.runtime = runtime
        self.process = self.start()
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                self.get("/").close()
                return
            except OSError:
                assert self.process.poll() is None
                time.sleep(0.05)
        raise AssertionError("the page did not come up")

    def start(self) -> subprocess.Popen[str]:
        """Another one on the same port."""
        return subprocess.Popen(
            [sys.executable, "-m", "appliance.web", "--host", "127.0.0.1", "--port", str(self.port), "--demo"],
            cwd=REPOSITORY,
            env={**os.environ, "APPLIANCE_RUNTIME": str(self.runtime)},
            stderr=subprocess.PIPE,
            text=True,
        )

    def get(self, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("GET", path, headers={"Connection": "close"})
        return connection.getresponse()


@pytest.fixture
def web(pedal: ScriptedPedal) -> Iterator[Web]:
    web = Web(pedal.folder)
    yield web
    web.process.kill()
    web.process.communicate()


def test_all_phones_at_once_leave_room_for_requests_and_one_more_is_told(web: Web) -> None:
    phones = [web.get("/api/events") for _ in range(MAX_PHONES)]
    for phone in phones:
        assert phone.status == 200
        assert phone.readline() == b"retry: 1000\n"
    with web.get("/api/events") as refused:
        assert refused.status == 503
        assert json.load(refused)["status"] == "busy"
    start = time.monotonic()
    with web.get("/api/state") as answer:
        assert answer.status == 200
    assert time.monotonic() - start < 5.0
    for phone in phones:
        phone.close()
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:  # places of phones that left come back by themselves
        with web.get("/api/events") as again:
            if again.status == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the places did not come back")


def test_it_ends_at_once_when_told_even_while_phones_watch(web: Web) -> None:
    phones = [web.get("/api/events"), web.get("/api/listen")]
    assert [phone.status for phone in phones] == [200, 200]
    start = time.monotonic()
    web.process.send_signal(signal.SIGTERM)
    assert web.process.wait(PATIENCE_S) == ExitCode.OK
    assert time.monotonic() - start < 8.0
    for phone in phones:
        phone.close()


def test_a_taken_port_is_told_in_words(web: Web) -> None:
    second = web.start()
    _, words = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == ExitCode.USAGE
    assert f"port {web.port} can't be used" in words
    assert "--port" in words
    assert "Traceback" not in words


def test_the_process_imports_no_sound_and_no_training(pedal: ScriptedPedal) -> None:
    """Rule of the borders: the web parses what strangers send, so it holds nothing else."""
    code = (
        "import sys, appliance.web.__main__; "
        "print([m for m in ('numpy','torch','onnxruntime','alsaaudio','gpiozero','appliance.engine._native',"
        "'appliance.formats.nam','appliance.library.store') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
