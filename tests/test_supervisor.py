"""The supervisor with real processes: stand-ins for most tests, the pedal itself for the last."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance import addresses
from appliance.bridge.client import PanelClient
from appliance.bridge.status import StatusReader
from appliance.errors import DeviceError, ExitCode, NotRunning

REPOSITORY = Path(__file__).resolve().parent.parent

# A stand-in keeps its "beat" file fresh, as the audio process keeps its frames moving, and does as its orders say.
STAND_IN = """
import os, signal, sys, time
from pathlib import Path
name, folder = sys.argv[1], Path(sys.argv[2])
def order(what): return (folder / f"{name}.{what}").exists()
def end(*_):
    with (folder / "stopped").open("a") as log: log.write(name + "\\n")
    if not order("stubborn"): sys.exit(0)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
if order("refuse"):
    print("I refuse", file=sys.stderr); sys.exit(4)
with (folder / "started").open("a") as log: log.write(name + "\\n")
(folder / f"{name}.pid").write_text(str(os.getpid()))
print("hello from", name, file=sys.stderr)
while True:
    if order("die-at-once"): sys.exit(9)
    if not order("stuck"): (folder / f"{name}.beat").write_text(f"{os.getpid()} {time.monotonic()}")
    time.sleep(0.02)
"""

SUPERVISOR = """
import sys
from pathlib import Path
from appliance.errors import ApplianceError
from appliance.supervisor import Service, Supervisor, _say
folder = Path(sys.argv[1])
def probe(name):
    seen = [""]
    def look(pid):
        try: now = (folder / f"{name}.beat").read_text()
        except OSError: return False
        moved = now != seen[0] and now.startswith(f"{pid} ")
        seen[0] = now
        return moved
    return look
services = [
    Service(n, (sys.executable, str(folder / "stand_in.py"), n, str(folder)), probe(n), 0.1, 3.0, 1.0) for n in "abc"
]
try:
    code = Supervisor(services, _say, lambda: "all up").run()
except ApplianceError as error:
    _say(f"error: {error}")
    code = error.exit_code
sys.exit(code)
"""


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Running:
    """A supervisor with three stand-ins a, b, c, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "stand_in.py").write_text(STAND_IN)
        self._log = (folder / "log").open("wb")
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-c", textwrap.dedent(SUPERVISOR), str(folder)]
        self.process = subprocess.Popen(command, stderr=self._log, env=environment)

    @property
    def said(self) -> str:
        return (self.folder / "log").read_text()

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().split() if path.exists() else []

    def pid(self, name: str) -> int:
        text = (self.folder / f"{name}.pid").read_text()
        return int(text or 0)

    def order(self, name: str, what: str) -> None:
        (self.folder / f"{name}.{what}").touch()

    def until_up(self) -> None:
        wait_for(lambda: "all up" in self.said)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._log.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    supervisor = Running(tmp_path)
    yield supervisor
    supervisor.end()


def test_started_in_order_stopped_in_reverse_and_their_words_passed_on(running: Running) -> None:
    running.until_up()
    assert running.lines("started") == ["a", "b", "c"]
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(5) == ExitCode.OK
    assert running.lines("stopped") == ["c", "b", "a"]
    assert [f"{name}: hello from {name}" in running.said for name in "abc"] == [True] * 3


def test_one_that_is_killed_comes_back_and_the_others_do_not_notice(running: Running) -> None:
    running.until_up()
    before = {name: running.pid(name) for name in "abc"}
    os.kill(before["b"], signal.SIGKILL)
    wait_for(lambda: running.pid("b") not in (0, before["b"]))
    assert "b ended (SIGKILL)" in running.said
    assert running.pid("a") == before["a"]
    assert running.pid("c") == before["c"]


def test_one_that_makes_no_progress_is_killed_and_started_again(running: Running) -> None:
    running.until_up()
    before = running.pid("b")
    running.order("b", "stuck")
    wait_for(lambda: "b made no progress for 1 s" in running.said)
    (running.folder / "b.stuck").unlink()
    wait_for(lambda: running.pid("b") not in (0, before))
    assert running.lines("started").count("a") == 1


def test_one_that_keeps_dying_is_started_ever_more_slowly(running: Running) -> None:
    running.until_up()
    running.order("c", "die-at-once")
    wait_for(lambda: "starting it again in 0.8 s" in running.said)
    delays = [line.split(" in ")[1] for line in running.said.splitlines() if "c ended" in line]
    assert delays[:3] == ["0.2 s", "0.4 s", "0.8 s"]


