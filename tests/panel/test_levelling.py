"""Presets equally loud, and the pre-flight: real patches, played for trial in real child processes."""

from __future__ import annotations

import ctypes
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.bridge import layout
from appliance.bridge.shared_memory import open_shared
from appliance.engine._native import Pedal
from appliance.errors import BadRequest, NotRunning
from appliance.library.loudness import loudness_clip
from appliance.library.loudness_bs1770 import loudness_lufs
from appliance.library.trial import run, try_out
from appliance.panel import preflight, riff
from appliance.panel.levelling import TARGET_LUFS
from tests.panel.bench import Bench


def preset(bench: Bench, name: str) -> str:
    return str(next(entry["id"] for entry in bench.state["presets"] if entry["name"] == name))


@pytest.fixture
def two(bench: Bench) -> Bench:
    """Two presets that are far from equally loud by themselves."""
    bench.ask("select", model=bench.ids["Plain"], cabinet=bench.ids["One"])
    bench.ask("set", input_gain_db=-14.0, treble_db=-12.0)
    bench.ask("preset_add", name="Quiet")
    bench.ask("set", input_gain_db=6.0, treble_db=6.0, level_db=2.0)
    bench.ask("preset_add", name="Loud")
    return bench


def measure_all(bench: Bench) -> None:
    bench.panel.level_presets(5.0, lambda: True)


def heard_lufs(bench: Bench) -> float:
    pedal = Pedal(48_000, 64)
    pedal.set_controls(bytes(bench.controls))
    pedal.load_patch(bench.patch)
    return loudness_lufs(pedal.process_float(loudness_clip()), 48_000)


def test_presets_come_out_equally_loud_but_for_their_own_level(two: Bench) -> None:
    two.ask("preset_recall", preset=preset(two, "Quiet"))
    before = heard_lufs(two)
    measure_all(two)
    assert two.controls.level_db == 0.0  # what plays is left alone
    two.ask("preset_recall", preset=preset(two, "Loud"))
    assert heard_lufs(two) == pytest.approx(TARGET_LUFS + 2.0, abs=0.3)  # its own ± dB on top
    state = two.ask("preset_recall", preset=preset(two, "Quiet"))["state"]
    assert heard_lufs(two) == pytest.approx(TARGET_LUFS, abs=0.3)
    assert before < TARGET_LUFS - 6.0
    assert state["level_db"] == 0.0  # the correction is nobody's setting
    two.ask("set", normalise=False)
    assert two.controls.level_db == 0.0


