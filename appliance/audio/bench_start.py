"""`appliance bench start`: from the start of the audio process to its first period, step by step; memory; imports.

Everything runs in temporary folders. The evening before (`a_kept_sound`): the three processes on the demo card, a page
that listens, presets recalled one after the other; then they are killed, as by a power cut. The mornings after: the
runtime folder is removed and audio is started alone, again and again.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from appliance.addresses import free_port
from appliance.audio.start_figures import MODULES, STEPS, Memory, StartFigures, imports_of, memory_of
from appliance.bridge.client import PanelClient
from appliance.bridge.kept_sound import find_kept
from appliance.errors import NotRunning
from appliance.paths import PACKAGE
from appliance.probes import audio_probe, panel_probe, web_probe
from appliance.supervisor import die_with_parent

PROCESSES = ("audio", "panel", "web")
_HOST = "127.0.0.1"
_UP_WITHIN_S = 30.0
_SWAP_EVERY_S = 0.25


def bench_start(
    repeats: int,
    audio_arguments: Sequence[str] = ("--demo",),
    swap_s: float = 5.0,
    progress: Callable[[], None] = lambda: None,
) -> StartFigures:
    """Measure. Blocks for `swap_s` and about a second a start. Errors: NotRunning, when a process does not start.

    progress: called after each start.
    """
    with tempfile.TemporaryDirectory(prefix="appliance-bench-") as folder:
        data, runtime = Path(folder) / "data", Path(folder) / "runtime"
        memory, sound = a_kept_sound(data, runtime, audio_arguments, swap_s)
        steps: dict[str, list[float]] = {step: [] for step in STEPS}
        for _ in range(repeats):
            shutil.rmtree(runtime, ignore_errors=True)  # what a reboot does
            for step, took_ms in _one_start(data, runtime, audio_arguments).items():
                steps[step].append(took_ms)
            progress()
    return StartFigures(sound, steps, memory, {name: imports_of(MODULES[name]) for name in PROCESSES})


def a_kept_sound(
    data: Path, runtime: Path, audio_arguments: Sequence[str], swap_s: float
) -> tuple[dict[str, Memory], str]:
    """Play for `swap_s`, changing presets all the time, until a sound is kept; then the power goes.

    Returns the memory of each process, and the name of the sound. Errors: NotRunning.
    """
    port = free_port(_HOST)
    arguments = {"audio": tuple(audio_arguments), "panel": (), "web": ("--host", _HOST, "--port", str(port))}
    probes = {
        "audio": audio_probe(runtime / "status"),
        "panel": panel_probe(runtime / "panel.sock"),
        "web": web_probe(_HOST, port),
    }
    with contextlib.ExitStack() as started:
        running = {}
        for name in PROCESSES:
            process = started.enter_context(_process(name, arguments[name], data, runtime))
            running[name] = process
            _wait(lambda name=name, process=process: probes[name](process.pid), process, name)  # type: ignore[misc]
        started.enter_context(_open_page(port))
        panel = PanelClient(runtime / "panel.sock")
        _wait(lambda: bool(_presets(panel)), running["panel"], "panel")
        _go_round(panel, swap_s)
        wanted = panel.request("state")["state"]["preset"]
        _wait(lambda: _kept_preset(data) == wanted, running["panel"], "panel")
        memory = {name: memory_of(process.pid) for name, process in running.items()}
        for process in running.values():
            process.kill()
    found = find_kept(data / "kept").sound
    return memory, found.name if found is not None else ""


def _one_start(data: Path, runtime: Path, audio_arguments: Sequence[str]) -> dict[str, float]:
    begun_s = time.monotonic()
    with _process("audio", (*audio_arguments, "--times"), data, runtime, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        times_s = _times(process.stderr)
    done_s = [begun_s, *(times_s[step] for step in STEPS)]
    return {step: 1000 * (done_s[i + 1] - done_s[i]) for i, step in enumerate(STEPS)}


def _times(lines: IO[bytes]) -> dict[str, float]:
    said = []
    for line in lines:
        if line.startswith(b"{"):
            found: dict[str, float] = json.loads(line)
            return found
        said.append(line.decode(errors="replace"))
    raise NotRunning(f"the audio process did not play: {' '.join(said).strip()}")


def _presets(panel: PanelClient) -> list[str]:
    try:
        return [preset["id"] for preset in panel.request("state")["state"]["presets"]]
    except NotRunning:
        return []


def _kept_preset(data: Path) -> str | None:
    found = find_kept(data / "kept").sound
    return found.preset if found is not None else None


def _go_round(panel: PanelClient, seconds: float) -> None:
    end = time.monotonic() + seconds
    for preset in itertools.cycle(_presets(panel)):
        panel.request("preset_recall", preset=preset)
        if time.monotonic() >= end:
            return
        time.sleep(_SWAP_EVERY_S)


@contextlib.contextmanager
def _open_page(port: int) -> Iterator[None]:
    """A phone that has loaded the page and listens to its events."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=_UP_WITHIN_S)
    events = http.client.HTTPConnection(_HOST, port, timeout=_UP_WITHIN_S)
    try:
        connection.request("GET", "/")
        page = connection.getresponse().read().decode()
        for path in (*re.findall(r'(?:src|href)="(/static/[^"]+)"', page), "/api/state"):
            connection.request("GET", path)
            connection.getresponse().read()
        events.request("GET", "/api/events")
        events.getresponse().readline()
        yield
    finally:
        connection.close()
        events.close()


@contextlib.contextmanager
def _process(
    name: str, arguments: Sequence[str], data: Path, runtime: Path, stderr: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        (sys.executable, "-m", f"appliance.{name}", *arguments),
        env=os.environ
        | {"APPLIANCE_DATA": str(data), "APPLIANCE_RUNTIME": str(runtime), "PYTHONPATH": str(PACKAGE.parent)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        preexec_fn=die_with_parent(os.getpid()),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _wait(is_so: Callable[[], bool], process: subprocess.Popen[bytes], name: str) -> None:
    end = time.monotonic() + _UP_WITHIN_S
    while not is_so():
        if process.poll() is not None or time.monotonic() > end:
            raise NotRunning(f"the {name} process did not get so far: try `appliance run --demo`, which says why")
        time.sleep(0.05)
