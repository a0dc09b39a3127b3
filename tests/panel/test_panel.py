"""The panel in this process: real library, real shared memory, real patches; the audio side is played by the test."""

from __future__ import annotations

import math
import os
import shutil
import struct
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance import storage
from appliance.bridge import layout
from appliance.errors import BadModelFile, BadRequest, NotAllowed, NotFound, StorageError
from appliance.panel import panel as panel_module
from appliance.panel import state_file
from tests.library_files import write_cabinet, write_linear
from tests.panel.bench import Bench

_native = pytest.importorskip("appliance.engine._native", reason="the native engine is not built")


def play(patch: bytes, frames: int = 4800, rate_hz: int = 48_000) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What the real engine makes of a click after silence; the limiter's look-ahead, if any, included."""
    pedal = _native.Pedal(rate_hz, 64)
    pedal.load_patch(patch)
    audio = np.zeros(frames, np.float32)
    audio[480] = 0.1
    return np.concatenate([pedal.process_float(audio[at : at + 64]) for at in range(0, frames, 64)])


def test_an_empty_pedal_publishes_a_patch_that_passes_the_guitar_through(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    state = bench.state
    assert (state["model"], state["cabinet"], state["models"], state["message"]) == (None, None, [], None)
    assert state["generation"] == bench.controls.generation == 1
    assert np.abs(play(bench.patch)).max() > 0.05


def test_the_state_has_the_fields_the_table_of_commands_names(bench: Bench) -> None:
    assert set(bench.state) == {
        "revision", "model", "cabinet", "generation", "bypass", "mute", "normalise", "input_gain_db",
        "gate_threshold_db", "level_db", "oversample", "knobs", "models", "cabinets", "message", "preset", "edited",
        "place", "bass_db", "middle_db", "treble_db", "boost_db", "tuner_reference_hz", "tuner_tuning", "tuner_mutes",
        "boost", "compare", "tuner", "scene", "bank_size", "tonight", "presets", "setlists", "riff", "riff_words",
        "leaving", "safe",
    }  # fmt: skip
    assert set(bench.state["models"][0]) == {
        "id", "name", "file_name", "format", "architecture", "sample_rate_hz", "knobs", "loudness_db", "esr",
        "licence", "factory", "notes", "pi_estimates",
    }  # fmt: skip


def test_oversampling_prepares_the_same_sound_anew_and_is_kept(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"], cabinet=None)
    before = bench.controls.generation
    state = bench.ask("set", oversample=2)["state"]
    assert (state["oversample"], state["generation"]) == (2, before + 1)
    assert bench.controls.generation == before + 1
    pedal = _native.Pedal(48_000, 64)
    pedal.load_patch(bench.patch)
    assert pedal.latency_frames == 29
    bench.ask("set", oversample=2, level_db=-1.0)
    assert bench.controls.generation == before + 1  # nothing to prepare
    bench.panel.close()
    bench.switch_on()
    assert bench.state["oversample"] == 2


def test_oversampling_that_cannot_be_prepared_is_not_set(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    shutil.rmtree(bench.folder / "data" / "models" / bench.ids["OD"])
    with pytest.raises((NotFound, StorageError)):
        bench.ask("set", oversample=4)
    assert bench.state["oversample"] == 1


def test_choosing_publishes_a_patch_the_engine_plays_and_the_knobs_it_needs(bench: Bench) -> None:
    state = bench.ask("select", model=bench.ids["OD"], cabinet=bench.ids["One"])["state"]
    assert state["model"] == bench.ids["OD"]
    assert state["knobs"] == {"Drive": 0.5}
    controls = bench.controls
    assert controls.generation == state["generation"]
    assert (controls.knob_count, controls.knobs[0]) == (1, 0.5)
    assert controls.patch_path.decode().endswith(f"{state['generation']}.patch")
    made = play(bench.patch)
    assert np.isfinite(made).all()
    assert np.abs(made).max() > 1e-3


def test_the_cabinet_can_be_left_out(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["Plain"], cabinet=bench.ids["Two"])
    with_cabinet = len(bench.patch)
    assert bench.ask("select", cabinet=None)["state"]["cabinet"] is None
    assert len(bench.patch) == with_cabinet - 4 * 960


def test_choosing_takes_less_than_fifty_milliseconds(bench: Bench) -> None:
    durations = []
    for name in ("OD", "Plain") * 5:
        began = time.perf_counter()
        bench.ask("select", model=bench.ids[name], cabinet=bench.ids["One"])
        durations.append(time.perf_counter() - began)
    assert sorted(durations)[len(durations) // 2] < 0.05, durations


def test_only_the_last_three_patches_are_kept(bench: Bench) -> None:
    for name in ("OD", "Plain") * 4:
        bench.ask("select", model=bench.ids[name])
    generation = bench.state["generation"]
    found = sorted(path.name for path in (bench.folder / "patches").iterdir())
    assert found == sorted(f"{number}.patch" for number in range(generation - 2, generation + 1))


def test_settings_reach_the_controls_at_once_and_make_no_new_patch(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    generation = bench.state["generation"]
    state = bench.ask("set", level_db=-6, bypass=True, knobs={"Drive": 0.75})["state"]
    assert (state["level_db"], state["bypass"], state["knobs"]) == (-6.0, True, {"Drive": 0.75})
    controls = bench.controls
    assert (controls.level_db, controls.knobs[0], controls.generation) == (-6.0, 0.75, generation)
    assert layout.Flag(controls.flags) == layout.Flag.BYPASS | layout.Flag.NORMALISE


def test_a_refused_request_changes_nothing(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["Plain"])
    before, published = bench.state, bytes(bench.controls)
    for fields, error in (
        ({"request": "select", "model": "nothing"}, NotFound),
        ({"request": "select", "model": bench.ids["One"]}, NotFound),
        ({"request": "select", "model": None}, BadRequest),
        ({"request": "select"}, BadRequest),
        ({"request": "select", "modle": "x"}, BadRequest),
        ({"request": "set"}, BadRequest),
        ({"request": "set", "level_db": math.nan}, BadRequest),
        ({"request": "set", "level_db": 3, "knobs": {"Drive": 1}}, BadRequest),
        ({"request": "import", "path": 7}, BadRequest),
        ({"request": "import", "path": "a\0b"}, BadRequest),
        ({"request": "import", "path": "/nowhere/a.nam"}, BadModelFile),
        ({"request": "rename", "item": bench.ids["OD"], "name": " "}, BadRequest),
        ({"request": "rename", "item": "nothing", "name": "x"}, NotFound),
        ({"request": "remove", "item": bench.ids["Plain"]}, NotAllowed),
        ({"request": "remove"}, BadRequest),
        ({"request": "explode"}, BadRequest),
    ):
        with pytest.raises(error):
            bench.panel.answer(fields)
    assert bench.state == before
    assert bytes(bench.controls) == published


def test_choosing_a_model_that_is_damaged_on_the_disk_keeps_the_one_that_plays(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    before, published = bench.state, bytes(bench.controls)
    (bench.folder / "data" / "models" / bench.ids["Plain"] / "model.blob").write_bytes(b"torn")
    with pytest.raises(StorageError, match="damaged"):
        bench.ask("select", model=bench.ids["Plain"])
    assert bench.state == before
    assert bytes(bench.controls) == published


def test_import_rename_and_remove_show_in_the_state(bench: Bench) -> None:
    path = write_linear(bench.folder / "new.nam", (0.3,))
    item = bench.ask("import", path=str(path), name="New")["item"]
    assert item in bench.state["models"]
    state = bench.ask("rename", item=item["id"], name="Newer")["state"]
    assert [model["name"] for model in state["models"] if model["id"] == item["id"]] == ["Newer"]
    assert all(model["id"] != item["id"] for model in bench.ask("remove", item=item["id"])["state"]["models"])


def test_everything_is_back_after_power_off(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"], cabinet=bench.ids["Two"])
    before = bench.ask("set", knobs={"Drive": 0.9}, input_gain_db=4, mute=True)["state"]
    bench.panel.tick(time.monotonic() + 1.0)  # and the plug is pulled: no close
    bench.switch_on()
    after = bench.state
    for name in ("model", "cabinet", "knobs", "input_gain_db", "mute"):
        assert after[name] == before[name]
    assert after["generation"] == before["generation"] + 1  # audio, still running, sees a new one
    assert (bench.controls.input_gain_db, bench.controls.knobs[0]) == (4.0, pytest.approx(0.9))


def test_state_is_saved_when_it_has_settled_and_not_at_every_touch(bench: Bench) -> None:
    file = bench.folder / "data" / "state.json"
    bench.ask("set", level_db=-1)
    touched = time.monotonic()
    bench.panel.tick(touched + 0.1)
    assert not file.exists()
    bench.panel.tick(touched + 0.9)
    assert storage.load_json(file, state_file.SCHEMA).content["level_db"] == -1.0


def test_a_knob_that_never_rests_is_saved_all_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(panel_module.time, "monotonic", lambda: clock[0])
    for step in range(60):
        bench.ask("set", level_db=-step / 10)
        clock[0] += 0.1
        bench.panel.tick(clock[0])
    assert (bench.folder / "data" / "state.json").exists()


def test_a_full_disk_is_said_once_and_the_settings_are_saved_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    bench.ask("set", level_db=-2)
    with monkeypatch.context() as patched:
        patched.setattr(storage.os, "replace", full)
        bench.panel.tick(time.monotonic() + 1)
    assert "disk is full" in bench.state["message"]
    assert bench.controls.level_db == -2.0
    bench.panel.tick(time.monotonic() + 20)
    assert storage.load_json(bench.folder / "data" / "state.json", 1).content["level_db"] == -2.0


def test_a_model_that_is_gone_leaves_the_cabinet_playing_and_a_message(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"], cabinet=bench.ids["Two"])
    bench.panel.close()
    for file in (bench.folder / "data" / "models" / bench.ids["OD"]).iterdir():
        file.unlink()
    (bench.folder / "data" / "models" / bench.ids["OD"]).rmdir()
    bench.switch_on()
    assert bench.ids["OD"] in bench.state["message"]
    assert "played without it" in bench.state["message"]
    assert bench.controls.knob_count == 0
    model_bytes, cabinet_frames = struct.unpack_from("<2I", bench.patch, 24)
    assert (model_bytes, cabinet_frames) == (0, 960)


def test_a_damaged_state_file_starts_from_the_copy_before_and_says_so(bench: Bench) -> None:
    bench.ask("set", level_db=-4)
    bench.panel.save()
    bench.ask("set", level_db=-5)
    bench.panel.close()
    file = bench.folder / "data" / "state.json"
    file.write_bytes(file.read_bytes()[:-30])
    bench.switch_on()
    assert bench.state["level_db"] == -4.0
    assert "state.json" in bench.state["message"]


def test_a_sound_the_engine_could_not_load_becomes_a_message(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    revision = bench.state["revision"]
    bench.audio_says(failed_generation=bench.state["generation"] - 1, message=b"an older one")
    bench.panel.tick(time.monotonic())
    assert bench.state["message"] is None
    bench.audio_says(failed_generation=bench.state["generation"], message=b"it is torn")
    bench.panel.tick(time.monotonic())
    assert "it is torn" in bench.state["message"]
    assert bench.state["revision"] > revision
    assert bench.ask("select", model=bench.ids["Plain"])["state"]["message"] is None


def test_after_a_sound_that_failed_the_one_that_plays_is_wanted_again(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["Plain"])
    bench.audio_says(generation=bench.state["generation"])
    bench.panel.tick(time.monotonic())
    bench.ask("select", model=bench.ids["OD"])
    failed = bench.state["generation"]
    bench.audio_says(failed_generation=failed, message=b"it is torn")
    bench.panel.tick(time.monotonic())
    assert bench.state["model"] == bench.ids["Plain"]
    assert bench.state["generation"] == failed + 1  # a new patch: the dials belong to what is heard
    assert "it is torn" in bench.state["message"]


def test_a_rate_that_does_not_fit_is_no_failure(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["Plain"])
    bench.audio_says(failed_generation=bench.state["generation"], sample_rate_hz=44_100, message=b"wrong rate")
    bench.panel.tick(time.monotonic())
    assert bench.state["message"] is None


def test_a_card_at_another_rate_gets_its_patch_at_that_rate(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["Plain"], cabinet=bench.ids["Two"])
    generation = bench.state["generation"]
    bench.audio_says(sample_rate_hz=96_000)
    bench.panel.tick(time.monotonic())
    assert bench.state["generation"] == generation + 1
    assert struct.unpack_from("<I", bench.patch, 16) == (96_000,)
    bench.panel.tick(time.monotonic())
    assert bench.state["generation"] == generation + 1


def test_watchers_hear_of_a_change_at_once_and_of_silence_after_their_patience(bench: Bench) -> None:
    revision = bench.state["revision"]
    assert bench.panel.state_after(revision, 0.05) is None
    threading.Timer(0.1, lambda: bench.ask("set", level_db=-9)).start()
    began = time.monotonic()
    state = bench.panel.state_after(revision, 5.0)
    assert state is not None
    assert state["level_db"] == -9.0
    assert time.monotonic() - began < 4.0


def test_at_the_very_first_start_a_factory_model_and_cabinet_are_chosen(tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    (assets / "cabinets").mkdir(parents=True)
    write_linear(assets / "b.nam", (0.2,), name="Bright")
    write_linear(assets / "a.nam", (0.4,), name="Amp")
    write_cabinet(assets / "cabinets" / "box.wav")
    bench = Bench(tmp_path)
    bench.panel.add_factory_items(assets)
    names = {item["id"]: item["name"] for kind in ("models", "cabinets") for item in bench.state[kind]}
    assert (names[bench.state["model"]], names[bench.state["cabinet"]]) == ("Amp", "box")
    other = next(item["id"] for item in bench.state["models"] if item["name"] == "Bright")
    bench.ask("select", model=other, cabinet=None)
    bench.panel.close()
    bench.switch_on()
    bench.panel.add_factory_items(assets)
    assert (bench.state["model"], bench.state["cabinet"]) == (other, None)
    with pytest.raises(NotAllowed, match="came with the pedal"):
        bench.ask("remove", item=next(identity for identity, name in names.items() if name == "Amp"))


def test_many_players_turning_at_once_leave_one_whole_state(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])

    def turn(seed: int) -> None:
        for step in range(30):
            bench.ask("set", level_db=-(seed + step) / 10, knobs={"Drive": step / 30})
            if step % 10 == 0:
                bench.ask("select", cabinet=bench.ids["One" if step % 20 else "Two"])

    threads = [threading.Thread(target=turn, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.controls.level_db == pytest.approx(bench.state["level_db"])
    assert bench.controls.generation == bench.state["generation"]
    assert bench.controls.knobs[0] == pytest.approx(bench.state["knobs"]["Drive"])
