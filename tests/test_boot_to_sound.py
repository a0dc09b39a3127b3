"""From power-off to sound, through the real processes: what played last plays again, by audio alone, as it was."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.addresses import free_port
from appliance.bridge import layout
from appliance.bridge.client import PanelClient
from appliance.bridge.kept_sound import find_kept, patch_file
from appliance.bridge.status import StatusReader, StatusSnapshot
from appliance.bridge.tap import TapReader
from appliance.engine._native import Pedal
from appliance.errors import NotRunning
from appliance.formats.read import read_model
from appliance.paths import PACKAGE
from appliance.render import RenderSettings, controls_payload, knob_values, patch_for

RATE_HZ = 48_000
FADE_FRAMES = 720  # 15 ms
# The library rounds the loudness of a model, on which its gain depends, to a hundredth of a decibel.
RELATIVE, ABSOLUTE = 1.2e-3, 1e-5
Array = np.ndarray[Any, np.dtype[np.float32]]


class Box:
    """The three processes round one data folder."""

    def __init__(self, folder: Path) -> None:
        self.data, self.runtime = folder / "data", folder / "run"
        self.environment = {
            **os.environ,
            "APPLIANCE_DATA": str(self.data),
            "APPLIANCE_RUNTIME": str(self.runtime),
            "PYTHONPATH": str(PACKAGE.parent),
        }
        self.running: dict[str, subprocess.Popen[str]] = {}
        self.client = PanelClient(self.runtime / "panel.sock")
        self.status = StatusReader(self.runtime / "status")
        self.tap = TapReader(self.runtime / "tap")

    def start(self, name: str, *arguments: str) -> None:
        self.running[name] = subprocess.Popen(
            [sys.executable, "-m", f"appliance.{name}", *arguments],
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start_audio(self) -> None:
        self.start("audio", "--demo", "--core", "none")

    def start_panel(self) -> dict[str, Any]:
        self.start("panel")
        self.until(self.state)
        return self.state()

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.request("state")["state"]
        return found

    def ask(self, request: str, **fields: Any) -> None:
        reply = self.client.request(request, **fields)
        assert reply["status"] == "ok", reply

    def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except NotRunning:
                pass
            for name, process in self.running.items():
                assert process.poll() is None, f"{name} ended: {process.communicate()[1]}"
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.01)

    def plays(self) -> StatusSnapshot:
        found: list[StatusSnapshot] = []

        def look() -> bool:
            status = self.status.read()
            if status is not None and status.pid == self.running["audio"].pid and status.frames > 0:
                found.append(status)
            return bool(found)

        self.until(look)
        return found[-1]

    def says(self, name: str) -> str:
        """Everything it said, once it was stopped."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.communicate(timeout=10)[1]

    def is_kept(self) -> bool:
        """Is what plays kept?"""
        sound, state = find_kept(self.data / "kept").sound, self.state()
        return sound is not None and (sound.preset, sound.model) == (state["preset"], state["model"])

    def power_cut(self) -> None:
        for process in self.running.values():
            process.kill()
            process.communicate()
        self.running.clear()
        shutil.rmtree(self.runtime)

    def listen(self, since: int, until: Callable[[], bool]) -> tuple[Array, Array]:
        """Input and output from a frame on, until something is so; nothing of it may be lost."""
        heard: list[Array] = []
        made: list[Array] = []
        at = since
        last = False
        while True:
            first, taken, given = self.tap.read(at)
            assert first == at, "the listener came too late"
            heard.append(taken)
            made.append(given)
            at += len(taken)
            if last:
                return np.concatenate(heard), np.concatenate(made)
            last = until()
            time.sleep(0.01)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    yield box
    for process in box.running.values():
        process.kill()
        process.communicate()


def after_frames(box: Box, frames: int) -> Callable[[], bool]:
    return lambda: (box.tap.position() or 0) >= frames


def rendered(box: Box, state: dict[str, Any], level_db: float, guitar: Array) -> Array:
    """What the chain makes of the guitar with the state's model, knobs, cabinet and tone, offline."""
    description = read_model(next((box.data / "models" / state["model"]).glob("source.*")))
    cabinet = next((box.data / "cabinets" / state["cabinet"]).glob("source.*"))
    settings = RenderSettings(
        knobs=state["knobs"],
        cabinet=cabinet,
        input_gain_db=state["input_gain_db"],
        gate_threshold_db=state["gate_threshold_db"],
        level_db=level_db,
    )
    payload = controls_payload(settings, knob_values(description, settings.knobs))
    payload.bass_db, payload.middle_db, payload.treble_db = (
        state[f"{band}_db"] for band in ("bass", "middle", "treble")
    )
    pedal = Pedal(RATE_HZ, 64)
    pedal.set_controls(bytes(payload))
    pedal.load_patch(patch_for(description, cabinet, RATE_HZ))
    return pedal.process_float(guitar)


