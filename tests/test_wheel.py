"""The wheel a user installs: built, installed into an empty environment, started from an empty folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (made,) = folder.glob("appliance-*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    constraints = REPOSITORY / "constraints.txt"
    done = subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", "-q", "-c", constraints, wheel],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.timeout(400)
def test_the_wheel_carries_page_models_and_engine_and_no_sources_of_the_engine(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    extensions = ("engine/_native.", "training/_kernels.")
    system = ("assets/system/install.sh", "assets/system/root/usr/lib/systemd/system/appliance-audio.service")
    for wanted in (
        "assets/web/templates/",
        "assets/web/static/",
        "assets/models/demo-guitar.wav",
        *system,
        *extensions,
    ):
        assert any(name.startswith(f"appliance/{wanted}") for name in names), wanted
    assert "appliance/training/report/page.html.j2" in names
    assert any(name.startswith("appliance/assets/models/") and name.endswith(".onnx") for name in names)
    assert not [name for name in names if name.endswith((".cpp", ".hpp"))]
    assert not [name for name in names if name.startswith(("tests/", "web/", "models/", "system/"))]


@pytest.mark.timeout(400)
def test_the_installed_pedal_starts_plays_and_stops(environment: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    folders = {"APPLIANCE_DATA": str(tmp_path / "data"), "APPLIANCE_RUNTIME": str(tmp_path / "runtime")}
    command = [environment / "bin" / "appliance", "run", "--demo", "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path / "log"
    with log.open("wb") as output:
        pedal = subprocess.Popen(command, cwd=tmp_path, env=clean | folders, stdout=output, stderr=output)
    try:
        state = _wait_for(f"http://127.0.0.1:{port}/api/state", pedal, log)
        assert [model for model in state["models"] if model["factory"]]
        assert [cabinet for cabinet in state["cabinets"] if cabinet["factory"]]
        assert state["model"] is not None
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
            assert b"<html" in page.read()
    finally:
        pedal.send_signal(signal.SIGINT)
        code = pedal.wait(timeout=20)
    assert code == 0, log.read_text()


def _wait_for(url: str, pedal: subprocess.Popen[bytes], log: Path) -> dict[str, list[dict[str, object]]]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and pedal.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:
                state = json.load(reply)
                if state.get("model"):
                    return state  # type: ignore[no-any-return]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.2)
    pytest.fail(f"no page at {url}:\n{log.read_text()}")
