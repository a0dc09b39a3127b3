"""Rendering: the live chain, offline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.engine._native import Pedal
from appliance.errors import BadAudioFile, BadModelFile, BadRequest, StorageError
from appliance.formats.description import Description, Knob, Linear
from appliance.formats.read import read_model
from appliance.render import (
    RenderSettings,
    controls_payload,
    knob_values,
    patch_for,
    read_audio,
    render,
    write_audio,
)
from tests import models

RATE_HZ = 48_000


@pytest.fixture
def description() -> Description:
    return models.random_wavenet(np.random.default_rng(0))


@pytest.fixture
def guitar() -> np.ndarray:
    return models.guitarish(np.random.default_rng(1), 6000)


@pytest.fixture
def cabinet(tmp_path: Path) -> Path:
    path = tmp_path / "cab.wav"
    taps = np.random.default_rng(2).standard_normal(400) * np.exp(-np.arange(400) / 60) * 0.2
    soundfile.write(path, taps, 44_100)
    return path


@pytest.mark.parametrize("family", models.FAMILIES)
def test_every_engine_renders_the_same(family: str, cabinet: Path) -> None:
    rng = np.random.default_rng(9)
    description = models.FAMILIES[family](rng)
    guitar = models.guitarish(rng, 1500)
    made = {
        engine: render(description, guitar, RATE_HZ, RenderSettings(cabinet=cabinet, engine=engine))
        for engine in ("native", "onnx", "reference")
    }
    assert np.abs(made["native"]).max() > 1e-3
    for engine in ("onnx", "reference"):
        assert np.abs(made["native"] - made[engine]).max() <= 1e-5, engine


@pytest.mark.parametrize("block", [1, 16, 37, 480, 8192])
def test_the_block_does_not_matter(description: Description, guitar: np.ndarray, cabinet: Path, block: int) -> None:
    usual = render(description, guitar, RATE_HZ, RenderSettings(cabinet=cabinet))
    other = render(description, guitar, RATE_HZ, RenderSettings(cabinet=cabinet, block_frames=block))
    np.testing.assert_allclose(other, usual, atol=1e-6)


def test_a_rendering_is_what_the_live_pedal_plays(description: Description, guitar: np.ndarray, cabinet: Path) -> None:
    settings = RenderSettings(cabinet=cabinet, input_gain_db=3.0, level_db=-2.0)
    quantised = (np.round(guitar * 2**15) / 2**15).astype(np.float32)[:5952]
    live = Pedal(RATE_HZ, 64)
    live.configure_io("S16_LE", 1, 0, "FLOAT_LE", 1)
    live.set_controls(bytes(controls_payload(settings, [])))
    live.load_patch(patch_for(description, cabinet, RATE_HZ))
    made = bytearray()
    for start in range(0, len(quantised), 64):
        out = bytearray(64 * 4)
        live.process(np.round(quantised[start : start + 64] * 2**15).astype("<i2").tobytes(), out)
        made += out
    rendered = render(description, quantised, RATE_HZ, settings)
    np.testing.assert_array_equal(np.frombuffer(made, "<f4"), rendered)


def test_normalised_models_are_equally_loud_and_others_are_not() -> None:
    guitar = models.guitarish(np.random.default_rng(3), RATE_HZ) * np.float32(0.3)
    wires = [models.describe(Linear(np.array([gain], np.float32))) for gain in (0.05, 1.0)]
    for normalise, expected_db in ((True, 0.0), (False, 20 * np.log10(0.05))):
        quiet, loud = (render(wire, guitar, RATE_HZ, RenderSettings(normalise=normalise)) for wire in wires)
        assert 20 * np.log10(np.std(quiet) / np.std(loud)) == pytest.approx(expected_db, abs=0.1)


def test_loudness_is_measured_only_where_it_is_wanted(
    description: Description, guitar: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Description] = []
    monkeypatch.setattr("appliance.render.model_loudness_db", lambda model: measured.append(model) or -20.0)
    render(description, guitar[:256], RATE_HZ, RenderSettings(normalise=False))
    assert not measured
    render(description, guitar[:256], RATE_HZ, RenderSettings(normalise=True))
    assert measured == [description]


def test_knobs_by_name_default_and_range() -> None:
    knobs = (Knob("Gain", 0, 1, 0.25), Knob("Tone", 0, 10, 5))
    description = models.random_recurrent(np.random.default_rng(0), knobs=2)
    description = Description(**{**description.__dict__, "knobs": knobs})
    assert knob_values(description, {}) == [0.25, 5]
    assert knob_values(description, {"tone": 7.0}) == [0.25, 7.0]
    with pytest.raises(BadRequest, match=r"no knob Tome; it has Gain, Tone\. Did you mean Tone"):
        knob_values(description, {"Tome": 1.0})
    with pytest.raises(BadRequest, match="Tone goes from 0 to 10; 11 was asked for"):
        knob_values(description, {"Tone": 11.0})
    with pytest.raises(BadRequest, match="Gain goes from"):
        knob_values(description, {"Gain": float("nan")})


def test_a_knob_on_a_model_without_knobs_is_refused(description: Description) -> None:
    with pytest.raises(BadRequest, match="has no knobs"):
        knob_values(description, {"Gain": 0.5})


def test_of_a_stereo_recording_the_louder_side_is_played(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    right = np.sin(np.arange(1000) / 10) * 0.5
    soundfile.write(path, np.stack([right * 0.01, right], axis=1), RATE_HZ, subtype="FLOAT")
    audio, rate_hz, notes = read_audio(path)
    assert rate_hz == RATE_HZ
    np.testing.assert_allclose(audio, right, atol=1e-6)
    assert "number 2" in notes[0]


@pytest.mark.parametrize(
    ("samples", "words"), [(np.zeros(0), "holds no audio"), (np.array([0.1, np.nan]), "not numbers")]
)
def test_useless_recordings_are_refused(tmp_path: Path, samples: np.ndarray, words: str) -> None:
    path = tmp_path / "bad.wav"
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    with pytest.raises(BadAudioFile, match=words):
        read_audio(path)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("hello")
    with pytest.raises(BadAudioFile, match="can't be read as audio"):
        read_audio(path)
    with pytest.raises(BadAudioFile, match="can't be read as audio"):
        read_audio(tmp_path / "absent.wav")


def test_writing(tmp_path: Path) -> None:
    audio = np.array([0.0, 0.25, -0.5], np.float32)
    for name in ("a.wav", "a.flac"):
        write_audio(tmp_path / name, audio, RATE_HZ)
        assert soundfile.info(tmp_path / name).subtype == "PCM_24"
        np.testing.assert_array_equal(soundfile.read(tmp_path / name, dtype="float32")[0], audio)
    with pytest.raises(BadRequest, match=r"end its name in \.wav or \.flac"):
        write_audio(tmp_path / "a.mp3", audio, RATE_HZ)
    with pytest.raises(StorageError, match="can't be written"):
        write_audio(tmp_path / "no folder" / "a.wav", audio, RATE_HZ)


def test_every_good_file_renders_with_a_cabinet(shared_data: Path) -> None:
    guitar, rate_hz, _ = read_audio(shared_data / "audio" / "Guitar-E2-2.flac")
    settings = RenderSettings(cabinet=shared_data / "irs" / "Speaker-001.wav")
    played = []
    for path in sorted((shared_data / "models").iterdir()):
        try:
            description = read_model(path)
        except BadModelFile:
            continue
        made = render(description, guitar[:24_000], rate_hz, settings)
        assert np.isfinite(made).all()
        assert 1e-4 < np.std(made) < 0.6, path.name
        played.append(path.name)
    assert len(played) >= 18
