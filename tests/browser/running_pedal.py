"""The real pedal as processes for the browser tests, and model files whose sound is known."""

from __future__ import annotations

import http.client
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.addresses import free_port
from appliance.bridge.client import PanelClient
from appliance.bridge.status import StatusReader, StatusSnapshot
from appliance.errors import NotRunning

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 20.0


def eventually(what: str, look: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """The first true answer of `look`; fails in words after `patience_s`."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {patience_s:g} s")


class RunningPedal:
    """Three processes, as on stage, in folders of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port("127.0.0.1")
        self.runtime = folder / "run"
        self.midi = folder / "midi"
        self.panel = PanelClient(self.runtime / "panel.sock", timeout_s=30.0)
        self._status = StatusReader(self.runtime / "status")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self, name: str, *arguments: str, hands: str = "sim") -> None:
        """Start `python -m appliance.<name>`; the panel with a simulated box, and with `midi` as its MIDI devices."""
        self.midi.mkdir(exist_ok=True)
        places = {
            "APPLIANCE_RUNTIME": str(self.runtime),
            "APPLIANCE_DATA": str(self.folder / "data"),
            "APPLIANCE_HANDS": hands,
            "APPLIANCE_MIDI": str(self.midi),
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"appliance.{name}", *arguments],
                cwd=REPOSITORY,
                env={**os.environ, **places},
                stdout=log,
                stderr=log,
            )

    def start_web(self) -> None:
        """Start the page, always at the same address."""
        self.start("web", "--host", "127.0.0.1", "--port", str(self.port), "--demo")

    def stop(self, name: str) -> int:
        """Stop one process; its exit code."""
        process = self._processes.pop(name)
        process.terminate()
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def ended(self, name: str) -> bool:
        """Whether a process ended by itself, in order."""
        return self._processes[name].poll() == 0

    def answers(self) -> bool:
        """Whether the panel does."""
        try:
            self.state()
        except NotRunning:
            return False
        return True

    def signal(self, name: str, number: int) -> None:
        """Send one process a signal."""
        self._processes[name].send_signal(number)

    def stop_all(self) -> None:
        for name in list(self._processes):
            self.stop(name)
        self._status.close()

    def state(self) -> dict[str, Any]:
        """The panel's state."""
        state: dict[str, Any] = self.panel.request("state")["state"]
        return state

    def status(self) -> StatusSnapshot:
        """What audio says of itself."""
        status = self._status.read()
        assert status is not None, self.log("audio")
        return status

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def is_up(self) -> bool:
        """All three answer."""
        for name, process in self._processes.items():
            assert process.poll() is None, f"{name} ended: {self.log(name)}"
        try:
            self.state()
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/api/state")
            ready = connection.getresponse().status == 200
            connection.close()
        except (NotRunning, OSError):
            return False
        status = self._status.read()
        return ready and status is not None and status.frames > 0

    def bring_in(self, path: Path) -> str:
        """Import a file; its id."""
        reply = self.panel.request("import", timeout_s=60.0, path=str(path))
        assert reply["status"] == "ok", reply
        return str(reply["item"]["id"])

    def hear(self, seconds: float) -> npt.NDArray[np.float64]:
        """The output as a browser gets it, ±1."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/api/listen")
        response = connection.getresponse()
        assert response.status == 200
        magic, rate_hz, channels, bits, _ = struct.unpack("<4sIHHI", response.read(16))
        assert (magic, channels, bits) == (b"PCM1", 1, 16)
        data = response.read(2 * int(seconds * rate_hz))
        connection.close()
        response.close()
        return np.frombuffer(data, "<i2") / 32768.0


def write_linear_model(path: Path, taps: npt.NDArray[np.float64]) -> Path:
    """A model file whose sound is known: an impulse response, oldest tap first, as the format has it."""
    content = {
        "version": "0.5.4",
        "architecture": "Linear",
        "config": {"receptive_field": len(taps), "bias": False},
        "weights": [float(tap) for tap in taps],
        "sample_rate": 48_000,
    }
    path.write_text(json.dumps(content))
    return path


def write_knob_model(path: Path, hidden: int = 8) -> Path:
    """A small LSTM with one knob, weights from a seeded generator."""
    rng = np.random.default_rng(7)

    def draw(*shape: int) -> Any:
        return rng.uniform(-0.3, 0.3, shape).round(6).tolist()

    content = {
        "model_data": {
            "model": "SimpleRNN",
            "input_size": 2,
            "skip": 1,
            "output_size": 1,
            "unit_type": "LSTM",
            "num_layers": 1,
            "hidden_size": hidden,
            "bias_fl": True,
        },
        "state_dict": {
            "rec.weight_ih_l0": draw(4 * hidden, 2),
            "rec.weight_hh_l0": draw(4 * hidden, hidden),
            "rec.bias_ih_l0": draw(4 * hidden),
            "rec.bias_hh_l0": draw(4 * hidden),
            "lin.weight": draw(1, hidden),
            "lin.bias": draw(1),
        },
    }
    path.write_text(json.dumps(content))
    return path
