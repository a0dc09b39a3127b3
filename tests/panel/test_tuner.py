"""The tuner: right to half a cent, never an octave off, quick, and calm."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.bridge import layout
from appliance.bridge.shared_memory import open_shared
from appliance.errors import BadRequest
from appliance.panel.pitch_names import TUNINGS, nearest_note, nearest_string, note_hz, note_name, note_number
from appliance.panel.tuner import Follower, Needle, Tuner, Tuning, reading_of
from tests.panel.bench import Bench
from tests.panel.strings import SILENCE_S, first_partial_hz, pluck

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "audio"
HOP = 960  # 20 ms at 48 kHz, as the thread looks


def follow(audio: npt.NDArray[np.float32], rate_hz: int = 48_000, hop: int = HOP) -> list[tuple[float, float]]:
    """(seconds, frequency shown) for every look that shows one."""
    follower = Follower(rate_hz)
    shown = [((at + hop) / rate_hz, follower.hear(audio[at : at + hop])) for at in range(0, len(audio) - hop, hop)]
    return [(seconds, found_hz) for seconds, found_hz in shown if found_hz is not None]


def cents(found_hz: float, right_hz: float) -> float:
    return float(1200 * np.log2(found_hz / right_hz))


@pytest.mark.parametrize(
    ("right_hz", "rate_hz"),
    [
        (30.0, 48_000), (30.87, 96_000), (41.2, 44_100), (82.41, 48_000), (110.0, 44_100), (246.94, 48_000),
        (659.26, 96_000), (987.8, 44_100), (1318.5, 48_000), (1400.0, 44_100),
    ],
)  # fmt: skip
def test_steady_tones_are_right_to_half_a_cent(right_hz: float, rate_hz: int) -> None:
    at = np.arange(rate_hz) / rate_hz
    for partials in (1, 24):
        numbers = [n for n in range(1, partials + 1) if n * right_hz < 0.45 * rate_hz]
        tone = sum(0.1 / n * np.sin(2 * np.pi * n * right_hz * at + n) for n in numbers)
        audio = np.concatenate([np.zeros(rate_hz // 10), np.asarray(tone)[: 8 * rate_hz // 10]]).astype(np.float32)
        settled = [found_hz for seconds, found_hz in follow(audio, rate_hz, rate_hz // 50) if seconds > 0.5]
        assert len(settled) > 10
        assert max(abs(cents(found_hz, right_hz)) for found_hz in settled) < 0.5


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"tilt": 0.5},
        {"fundamental": 0.1},
        {"fundamental": 0.1, "second": 4.0},
        {"second": 6.0},
        {"tilt": 1.5, "picked_at": 0.5},
    ],
    ids=["plain", "bright", "weak fundamental", "nearly all octave", "strong octave", "picked in the middle"],
)
def test_no_octave_errors_from_b0_to_e6_and_the_first_reading_within_100_ms_above_e2(kind: dict[str, float]) -> None:
    for note in range(23, 89, 7):
        stiffness = 2e-5 * 1.15 ** (note % 19)
        f0_hz = note_hz(note + (note % 7 - 3) / 10)
        shown = follow(pluck(f0_hz, stiffness=stiffness, seed=note, seconds=0.4, **kind))
        assert shown, note_name(note)
        right_hz = first_partial_hz(f0_hz, stiffness)
        worst = max((cents(found_hz, right_hz) for _, found_hz in shown), key=abs)
        assert abs(worst) < 30.0, f"{note_name(note)}: {worst:.0f} cents"
        if note >= note_number("E2"):
            assert shown[0][0] - SILENCE_S <= 0.1 + 1e-6, note_name(note)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not on this machine")
@pytest.mark.parametrize(("name", "note"), [("Guitar-E2", "E2"), ("Guitar-E2-2", "E2"), ("Guitar-B4", "B4")])
def test_real_recordings_are_read_without_octave_errors_and_at_once(name: str, note: str) -> None:
    import soundfile

    audio, rate_hz = soundfile.read(RECORDINGS / f"{name}.flac", dtype="float32")
    shown = follow(audio, rate_hz)
    assert len(shown) > 0.8 * len(audio) / HOP
    right_hz = note_hz(note_number(note))
    assert max(abs(cents(found_hz, right_hz)) for _, found_hz in shown) < 12.0
    begins_s = float(np.argmax(np.abs(audio) > 0.02)) / rate_hz
    assert shown[0][0] - begins_s <= 0.1


def test_noise_and_silence_show_nothing() -> None:
    rng = np.random.default_rng(1)
    assert follow(np.zeros(48_000, np.float32)) == []
    assert follow((0.05 * rng.standard_normal(96_000)).astype(np.float32)) == []


def test_a_new_note_takes_over_from_one_that_rings() -> None:
    low, high = pluck(note_hz(40), seconds=1.2), pluck(note_hz(45), seconds=0.6, seed=3)
    both = low.copy()
    both[len(low) - len(high) :] += 3 * high
    shown = follow(both)
    assert abs(cents(shown[5][1], note_hz(40))) < 20
    assert abs(cents(shown[-1][1], note_hz(45))) < 20


@given(odd=st.floats(30, 1400), at=st.integers(3, 18))
def test_one_odd_look_never_moves_the_needle(odd: float, at: int) -> None:
    needle = Needle()
    shown = []
    for look in range(20):
        now_s = 0.05 * look
        shown.append(needle.see(odd if look == at else 110.0 + 0.01 * (look % 3), now_s))
    assert shown[0] is None  # a single look is not believed
    assert all(found_hz is not None and abs(cents(found_hz, 110.0)) < 0.5 for found_hz in shown[1:])


def test_the_needle_falls_when_the_note_is_over() -> None:
    needle = Needle()
    for look in range(5):
        needle.see(110.0, 0.05 * look)
    assert needle.see(None, 0.3) is not None
    assert needle.see(None, 0.9) is None


@pytest.mark.parametrize(("cents_off", "state"), [(-15, Tuning.FLAT), (1, Tuning.IN_TUNE), (9, Tuning.SHARP)])
@pytest.mark.parametrize("reference_hz", [430.0, 440.0, 450.0])
def test_flat_in_tune_and_sharp_go_by_the_reference(cents_off: float, state: Tuning, reference_hz: float) -> None:
    found = reading_of(note_hz(40 + cents_off / 100, reference_hz), reference_hz, "standard")
    assert (found.state, found.note, found.string) == (state, "E2", 6)
    assert found.cents == pytest.approx(cents_off, abs=0.01)


def test_a_drop_tuning_names_its_own_strings_and_a_far_note_its_own_name() -> None:
    assert reading_of(note_hz(38), 440.0, "drop-d").note == "D2"
    slack = reading_of(note_hz(39.6), 440.0, "drop-d")  # nearly E2, and yet the string to become D
    assert (slack.note, slack.string) == ("D2", 6)
    assert slack.cents == pytest.approx(160.0, abs=0.1)
    assert reading_of(note_hz(39), 440.0, "half-step-down").note == "D♯2"
    assert reading_of(note_hz(76), 440.0, "standard").string is None
    assert reading_of(note_hz(30.9), 440.0, "chromatic").note == "G1"


@given(note=st.integers(20, 90), off=st.floats(-49, 49))
def test_names_and_numbers_of_notes_fit(note: int, off: float) -> None:
    assert note_number(note_name(note)) == note
    found, cents_off = nearest_note(note_hz(note + off / 100))
    assert (found, round(cents_off, 3)) == (note, round(off, 3))


def test_every_tuning_goes_from_the_lowest_string_up_and_finds_its_own() -> None:
    for key, (_, strings) in TUNINGS.items():
        assert list(strings) == sorted(strings)
        for index, note in enumerate(strings):
            found = nearest_string(note_hz(note), key)
            assert found is not None
            assert found[:2] == (len(strings) - index, note)


def write_tap(path: Path, audio: npt.NDArray[np.float32]) -> None:
    memory = open_shared(path, layout.TAP_BYTES, writable=True)
    head_bytes = ctypes.sizeof(layout.TapHeader)
    memory[head_bytes : head_bytes + 4 * len(audio)] = audio.tobytes()
    memory[:head_bytes] = bytes(
        layout.TapHeader(layout.TAP_MAGIC, layout.LAYOUT_VERSION, layout.TAP_FRAMES, 48_000, len(audio))
    )
    memory.close()


def eventually(what: str, look: Any) -> Any:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError(what)


def test_the_thread_reads_the_tap_while_it_is_on(tmp_path: Path) -> None:
    write_tap(tmp_path / "tap", np.zeros(48, np.float32))
    tuner = Tuner(tmp_path / "tap")
    assert tuner.reading(440.0, "standard").state is Tuning.SILENT
    tuner.switch(True)
    time.sleep(0.1)
    write_tap(tmp_path / "tap", pluck(note_hz(45), seconds=0.7))
    found = eventually("A2", lambda: tuner.reading(440.0, "standard").note)
    assert found == "A2"
    tuner.switch(False)
    assert tuner.reading(440.0, "standard").state is Tuning.SILENT


def test_the_panel_switches_it_and_tells_what_it_hears(bench: Bench) -> None:
    write_tap(bench.folder / "tap", np.zeros(48, np.float32))
    assert bench.ask("tuner", on=True)["state"]["tuner"]
    time.sleep(0.1)
    write_tap(bench.folder / "tap", pluck(note_hz(38, 442.0), seconds=0.7))
    bench.ask("set", tuner_tuning="drop-d", tuner_reference_hz=442.0)
    reading = eventually("D2", lambda: (found := bench.ask("tuner")["reading"])["note"] and found)
    assert (reading["note"], reading["string"]) == ("D2", 6)
    assert abs(reading["cents"]) < 2.0
    assert not bench.ask("tuner", on=False)["state"]["tuner"]
    assert bench.ask("tuner")["reading"]["state"] == "silent"
    for wrong in ({"on": 1}, {"off": True}):
        with pytest.raises(BadRequest):
            bench.ask("tuner", **wrong)
    with pytest.raises(BadRequest, match="Did you mean 'drop-d'"):
        bench.ask("set", tuner_tuning="drop-dd")
