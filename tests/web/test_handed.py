"""The page on a socket that was opened by somebody else, and what it tells systemd."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from appliance.web.handed import handed_sockets
from tests.web.scripted_pedal import ScriptedPedal

REPOSITORY = Path(__file__).resolve().parent.parent.parent

# What systemd does between fork and exec: the listening socket as descriptor 3, and for whom it is.
_SERVICE_MANAGER = """
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "page"}
os.execv(sys.executable, [sys.executable, "-m", "appliance.web"])
"""


def test_the_page_is_served_on_a_handed_socket_and_the_watchdog_is_fed(pedal: ScriptedPedal, tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVICE_MANAGER, str(listener.fileno())],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "APPLIANCE_RUNTIME": str(pedal.folder),
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
            },
            pass_fds=[listener.fileno()],
        )
        try:
            assert systemd.recv(100) == b"READY=1"
            port = listener.getsockname()[1]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/state", timeout=10) as answer:
                assert answer.status == 200
            begun = time.monotonic()
            assert [systemd.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3  # also while nobody asks for anything
            assert time.monotonic() - begun < 6
            process.send_signal(signal.SIGSTOP)
            systemd.setblocking(False)
            with contextlib.suppress(BlockingIOError):  # what was on its way
                while True:
                    systemd.recv(100)
            systemd.settimeout(2.0)
            with pytest.raises(TimeoutError):
                systemd.recv(100)
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=15) == 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    "variables",
    [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_FDS": "1"}, {"LISTEN_PID": str(os.getpid())}],
)
def test_a_socket_that_is_not_meant_for_us_is_left_alone(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LISTEN_PID", "LISTEN_FDS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert handed_sockets() == []
    assert "LISTEN_FDS" not in os.environ
