"""The first sound after switching on: softly, as it was kept, and the controls take over without being heard."""

from __future__ import annotations

import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.audio import first_sound
from appliance.bridge import layout
from appliance.bridge.controls import ControlsWriter, payload
from appliance.bridge.kept_sound import KeptSound, kept_generation, patch_file, to_bytes
from appliance.bridge.shared_memory import open_shared
from appliance.engine._native import Pedal
from appliance.engine.packing import pack_model, pack_patch
from appliance.engine.patch_bytes import stamped
from tests.models import random_recurrent

RATE_HZ = 48_000
FADE_FRAMES = 720
Array = np.ndarray[Any, np.dtype[np.float32]]
NO_FLAGS = layout.Flag(0)
NOBODY = bytes(layout.CONTROLS_BYTES)


def guitar(frames: int = 9_600) -> Array:
    return np.random.default_rng(3).uniform(-0.3, 0.3, frames).astype(np.float32)


def keep(folder: Path, flags: layout.Flag = NO_FLAGS, rate_hz: int = RATE_HZ, patch: bytes | None = None) -> KeptSound:
    if patch is None:
        model = pack_model(random_recurrent(np.random.default_rng(1)))
        patch = pack_patch(generation=1, sample_rate_hz=rate_hz, model_blob=model)
    generation = kept_generation(patch)
    patch = stamped(patch, generation)
    controls = payload(
        generation=generation, flags=flags, input_gain_db=3.0, gate_threshold_db=-120.0, level_db=-6.0, knobs=(),
        patch_path="",
    )  # fmt: skip
    sound = KeptSound("Crunch", rate_hz, None, None, None, 1, 0.0, zlib.crc32(patch), controls)
    folder.mkdir(exist_ok=True)
    patch_file(folder, generation).write_bytes(patch)
    (folder / "sound").write_bytes(to_bytes(sound))
    return sound


def begin(folder: Path, controls: bytes = NOBODY) -> tuple[str, Array, list[str]]:
    """What it says that sounds, what sounds, and what was said."""
    pedal, said = Pedal(RATE_HZ, 64), list[str]()
    name = first_sound.begin(pedal, controls, folder, RATE_HZ, said.append)
    return name, pedal.process_float(guitar()), said


def offline(sound: KeptSound, patch: bytes) -> Array:
    pedal = Pedal(RATE_HZ, 64)
    pedal.set_controls(bytes(sound.payload))
    pedal.load_patch(patch)
    return pedal.process_float(guitar())


def test_it_rises_out_of_silence_to_what_the_kept_sound_is(tmp_path: Path) -> None:
    sound = keep(tmp_path)
    name, made, said = begin(tmp_path)
    expected = offline(sound, patch_file(tmp_path, sound.generation).read_bytes())
    assert (name, said) == ("Crunch", [])
    np.testing.assert_array_equal(made[FADE_FRAMES:], expected[FADE_FRAMES:])
    assert np.all(np.abs(made[:FADE_FRAMES]) <= np.abs(expected[:FADE_FRAMES]))
    assert np.abs(made[:48]).max() < 0.02 * np.abs(expected).max()


def test_a_muted_sound_begins_muted_from_the_first_frame(tmp_path: Path) -> None:
    keep(tmp_path, layout.Flag.MUTE)
    assert not begin(tmp_path)[1].any()


def test_a_bypassed_sound_begins_with_the_guitar_alone_and_without_a_click(tmp_path: Path) -> None:
    keep(tmp_path, layout.Flag.BYPASS)
    made = begin(tmp_path)[1]
    np.testing.assert_array_equal(made[4_800:], guitar()[4_800:])  # the limiter has let go of what it was mixed with
    assert np.abs(made[:10]).max() < 0.03 * np.abs(guitar()).max()


def through(made: Array) -> bool:
    """The guitar as it is, but for the 5 Hz of the DC block and the rise."""
    return float(np.corrcoef(made[FADE_FRAMES:], guitar()[FADE_FRAMES:])[0, 1]) > 0.999 and abs(made[0]) < 1e-3


def test_nothing_kept_lets_the_guitar_through_and_says_nothing(tmp_path: Path) -> None:
    name, made, said = begin(tmp_path)
    assert (name, said) == ("the guitar as it is", [])
    assert through(made)
    assert np.abs(made).max() <= np.abs(guitar()).max() * 1.05


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "sound").write_bytes(b"KEPT" + bytes(2000)), "sound has format version 0"),
        (lambda folder: next(folder.glob("*.patch")).unlink(), "is missing"),
        (lambda folder: keep(folder, rate_hz=44_100), "it was prepared for 44100 Hz, the card runs at 48000 Hz"),
        (lambda folder: keep(folder, patch=bytes(60)), "the patch was made for 0 Hz"),
    ],
    ids=["damaged", "no patch", "another rate", "refused by the engine"],
)
def test_what_can_not_be_played_is_said_once_and_the_guitar_is_let_through(
    tmp_path: Path, damage: Any, words: str
) -> None:
    keep(tmp_path)
    damage(tmp_path)
    name, made, said = begin(tmp_path)
    assert name == "the guitar as it is"
    assert len(said) == 1
    assert words in said[0]
    assert through(made)


def test_what_a_panel_asked_for_is_left_to_it(tmp_path: Path) -> None:
    keep(tmp_path)
    block = layout.ControlsMemory()
    block.controls.magic, block.controls.version = layout.CONTROLS_MAGIC, layout.LAYOUT_VERSION
    block.controls.payload.generation = 4
    name, made, _ = begin(tmp_path, bytes(block))
    assert name == "what the panel asks for"
    assert not made.any()


def test_controls_that_want_the_same_generation_let_it_play_on_and_others_replace_it(tmp_path: Path) -> None:
    sound = keep(tmp_path / "kept")
    with ControlsWriter(tmp_path / "controls") as writer:
        status = open_shared(tmp_path / "status", layout.STATUS_BYTES, writable=True)
        controls = open_shared(tmp_path / "controls", layout.CONTROLS_BYTES, writable=False)
        pedal = Pedal(RATE_HZ, 64, controls, status, None)
        first_sound.begin(pedal, controls[:], tmp_path / "kept", RATE_HZ, lambda _: None)
        pedal.start_loader()
        before = pedal.process_float(guitar())

        again = layout.ControlsPayload.from_buffer_copy(sound.payload)
        again.patch_path = str(tmp_path / "not there.patch").encode()
        writer.publish(again)
        time.sleep(0.05)  # for a loader that would look for it
        made = pedal.process_float(guitar())
        pedal_alone = Pedal(RATE_HZ, 64)
        pedal_alone.set_controls(bytes(sound.payload))
        pedal_alone.load_patch(patch_file(tmp_path / "kept", sound.generation).read_bytes())
        both = pedal_alone.process_float(np.concatenate([guitar(), guitar()]))
        np.testing.assert_array_equal(made, both[len(before) :])
        found = layout.StatusBlock.from_buffer_copy(status)
        assert (found.generation, found.failed_generation, found.swaps) == (sound.generation, 0, 1)

        file = tmp_path / "1.patch"
        file.write_bytes(stamped(patch_file(tmp_path / "kept", sound.generation).read_bytes(), 1))
        again.generation, again.patch_path = 1, str(file).encode()
        writer.publish(again)
        end = time.monotonic() + 5
        while layout.StatusBlock.from_buffer_copy(status).generation != 1:
            assert time.monotonic() < end
            pedal.process_float(guitar(64))
        pedal.stop_loader()
