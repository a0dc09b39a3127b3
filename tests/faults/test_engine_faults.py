"""Faults of models and of the panel, with the real engine: the sound goes on."""

from __future__ import annotations

import ctypes
import mmap
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from appliance.audio import loop
from appliance.audio.demo import DemoPort
from appliance.bridge.layout import (
    STATUS_BYTES,
    TAP_BYTES,
    TAP_FRAMES,
    AudioState,
    ControlsBlock,
    StatusBlock,
    TapHeader,
)
from appliance.engine._native import Pedal
from appliance.engine.packing import pack_patch
from appliance.formats.description import Description, Linear
from tests.audio.running import Panel, audio_process
from tests.models import describe, random_linear


def poisonous() -> Description:
    """Weights at the edge of float32: the low strings sum up to infinity."""
    return describe(Linear(np.full(256, 3e38, np.float32)))


def tap_output(runtime: Path) -> npt.NDArray[np.float32]:
    raw = (runtime / "tap").read_bytes()
    assert len(raw) == TAP_BYTES
    return np.frombuffer(raw, np.float32, TAP_FRAMES, ctypes.sizeof(TapHeader) + 4 * TAP_FRAMES)


def test_a_model_that_gives_nan_is_silenced_and_counted_and_the_next_model_plays(tmp_path: Path) -> None:
    panel = Panel(tmp_path)
    wanted = panel.select(poisonous())
    with audio_process(tmp_path, "--demo") as audio:
        status = audio.wait_for(lambda status: status.generation == wanted and status.bad_blocks > 20)
        assert status.state == AudioState.PLAYING
        assert np.isfinite(tap_output(tmp_path)).all()
        wanted = panel.select(random_linear(np.random.default_rng(1)))
        audio.wait_for(lambda status: status.generation == wanted)
        time.sleep(0.1)
        before = audio.status()
        after = audio.wait_for(lambda status: status.frames > before.frames + 24_000)
        assert after.bad_blocks == before.bad_blocks
        assert after.output_rms > 0


def test_a_controls_block_torn_in_mid_write_leaves_the_last_good_one_in_force(tmp_path: Path) -> None:
    panel = Panel(tmp_path)
    good = panel.select(describe(Linear(np.ones(1, np.float32))))  # a wire
    with audio_process(tmp_path, "--demo") as audio:
        audio.wait_for(lambda status: status.generation == good)
        with (tmp_path / "controls").open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            block = ControlsBlock.from_buffer(memory)
            block.payload.generation = good + 7
            block.payload.level_db = -60.0
            block.sequence += 1  # as if whole, but the checksum is the old one's
            del block
        before = audio.status()
        after = audio.wait_for(lambda status: status.frames > before.frames + 24_000)
        assert (after.generation, after.failed_generation) == (good, 0)
        assert after.output_rms > 0.5 * after.input_rms
        wanted = panel.select(random_linear(np.random.default_rng(2)))
        audio.wait_for(lambda status: status.generation == wanted)


@pytest.mark.parametrize("late_periods", [1, 20])
def test_a_model_that_takes_three_periods_is_counted_late_and_the_sound_comes_back(late_periods: int) -> None:
    shared = mmap.mmap(-1, STATUS_BYTES)
    pedal = Pedal(48_000, 256, None, shared)
    calls = 0

    def slow(audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        nonlocal calls
        calls += 1
        if 20 <= calls < 20 + late_periods:
            time.sleep(3 * 256 / 48_000)
        return audio

    pedal.load_patch(pack_patch(generation=1, sample_rate_hz=48_000, model_blob=b""), slow)
    port = DemoPort(48_000, 256)
    port.open()
    begun = time.monotonic()
    loop.run(port, pedal, lambda: time.monotonic() - begun > 0.9)
    status = StatusBlock.from_buffer_copy(shared)
    assert calls > 40
    assert status.late_periods >= late_periods
    assert status.xruns >= late_periods
    assert status.recoveries == status.xruns
    assert status.periods == calls
    assert status.state == AudioState.STOPPED
