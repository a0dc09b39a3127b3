"""What is told about a model, and the loudness and gain that prove reader and engine right."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.engine.contract import ModelEngine
from appliance.engine.onnx_engine import OnnxEngine
from appliance.engine.reference import ReferenceEngine
from appliance.formats.description import Description, Recurrent, SelfTest
from appliance.formats.read import read_variants
from appliance.formats.summary import loudness_and_gain, notes_for, run_self_test, summarise
from tests.models import guitarish, random_linear, random_recurrent


def with_self_test(description: Description, error: float) -> Description:
    audio = guitarish(np.random.default_rng(1), 500)
    expected = ReferenceEngine(description).process(audio) + np.float32(error)
    return dataclasses.replace(description, self_test=SelfTest(audio, expected))


@pytest.mark.parametrize(("error", "passes"), [(0.0, True), (1e-3, False)])
def test_the_self_test_passes_or_fails_by_its_error(error: float, passes: bool) -> None:
    description = with_self_test(random_recurrent(np.random.default_rng(2)), error)
    summary = summarise(description, ReferenceEngine)
    assert summary["self_test"]["passed"] is passes
    assert summary["self_test"]["max_error"] == pytest.approx(error, abs=1e-6)
    assert any("self-test" in note for note in summary["notes"]) is not passes
    json.dumps(summary, allow_nan=False)


def test_no_self_test_without_an_engine_or_a_promise() -> None:
    description = random_linear(np.random.default_rng(3))
    assert summarise(description, ReferenceEngine)["self_test"] is None
    assert summarise(with_self_test(description, 0.0))["self_test"] is None


def test_notes_tell_what_is_unusual() -> None:
    plain = random_linear(np.random.default_rng(4))
    assert notes_for(plain) == []
    odd = dataclasses.replace(
        plain, sample_rate_hz=44_100, sample_rate_known=False, esr=0.25, source_format="GuitarML x"
    )
    notes = " ".join(notes_for(odd))
    for words in (
        "44 100 Hz is assumed, as usual for GuitarML models",
        "resampled to its rate and back",
        "38 frames (0.79 ms)",
        "0.25",
    ):
        assert words in notes
    assert "Made for 48 000 Hz and played at 44 100 Hz" in " ".join(notes_for(plain, playing_rate_hz=44_100))


def test_loudness_and_gain_of_a_straight_line_are_the_input_and_nothing() -> None:
    linear = random_linear(np.random.default_rng(5), taps=1, bias=0.0)
    clip = guitarish(np.random.default_rng(6), 4000)
    tap = float(linear.architecture.taps[0])  # type: ignore[union-attr]
    loudness_db, gain = loudness_and_gain(lambda: ReferenceEngine(linear), clip)
    assert loudness_db == pytest.approx(20 * np.log10(abs(tap) * np.sqrt(np.mean(clip**2))), abs=1e-4)
    assert gain == pytest.approx(0.0, abs=1e-6)


def test_a_summary_lists_the_sizes_of_a_container(shared_data: Path) -> None:
    summary = summarise(shared_data / "models" / "core-A2.nam")
    assert [variant["architecture"] for variant in summary["variants"]] == ["WaveNet A2 lite", "WaveNet A2 full"]
    assert (summary["architecture"], summary["variant"]) == ("WaveNet A2 full", "2 of 2")
    assert summary["receptive_field_ms"] == pytest.approx(132.2, abs=0.1)
    assert summary["notes"] == ["The file holds 2 sizes of this model; the biggest is played."]
    json.dumps(summary, allow_nan=False)


def test_self_test_of_a_real_aidax_file_passes_to_1e_5(shared_data: Path) -> None:
    (description,) = read_variants(shared_data / "models" / "aidax-tw40-blues-deluxe.json")
    for engine in (ReferenceEngine, OnnxEngine):
        result = run_self_test(description, engine)
        assert result is not None
        assert result["frames"] == 2048
        assert result["max_error"] < 1e-5


@pytest.mark.parametrize(
    "file",
    [
        "BossWN-nano.nam",
        "BossWN-feather.nam",
        "BossWN-standard.nam",
        "BossWN-a2.nam",
        "core-A2.nam",
        "core-slimmable_container.nam",
        "BossLSTM-1x16.nam",
        "BossLSTM-2x8.nam",
        "core-lstm.nam",
    ],
)
def test_loudness_and_gain_recomputed_are_those_in_the_metadata(file: str, shared_data: Path) -> None:
    clip, _ = soundfile.read(shared_data / "audio" / "nam-loudness-input.wav", dtype="float32")
    for description in read_variants(shared_data / "models" / file):

        def make_engine(description: Description = description) -> ModelEngine:
            return ReferenceEngine(description) if file == "BossWN-nano.nam" else OnnxEngine(description)

        loudness_db, gain = loudness_and_gain(make_engine, clip)
        levels = description.levels
        if isinstance(description.architecture, Recurrent):
            # the file keeps the state after a burn-in; its metadata were measured from the one before
            assert loudness_db == pytest.approx(levels.loudness_db, abs=0.3)
        else:
            assert loudness_db == pytest.approx(levels.loudness_db, abs=1e-3)
            assert gain == pytest.approx(levels.gain, abs=1e-3)
