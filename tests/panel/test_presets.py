"""Presets through the panel: recalled, stored, ordered, prepared ahead; actions as a foot asks for them."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from appliance.bridge.commands import MAX_LINE_BYTES
from appliance.bridge.layout import ControlsMemory, ControlsPayload, Flag
from appliance.errors import BadRequest, NotAllowed, NotFound
from appliance.library.presets import MAX_PRESETS
from appliance.panel.actions import Phase, parse
from tests.library_files import write_cabinet, write_linear
from tests.panel.bench import Bench


@pytest.fixture
def stage(bench: Bench) -> Bench:
    """Four presets, each of another sound: Clean, Crunch, Lead, Loud (the sound of Clean, louder)."""
    for name, model, cabinet, settings in (
        ("Clean", "Plain", "One", {"level_db": -3.0, "bass_db": 2.0}),
        ("Crunch", "OD", "One", {"knobs": {"Drive": 0.3}, "level_db": 0.0}),
        ("Lead", "OD", "Two", {"knobs": {"Drive": 0.8}, "gate_threshold_db": -60.0}),
        ("Loud", "Plain", "One", {"level_db": 4.0, "gate_threshold_db": -120.0}),
    ):
        bench.ask("select", model=bench.ids[model], cabinet=bench.ids[cabinet])
        bench.ask("set", **settings)
        bench.ask("preset_add", name=name)
    recall(bench, "Clean")
    return bench


def identity(bench: Bench, name: str) -> str:
    return str(next(preset["id"] for preset in bench.state["presets"] if preset["name"] == name))


def recall(bench: Bench, name: str) -> dict[str, Any]:
    state: dict[str, Any] = bench.ask("preset_recall", preset=identity(bench, name))["state"]
    return state


def current(bench: Bench) -> str:
    state = bench.state
    return str(next(preset["name"] for preset in state["presets"] if preset["id"] == state["preset"]))


def press(bench: Bench, text: str, phase: Phase = Phase.PRESS, value: float | None = None) -> None:
    bench.panel.performer.perform(parse(text), phase, value)


def prepared(bench: Bench) -> list[ControlsPayload]:
    bench.panel.prepare_now()
    memory = ControlsMemory.from_buffer_copy((bench.folder / "controls").read_bytes())
    return [patch for patch in memory.prepared.patches if patch.generation]


def test_a_recalled_preset_sets_everything_it_holds(stage: Bench) -> None:
    state = recall(stage, "Lead")
    assert (state["model"], state["cabinet"]) == (stage.ids["OD"], stage.ids["Two"])
    assert (state["knobs"], state["gate_threshold_db"], state["edited"]) == ({"Drive": 0.8}, -60.0, False)
    assert (stage.controls.knobs[0], stage.controls.gate_threshold_db) == (pytest.approx(0.8), -60.0)
    state = recall(stage, "Clean")
    assert (state["knobs"], state["level_db"], state["bass_db"]) == ({}, -3.0, 2.0)
    assert (stage.controls.level_db, stage.controls.bass_db) == (-3.0, 2.0)


def test_a_change_shows_as_edited_and_is_lost_or_stored(stage: Bench) -> None:
    recall(stage, "Crunch")
    assert stage.ask("set", knobs={"Drive": 0.9})["state"]["edited"]
    recall(stage, "Clean")
    assert recall(stage, "Crunch")["knobs"] == {"Drive": 0.3}
    stage.ask("set", knobs={"Drive": 0.9}, level_db=-9.0)
    assert not stage.ask("preset_store")["state"]["edited"]
    recall(stage, "Clean")
    assert recall(stage, "Crunch")["knobs"] == {"Drive": 0.9}
    assert stage.ask("select", cabinet=None)["state"]["edited"]


def test_the_last_preset_comes_back_after_power_off_changes_and_all(stage: Bench) -> None:
    recall(stage, "Lead")
    stage.ask("set", knobs={"Drive": 0.1})
    stage.panel.close()
    stage.switch_on()
    state = stage.state
    assert (current(stage), state["edited"], state["knobs"]) == ("Lead", True, {"Drive": 0.1})
    assert stage.controls.knobs[0] == pytest.approx(0.1)


def test_next_and_previous_go_round_the_banks_or_tonights_list(stage: Bench) -> None:
    for wanted in ("Crunch", "Lead", "Loud", "Clean"):
        press(stage, "next-preset")
        assert current(stage) == wanted
    press(stage, "previous-preset")
    assert current(stage) == "Loud"
    ids = [identity(stage, name) for name in ("Lead", "Clean", "Lead")]
    made = stage.ask("setlist_add", name="Tonight", presets=[*ids, "gone"])["state"]["setlists"][-1]
    assert stage.ask("setlist_choose", setlist=made["id"])["state"]["tonight"] == made["id"]
    for wanted in ("Lead", "Clean", "Lead", "Lead", "Clean"):
        press(stage, "next-preset")
        assert current(stage) == wanted
    stage.ask("setlist_choose", setlist=None)
    press(stage, "next-preset")
    assert current(stage) == "Crunch"


def test_switches_reach_the_presets_of_their_bank(stage: Bench) -> None:
    stage.ask("bank_size", size=2)
    press(stage, "preset 2")
    assert current(stage) == "Crunch"
    press(stage, "bank-up")
    assert current(stage) == "Loud"  # the second of the second bank
    press(stage, "preset 1")
    assert current(stage) == "Lead"
    lit = [stage.panel.performer.lit(parse(f"preset {number}")) for number in (1, 2)]
    assert lit == [True, False]
    with pytest.raises(NotFound, match="this bank has 2 presets"):
        press(stage, "preset 3")


def test_the_neighbours_are_prepared_with_their_knobs_and_taken_without_a_new_patch(stage: Bench) -> None:
    ready = prepared(stage)
    lead = recall(stage, "Lead")
    assert lead["generation"] in [patch.generation for patch in ready]
    taken = next(patch for patch in ready if patch.generation == lead["generation"])
    assert (taken.knobs[0], taken.patch_path) == (pytest.approx(0.8), stage.controls.patch_path)
    assert Path(taken.patch_path.decode()).exists()
    again = prepared(stage)
    assert lead["generation"] not in [patch.generation for patch in again]  # a patch is played once
    for patch in again:
        data = Path(patch.patch_path.decode()).read_bytes()
        assert struct.unpack_from("<I", data, 12)[0] == patch.generation


def test_a_preset_of_the_same_model_and_cabinet_only_turns_the_knobs(stage: Bench) -> None:
    generation = recall(stage, "Clean")["generation"]
    state = recall(stage, "Loud")
    assert (state["generation"], state["level_db"], stage.controls.level_db) == (generation, 4.0, 4.0)


def test_stomping_through_everything_leaves_few_patch_files(stage: Bench) -> None:
    for _ in range(20):
        press(stage, "next-preset")
        prepared(stage)
    assert len(list((stage.folder / "patches").iterdir())) <= 3 + 4
    assert Path(stage.controls.patch_path.decode()).exists()


def test_a_preset_whose_model_is_missing_plays_dry_through_its_cabinet_and_says_so(stage: Bench) -> None:
    stage.panel.close()
    shutil.rmtree(stage.folder / "data" / "models" / stage.ids["OD"])
    stage.switch_on()
    state = recall(stage, "Lead")
    assert "Lead: there is no model OD" in state["message"]
    assert struct.unpack_from("<2I", stage.patch, 24) == (0, 960)
    assert stage.controls.gate_threshold_db == -60.0
    assert recall(stage, "Clean")["message"] is None
    recall(stage, "Lead")
    stage.ask("preset_store")
    assert next(p for p in stage.state["presets"] if p["name"] == "Lead")["model_name"] == "OD"


def test_a_refused_request_changes_no_preset(stage: Bench) -> None:
    before = stage.state
    for fields, error in (
        ({"request": "preset_recall", "preset": "nothing"}, NotFound),
        ({"request": "preset_recall"}, BadRequest),
        ({"request": "preset_recall", "preset": identity(stage, "Lead"), "place": "2"}, BadRequest),
        ({"request": "preset_store", "preset": "nothing"}, NotFound),
        ({"request": "preset_add", "name": " "}, BadRequest),
        ({"request": "preset_rename", "preset": identity(stage, "Lead"), "name": 3}, BadRequest),
        ({"request": "preset_move", "preset": identity(stage, "Lead"), "to": True}, BadRequest),
        ({"request": "preset_remove", "preset": "nothing"}, NotFound),
        (
            {"request": "preset_bind", "preset": identity(stage, "Lead"), "bindings": {"switch 1": "explode"}},
            BadRequest,
        ),
        ({"request": "bank_size", "size": 0}, BadRequest),
        ({"request": "scene_store", "number": 1}, NotAllowed),  # Clean's model has no knobs
        ({"request": "scene_remove", "number": 1}, NotFound),
        ({"request": "setlist_add", "name": "x", "presets": "abc"}, BadRequest),
        ({"request": "setlist_choose", "setlist": "nothing"}, NotFound),
        ({"request": "action", "action": "explode"}, BadRequest),
        ({"request": "action", "action": "scene 1"}, NotFound),
        ({"request": "action", "action": "tap"}, BadRequest),
        ({"request": "action", "action": "knob Wobble", "value": 0.5}, NotFound),
        ({"request": "action", "action": "morph", "value": float("nan")}, BadRequest),
    ):
        with pytest.raises(error):
            stage.panel.answer(fields)
    assert {**stage.state, "revision": 0} == {**before, "revision": 0}


def test_bindings_are_kept_with_the_preset(stage: Bench) -> None:
    lead = identity(stage, "Lead")
    stage.ask("preset_bind", preset=lead, bindings={"switch 3": "boost momentary"})
    stage.ask("preset_rename", preset=lead, name="Solo")
    stage.ask("preset_move", preset=lead, to=0)
    found = stage.state["presets"][0]
    assert (found["name"], found["bindings"]) == ("Solo", {"switch 3": "boost momentary"})


def test_a_deleted_preset_plays_on_without_a_name(stage: Bench) -> None:
    generation = stage.state["generation"]
    state = stage.ask("preset_remove", preset=stage.state["preset"])["state"]
    assert (state["preset"], state["edited"], state["generation"]) == (None, False, generation)


def test_boost_adds_its_decibels_while_it_is_on(stage: Bench) -> None:
    stage.ask("set", boost_db=6.0)
    press(stage, "boost")
    assert stage.controls.level_db == 3.0
    assert stage.panel.performer.lit(parse("boost"))
    press(stage, "boost momentary", Phase.RELEASE)
    assert stage.controls.level_db == -3.0
    press(stage, "boost")
    recall(stage, "Loud")
    assert stage.controls.level_db == 4.0  # it does not outlive the preset


def test_the_tuner_mutes_by_choice_and_outlives_a_change_of_preset(stage: Bench) -> None:
    press(stage, "tuner")
    assert Flag(stage.controls.flags) & Flag.MUTE
    press(stage, "next-preset")
    assert stage.state["tuner"]
    stage.ask("set", tuner_mutes=False)
    assert not Flag(stage.controls.flags) & Flag.MUTE
    stage.ask("set", tuner_mutes=True)
    press(stage, "tuner")
    assert not Flag(stage.controls.flags) & Flag.MUTE


def test_compare_plays_the_preset_as_stored_and_gives_the_changes_back(stage: Bench) -> None:
    recall(stage, "Crunch")
    stage.ask("set", knobs={"Drive": 0.9}, level_db=-9.0)
    press(stage, "compare")
    assert (stage.controls.knobs[0], stage.controls.level_db) == (pytest.approx(0.3), 0.0)
    assert stage.state["knobs"] == {"Drive": 0.3}
    press(stage, "compare")
    assert (stage.controls.knobs[0], stage.controls.level_db) == (pytest.approx(0.9), -9.0)
    press(stage, "compare")
    stage.ask("set", knobs={"Drive": 0.5})  # a hand on the knob: the changed sound is meant
    assert (stage.state["compare"], stage.controls.level_db) == (False, -9.0)


def test_scenes_move_the_knobs_for_a_while_and_do_not_edit_the_preset(stage: Bench) -> None:
    recall(stage, "Crunch")
    stage.ask("set", knobs={"Drive": 1.0})
    stage.ask("scene_store", number=1, name="Solo")
    recall(stage, "Crunch")
    press(stage, "scene 1")
    state = stage.state
    assert (state["scene"], state["knobs"], state["edited"]) == (1, {"Drive": 1.0}, False)
    assert stage.controls.knobs[0] == 1.0
    press(stage, "scene 1 momentary", Phase.RELEASE)
    assert (stage.state["scene"], stage.controls.knobs[0]) == (0, pytest.approx(0.3))
    press(stage, "scene 1")
    stage.ask("set", knobs={"Drive": 0.6})  # a hand takes the knob over from the scene
    assert (stage.controls.knobs[0], stage.state["edited"]) == (pytest.approx(0.6), True)


def test_an_expression_pedal_morphs_between_two_scenes(stage: Bench) -> None:
    recall(stage, "Crunch")
    for number, drive in ((1, 0.2), (2, 0.8)):
        stage.ask("set", knobs={"Drive": drive})
        stage.ask("scene_store", number=number)
    recall(stage, "Crunch")
    for position, drive in ((0.0, 0.2), (0.5, 0.5), (1.0, 0.8)):
        press(stage, "morph", Phase.VALUE, position)
        assert stage.controls.knobs[0] == pytest.approx(drive)
    assert not stage.state["edited"]
    with pytest.raises(NotAllowed, match="number 4"):
        stage.ask("scene_store", number=4)
    stage.ask("scene_remove", number=2)
    press(stage, "morph", Phase.VALUE, 0.0)
    assert stage.controls.knobs[0] == pytest.approx(0.3)  # one scene: from the preset itself


def test_a_pot_turns_the_knob_of_its_name_or_what_stands_for_it(stage: Bench) -> None:
    drive, treble = parse("knob drive"), parse("knob Treble")
    performer = stage.panel.performer
    recall(stage, "Crunch")
    performer.perform(drive, Phase.VALUE, 0.75)
    assert (stage.controls.knobs[0], performer.position(drive)) == (0.75, 0.75)
    performer.perform(treble, Phase.VALUE, 1.0)
    assert (stage.controls.treble_db, performer.position(treble)) == (12.0, 1.0)
    recall(stage, "Clean")
    performer.perform(drive, Phase.VALUE, 0.5)
    assert stage.controls.input_gain_db == 0.0
    assert performer.position(parse("knob Wobble")) is None
    performer.perform(parse("knob Gate"), Phase.VALUE, 0.0)
    assert stage.controls.gate_threshold_db == -120.0


def test_another_preset_is_another_sound_to_the_pots(stage: Bench) -> None:
    before = stage.panel.performer.sound
    stage.ask("set", level_db=-20.0)
    assert stage.panel.performer.sound == before
    press(stage, "next-preset")
    assert stage.panel.performer.sound != before


def test_leds_are_told_when_the_engine_has_the_sound(stage: Bench) -> None:
    generation = stage.state["generation"]
    assert stage.panel.performer.confirmed() is False  # nobody plays
    stage.audio_says(state=1, periods=1, generation=generation)
    assert stage.panel.performer.confirmed() is True
    stage.audio_says(state=1, periods=2, generation=generation - 1)
    assert stage.panel.performer.confirmed() is None
    stage.audio_says(state=1, periods=3, generation=generation - 1, failed_generation=generation)
    assert stage.panel.performer.confirmed() is False


def test_a_full_book_still_fits_a_line(stage: Bench) -> None:
    while len(stage.state["presets"]) < MAX_PRESETS:
        stage.panel.presets.add(stage.panel.presets.presets[: MAX_PRESETS - len(stage.state["presets"])])
    assert len(json.dumps(stage.state)) < MAX_LINE_BYTES // 4
    with pytest.raises(NotAllowed):
        stage.ask("preset_add", name="One more")


def test_at_the_very_first_start_every_factory_model_has_a_preset(tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    (assets / "cabinets").mkdir(parents=True)
    write_linear(assets / "b.nam", (0.2,), name="Bright")
    write_linear(assets / "a.nam", (0.4,), name="Amp")
    write_cabinet(assets / "cabinets" / "box.wav")
    bench = Bench(tmp_path)
    bench.panel.add_factory_items(assets)
    assert [preset["name"] for preset in bench.state["presets"]] == ["Amp", "Bright"]
    assert (current(bench), bench.state["edited"]) == ("Amp", False)
    bench.ask("preset_remove", preset=identity(bench, "Bright"))
    bench.panel.close()
    bench.switch_on()
    bench.panel.add_factory_items(assets)
    assert [preset["name"] for preset in bench.state["presets"]] == ["Amp"]
