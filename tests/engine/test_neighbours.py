"""Changing to a patch that was prepared: within a period and the fade, counted in frames, on the real pedal and loader.

The clock is the test's: a period passes when `process_float` is called.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.bridge import layout
from appliance.bridge.controls import ControlsWriter, payload
from appliance.bridge.layout import StatusBlock
from appliance.bridge.shared_memory import open_shared
from appliance.engine._native import Pedal
from appliance.engine.packing import pack_model, pack_patch
from appliance.formats.description import Description, Linear
from tests import models

RATE_HZ = 48_000
PERIOD = 64
FADE_FRAMES = RATE_HZ * 15 // 1000
LEVEL = 0.1  # of the input; a patch of gain g gives g times as much, so the output says which one sounds
PATIENCE_S = 20.0


class Stage:
    """A pedal with its loader, and a hand on the controls. Patch n is a gain of n / 16, unless a model is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.controls = ControlsWriter(folder / "controls")
        self.status = StatusBlock()
        memory = open_shared(folder / "controls", layout.CONTROLS_BYTES, writable=False)
        self.pedal = Pedal(RATE_HZ, PERIOD, memory, self.status)
        self.pedal.start_loader()
        self.time_frames = 0

    def payload(self, generation: int, **settings: float) -> layout.ControlsPayload:
        values = {"input_gain_db": 0.0, "gate_threshold_db": -120.0, "level_db": 0.0} | settings
        path = str(self.folder / f"{generation}.patch")
        knobs = (values.pop("knob"),) if "knob" in values else ()
        return payload(generation=generation, flags=layout.Flag(0), knobs=knobs, patch_path=path, **values)

    def write(self, generation: int, model: Description | None = None) -> None:
        gain = models.describe(Linear(np.array([generation / 16], np.float32)))
        data = pack_patch(generation=generation, sample_rate_hz=RATE_HZ, model_blob=pack_model(model or gain))
        (self.folder / f"{generation}.patch").write_bytes(data)

    def want(self, generation: int, **settings: float) -> None:
        self.controls.publish(self.payload(generation, **settings))

    def prepare(self, *generations: int) -> None:
        self.controls.prepare([self.payload(generation) for generation in generations])

    def play(self, frames: int = PERIOD, tone_hz: float = 4000.0) -> np.ndarray:
        """A tone, in step from call to call; whole periods."""
        at = self.time_frames + np.arange(frames)
        self.time_frames += frames
        return self.pedal.process_float((LEVEL * np.cos(2 * np.pi * tone_hz * at / RATE_HZ)).astype(np.float32))

    def gain(self, frames: int = 4 * PERIOD) -> float:
        return float(np.abs(self.play(frames)).max()) / LEVEL

    def until(self, what: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not what():
            assert time.monotonic() < end, bytes(self.status.message)
            self.play()
            time.sleep(0.001)

    def begin(self, generation: int) -> None:
        self.write(generation)
        self.want(generation)
        self.until(lambda: self.status.generation == generation and not self.pedal.is_fading)

    def loader_had_time(self) -> None:
        """Long enough for small patches; how long it took is not what is measured."""
        time.sleep(0.3)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.pedal.stop_loader()


def test_a_prepared_patch_begins_within_the_period_and_is_whole_after_the_fade(stage: Stage) -> None:
    stage.begin(1)
    stage.write(8)
    stage.prepare(8)
    stage.loader_had_time()
    assert stage.status.generation == 1
    stage.want(8)
    first = stage.play()
    assert stage.status.generation == 8
    assert np.abs(first[-16:]).max() / LEVEL > 1.02 / 16  # it is heard in the very first period
    stage.play(FADE_FRAMES)
    assert stage.gain() == pytest.approx(8 / 16, rel=5e-3)


def test_one_that_was_not_prepared_takes_the_time_to_load_and_the_old_one_plays_meanwhile(stage: Stage) -> None:
    stage.begin(1)
    stage.want(8)  # no file yet
    assert stage.gain() == pytest.approx(1 / 16, rel=5e-3)
    assert stage.status.generation == 1


def test_a_whole_model_with_a_long_memory_is_as_quick(stage: Stage) -> None:
    stage.begin(1)
    lstm = models.random_recurrent(np.random.default_rng(1), hidden=24, layers=2)
    stage.write(2, lstm)
    stage.prepare(2)
    stage.until(lambda: True)
    time.sleep(1.5)
    stage.want(2)
    stage.play()
    assert stage.status.generation == 2
    assert stage.pedal.is_fading
    stage.play(FADE_FRAMES)
    assert not stage.pedal.is_fading


def test_the_settings_of_the_new_patch_hold_from_its_first_frame(stage: Stage) -> None:
    stage.begin(16)
    stage.write(8)
    stage.prepare(8)
    stage.loader_had_time()
    stage.want(8, level_db=12.0)
    made = np.abs(stage.play(FADE_FRAMES + PERIOD))
    envelope = made[: len(made) // 12 * 12].reshape(-1, 12).max(axis=1)
    assert (np.diff(envelope) > -0.003).all()  # from 1 straight to 8/16 + 12 dB: never down to the level it had not
    assert stage.gain() == pytest.approx(8 / 16 * 10 ** (12 / 20), rel=1e-2)


def test_a_press_during_the_fade_is_heard_when_the_fade_is_over(stage: Stage) -> None:
    stage.begin(1)
    for generation in (6, 12):
        stage.write(generation)
    stage.prepare(6, 12)
    stage.loader_had_time()
    stage.want(6)
    stage.play()
    stage.want(12)
    stage.play(FADE_FRAMES)
    stage.play(PERIOD)
    assert stage.status.generation == 12
    stage.play(FADE_FRAMES)
    assert stage.gain() == pytest.approx(12 / 16, rel=5e-3)


def test_stomping_through_ten_presets_ends_on_the_last_and_never_clicks(stage: Stage) -> None:
    stage.begin(1)
    quiet_step = 16 / 16 * LEVEL * 2 * np.pi * 110 / RATE_HZ
    heard = []
    for generation in range(2, 12):
        stage.write(generation)
        stage.want(generation)
        stage.prepare(*range(generation + 1, generation + 3))
        heard.append(stage.play(3 * PERIOD, tone_hz=110.0))  # 4 ms: far quicker than any foot
    end = time.monotonic() + PATIENCE_S
    while stage.status.generation != 11 or stage.pedal.is_fading:
        assert time.monotonic() < end
        heard.append(stage.play(tone_hz=110.0))
        time.sleep(0.001)
    stage.play(RATE_HZ)  # the DC block gets over the change of tone
    assert stage.gain() == pytest.approx(11 / 16, rel=5e-3)
    assert np.abs(np.diff(np.concatenate(heard))).max() < 1.5 * quiet_step


def test_a_neighbour_that_cannot_be_made_is_told_when_it_is_wanted_and_not_before(stage: Stage) -> None:
    stage.begin(1)
    (stage.folder / "7.patch").write_bytes(b"torn")
    stage.write(9)
    stage.prepare(7, 9)
    stage.loader_had_time()
    stage.play()
    assert stage.status.failed_generation == 0
    stage.want(7)
    stage.until(lambda: stage.status.failed_generation == 7)
    assert stage.gain() == pytest.approx(1 / 16, rel=5e-3)
    stage.want(9)
    stage.play()
    assert stage.status.generation == 9


def test_torn_prepared_patches_are_looked_at_again(stage: Stage) -> None:
    stage.begin(1)
    stage.write(5)
    with (stage.folder / "controls").open("r+b") as file:
        stage.prepare(5)
        at = layout.ControlsMemory.prepared.offset + layout.PreparedBlock.checksum.offset
        file.seek(at)
        right = file.read(4)
        file.seek(at)
        file.write(bytes(4))
        file.flush()
        stage.loader_had_time()
        file.seek(at)
        file.write(right)
        file.flush()
    stage.loader_had_time()
    stage.want(5)
    stage.play()
    assert stage.status.generation == 5


def test_a_prepared_patch_that_is_no_longer_likely_is_let_go_and_can_be_had_again(stage: Stage) -> None:
    stage.begin(1)
    for generation in (4, 5):
        stage.write(generation)
    stage.prepare(4)
    stage.loader_had_time()
    stage.prepare(5)
    stage.loader_had_time()
    (stage.folder / "4.patch").unlink()  # only the file could bring it now
    stage.want(4)
    stage.until(lambda: stage.status.failed_generation == 4)
    stage.write(4)
    stage.prepare(4)
    stage.want(5)
    stage.play()
    assert stage.status.generation == 5