def test_what_was_measured_is_kept_and_not_measured_again(two: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    measure_all(two)
    two.panel.close()
    two.switch_on()
    monkeypatch.setattr("appliance.panel.levelling.try_out", lambda *_: pytest.fail("measured again"))
    two.panel.levelling.wake()
    measure_all(two)
    two.ask("preset_recall", preset=preset(two, "Quiet"))
    assert heard_lufs(two) == pytest.approx(TARGET_LUFS, abs=0.3)


def test_a_trial_is_measured_as_the_pedal_plays_it(two: Bench, tmp_path: Path) -> None:
    two.ask("preset_recall", preset=preset(two, "Quiet"))
    guitar = tmp_path / "guitar.f32"
    guitar.write_bytes(loudness_clip().tobytes())
    settings: dict[str, Any] = {
        "generation": 1, "flags": int(layout.Flag.NORMALISE), "input_gain_db": -14.0, "treble_db": -12.0,
        "level_db": 0.0, "gate_threshold_db": -120.0,
    }  # fmt: skip
    path = Path(two.controls.patch_path.decode())
    here = run({"patch": path, "settings": settings, "guitar": guitar, "rate_hz": 48_000, "period_frames": 64})
    there = try_out(path, settings, guitar, 48_000, 64, "Quiet")
    assert there.lufs == pytest.approx(here.lufs, abs=1e-3)
    assert there.lufs == pytest.approx(heard_lufs(two), abs=0.3)
    assert 0.0 < there.period_us <= there.worst_us
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(BadRequest, match="Quiet: the patch is damaged"):
        try_out(path, settings, guitar, 48_000, 64, "Quiet")


class Tap:
    """The audio side of the tap, fed by the test."""

    def __init__(self, path: Path) -> None:
        self.memory = open_shared(path, layout.TAP_BYTES, writable=True)
        self.written = 0
        self.play(np.zeros(0, np.float32))

    def play(self, audio: np.ndarray) -> None:
        head_bytes = ctypes.sizeof(layout.TapHeader)
        for start in range(0, len(audio), 4096):
            piece = audio[start : start + 4096].astype(np.float32)
            at = self.written % layout.TAP_FRAMES
            first = piece[: layout.TAP_FRAMES - at]
            self.memory[head_bytes + 4 * at : head_bytes + 4 * (at + len(first))] = first.tobytes()
            rest = piece[len(first) :]
            self.memory[head_bytes : head_bytes + 4 * len(rest)] = rest.tobytes()
            self.written += len(piece)
        head = layout.TapHeader(layout.TAP_MAGIC, layout.LAYOUT_VERSION, layout.TAP_FRAMES, 48_000, self.written)
        self.memory[:head_bytes] = bytes(head)


def test_the_players_own_riff_is_recorded_and_measured_with(two: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riff, "RIFF_S", 1.5)
    with pytest.raises(NotRunning):
        two.ask("riff", do="record")
    tap = Tap(two.folder / "tap")
    low = 0.4 * np.sin(2 * np.pi * 82.4 * np.arange(96_000) / 48_000)
    assert not two.state["riff"]
    two.ask("riff", do="record")
    tap.play(low)
    end = time.monotonic() + 10
    while "is kept" not in (two.state["riff_words"] or ""):
        assert time.monotonic() < end, two.state["riff_words"]
        time.sleep(0.02)
    assert two.state["riff"]
    kept = np.frombuffer((two.folder / "data" / "riff.f32").read_bytes()[4:], "<f4")
    np.testing.assert_allclose(kept, low[: len(kept)], atol=1e-6)
    measure_all(two)
    two.ask("preset_recall", preset=preset(two, "Quiet"))
    pedal = Pedal(48_000, 64)
    pedal.set_controls(bytes(two.controls))
    pedal.load_patch(two.patch)
    assert loudness_lufs(pedal.process_float(low.astype(np.float32)), 48_000) == pytest.approx(TARGET_LUFS, abs=0.5)


def test_a_silent_riff_is_not_kept(two: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riff, "RIFF_S", 0.5)
    tap = Tap(two.folder / "tap")
    two.ask("riff", do="record")
    tap.play(np.zeros(48_000))
    end = time.monotonic() + 10
    while "Nothing was heard" not in (two.state["riff_words"] or ""):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert not two.state["riff"]


def test_pre_flight_says_go_when_every_preset_plays(two: Bench) -> None:
    before = bytes(two.controls)
    report = two.ask("preflight")["preflight"]
    assert report["go"], report
    assert report["words"] == "Go: all 2 presets of the banks are whole, load, play and fit this machine."
    assert [verdict["name"] for verdict in report["presets"]] == ["Quiet", "Loud"]
    assert all(0.0 < verdict["load"] < 0.8 and verdict["lufs"] > -60 for verdict in report["presets"])
    assert bytes(two.controls) == before  # nothing of it was heard


def test_pre_flight_says_which_preset_would_fail_and_what_to_do(two: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    two.ask("select", model=two.ids["OD"])
    two.ask("preset_add", name="Gone")
    two.ask("select", cabinet=two.ids["Two"])
    two.ask("preset_add", name="Damaged")
    two.ask("select", model=two.ids["Plain"], cabinet=two.ids["One"])
    two.ask("set", input_gain_db=0.0, gate_threshold_db=0.0)
    two.ask("preset_add", name="Gated shut")
    names = ["Gone", "Damaged", "Gated shut", "Loud", "Loud"]
    made = two.ask("setlist_add", name="Tonight", presets=[preset(two, name) for name in names])["state"]["setlists"]
    two.ask("setlist_choose", setlist=made[-1]["id"])
    source = next((two.folder / "data" / "cabinets" / two.ids["Two"]).glob("source*"))
    source.write_bytes(source.read_bytes()[:-1] + b"x")
    two.ask("select", model=two.ids["Plain"])
    two.ask("remove", item=two.ids["OD"])
    report = two.ask("preflight")["preflight"]
    words = {verdict["name"]: verdict["words"] for verdict in report["presets"]}
    assert not report["go"]
    assert report["words"] == "No go: 3 of 4 presets of Tonight would fail you: Gone, Damaged, Gated shut."
    assert "Its model OD" in words["Gone"]
    assert "import its file again" in words["Gone"]
    assert "silent" in words["Gated shut"]
    assert words["Loud"].startswith("Plays")
    assert len(report["presets"]) == 4
    monkeypatch.setattr(preflight, "MOST_LOAD", 1e-6)
    report = two.ask("preflight", setlist=None)["preflight"]
    assert "Too heavy" in next(v["words"] for v in report["presets"] if v["name"] == "Loud")


def test_an_item_whose_file_has_changed_is_found(two: Bench) -> None:
    source = next((two.folder / "data" / "models" / two.ids["Plain"]).glob("source*"))
    content = json.loads(source.read_text())
    source.write_text(json.dumps(content | {"weights": [0.5, 0.26]}))
    report = two.ask("preflight")["preflight"]
    assert not report["go"]
    assert "its file is damaged on the disk" in report["presets"][0]["words"]


def test_an_empty_list_is_no_go(bench: Bench) -> None:
    assert bench.ask("preflight")["preflight"]["words"] == "No go: there are no presets in the banks."
