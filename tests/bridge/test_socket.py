"""The panel's socket and its client: every line gets an answer, whatever it is; nobody can hang or crash the panel."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.bridge.client import PanelClient
from appliance.bridge.commands import MAX_LINE_BYTES
from appliance.bridge.server import PanelServer
from appliance.errors import BadModelFile, DeviceError, NotAllowed, NotFound, NotRunning, StorageError


class Counter:
    """A backend with one number in its state."""

    def __init__(self) -> None:
        self.revision = 1
        self.changed = threading.Condition()

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        refusals: dict[str, Exception] = {
            "missing": NotFound("there is no model 12"),
            "factory": NotAllowed("a factory model stays"),
            "bad": BadModelFile("it is a web page"),
            "full": StorageError("the disk is full"),
            "bug": RuntimeError("secret details"),
            "os-bug": OSError("more secret details"),
        }
        if request["request"] in refusals:
            raise refusals[request["request"]]
        if request["request"] == "slow":
            time.sleep(1.0)
        if request["request"] == "bump":
            self.bump()
        return {"state": {"revision": self.revision, "echo": request.get("text")}}

    def bump(self) -> None:
        with self.changed:
            self.revision += 1
            self.changed.notify_all()

    def state_after(self, revision: int, timeout_s: float) -> dict[str, Any] | None:
        with self.changed:
            if self.changed.wait_for(lambda: self.revision != revision, timeout_s):
                return {"revision": self.revision}
        return None


@pytest.fixture
def backend() -> Counter:
    return Counter()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "panel.sock"


@pytest.fixture
def server(path: Path, backend: Counter) -> Iterator[PanelServer]:
    serving = PanelServer(path)
    serving.start(backend)
    yield serving
    serving.close()


def raw(path: Path, data: bytes) -> list[dict[str, Any]]:
    """Send bytes, close our half, return every line that comes back."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5.0)
        connection.connect(str(path))
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # a refused giant is cut off while we still send
        received = b""
        try:
            while chunk := connection.recv(1 << 16):
                received += chunk
        except ConnectionResetError:
            pass
    return [json.loads(line) for line in received.splitlines()]


@pytest.mark.usefixtures("server")
def test_a_request_is_answered_with_its_id(path: Path) -> None:
    client = PanelClient(path)
    reply = client.request("state", text="é")
    assert reply == {"id": 1, "status": "ok", "state": {"revision": 1, "echo": "é"}}
    assert client.request("state")["id"] == 2


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("request_name", "status"),
    [
        ("missing", "not_found"),
        ("factory", "not_allowed"),
        ("bad", "bad_file"),
        ("full", "storage_full"),
        ("bug", "internal"),
        ("os-bug", "internal"),
    ],
)
def test_a_refusal_has_a_status_and_words(path: Path, request_name: str, status: str) -> None:
    reply = PanelClient(path).request(request_name)
    assert reply["status"] == status
    assert reply["message"]
    assert "secret" not in reply["message"]


@pytest.mark.usefixtures("server")
def test_bad_lines_are_answered_and_the_connection_lives_on(path: Path) -> None:
    good = b'{"id": 9, "request": "state"}\n'
    replies = raw(path, b"hello\n[1]\n{}\n\n\xff\xfe\n" + b"[" * 100_000 + b"\n" + good)
    assert [reply["status"] for reply in replies] == ["bad_request"] * 5 + ["ok"]
    assert replies[-1]["id"] == 9


@pytest.mark.usefixtures("server")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(line=st.binary(max_size=200).filter(lambda data: b"\n" not in data and data.strip() != b""))
def test_any_bytes_get_one_answer(path: Path, line: bytes) -> None:
    replies = raw(path, line + b"\n")
    assert len(replies) == 1
    assert replies[0]["status"] in {"bad_request", "ok"}


@pytest.mark.usefixtures("server")
def test_an_endless_line_is_refused_and_cut_off(path: Path) -> None:
    replies = raw(path, b"x" * (MAX_LINE_BYTES + (1 << 17)))
    assert [reply["status"] for reply in replies] in (["too_large"], [])
    assert PanelClient(path).request("state")["status"] == "ok"


@pytest.mark.usefixtures("server")
def test_watching_sends_the_state_now_and_after_each_change(path: Path, backend: Counter) -> None:
    stop = threading.Event()
    states = PanelClient(path).watch(stop=stop)
    assert next(states)["revision"] == 1
    backend.bump()
    assert next(states)["revision"] == 2
    began = time.monotonic()
    threading.Timer(0.1, stop.set).start()
    assert list(states) == []
    assert time.monotonic() - began < 2.0


def test_a_watcher_survives_a_restart_of_the_panel(path: Path) -> None:
    first = PanelServer(path)
    first.start(Counter())
    states = PanelClient(path).watch()
    assert next(states)["revision"] == 1
    first.close()
    backend = Counter()
    backend.revision = 50
    second = PanelServer(path)
    second.start(backend)
    assert next(states)["revision"] == 50
    second.close()


def test_a_watcher_without_a_panel_is_told_after_its_patience(path: Path) -> None:
    with pytest.raises(NotRunning, match="is the pedal running"):
        next(PanelClient(path).watch(patience_s=0.3))


def test_no_panel_is_said_in_words(path: Path) -> None:
    with pytest.raises(NotRunning, match=r"no panel.*appliance run"):
        PanelClient(path).request("state")


@pytest.mark.usefixtures("server")
def test_a_panel_that_thinks_too_long_is_not_waited_for(path: Path) -> None:
    with pytest.raises(NotRunning, match=r"within 0\.1 s"):
        PanelClient(path).request("slow", timeout_s=0.1)


def test_the_socket_is_for_owner_and_group_only_and_goes_with_the_server(path: Path) -> None:
    serving = PanelServer(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    serving.start(Counter())
    serving.close()
    assert not path.exists()


def test_a_stale_socket_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    serving = PanelServer(path)
    serving.start(Counter())
    assert PanelClient(path).request("state")["status"] == "ok"
    serving.close()


@pytest.mark.usefixtures("server")
def test_a_second_panel_is_refused_and_the_first_goes_on(path: Path) -> None:
    with pytest.raises(DeviceError, match="another panel is running"):
        PanelServer(path)
    assert PanelClient(path).request("state")["status"] == "ok"


@pytest.mark.usefixtures("server")
def test_many_clients_at_once_each_get_their_own_answer(path: Path) -> None:
    client = PanelClient(path)
    answers: dict[int, Any] = {}

    def ask(number: int) -> None:
        answers[number] = client.request("state", text=number)["state"]["echo"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number for number in range(20)}


@pytest.mark.usefixtures("server")
def test_clients_that_come_and_go_leave_no_descriptors_behind(path: Path) -> None:
    client = PanelClient(path)
    client.request("state")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(50):
        client.request("state")
        raw(path, b'{"request": "watch"}\n')
    deadline = time.monotonic() + 3.0
    while len(os.listdir("/proc/self/fd")) > before + 1 and time.monotonic() < deadline:  # noqa: PTH208
        time.sleep(0.05)
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208
