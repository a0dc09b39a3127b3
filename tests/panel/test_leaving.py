"""Switching off: the sound fades, everything is saved, then root is asked; and whatever goes wrong is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gpiozero", reason="gpiozero is not installed")
pytest.importorskip("appliance.engine._native", reason="the native engine is not built")

from appliance import paths
from appliance.box import wishes
from appliance.box.wishes import Answer
from appliance.bridge import layout
from appliance.errors import BadRequest, NotAllowed, StorageError
from appliance.panel.actions import Condition, Phase, parse
from tests.panel.bench import Bench
from tests.panel.simulated_rig import RATE_HZ, SWITCHES, loudness, rig


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of wishes of an installed box."""
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path / "run"))
    for folder in (paths.wishes_dir(), paths.answers_dir()):
        folder.mkdir(parents=True)
    return paths.wishes_dir()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer without an installed box."""
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path / "run"))


def wished(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(("do", "wish"), [("off", "poweroff"), ("restart", "restart")])
def test_first_silence_then_saved_then_root_is_asked(bench: Bench, installed: Path, do: str, wish: str) -> None:
    bench.ask("set", level_db=-3.0)
    state = bench.ask("power", do=do)["state"]
    assert state["leaving"] == do
    assert bench.controls.flags & layout.Flag.MUTE
    saved = bench.folder / "data" / "state.json"
    for now_s in (100.0, 100.2):
        bench.panel.tick(now_s)
        assert wished(installed) == []
    bench.panel.tick(100.6)
    assert wished(installed) == [wish]
    assert json.loads(saved.read_text())["content"]["level_db"] == -3.0
    bench.panel.tick(101.0)
    assert wished(installed) == [wish]
    assert bench.state["leaving"] == do
    bench.panel.close()
    bench.switch_on()
    assert bench.state["leaving"] is None
    assert not bench.controls.flags & layout.Flag.MUTE  # no silence is left over for the next start
    assert bench.state["mute"] is False


def test_on_a_computer_it_is_refused_in_words_and_the_page_is_told_why(bench: Bench, elsewhere: None) -> None:
    with pytest.raises(NotAllowed, match="runs as a program on a computer"):
        bench.ask("power", do="off")
    box = bench.ask("box")["box"]
    assert box["installed"] is False
    assert "Ctrl-C" in box["missing"]
    assert not bench.controls.flags & layout.Flag.MUTE


def test_an_installed_box_says_so(bench: Bench, installed: Path) -> None:
    box = bench.ask("box")["box"]
    assert (box["installed"], box["missing"]) == (True, None)


def test_what_makes_no_sense_is_refused(bench: Bench, installed: Path) -> None:
    for fields in ({}, {"do": "explode"}, {"do": ["off"]}, {"do": "off", "more": 1}):
        with pytest.raises(BadRequest, match="power takes do"):
            bench.ask("power", **fields)
    bench.ask("power", do="off")
    bench.ask("power", do="off")  # a second phone
    with pytest.raises(NotAllowed, match="on its way"):
        bench.ask("power", do="restart")


@pytest.mark.parametrize("status", ["refused", "failed"])
def test_where_root_does_not_the_sound_comes_back_and_the_reason_is_said(
    bench: Bench, installed: Path, status: str
) -> None:
    bench.ask("power", do="off")
    for now_s in (1.0, 2.0):
        bench.panel.tick(now_s)
    (installed / "poweroff").unlink()
    wishes.tell("poweroff", Answer("working", ""))
    bench.panel.tick(2.2)
    assert bench.state["leaving"] == "off"
    wishes.tell("poweroff", Answer(status, "systemctl failed: no."))
    bench.panel.tick(2.4)
    assert (bench.state["leaving"], bench.state["message"]) == (None, "systemctl failed: no.")
    assert not bench.controls.flags & layout.Flag.MUTE
    bench.panel.tick(30.0)
    assert bench.state["message"] == "systemctl failed: no."


def test_where_nobody_listens_the_sound_comes_back(bench: Bench, installed: Path) -> None:
    bench.ask("power", do="off")
    for now_s in (1.0, 2.0, 21.0):
        bench.panel.tick(now_s)
    assert bench.state["leaving"] == "off"
    bench.panel.tick(23.0)
    assert bench.state["leaving"] is None
    assert "did nothing" in bench.state["message"]


def test_a_card_that_takes_no_more_does_not_keep_the_box_on(
    bench: Bench, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("the card is full")

    bench.ask("set", level_db=-3.0)
    monkeypatch.setattr("appliance.panel.state_file.storage.save_json", full)
    bench.ask("power", do="off")
    for now_s in (1.0, 2.0):
        bench.panel.tick(now_s)
    assert wished(installed) == ["poweroff"]


def test_both_outer_switches_held_for_three_seconds_shut_down_and_less_does_not(
    tmp_path: Path, installed: Path
) -> None:
    with rig(tmp_path, SWITCHES) as made:
        made.play(0.1)
        before = {name: made.state[name] for name in ("bypass", "preset", "model")}
        for switch in ("left", "right"):
            made.box.press(switch, True)
        made.play(1.0)
        shown = [tuple(made.report["leds"].values()) for _ in range(20) if len(made.play(0.02))]
        assert {(True, True, True), (False, False, False)} <= set(shown)  # it says that something is coming
        made.play(1.3)
        assert made.state["leaving"] is None
        made.box.press("left", False)
        made.play(3.0)
        made.box.press("right", False)
        made.play(0.1)
        assert made.state["leaving"] is None
        for switch in ("left", "right"):
            made.box.press(switch, True)
        made.play(3.3)
        assert made.state["leaving"] == "off"
        assert {name: made.state[name] for name in before} == before  # what the two presses do alone is undone
        assert made.performer.condition() is Condition.LEAVING
        shown = [tuple(made.report["leds"].values()) for _ in range(60) if len(made.play(0.02))]
        assert set(shown) == {(True, True, True), (False, False, False)}


def test_the_sound_fades_out_without_a_click(tmp_path: Path, installed: Path) -> None:
    with rig(tmp_path) as made:
        made.play(0.2)
        whole = made.play(0.1)
        made.panel.leave("off")
        heard = made.play(0.3)
        assert loudness(whole) > 0.01
        assert np.all(heard[-RATE_HZ // 10 :] == 0.0)
        steps = np.abs(np.diff(np.concatenate([whole[-64:], heard])))
        assert steps.max() <= np.abs(np.diff(whole)).max() * 1.05  # never steeper than the tone itself


def test_on_a_computer_a_held_gesture_is_refused_on_its_leds(tmp_path: Path, elsewhere: None) -> None:
    with rig(tmp_path, SWITCHES) as made:
        made.play(0.1)
        for switch in ("left", "right"):
            made.box.press(switch, True)
        made.play(3.5)
        assert made.state["leaving"] is None
        assert any("computer" in words for words in made.said)


def test_a_preset_or_midi_may_not_take_the_power(bench: Bench, installed: Path) -> None:
    made = bench.ask("preset_add", name="Mine")["state"]["preset"]
    with pytest.raises(NotAllowed, match="belongs to the box"):
        bench.ask("preset_bind", preset=made, bindings={"left hold": "shutdown"})
    with pytest.raises(BadRequest):
        bench.ask("preset_bind", preset=made, bindings={"left": "restart"})
    bench.panel.performer.perform(parse("restart"), Phase.PRESS)
    assert bench.state["leaving"] == "restart"
