"""`appliance run`: the pedal's three processes under one parent, for a PC. (On a Pi systemd does the same.)

Started in order, each when the one before is up; one that dies or gets nowhere is started again and the others don't
notice; stopped in reverse. One thread and one loop: nothing here is ever in the way of the sound.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from appliance import paths
from appliance.addresses import check_port_is_free, local_addresses
from appliance.errors import ApplianceError, DeviceError, ExitCode, NotRunning, StorageError
from appliance.probes import Probe, audio_probe, panel_probe, web_probe

_LOOK_S = 0.1
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 5.0
_SETTLED_S = 10.0  # up for so long: its next death is a new story, and the delay begins small again
_TERM_S = 3.0
_OWN_PAUSE_S = 1.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True)
class Service:
    """One process: how to start it, how to see that it is up, when to call it stuck."""

    name: str
    command: tuple[str, ...]
    probe: Probe
    probe_every_s: float = 0.25
    start_timeout_s: float = 30.0
    stall_s: float | None = None  # without a sign of life for so long it is killed; None: never


@dataclass(frozen=True)
class Options:
    """What `appliance run` was asked for."""

    audio_arguments: tuple[str, ...] = ("--demo",)
    host: str = "0.0.0.0"
    port: int = 8080
    web_arguments: tuple[str, ...] = ()


def run(options: Options, say: Callable[[str], None] | None = None) -> int:
    """Start the pedal, keep it going until SIGINT or SIGTERM, stop it. Returns the exit code.

    Raises DeviceError (another pedal runs in this runtime folder, or the port is taken), NotRunning (a process would
    not start; its own words were passed on), StorageError.
    """
    with _only_one(paths.runtime_dir()):
        check_port_is_free(options.host, options.port)
        return Supervisor(pedal_services(options), say or _say, lambda: _announcement(options)).run()


def pedal_services(options: Options) -> tuple[Service, ...]:
    """The three processes in their order of starting."""
    python = (sys.executable, "-m")
    web = ("--host", options.host, "--port", str(options.port), *options.web_arguments)
    return (
        Service("panel", (*python, "appliance.panel"), panel_probe(paths.panel_socket()), 2.0, stall_s=10.0),
        Service(
            "audio",
            (*python, "appliance.audio", *options.audio_arguments),
            audio_probe(paths.status_file()),
            stall_s=2.0,
        ),
        Service("web", (*python, "appliance.web", *web), web_probe(options.host, options.port)),
    )


class _Child:
    """One service and the process that is it at the moment."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.process: subprocess.Popen[bytes] | None = None
        self.up = False
        self.started_at = 0.0
        self.good_at = 0.0
        self.looked_at = 0.0
        self.delay_s = _FIRST_DELAY_S
        self.start_again_at = 0.0
        self.unfinished = b""

    def start(self, now: float) -> None:
        search = os.pathsep.join(filter(None, (str(paths.PACKAGE.parent), os.environ.get("PYTHONPATH"))))
        self.process = subprocess.Popen(
            self.service.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": search, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops them in order
            preexec_fn=die_with_parent(os.getpid()),
        )
        self.up = False
        self.started_at = self.good_at = now
        self.looked_at = 0.0

    def look(self, now: float) -> None:
        """Probe, when it is time to; one that is up and can't be stuck is left in peace."""
        if self.process is None or (self.up and self.service.stall_s is None):
            return
        if now - self.looked_at >= (self.service.probe_every_s if self.up else _LOOK_S):
            self.looked_at = now
            if self.service.probe(self.process.pid) and self.process.poll() is None:
                self.good_at = time.monotonic()
                self.up = True


