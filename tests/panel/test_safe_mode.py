"""Safe mode: the factory sound plays and nothing of the player's is lost, until the player changes something."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gpiozero", reason="gpiozero is not installed")
pytest.importorskip("appliance.engine._native", reason="the native engine is not built")

from appliance import paths
from appliance.bridge.layout import AudioState
from appliance.errors import BadSettings
from appliance.library.store import Library
from appliance.panel import wiring_file
from appliance.panel.panel import Panel
from appliance.panel.wiring import DEFAULT_TEXT
from tests.library_files import write_cabinet, write_linear
from tests.panel.bench import Bench
from tests.panel.simulated_rig import SWITCHES, Rig, rig


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory, stocked: Path) -> Path:
    """A library that has a factory's items, and the player's own."""
    assets = tmp_path_factory.mktemp("assets")
    write_linear(assets / "good.nam", taps=(0.25,))
    (assets / "cabinets").mkdir()
    write_cabinet(assets / "cabinets" / "good.wav", 9)
    folder = tmp_path_factory.mktemp("owned") / "data"
    shutil.copytree(stocked, folder)
    assert Library(folder).import_factory(assets) == []
    return folder


@pytest.fixture
def bench(tmp_path: Path, owned: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, owned)
    made.ask("select", model=made.ids["OD"], cabinet=made.ids["Two"])
    made.ask("set", level_db=-9.0, treble_db=6.0, bypass=True, tuner_reference_hz=442.0, knobs={"Drive": 0.9})
    made.ask("preset_add", name="Solo")
    made.panel.save()
    yield made
    made.panel.close()


def start_safe(bench: Bench) -> dict[str, Any]:
    bench.panel.close()
    bench.panel = Panel(
        library=Library(bench.folder / "data"),
        state_file=bench.folder / "data" / "state.json",
        controls=bench.folder / "controls",
        status=bench.folder / "status",
        patches=bench.folder / "patches",
        tap=bench.folder / "tap",
        kept=bench.folder / "kept",
        safe="a switch was held",
    )
    return bench.state


def saved(bench: Bench) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bench.folder / "data" / "state.json").read_text())["content"]
    return content


def factory(state: dict[str, Any], kind: str) -> list[str]:
    return [item["id"] for item in state[kind] if item["factory"]]


def test_the_factory_sound_plays_at_its_defaults_and_says_why(bench: Bench) -> None:
    state = start_safe(bench)
    assert state["model"] in factory(state, "models")
    assert state["cabinet"] in factory(state, "cabinets")
    assert (state["preset"], state["bypass"], state["level_db"], state["treble_db"]) == (None, False, 0.0, 0.0)
    assert state["tuner_reference_hz"] == 442.0
    assert state["safe"] == "a switch was held"
    assert state["message"].startswith("Safe mode: a switch was held.")
    assert bench.controls.level_db == 0.0


def test_nothing_is_lost_by_looking(bench: Bench) -> None:
    before = saved(bench)
    start_safe(bench)
    bench.panel.tick(1e9)
    bench.panel.close()
    assert saved(bench) == before
    bench.switch_on()
    assert (bench.state["level_db"], bench.state["model"], bench.state["safe"]) == (-9.0, bench.ids["OD"], None)
    assert bench.state["knobs"]["Drive"] == 0.9


def test_recalling_a_preset_ends_it_and_the_preset_is_as_it_was(bench: Bench) -> None:
    state = start_safe(bench)
    solo = next(preset for preset in state["presets"] if preset["name"] == "Solo")
    bench.ask("preset_recall", preset=solo["id"])
    assert (bench.state["safe"], bench.state["level_db"], bench.state["knobs"]["Drive"]) == (None, -9.0, 0.9)
    bench.panel.tick(1e9)
    bench.panel.tick(2e9)
    assert saved(bench)["preset"] == solo["id"]


def test_a_change_that_was_not_saved_yet_is_saved_and_not_the_factory_sound(bench: Bench) -> None:
    bench.ask("set", level_db=-11.0)
    bench.panel.safe_mode("a switch was held")
    assert bench.state["level_db"] == 0.0
    bench.panel.tick(1e9)
    assert saved(bench)["level_db"] == -11.0
    bench.ask("set", level_db=-2.0)  # now the player goes on from the factory sound
    bench.panel.tick(2e9)
    bench.panel.tick(3e9)
    assert (saved(bench)["level_db"], saved(bench)["model"]) == (-2.0, bench.state["model"])


def test_the_hotspot_is_wished_for_where_there_is_one(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path / "run"))
    bench.panel.safe_mode("a switch was held")  # nobody grants wishes: no harm
    paths.wishes_dir().mkdir(parents=True)
    bench.panel.safe_mode("a switch was held")
    assert json.loads((paths.wishes_dir() / "network").read_text()) == {"do": "hotspot", "wish": "on", "lasting": False}


def test_a_sound_that_ends_the_audio_process_is_left_and_the_factory_sound_is_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1000.0
    monkeypatch.setattr("appliance.panel.panel.time.monotonic", lambda: now_s)
    for pid in range(101, 104):
        now_s += 1.0
        bench.audio_says(pid=pid, state=AudioState.PLAYING, sample_rate_hz=48_000)
        bench.panel.tick(now_s)
        assert bench.state["safe"] is None
    generation = bench.controls.generation
    bench.audio_says(pid=104, state=AudioState.STARTING, sample_rate_hz=48_000)
    bench.panel.tick(now_s + 1.0)
    state = bench.state
    assert "ended again and again" in state["safe"]
    assert state["model"] in factory(state, "models")
    assert bench.controls.generation > generation
    for pid in range(105, 120):
        now_s += 1.0
        bench.audio_says(pid=pid, state=AudioState.PLAYING, sample_rate_hz=48_000)
        bench.panel.tick(now_s)
    assert bench.state["model"] == state["model"]


def held_from_the_start(made: Rig, seconds: float) -> None:
    """The left switch was down when the box was switched on, and comes up after so long."""
    made.play(seconds)
    made.box.press("left", False)
    made.play(0.1)


def test_a_switch_held_at_power_on_and_let_go_is_safe_mode(tmp_path: Path) -> None:
    with rig(tmp_path, SWITCHES, before=lambda box: box.press("left", True)) as made:
        made.play(2.5)
        assert made.said == ["Switch left is held down, or its wire is shorted: ignored until it is let go"]
        made.play(1.0)
        assert made.said[-1] == "Let go of switch left now for safe-mode"
        shown = {tuple(made.report["leds"].values()) for _ in range(20) if len(made.play(0.02))}
        assert {(True, True, True), (False, False, False)} <= shown
        assert made.state["safe"] is None
        held_from_the_start(made, 0.5)
        assert made.state["safe"] == "a switch was held"
        dark = [made.report["leds"]["right"] for _ in range(125) if len(made.play(0.02))]
        assert 1 <= dark.count(False) < 30  # the bypass LED is lit, and blinks off for a moment


@pytest.mark.parametrize("seconds", [0.5, 2.8, 61.0])
def test_let_go_too_early_or_never_it_is_a_switch_like_any_other(tmp_path: Path, seconds: float) -> None:
    with rig(tmp_path, SWITCHES, before=lambda box: box.press("left", True)) as made:
        for look in range(round(seconds / 0.05)):
            made.hands.tick(0.05 * look)
        made.box.press("left", False)
        for look in range(5):
            made.hands.tick(seconds + 0.05 * look)
        assert made.state["safe"] is None
        assert made.report["switches"]["left"]["stuck"] is False


def test_only_the_switch_that_is_bound_for_it_and_only_after_power_on(tmp_path: Path) -> None:
    with rig(tmp_path / "middle", SWITCHES, before=lambda box: box.press("middle", True)) as made:
        made.play(4.0)
        made.box.press("middle", False)
        made.play(0.1)
        assert made.state["safe"] is None
    with rig(tmp_path / "late", SWITCHES, before=lambda box: box.press("left", True)) as made:
        made.hands._fresh = False  # the panel was started anew on a box that was on
        held_from_the_start(made, 4.0)
        assert made.state["safe"] is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('tap = "previous-preset"', 'tap = "shutdown"', "has to be meant"),
        ('hold = "bank-down"', 'double = "restart"', "has to be meant"),
        ('boot = "safe-mode"', 'boot = "tuner momentary"', "the switch is up by then"),
        ("[led.left]", '[midi.bind]\n"cc 1" = "shutdown"\n[led.left]', "is for a switch of the box"),
    ],
)
def test_what_would_happen_by_accident_cannot_be_wired(old: str, new: str, words: str) -> None:
    assert old in DEFAULT_TEXT
    with pytest.raises(BadSettings, match=words):
        wiring_file.read(DEFAULT_TEXT.replace(old, new), "test.toml")
