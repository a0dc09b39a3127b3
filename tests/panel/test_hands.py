"""From the level of a line to sound: simulated pins and converter, the real hands, panel and engine."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gpiozero", reason="gpiozero is not installed")
pytest.importorskip("appliance.engine._native", reason="the native engine is not built")

from appliance.bridge.layout import KEPT_GENERATION
from appliance.library.store import Library
from appliance.panel.actions import Phase, knob, parse
from appliance.panel.board import has_header
from appliance.panel.wiring import DEFAULT_TEXT
from tests.library_files import write_knobbed, write_linear
from tests.panel.simulated_rig import PERIOD_S, RATE_HZ, Rig, loudness, rig

JUMPING = DEFAULT_TEXT.replace('turns = "knob Level"\n', 'turns = "knob Level"\npickup = "jump"\n')
LATEST_S = 0.010 + PERIOD_S  # from hand to sound


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path, JUMPING) as made:
        made.play(0.1)
        yield made


def knobbed(folder: Path) -> Callable[[Library], Any]:
    return lambda library: library.import_file(write_knobbed(folder / "OD DriveKnob.json"), name="OD")


def overtones(audio: np.ndarray[Any, Any]) -> float:
    """RMS of what the model adds to the tone, beside it."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    hz = np.fft.rfftfreq(len(audio), 1 / RATE_HZ)
    return float(np.sqrt(np.mean(np.square(spectrum[np.abs(hz - 2 * 997.0) < 50.0]))))


def bounce(made: Rig, switch: str, down: bool, gaps_ms: tuple[float, ...]) -> Callable[[float], None]:
    """A hand for `play`: the contact goes over at once, and back and forth for some milliseconds."""
    edges = np.cumsum((0.0, *gaps_ms)) / 1000.0

    def hand(passed_s: float) -> None:
        made.box.press(switch, down == bool(np.searchsorted(edges, passed_s, side="right") % 2))

    return hand


@pytest.mark.parametrize("gaps_ms", [(), (1.4, 1.4), (0.5, 3.0, 2.7, 1.4), (1.4,) * 8])
def test_a_bouncing_stomp_is_heard_once_and_at_once(box: Rig, gaps_ms: tuple[float, ...]) -> None:
    """Bypass goes over to the bare guitar, a level 20 dB below the pedal's, within the time that a hand may take."""
    box.panel.set({"level_db": 6.0})
    loud = loudness(box.play(0.2)[-4800:])
    heard = box.play(0.3, bounce(box, "right", True, gaps_ms))
    assert box.state["bypass"] is True
    quiet = loudness(heard[-4800:])
    assert quiet < 0.6 * loud
    settled_s = sum(gaps_ms) / 1000.0 + LATEST_S + 0.012  # the engine's own glide
    after = heard[round(settled_s * RATE_HZ) :]
    assert loudness(after[:480]) == pytest.approx(quiet, rel=0.1)
    box.play(0.1, bounce(box, "right", False, gaps_ms))
    assert box.state["bypass"] is True  # a tap latches
    box.tap("right")
    assert box.state["bypass"] is False


def test_a_press_reaches_the_controls_within_ten_milliseconds_wherever_it_falls_between_looks(box: Rig) -> None:
    for offset in range(8):
        box.play(0.2 + offset * PERIOD_S)
        before = box.state["bypass"]
        box.box.press("right", True)
        begun_s = box.now_s
        while box.state["bypass"] is before:
            box.play(PERIOD_S)
            assert box.now_s - begun_s <= LATEST_S
        box.box.press("right", False)
        box.play(0.1)


def test_a_held_press_is_momentary_and_a_tap_latches(box: Rig) -> None:
    box.tap("right", down_s=0.8)
    assert box.state["bypass"] is False
    box.tap("right", down_s=0.1)
    assert box.state["bypass"] is True
    box.tap("right", down_s=0.8)
    assert box.state["bypass"] is True


