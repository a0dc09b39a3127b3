"""systemd hears that the process is ready, alive and stopping."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from appliance.notify import Notifier


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_the_messages_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"@pedal-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name[1:]}" if abstract else name)
        listener.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notifier = Notifier()
        notifier.ready()
        notifier.alive()
        notifier.stopping()
        assert [listener.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
        notifier.close()


def test_without_systemd_nothing_is_said_and_nothing_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for address in ("", str(tmp_path / "nobody-listens")):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notifier = Notifier()
        notifier.ready()
        notifier.close()
        notifier.alive()


def test_a_listener_that_does_not_read_never_blocks_the_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notifier = Notifier()
        for _ in range(5_000):  # far beyond what the socket holds
            notifier.ready()
        notifier.close()


def test_signs_of_life_are_said_five_times_a_second_however_often_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: now)
        notifier = Notifier()
        for _ in range(100):  # one second
            notifier.alive()
            now += 0.01
        notifier.close()
        assert [listener.recv(100) for _ in range(5)] == [b"WATCHDOG=1"] * 5
        with pytest.raises(BlockingIOError):
            listener.recv(100)