def test_one_that_ignores_sigterm_is_killed(running: Running) -> None:
    running.order("a", "stubborn")
    running.until_up()
    pid = running.pid("a")
    began = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(8) == ExitCode.OK
    assert 2.5 < time.monotonic() - began < 7.5
    assert "a did not stop within 3 s" in running.said
    assert not alive(pid)


def test_the_children_die_with_a_supervisor_that_is_killed(running: Running) -> None:
    running.until_up()
    pids = [running.pid(name) for name in "abc"]
    running.process.kill()
    running.process.wait()
    wait_for(lambda: not any(alive(pid) for pid in pids), 3.0)


def test_one_that_does_not_start_ends_it_all_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "b.refuse").touch()
    running = Running(tmp_path)
    try:
        assert running.process.wait(10) == ExitCode.NO_DEVICE  # 4, as the stand-in said
        assert "b: I refuse" in running.said
        assert "error: b did not start" in running.said
        assert running.lines("started") == running.lines("stopped") == ["a"]
    finally:
        running.end()


def test_one_that_never_gets_up_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.stuck").touch()
    running = Running(tmp_path)
    try:
        assert running.process.wait(10) == ExitCode.NOT_RUNNING
        assert "a was not up after 3 s" in running.said
        assert not alive(running.pid("a"))
    finally:
        running.end()


def test_a_taken_port_is_named_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DeviceError, match=rf"port {port} .*--port"):
            addresses.check_port_is_free("127.0.0.1", port)
    addresses.check_port_is_free("127.0.0.1", port)
    with pytest.raises(DeviceError, match="port 99999"):
        addresses.check_port_is_free("127.0.0.1", 99999)


def test_the_address_that_reaches_a_server() -> None:
    assert [addresses.reachable(host) for host in ("0.0.0.0", "::", "10.1.2.3", "pedal.local")] == [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
        "pedal.local",
    ]


def test_local_addresses_are_addresses_others_can_reach() -> None:
    for address in addresses.local_addresses():
        socket.inet_aton(address)
        assert not address.startswith("127.")


PEDAL = """
import json, sys
from appliance.errors import ApplianceError
from appliance.supervisor import Options, run
try:
    code = run(Options(host="127.0.0.1", port=int(sys.argv[1]), web_arguments=("--demo",)))
except ApplianceError as error:
    sys.stderr.write(f"error: {error}\\n")
    code = error.exit_code
sys.exit(code)
"""


def children_of(pid: int) -> dict[str, int]:
    """Module name → pid of the processes that `pid` started."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
        if "-m" in words:
            found[words[words.index("-m") + 1]] = int(child)
    return found


def test_the_real_pedal_survives_the_death_of_each_of_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("appliance.engine._native", reason="the native engine is not built")
    runtime = tmp_path / "run"
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(runtime))
    monkeypatch.setenv("APPLIANCE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", PEDAL, port], stderr=output)
    try:
        wait_for(lambda: "Press Ctrl-C" in log.read_text(), 60)
        status = StatusReader(runtime / "status")
        panel = PanelClient(runtime / "panel.sock")
        modules = ["appliance.panel", "appliance.audio", "appliance.web"]
        assert sorted(children_of(process.pid)) == sorted(modules)

        def audio_plays() -> bool:
            found = status.read()
            mine = found is not None and found.pid == children_of(process.pid).get("appliance.audio")
            return status.alive() and mine

        second = subprocess.run([sys.executable, "-c", PEDAL, port], capture_output=True, text=True, check=False)
        assert second.returncode == ExitCode.NO_DEVICE
        assert "running already" in second.stderr

        for victim in modules:
            wait_for(audio_plays)
            before = children_of(process.pid)
            at_frames = status.read()
            os.kill(before[victim], signal.SIGKILL)
            wait_for(lambda v=victim, b=before: children_of(process.pid).get(v, b[v]) != b[v], 20)  # type: ignore[misc]
            after = children_of(process.pid)
            assert {name: pid for name, pid in after.items() if name != victim} == {
                name: pid for name, pid in before.items() if name != victim
            }
            if victim != "appliance.audio":
                later = status.read()
                assert at_frames is not None
                assert later is not None
                assert later.frames > at_frames.frames
                assert later.pid == at_frames.pid
        wait_for(audio_plays)

        def answers() -> bool:
            try:
                return panel.request("state")["status"] == "ok"
            except NotRunning:
                return False

        wait_for(answers, 10)
        pids = list(children_of(process.pid).values())
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == ExitCode.OK
        assert not any(alive(pid) for pid in pids)
        assert not (runtime / "panel.sock").exists()
    except BaseException:
        sys.stderr.write(json.dumps(log.read_text().splitlines(), indent=1))
        raise
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