def test_momentary_latched_hold_double_and_chord_do_what_they_are_bound_to(tmp_path: Path) -> None:
    text = """
        [switch.a]
        pin = 5
        press = "bypass momentary"
        [switch.b]
        pin = 6
        hold = "bypass"
        [switch.c]
        pin = 13
        double = "bypass"
        [chord]
        "a+c" = "tuner"
        """
    with rig(tmp_path, text) as made:
        made.play(0.1)
        made.box.press("a", True)
        made.play(0.1)
        assert made.state["bypass"] is True
        made.box.press("a", False)
        made.play(0.1)
        assert made.state["bypass"] is False
        made.tap("b")
        assert made.state["bypass"] is False
        made.tap("b", down_s=0.7)
        assert made.state["bypass"] is True
        made.tap("c")
        made.play(0.5)
        assert made.state["bypass"] is True
        made.tap("c")
        made.tap("c")
        assert made.state["bypass"] is False
        made.box.press("a", True)
        made.play(0.03)
        assert made.state["bypass"] is True
        made.box.press("c", True)
        made.play(0.03)
        assert made.state["bypass"] is False  # half a chord after all: undone
        assert made.panel.moment.tuner is True
        assert made.said == []


def test_a_switch_that_is_down_at_power_on_is_said_and_ignored_until_let_go(tmp_path: Path) -> None:
    with rig(tmp_path, before=lambda simulated: simulated.press("right", True)) as made:
        made.play(1.0)
        assert made.state["bypass"] is False
        assert made.said == ["Switch right is held down, or its wire is shorted: ignored until it is let go"]
        assert made.report["switches"]["right"]["stuck"] is True
        made.box.press("right", False)
        made.play(0.1)
        made.tap("right")
        assert made.state["bypass"] is True
        assert made.report["notes"] == []


def test_a_pot_turns_the_model_s_knob_by_name_and_it_is_heard(tmp_path: Path) -> None:
    text = JUMPING.replace('turns = "knob Gain"', 'turns = "knob Gain"\npickup = "jump"')
    with rig(tmp_path, text, knobbed(tmp_path)) as made:
        model = made.state["models"][0]
        made.panel.answer({"request": "select", "model": model["id"]})
        made.load()
        name = model["knobs"][0]["name"]
        made.play(0.2)
        made.play(0.3, lambda s: made.box.turn("gain", max(0.0, 0.5 - 2 * s)))
        assert made.report["pots"]["gain"]["turns"] == name
        assert made.state["knobs"][name] == model["knobs"][0]["minimum"]
        low = made.play(0.2)
        made.play(0.5, lambda s: made.box.turn("gain", min(1.0, 2.5 * s)))
        assert made.state["knobs"][name] == model["knobs"][0]["maximum"]
        high = made.play(0.2)
        made.panel.set({"knobs": {name: model["knobs"][0]["minimum"]}})
        made.play(0.1)
        low_again = made.play(0.2)
        made.panel.set({"knobs": {name: model["knobs"][0]["maximum"]}})
        made.play(0.1)
        high_again = made.play(0.2)
        # The pot's sound is the one that the phone's dial gives, and the two ends differ by far more than that.
        assert overtones(low) == pytest.approx(overtones(low_again), rel=0.02)
        assert overtones(high) == pytest.approx(overtones(high_again), rel=0.02)
        assert overtones(high) != pytest.approx(overtones(low), rel=0.2)


def test_a_pot_without_its_knob_turns_what_stands_for_it(box: Rig) -> None:
    box.play(0.6, lambda s: box.box.turn("gain", min(1.0, 0.5 + s)))
    assert box.state["input_gain_db"] == pytest.approx(20.0)
    assert box.report["pots"]["gain"]["turns"] == "input gain"


def test_pots_at_rest_leave_every_sample_alone(tmp_path: Path) -> None:
    """Five seconds of a noisy supply: the controls are not touched, so the sound is that of a box without pots."""
    rng = np.random.default_rng(5)
    with rig(tmp_path) as made:
        made.play(1.0, lambda _: _shake(made, rng))
        sequence = made.sequence
        made.play(5.0, lambda _: _shake(made, rng))
        assert made.sequence == sequence
        assert made.said == []


def _shake(made: Rig, rng: np.random.Generator) -> None:
    made.box.chip.levels[:4] = np.array([0.013, 0.4, 0.71, 0.987]) + rng.normal(0.0, 0.0015, 4)


def test_from_a_turn_to_the_controls_in_ten_milliseconds(box: Rig) -> None:
    for turn in range(6):
        box.play(0.2 + turn * PERIOD_S)
        sequence, begun_s = box.sequence, box.now_s
        box.box.turn("level", 0.5 + 0.05 * (turn % 2 + 1))
        while box.sequence == sequence:
            box.play(PERIOD_S)
            assert box.now_s - begun_s <= LATEST_S


