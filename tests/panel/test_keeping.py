"""What the panel keeps for the next start: rested sounds, few writes, nothing lost to a full disk or a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from appliance import storage
from appliance.bridge import layout
from appliance.bridge.kept_sound import Found, KeptSound, find_kept, patch_file
from appliance.errors import StorageError
from appliance.panel.keeping import Lasting
from appliance.panel.sounds import Settings, Sound
from tests.panel.bench import Bench
from tests.test_storage import CALLS_IN_A_SAVE, FailingOs


def kept(bench: Bench) -> KeptSound:
    found = find_kept(bench.folder / "data" / "kept")
    assert found.note is None
    assert found.sound is not None
    return found.sound


def rest(bench: Bench, seconds: float = 3.0) -> None:
    bench.panel.tick(time.monotonic() + seconds)


def reboot(bench: Bench, *, audio_is_up: bool = True) -> KeptSound:
    """Power goes and comes back; audio is up first and plays what was kept."""
    for name in ("controls", "status"):
        (bench.folder / name).unlink(missing_ok=True)
    for patch in (bench.folder / "patches").iterdir():
        patch.unlink()
    found = kept(bench)
    if audio_is_up:
        bench.audio_says(sample_rate_hz=found.sample_rate_hz, generation=found.generation, pid=1)
    bench.switch_on()
    return found


def sounding(payload: layout.ControlsPayload) -> bytes:
    """All of it but the path."""
    return bytes(payload)[: layout.ControlsPayload.patch_path.offset]


def writes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_ino for file in folder.iterdir()}


def test_a_sound_is_kept_once_it_has_rested(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"], cabinet=bench.ids["One"])
    bench.ask("set", level_db=-3.0)
    rest(bench, 1.0)
    assert find_kept(bench.folder / "data" / "kept") == Found()
    rest(bench)
    assert (kept(bench).payload.level_db, kept(bench).name) == (-3.0, "OD")
    bench.ask("preset_add", name="Verse")
    rest(bench)
    assert kept(bench).name == "Verse"


def test_after_a_reboot_the_panel_asks_for_what_audio_plays_already_with_the_same_settings(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"], cabinet=bench.ids["Two"])
    bench.ask("set", knobs={"Drive": 0.9}, bass_db=3.0, input_gain_db=-4.0, oversample=2, bypass=True)
    rest(bench)
    found = reboot(bench)
    assert sounding(bench.controls) == sounding(found.payload)
    assert bench.controls.patch_path.decode() == str(patch_file(bench.folder / "data" / "kept", found.generation))
    assert bench.state["generation"] == found.generation
    rest(bench)
    assert bench.ask("set", knobs={"Drive": 0.1})["state"]["generation"] == found.generation
    assert bench.controls.knobs[0] == pytest.approx(0.1)


def test_a_correction_of_loudness_that_came_after_the_recall_waits_for_the_next_one(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    identity = bench.ask("preset_add", name="Verse")["state"]["preset"]
    bench.ask("preset_recall", preset=identity)
    rest(bench)
    bench.panel.level_presets(5.0, lambda: True)
    reboot(bench)
    assert bench.panel.levelling.match_db(bench.panel.preset) != 0.0
    assert sounding(bench.controls) == sounding(kept(bench).payload)  # no jump
    bench.ask("preset_recall", preset=identity)
    rest(bench)
    reboot(bench)
    assert kept(bench).match_db == bench.panel.levelling.match_db(bench.panel.preset)
    assert sounding(bench.controls) == sounding(kept(bench).payload)


def test_what_is_for_the_moment_is_not_kept(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    rest(bench)
    before = kept(bench)
    bench.ask("action", action="boost")
    bench.ask("action", action="tuner")
    assert layout.Flag(bench.controls.flags) & layout.Flag.MUTE
    rest(bench)
    assert sounding(kept(bench).payload) == sounding(before.payload)


def test_a_pedal_that_never_rests_is_kept_now_and_then(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    rest(bench)
    begun_s = time.monotonic()
    keeper, heard = bench.panel._keeper, Settings()
    found = []
    for step in range(1, 650):
        heard = replace(heard, level_db=-step / 10)
        keeper.wants(
            Lasting("x", None, Sound(bench.ids["OD"], bench.state["cabinet"]), heard, 0.0), begun_s + step / 10
        )
        keeper.work(begun_s + step / 10)
        found.append(kept(bench).payload.level_db)
    moments = [(at + 1) / 10 for at in range(1, len(found)) if found[at] != found[at - 1]]
    assert moments == pytest.approx([30.1, 60.2], abs=0.2)


def test_turning_knobs_and_going_round_presets_writes_each_patch_once(bench: Bench) -> None:
    folder = bench.folder / "data" / "kept"
    for model in ("OD", "Plain", "OD", "Plain"):
        bench.ask("select", model=bench.ids[model])
        for level_db in (-1.0, -2.0):
            bench.ask("set", level_db=level_db)
            rest(bench)
        if model == "Plain" and level_db == -2.0:
            patches = {name: inode for name, inode in writes(folder).items() if name.endswith(".patch")}
            if len(patches) == 2:
                first = patches
    assert patches == first


def test_nothing_is_written_at_a_start_that_changed_nothing(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    rest(bench)
    before = writes(bench.folder / "data" / "kept")
    reboot(bench)
    rest(bench)
    assert writes(bench.folder / "data" / "kept") == before


def test_only_the_patches_used_last_stay_and_those_in_use_among_them(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    rest(bench)
    held = reboot(bench)
    for oversample in (1, 2, 4):
        for cabinet in (bench.ids["One"], bench.ids["Two"], None):
            for model in (bench.ids["OD"], bench.ids["Plain"]):
                bench.ask("select", model=model, cabinet=cabinet)
                bench.ask("set", oversample=oversample)
                rest(bench)
    folder = bench.folder / "data" / "kept"
    assert len(list(folder.glob("*.patch"))) == 8
    assert patch_file(folder, held.generation).exists()  # the controls of this panel named it
    assert kept(bench).oversample == 4


def test_another_sound_than_the_kept_one_is_asked_for_under_a_number_of_its_own(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    rest(bench)
    bench.ask("select", model=bench.ids["Plain"])
    bench.panel.save()  # the state reached the disk, the sound did not
    reboot(bench)
    assert bench.state["model"] == bench.ids["Plain"]
    assert 0 < bench.state["generation"] < layout.KEPT_GENERATION


def test_a_panel_that_starts_while_audio_plays_on_does_not_ask_for_what_audio_has_played_before(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    rest(bench)
    reboot(bench)
    bench.ask("select", model=bench.ids["Plain"])
    again = bench.ask("select", model=bench.ids["OD"])["state"]["generation"]
    bench.panel.close()
    bench.switch_on()
    assert again < bench.state["generation"] < layout.KEPT_GENERATION


def test_a_panel_that_starts_while_audio_plays_the_kept_sound_leaves_it(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    rest(bench)
    found = reboot(bench)
    bench.panel.close()
    bench.switch_on()
    assert bench.state["generation"] == found.generation


def test_a_new_panel_asks_for_no_number_under_which_audio_has_another_sound_ready(bench: Bench) -> None:
    for model in ("OD", "Plain"):
        bench.ask("select", model=bench.ids[model])
        bench.ask("preset_add", name=model)
    bench.panel.prepare_now()
    memory = layout.ControlsMemory.from_buffer_copy((bench.folder / "controls").read_bytes())
    ready = {patch.generation for patch in memory.prepared.patches} - {0}
    assert ready
    bench.panel.close()
    bench.switch_on()
    assert bench.state["generation"] not in ready


def test_without_audio_the_rate_of_the_kept_sound_is_the_first_guess(bench: Bench) -> None:
    bench.audio_says(sample_rate_hz=44_100)
    bench.panel.tick(time.monotonic())
    bench.ask("select", model=bench.ids["OD"])
    rest(bench)
    found = reboot(bench, audio_is_up=False)
    assert found.sample_rate_hz == 44_100
    assert bench.state["generation"] == found.generation


def test_audio_at_another_rate_gets_a_patch_for_it(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["OD"])
    rest(bench)
    reboot(bench, audio_is_up=False)
    bench.audio_says(sample_rate_hz=96_000)
    bench.panel.tick(time.monotonic())
    assert bench.state["generation"] < layout.KEPT_GENERATION


def test_a_full_disk_is_said_once_keeps_the_older_one_and_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench.ask("select", model=bench.ids["OD"])
    rest(bench)
    before = bytes(kept(bench).payload)
    bench.ask("select", model=bench.ids["Plain"])
    with monkeypatch.context() as full:

        def no_space(*_: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        full.setattr(storage.os, "write", no_space)
        rest(bench, 3.0)
        rest(bench, 14.0)
        rest(bench, 15.0)
        assert bytes(kept(bench).payload) == before
        assert bench.state["message"].startswith("The sound is not kept for the next start: ")
        assert "The disk is full" in bench.state["message"]
        assert len([record for record in caplog.records if "not kept" in record.message]) == 1
    rest(bench, 20.0)
    assert bytes(kept(bench).payload) == before  # not yet: every ten seconds
    rest(bench, 40.0)
    assert kept(bench).model == bench.ids["Plain"]


@pytest.mark.parametrize("cut_at", range(3 * CALLS_IN_A_SAVE))  # the state, the patch, what goes with it
def test_power_cut_at_any_call_leaves_the_older_or_the_newer_sound_whole(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, cut_at: int
) -> None:
    bench.ask("select", model=bench.ids["OD"])
    rest(bench)
    bench.ask("select", model=bench.ids["Plain"])
    with monkeypatch.context() as cut:
        cut.setattr(storage, "os", FailingOs(cut_at, power_cut=True))
        cut.setattr(Path, "write_bytes", _half_written)  # a save that is not `storage.save`
        with contextlib.suppress(StorageError, OSError):
            bench.panel.close()
    assert kept(bench).model in (bench.ids["OD"], bench.ids["Plain"])


def test_what_was_not_kept_yet_is_kept_when_the_panel_is_stopped(bench: Bench) -> None:
    bench.ask("select", model=bench.ids["Plain"])
    bench.panel.close()
    assert kept(bench).model == bench.ids["Plain"]


def _half_written(file: Path, data: bytes) -> int:
    with file.open("wb") as opened:
        opened.write(data[: len(data) // 2])
    raise OSError(errno.EIO, "no power")
