"""Loudness as we measure it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from appliance.library.loudness import (
    CLIP_LEVEL_DB,
    loudness_clip,
    measure_loudness_db,
    normalise_gain_db,
)

Float32 = npt.NDArray[np.float32]


class Gain:
    """An engine that multiplies, and counts what it was fed."""

    knob_count = 0
    latency_frames = 0

    def __init__(self, gain: float) -> None:
        self.gain = np.float32(gain)
        self.frames = 0

    def process(self, audio: Float32, knobs: Float32 | None = None) -> Float32:
        self.frames += len(audio)
        return audio * self.gain

    def reset(self) -> None:
        self.frames = 0


def test_the_clip_has_the_level_it_promises() -> None:
    clip = loudness_clip()
    assert clip.dtype == np.float32
    assert 20 * np.log10(np.sqrt(np.mean(clip.astype(np.float64) ** 2))) == pytest.approx(CLIP_LEVEL_DB, abs=1e-4)
    assert np.abs(clip).max() < 1.0


@pytest.mark.parametrize("gain_db", [-30.0, 0.0, 12.0])
def test_an_amplifier_is_as_loud_as_the_clip_plus_its_gain(gain_db: float) -> None:
    measured = measure_loudness_db(Gain(10 ** (gain_db / 20)), loudness_clip())
    assert measured == pytest.approx(CLIP_LEVEL_DB + gain_db, abs=1e-3)


def test_silence_is_the_floor_and_nan_is_refused() -> None:
    assert measure_loudness_db(Gain(0.0), loudness_clip()) == -120.0
    with pytest.raises(ValueError, match="not a number"):
        measure_loudness_db(Gain(float("nan")), loudness_clip())


def test_a_very_heavy_model_is_measured_on_less() -> None:
    light, heavy = Gain(1.0), Gain(1.0)
    measure_loudness_db(light, loudness_clip(), multiply_adds_per_sample=10_000)
    measure_loudness_db(heavy, loudness_clip(), multiply_adds_per_sample=4_000_000)
    assert light.frames > 200_000
    assert heavy.frames < 4_000


def test_normalising_brings_to_the_target_but_does_not_blow_up_silence() -> None:
    assert normalise_gain_db(-24.0) == pytest.approx(6.0)
    assert normalise_gain_db(-6.0) == pytest.approx(-12.0)
    assert normalise_gain_db(-120.0) == 40.0


def test_public_captures_lie_near_their_own_figure(shared_data: Path) -> None:
    pytest.importorskip("appliance.engine._native", reason="the native engine is not built")
    from appliance.engine.native_engine import NativeEngine
    from appliance.formats.read import read_model

    differences = {}
    for path in sorted((shared_data / "models").glob("Boss*.nam")):
        said = json.loads(path.read_text())
        if said["architecture"] == "SlimmableContainer":
            said = said["config"]["submodels"][-1]["model"]
        loudness_db = (said.get("metadata") or {}).get("loudness")
        if loudness_db is not None:
            engine = NativeEngine(read_model(path))
            differences[path.name] = measure_loudness_db(engine, loudness_clip()) - loudness_db
    assert len(differences) >= 5
    assert abs(np.mean(list(differences.values()))) < 3.0, differences
    assert max(abs(difference) for difference in differences.values()) < 4.0, differences