def test_a_sweep_in_fifty_milliseconds_has_no_zipper_noise(tmp_path: Path) -> None:
    """A tone while Level goes from silence to the top, by the pot's wire; beside it the same sweep as a smooth ramp,
    set anew in every period. What the steps of the looks add stays 75 dB below the tone."""

    def position(passed_s: float) -> float:
        return min(1.0, max(0.0, (passed_s - 0.1) / 0.05))

    def swept(folder: Path, by_wire: bool) -> np.ndarray[Any, Any]:
        with rig(folder, JUMPING) as made:
            made.play(0.6, lambda s: made.box.turn("level", max(0.0, 0.5 - s)))
            assert made.state["level_db"] == -60.0
            if by_wire:
                heard = made.play(0.4, lambda s: made.box.turn("level", position(s)))
            else:
                made.hands.tick = lambda _: 1.0  # type: ignore[method-assign]
                level = knob("Level")
                heard = made.play(0.4, lambda s: made.performer.perform(level, Phase.VALUE, position(s)))
            assert made.state["level_db"] == pytest.approx(6.0)
            return heard

    window = np.hanning(round(0.4 * RATE_HZ))
    by_wire, ramp = (
        np.abs(np.fft.rfft(swept(tmp_path / str(way), way)[: len(window)] * window)) for way in (True, False)
    )
    hz = np.fft.rfftfreq(len(window), 1 / RATE_HZ)
    beside = (np.abs(hz - 997.0) > 250.0) & (hz > 20.0)
    added_db = 20 * np.log10(np.maximum(by_wire - ramp, 0.0)[beside].max() / by_wire.max())
    assert added_db < -75.0
    assert by_wire[~beside].max() == pytest.approx(ramp[~beside].max(), rel=0.05)


def test_an_unplugged_converter_holds_everything_is_said_once_and_comes_back(box: Rig) -> None:
    before = box.state
    box.box.chip.connected = False
    box.play(3.0)
    box.box.chip.levels[:] = [0.9] * 8
    box.box.chip.connected = True
    box.play(2.0)
    assert [box.state[name] for name in ("level_db", "input_gain_db")] == [0.0, before["input_gain_db"]]
    assert box.said == ["The pots can't be read: is the converter connected? Everything stays as it was"]
    assert box.report["notes"] == []
    box.play(0.3, lambda s: box.box.turn("level", 0.9 - s))
    assert box.state["level_db"] < 2.0


def test_a_bus_that_rests_low_is_no_row_of_pots_at_zero(box: Rig) -> None:
    def wire_off(_: float) -> None:
        box.box.chip.levels[:] = [0.0] * 8

    box.panel.set({"level_db": 0.0})
    box.box.chip.levels[:] = [0.2, 0.3, 0.3, 0.2, 0, 0, 0, 0]
    box.play(0.5)
    level_db = box.state["level_db"]
    box.play(1.0, wire_off)
    assert box.state["level_db"] == level_db
    assert "converter" in box.said[-1]