class Supervisor:
    """Runs services; see the module. Must be made and run in the main thread."""

    def __init__(
        self, services: Sequence[Service], say: Callable[[str], None], announcement: Callable[[], str]
    ) -> None:
        self._children = [_Child(service) for service in services]
        self._say = say
        self._announcement = announcement
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        self._stepped_at = time.monotonic()

    def run(self) -> int:
        """Start, watch, stop. Raises NotRunning when a service does not come up the first time."""
        before = {number: signal.signal(number, self._wish_to_stop) for number in (signal.SIGINT, signal.SIGTERM)}
        started: list[_Child] = []
        try:
            for child in self._children:
                if self._signals:
                    break
                started.append(child)
                self._start(child)
                self._wait_until_up(child, started)
            if not self._signals:
                self._say(self._announcement())
            while not self._signals:
                self._step(started)
        finally:
            self._stop(started)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
        return ExitCode.OK

    def _wish_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    def _start(self, child: _Child) -> None:
        try:
            child.start(time.monotonic())
        except (OSError, subprocess.SubprocessError) as error:
            raise NotRunning(f"{child.service.name} could not be started: {error}") from error
        assert child.process is not None
        self._selector.register(_pipe(child.process), selectors.EVENT_READ, child)

    def _wait_until_up(self, child: _Child, started: Sequence[_Child]) -> None:
        others = [other for other in started if other is not child]
        while not child.up and not self._signals:
            self._step(others)
            assert child.process is not None
            child.look(time.monotonic())
            if (code := child.process.poll()) is not None:
                self._pump(0.0)
                raise _failure(child.service.name, code)
            if time.monotonic() - child.started_at > child.service.start_timeout_s:
                raise NotRunning(f"{child.service.name} was not up after {child.service.start_timeout_s:g} s")

    def _step(self, children: Sequence[_Child]) -> None:
        self._pump(_LOOK_S)
        now = time.monotonic()
        if now - self._stepped_at > _OWN_PAUSE_S + _LOOK_S:
            for child in children:  # we slept (a closed laptop, a busy machine): they may have as well
                child.good_at = now
        self._stepped_at = now
        for child in children:
            self._look_after(child, now)

    def _look_after(self, child: _Child, now: float) -> None:
        name, process, service = child.service.name, child.process, child.service
        if process is None:
            if now >= child.start_again_at:
                self._start(child)
            return
        child.look(now)
        now = time.monotonic()
        if (code := process.poll()) is not None:
            self._bury(child, now)
            self._say(f"{name} ended ({_ending(code)}); starting it again in {child.delay_s:g} s")
            child.start_again_at = now + child.delay_s
            child.delay_s = min(2 * child.delay_s, _LONGEST_DELAY_S)
        elif not child.up and now - child.started_at > service.start_timeout_s:
            self._say(f"{name} was not up after {service.start_timeout_s:g} s: killing it")
            process.kill()
        elif child.up and service.stall_s is not None and now - child.good_at > service.stall_s:
            self._say(f"{name} made no progress for {service.stall_s:g} s: killing it")
            process.kill()
            process.wait()
        elif child.up and now - child.started_at > _SETTLED_S:
            child.delay_s = _FIRST_DELAY_S

    def _bury(self, child: _Child, now: float) -> None:
        """Pass on the last words of a process that ended."""
        assert child.process is not None
        pipe = _pipe(child.process)
        with contextlib.suppress(KeyError):
            self._selector.unregister(pipe)
        os.set_blocking(pipe.fileno(), False)  # a grandchild may hold it open
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(pipe.fileno(), 1 << 16):
                self._pass_on(child, chunk)
        if child.unfinished:
            self._pass_on(child, b"\n")
        pipe.close()
        child.process.wait()
        child.process = None
        child.up = False
        child.good_at = now

    def _pump(self, timeout_s: float) -> None:
        """Pass on what the children say, for at most about `timeout_s`."""
        for key, _ in self._selector.select(timeout_s):
            if chunk := os.read(key.fd, 1 << 16):
                self._pass_on(key.data, chunk)
            else:
                self._selector.unregister(key.fileobj)  # it said its last word; it may live on

    def _pass_on(self, child: _Child, chunk: bytes) -> None:
        *lines, child.unfinished = (child.unfinished + chunk).split(b"\n")
        for line in lines:
            self._say(f"{child.service.name}: {line.decode(errors='replace')}")

    def _stop(self, started: Sequence[_Child]) -> None:
        signals = self._signals
        for child in reversed(started):
            if (process := child.process) is None:
                continue
            process.terminate()
            deadline = time.monotonic() + _TERM_S
            while process.poll() is None and time.monotonic() < deadline and self._signals <= signals + 1:
                self._pump(_LOOK_S / 2)
            if process.poll() is None:
                self._say(f"{child.service.name} did not stop within {_TERM_S:g} s: killing it")
                process.kill()
                process.wait()
            self._bury(child, time.monotonic())


def _announcement(options: Options) -> str:
    everywhere = options.host in ("0.0.0.0", "::")
    here = [f"http://localhost:{options.port}"] if everywhere else [f"http://{options.host}:{options.port}"]
    others = [f"http://{address}:{options.port}" for address in local_addresses()] if everywhere else []
    phone = f"\nOn your phone:  {'  or  '.join(others)}" if others else ""
    return f"\nThe pedal plays. Its page: {here[0]}{phone}\nPress Ctrl-C to stop."


def _pipe(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def die_with_parent(parent: int) -> Callable[[], None]:
    """For the child, between fork and exec: get SIGTERM when the supervisor dies, whatever way it does."""

    def set_up() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)  # it died before we asked

    return set_up


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _failure(name: str, code: int) -> ApplianceError:
    error = NotRunning(f"{name} did not start ({_ending(code)}); what it said stands above")
    with contextlib.suppress(ValueError):
        if code > 0:
            error.exit_code = ExitCode(code)  # its reason is ours
    return error


@contextlib.contextmanager
def _only_one(runtime: Path) -> Iterator[None]:
    try:
        runtime.mkdir(parents=True, exist_ok=True, mode=0o750)
        descriptor = os.open(runtime / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise StorageError(f"the runtime folder {runtime} can't be used: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DeviceError(
                f"a pedal is running already in {runtime}: stop it first, or set APPLIANCE_RUNTIME to another folder"
            ) from error
        yield
    finally:
        os.close(descriptor)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
