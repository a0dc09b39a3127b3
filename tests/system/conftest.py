"""Machines with the pedal installed; a failing test shows their consoles and journals."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.installed import ready_image
from tests.system.kernel import kernel
from tests.system.machine import Hardware, Machine
from tests.system.target import Target

MakeMachine = Callable[[Hardware], Machine]
RecordFigure = Callable[[str, str], None]
_RUNNING: list[Machine] = []
_FIGURES: list[tuple[str, str]] = []


@pytest.fixture(scope="session")
def target() -> Target:
    """What ARCH, KERNEL and SUITE name. Skips where the emulator is not installed, or root is not given."""
    found = Target.of_environment()
    tools = (f"qemu-system-{found.machine}", "qemu-img", "mmdebstrap", "mkfs.ext4", "depmod", "make")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (system/packages.sh system system-arm64)")
    if os.geteuid():
        pytest.skip("a system is built here by root alone")
    return found


@pytest.fixture(scope="session")
def image(target: Target) -> Path:
    """The disk with the pedal installed; made first where the cache has none."""
    return ready_image(target)


@pytest.fixture(scope="module")
def new_machine(target: Target, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeMachine]:
    """Makes machines; those still on at the end of the module are switched off."""
    yield from _machines(target, image, tmp_path_factory)


@pytest.fixture(scope="session")
def shared(target: Target, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """See `machine`."""
    for make in _machines(target, image, tmp_path_factory):
        yield start_and_play(make(Hardware(target)))


@pytest.fixture(scope="module")
def machine(shared: Machine) -> Iterator[Machine]:
    """A machine that is on and plays, shared by the tests that leave it as it was: a start takes half a minute. Its
    time stands still while others run, or it would take half of a processor from them."""
    shared.resume()
    yield shared
    shared.pause()


def _machines(target: Target, image: Path, folders: pytest.TempPathFactory) -> Iterator[MakeMachine]:
    made: list[Machine] = []

    def make(hardware: Hardware) -> Machine:
        made.append(Machine(image, kernel(target), folders.mktemp("machine"), hardware))
        _RUNNING.append(made[-1])
        return made[-1]

    yield make
    for machine in made:
        machine.kill()
        _RUNNING.remove(machine)


def start_and_play(machine: Machine) -> Machine:
    """Switch it on and wait until frames move and the page answers."""
    machine.start()
    await_playing(machine)
    return machine


def await_playing(machine: Machine) -> None:
    """Wait until a machine that was just switched on plays and its page answers."""
    machine.python("status", 120, timeout_s=180)
    machine.wait_until("systemctl is-active appliance-panel appliance-web", timeout_s=120)


def stop_the_pedal(machine: Machine) -> None:
    """Stop all that plays, so that others may have its lines and files."""
    machine.run("systemctl stop appliance.target appliance-web.socket appliance-audio appliance-panel appliance-web")


def ask(machine: Machine, request: str = "", **fields: Any) -> dict[str, Any]:
    """The pedal's state, or the answer to a request of the page."""
    found: dict[str, Any] = machine.python("page", *([f"/api/{request}", json.dumps(fields)] if request else []))
    return found


@pytest.fixture(scope="session")
def record_figure() -> RecordFigure:
    """Takes a figure's name and what was measured; all are printed at the end of the run."""
    return lambda name, measured: _FIGURES.append((name, measured))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures."""
    if _FIGURES:
        terminalreporter.section("measured in the machine")
    for name, measured in _FIGURES:
        terminalreporter.write_line(f"{name}: {measured}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """After a failure: what the machines that are on have to say."""
    report = yield
    if report.failed and report.when in ("setup", "call"):
        for machine in _RUNNING:
            try:
                words = machine.report()
            except AssertionError as error:
                words = str(error)
            report.sections.append((f"machine in {machine.folder}", words))
    return report