def test_after_a_power_cut_audio_alone_plays_what_played_and_the_panel_takes_over_unheard(box: Box) -> None:
    box.start_audio()
    box.start_panel()
    box.start("web", "--host", "127.0.0.1", "--port", str(free_port("127.0.0.1")))
    box.until(lambda: len(box.state()["presets"]) >= 2)
    preset = next(preset for preset in box.state()["presets"] if preset["knobs"])
    box.ask("preset_recall", preset=preset["id"])
    knob = next(iter(preset["knobs"]))
    box.ask("set", knobs={knob: 0.83}, treble_db=4.0, bass_db=-2.5, level_db=-7.0)
    box.until(lambda: box.status.read().generation == box.state()["generation"])  # type: ignore[union-attr]
    before = box.state()

    def is_kept() -> bool:
        sound = find_kept(box.data / "kept").sound
        return sound is not None and sound.payload.treble_db == 4.0

    box.until(is_kept)
    memory = (box.runtime / "controls").read_bytes()
    level_db = layout.ControlsMemory.from_buffer_copy(memory).controls.payload.level_db  # the match included
    box.power_cut()

    box.start_audio()
    status = box.plays()
    assert status.generation >= layout.KEPT_GENERATION
    guitar, sound = box.listen(0, after_frames(box, RATE_HZ))
    expected = rendered(box, before, level_db, guitar)
    assert np.abs(expected).max() > 0.01
    fade = 0.5 - 0.5 * np.cos(np.pi * np.arange(1, FADE_FRAMES + 1) / (FADE_FRAMES + 1))
    np.testing.assert_allclose(sound[:FADE_FRAMES], fade * expected[:FADE_FRAMES], rtol=RELATIVE, atol=ABSOLUTE)
    np.testing.assert_allclose(sound[FADE_FRAMES:], expected[FADE_FRAMES:], rtol=RELATIVE, atol=ABSOLUTE)

    settled = box.status.read()
    box.start("panel")
    ended = 0.0

    def panel_is_up_for_a_while() -> bool:
        nonlocal ended
        if not ended:
            with contextlib.suppress(NotRunning):
                assert box.state()["generation"] == status.generation
                ended = time.monotonic() + 1.0
        return 0.0 < ended < time.monotonic()

    more_guitar, more_sound = box.listen(len(guitar), panel_is_up_for_a_while)
    expected = rendered(box, before, level_db, np.concatenate([guitar, more_guitar]))[len(guitar) :]
    np.testing.assert_allclose(more_sound, expected, rtol=RELATIVE, atol=ABSOLUTE)
    now, after = box.status.read(), box.state()
    assert settled is not None
    assert now is not None
    assert (now.swaps, now.generation, now.failed_generation) == (settled.swaps, settled.generation, 0)
    assert {name: after[name] for name in ("preset", "model", "cabinet", "knobs", "treble_db", "level_db")} == {
        name: before[name] for name in ("preset", "model", "cabinet", "knobs", "treble_db", "level_db")
    }
    # … and from then on it is the panel's to change
    other = next(each for each in after["presets"] if each["id"] != preset["id"])
    box.ask("preset_recall", preset=other["id"])
    box.until(lambda: 0 < box.status.read().generation < layout.KEPT_GENERATION)  # type: ignore[union-attr]
    words = box.says("audio")
    assert f"ms after start, with {preset['name']}\n" in words


def test_started_the_other_way_round_the_sound_is_the_same(box: Box) -> None:
    box.start_panel()
    box.until(lambda: box.state()["preset"])
    box.until(box.is_kept)
    box.power_cut()

    wanted = box.start_panel()["generation"]
    assert wanted >= layout.KEPT_GENERATION
    box.start_audio()
    box.until(lambda: box.plays().generation == wanted)
    assert box.plays().failed_generation == 0
    assert "with what the panel asks for\n" in box.says("audio")


def test_a_kept_sound_that_audio_can_not_have_is_made_anew_by_the_panel(box: Box) -> None:
    box.start_panel()
    box.until(lambda: box.state()["preset"])
    box.until(box.is_kept)
    box.power_cut()

    generation = box.start_panel()["generation"]
    patch_file(box.data / "kept", generation).write_bytes(b"spoilt")
    box.start_audio()
    box.until(lambda: 0 < box.plays().generation < layout.KEPT_GENERATION)
    assert box.state()["message"] is None