def test_pickup_waits_until_the_pot_passes_where_the_sound_stands(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.panel.set({"level_db": 0.0})  # at 0.71 of the way
        made.play(0.2)
        made.play(0.4, lambda s: made.box.turn("level", max(0.1, 0.5 - s)))
        assert made.state["level_db"] == 0.0
        assert made.report["pots"]["level"]["waiting"] is True
        made.play(1.0, lambda s: made.box.turn("level", min(0.9, 0.1 + s)))
        assert made.state["level_db"] > 3.0
        assert made.report["pots"]["level"]["waiting"] is False


def test_a_pedal_learns_its_ends_by_a_gesture_and_keeps_them(tmp_path: Path) -> None:
    text = JUMPING.replace('hold = "bank-down"', 'hold = "calibrate expression"')
    text = text.replace('turns = ["morph", "knob Level"]', 'turns = ["morph", "knob Input gain"]\npickup = "jump"')
    with rig(tmp_path, text) as made:
        made.play(0.1)
        made.tap("left", down_s=0.7)
        assert made.report["pots"]["expression"]["learning"] is True
        made.play(0.1)
        blinks = {tuple(made.report["leds"].values()) for _ in range(20) if made.play(0.02) is not None}
        assert {(True, True, True), (False, False, False)} <= blinks
        made.play(1.0, lambda s: made.box.turn("expression", 0.5 - 0.3 * min(1.0, s)))
        made.play(1.0, lambda s: made.box.turn("expression", 0.2 + 0.5 * min(1.0, s)))
        assert made.state["input_gain_db"] == 0.0  # nothing is turned meanwhile
        made.play(2.0)
        assert made.said[-1] == "expression knows its ends"
        made.play(1.0, lambda s: made.box.turn("expression", 0.7 - 0.5 * min(1.0, s)))
        assert made.state["input_gain_db"] == pytest.approx(-20.0)
        made.kept.save()
    with rig(tmp_path, text) as again:
        assert again.report["pots"]["expression"]["low"] == pytest.approx(0.205, abs=0.003)
        again.hands.calibrate("expression", "forget", 0.0)
        assert again.report["pots"]["expression"]["low"] == 0.01


def test_a_press_ends_learning_and_one_that_saw_nothing_says_so(box: Rig) -> None:
    box.hands.calibrate("expression", "begin", box.now_s)
    box.play(0.5)
    box.tap("right")
    assert box.state["bypass"] is False
    assert box.said[-1] == "expression was hardly moved: its ends are as they were"


def test_an_encoder_turns_by_clicks(tmp_path: Path) -> None:
    text = '[encoder.e]\npins = [22, 23]\nturns = "knob Input gain"\nstep = 0.05\n'
    with rig(tmp_path, text) as made:
        made.play(0.05)
        made.box.click("e", 4)
        made.play(0.05)
        assert made.state["input_gain_db"] == pytest.approx(8.0)
        made.box.click("e", -6)
        made.play(0.05)
        assert made.state["input_gain_db"] == pytest.approx(-4.0)
        made.box.click("e", -100)
        made.play(0.05)
        assert made.state["input_gain_db"] == pytest.approx(-20.0)


def test_leds_follow_at_once_and_show_colours(tmp_path: Path) -> None:
    text = """
        [switch.a]
        pin = 5
        press = "bypass"
        [led.plain]
        pin = 17
        shows = "bypass"
        [led.dim]
        pin = 18
        pwm = true
        brightness = 0.25
        invert = true
        shows = "bypass"
        [led.rgb]
        pins = [22, 23, 24]
        pwm = true
        colour = "#ff8000"
        shows = "bypass"
        """
    with rig(tmp_path, text) as made:
        made.play(0.1)
        assert made.box.seen() == {"plain": [1.0], "dim": [0.0], "rgb": [1.0, pytest.approx(0.5, abs=0.01), 0.0]}
        made.box.press("a", True)
        made.play(LATEST_S)
        assert made.box.seen() == {"plain": [0.0], "dim": [0.25], "rgb": [0.0, 0.0, 0.0]}
        assert made.box.board.faults == []


def test_what_is_refused_is_said_once_until_something_else_happens(box: Rig) -> None:
    for _ in range(3):
        box.tap("left")
    assert box.said == ["there are no presets yet: save the sound that plays as one"]


def test_a_dead_strip_or_pin_is_a_sentence_and_the_rest_works(tmp_path: Path) -> None:
    with rig(tmp_path) as made:

        def broken() -> None:
            raise OSError(errno.EIO, "bus error")

        made.box.board.show = broken
        made.play(0.2)
        made.tap("right")
        assert made.state["bypass"] is True
        assert [words for words in made.said if "strip" in words] == [
            "The LED strip does not answer: [Errno 5] bus error"
        ]


def test_the_engine_confirms_what_it_plays_and_a_dead_one_does_not(tmp_path: Path) -> None:
    with rig(tmp_path, DEFAULT_TEXT, knobbed(tmp_path)) as made:
        made.play(0.1)
        assert made.performer.confirmed() is True
        made.performer.perform(parse("bypass"), Phase.PRESS)
        assert made.performer.confirmed() is None  # audio takes it at its next period
        made.play(0.01)
        assert made.performer.confirmed() is True
        made.panel.answer({"request": "select", "model": made.state["models"][0]["id"]})
        made.play(0.01)
        assert made.performer.confirmed() is None  # not loaded yet
        made.load()
        made.play(0.01)
        assert made.performer.confirmed() is True
        time.sleep(0.6)
        assert made.performer.confirmed() is False


def test_a_laptop_s_gpio_lines_are_no_header(tmp_path: Path) -> None:
    model, processor = tmp_path / "model", tmp_path / "cpuinfo"
    assert not has_header([model, processor])
    model.write_bytes(b"Some Laptop\0")
    processor.write_bytes(b"model name\t: Some Processor\n")
    assert not has_header([model, processor])
    model.write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    assert has_header([model, processor])
    model.unlink()
    assert not has_header([model, processor])
    processor.write_bytes(b"Model\t\t: Raspberry Pi 4 Model B Rev 1.2\n")
    assert has_header([model, processor])


def with_presets(made: Rig) -> str:
    """Three presets of a model with one knob; the second is recalled. Returns the knob's name."""
    model = made.state["models"][0]
    made.panel.answer({"request": "select", "model": model["id"]})
    for name in ("One", "Two", "Three"):
        made.panel.answer({"request": "preset_add", "name": name})
    made.panel.recall(made.panel.order[1], 1)
    made.load()
    made.play(0.1)
    return str(model["knobs"][0]["name"])


def test_switches_walk_the_presets(tmp_path: Path) -> None:
    with rig(tmp_path, DEFAULT_TEXT, knobbed(tmp_path)) as made:
        with_presets(made)
        order = made.panel.order
        made.tap("middle")
        assert made.panel.live.preset == order[2]
        made.tap("left")
        made.tap("left")
        assert made.panel.live.preset == order[0]
        made.box.press("left", True)
        made.play(0.02)
        made.box.press("middle", True)
        made.play(0.2)
        assert made.panel.moment.tuner is True
        assert made.report["leds"]["left"] is True
        assert made.panel.live.preset == order[0]


def test_a_preset_binds_switches_its_own_way(tmp_path: Path) -> None:
    with rig(tmp_path, DEFAULT_TEXT, knobbed(tmp_path)) as made:
        with_presets(made)
        bindings = {"right": "boost momentary", "left": "bypass", "middle hold": "compare"}
        made.panel.answer({"request": "preset_bind", "preset": made.panel.order[1], "bindings": bindings})
        made.box.press("right", True)
        made.play(0.05)
        assert made.panel.moment.boost is True
        made.box.press("right", False)
        made.play(0.05)
        assert made.panel.moment.boost is False
        made.tap("middle", down_s=0.7)
        assert made.panel.moment.compare is True
        made.tap("left")
        assert made.state["bypass"] is True
        made.panel.recall(made.panel.order[0], 0)
        made.play(0.1)
        made.tap("right")
        assert (made.state["bypass"], made.panel.moment.boost) == (False, False)  # the box's own binding again


def test_an_expression_pedal_morphs_where_there_are_scenes_and_sets_the_level_where_not(tmp_path: Path) -> None:
    text = DEFAULT_TEXT.replace('"knob Level"]\n', '"knob Level"]\npickup = "jump"\n')
    with rig(tmp_path, text, knobbed(tmp_path)) as made:
        name = with_presets(made)
        made.play(0.5, lambda s: made.box.turn("expression", 0.5 + 0.5 * min(1.0, 3 * s)))
        assert made.state["level_db"] == pytest.approx(6.0)
        for number, value in ((1, 0.2), (2, 0.8)):
            made.panel.set({"knobs": {name: value}})
            made.panel.answer({"request": "scene_store", "number": number, "name": str(number)})
        made.play(0.1)
        made.play(0.5, lambda s: made.box.turn("expression", max(0.0, 1.0 - 3 * s)))
        assert made.panel.moment.overlay[name] == pytest.approx(0.2)
        made.play(0.5, lambda s: made.box.turn("expression", min(1.0, 3 * s)))
        assert made.panel.moment.overlay[name] == pytest.approx(0.8)
        assert made.state["level_db"] == pytest.approx(6.0)


def test_after_a_power_cut_a_pot_waits_for_the_sound_that_was_kept(tmp_path: Path) -> None:
    with rig(tmp_path, DEFAULT_TEXT, knobbed(tmp_path)) as made:
        model = made.state["models"][0]
        made.panel.answer({"request": "select", "model": model["id"]})
        name = model["knobs"][0]["name"]
        made.panel.set({"knobs": {name: 0.2}})
        made.panel.tick(time.monotonic() + 3.0)
    for shared in ("controls", "status"):
        (tmp_path / shared).unlink()
    with rig(tmp_path, DEFAULT_TEXT, before=lambda simulated: simulated.turn("gain", 0.7)) as made:
        assert made.state["generation"] >= KEPT_GENERATION  # what audio began with
        sequence = made.sequence
        made.play(0.5)
        made.play(0.3, lambda s: made.box.turn("gain", 0.7 + 0.1 * min(1.0, 5 * s)))
        assert (made.state["knobs"][name], made.sequence) == (0.2, sequence)
        assert made.report["pots"]["gain"]["waiting"] is True
        made.play(1.0, lambda s: made.box.turn("gain", max(0.1, 0.8 - s)))
        assert made.state["knobs"][name] == pytest.approx(0.1, abs=0.05)


def test_a_pickup_begins_anew_with_each_preset(tmp_path: Path) -> None:
    with rig(tmp_path, DEFAULT_TEXT, knobbed(tmp_path)) as made:
        name = with_presets(made)
        made.play(0.5, lambda s: made.box.turn("gain", 0.5 + 0.3 * min(1.0, 3 * s)))
        assert made.state["knobs"][name] > 0.7
        made.tap("middle")
        assert made.state["knobs"][name] == pytest.approx(0.5)
        made.play(0.3, lambda s: made.box.turn("gain", 0.8 - 0.1 * min(1.0, 5 * s)))
        assert made.state["knobs"][name] == pytest.approx(0.5)
        assert made.report["pots"]["gain"]["waiting"] is True


def test_a_preset_binds_doubles_and_chords_that_the_box_does_not_have(tmp_path: Path) -> None:
    text = DEFAULT_TEXT.replace('"left+middle" = "tuner"', "")
    with rig(tmp_path, text, knobbed(tmp_path)) as made:
        with_presets(made)
        bindings = {"left double": "boost", "right+middle": "compare"}
        made.panel.answer({"request": "preset_bind", "preset": made.panel.order[1], "bindings": bindings})
        bound = made.report["bound"]
        assert {"gesture": "double", "action": "boost", "own": True} in bound["left"]
        assert bound["middle+right"] == [{"gesture": "chord", "action": "compare", "own": True}]
        for _ in range(2):
            made.tap("left")
        made.play(0.5)
        assert (made.panel.moment.boost, made.panel.live.preset) == (True, made.panel.order[1])
        made.box.press("middle", True)
        made.play(0.02)
        made.box.press("right", True)
        made.play(0.1)
        assert made.panel.moment.compare is True
        made.box.press("middle", False)
        made.box.press("right", False)
        made.play(0.1)
        made.tap("left")
        made.play(0.5)
        assert made.panel.live.preset == made.panel.order[0]  # one tap is still the box's
        assert {line["gesture"] for line in made.report["bound"]["left"]} == {"tap", "hold", "let-go"}
        made.tap("left")
        made.tap("left")
        made.play(0.5)
        assert made.panel.moment.boost is False


@pytest.mark.parametrize(("switch", "by"), [("middle", 1), ("left", -1)])
def test_the_next_preset_sounds_a_period_after_the_foot_and_is_whole_after_the_fade(
    tmp_path: Path, switch: str, by: int
) -> None:
    """Pins, hands, panel, prepared patches and the engine's own loader; three presets told apart by their gain."""
    gains = (0.25, 0.5, 1.0)

    def fill(library: Library) -> None:
        for gain in gains:
            library.import_file(write_linear(tmp_path / f"{gain}.nam", (gain,)), name=str(gain))

    with rig(tmp_path, DEFAULT_TEXT, fill) as made:
        ids = {model["name"]: model["id"] for model in made.state["models"]}
        made.panel.set({"normalise": False})
        for gain in gains:
            made.panel.answer({"request": "select", "model": ids[str(gain)]})
            made.panel.answer({"request": "preset_add", "name": str(gain)})
        made.panel.recall(made.panel.order[1], 1)
        made.pedal.start_loader()
        try:
            made.panel.prepare_now()
            until = time.monotonic() + 20.0
            while made.status.generation != made.panel.generation:
                made.play(0.02)
                time.sleep(0.002)
                assert time.monotonic() < until
            made.play(0.1)
            time.sleep(0.3)  # the loader makes the neighbours ready
            before = loudness(made.play(0.05))
            made.box.press(switch, True)
            made.play(0.1)
            assert made.panel.live.preset == made.panel.order[1]  # a tap is one when it ends
            made.box.press(switch, False)
            begun_s = made.now_s
            while made.panel.live.preset == made.panel.order[1]:
                made.play(PERIOD_S)
                assert made.now_s - begun_s <= LATEST_S
            assert made.panel.live.preset == made.panel.order[1 + by]
            # The look comes before the period of its time: the new patch is already in the one just played.
            assert made.status.generation == made.panel.generation
            assert made.pedal.is_fading
            made.play(0.015)
            assert not made.pedal.is_fading
            after = loudness(made.play(0.05))
        finally:
            made.pedal.stop_loader()
        assert after / before == pytest.approx(gains[1 + by] / gains[1], rel=0.01)


def test_a_walk_through_a_pedal_s_ends_takes_its_time_and_ends_when_told(tmp_path: Path) -> None:
    text = JUMPING.replace('turns = ["morph", "knob Level"]', 'turns = "knob Input gain"\npickup = "jump"')
    with rig(tmp_path, text) as made:
        made.play(0.1)
        made.hands.calibrate("expression", "walk", made.now_s)
        made.play(0.5, lambda s: made.box.turn("expression", max(0.2, 0.5 - s)))
        made.play(4.0)  # its heel is down, and the phone is being read
        assert made.report["pots"]["expression"]["learning"] is True
        assert made.report["pots"]["expression"]["seen"] == [
            pytest.approx(0.2, abs=0.003),
            pytest.approx(0.5, abs=0.003),
        ]
        made.play(0.8, lambda s: made.box.turn("expression", min(0.7, 0.2 + s)))
        made.play(0.1)
        made.hands.calibrate("expression", "end", made.now_s)
        found = made.report["pots"]["expression"]
        assert (found["outcome"], found["learnt"], found["learning"]) == ("learnt", True, False)
        assert (found["low"], found["high"]) == (pytest.approx(0.205, abs=0.003), pytest.approx(0.695, abs=0.003))
        assert made.said == []  # who walked was told by the report
        made.play(0.5, lambda s: made.box.turn("expression", max(0.6, 0.7 - s)))
        made.play(0.5, lambda s: made.box.turn("expression", min(0.7, 0.6 + s)))
        assert made.state["input_gain_db"] == pytest.approx(20.0)


def test_a_walk_that_is_cancelled_too_short_or_left_keeps_the_ends_as_they_were(box: Rig) -> None:
    def sweep(_: float) -> None:
        box.box.turn("expression", 0.3 + 0.4 * (box.now_s % 1.0))

    def pot() -> dict[str, Any]:
        found: dict[str, Any] = box.report["pots"]["expression"]
        return found

    before = pot()["low"], pot()["high"]
    box.hands.calibrate("expression", "walk", box.now_s)
    box.play(1.5, sweep)
    box.hands.calibrate("expression", "cancel", box.now_s)
    assert (pot()["low"], pot()["high"], pot()["outcome"], pot()["learning"]) == (*before, None, False)
    box.hands.calibrate("expression", "walk", box.now_s)
    box.play(0.2)
    box.hands.calibrate("expression", "end", box.now_s)
    assert (pot()["low"], pot()["high"], pot()["outcome"]) == (*before, "too little")
    box.hands.calibrate("expression", "walk", box.now_s)
    box.play(1.5, sweep)
    box.hands.tick(box.now_s + 85.0)
    assert pot()["learning"] is True
    box.hands.tick(box.now_s + 91.0)
    assert (pot()["low"], pot()["high"], pot()["learning"]) == (*before, False)
    assert box.said == ["Nobody said that expression is done: its ends are as they were"]


def test_the_report_says_what_everything_is_bound_to(tmp_path: Path) -> None:
    text = DEFAULT_TEXT + '[encoder.wheel]\npins = [22, 23]\nturns = "knob Input gain"\n'
    with rig(tmp_path, text) as made:
        made.play(0.05)
        report = made.report
        assert report["bound"]["right"] == [{"gesture": "press", "action": "bypass tap-or-hold", "own": False}]
        assert report["bound"]["left+middle"] == [{"gesture": "chord", "action": "tuner", "own": False}]
        assert report["pots"]["expression"]["bound"] == ["morph", "knob Level"]
        assert [name for name, pot in report["pots"].items() if pot["pedal"]] == ["expression"]
        assert report["turned_by"] == {"wheel": {"turns": "input gain", "stands_at": 0.5}}
