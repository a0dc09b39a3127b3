"""What ships in `models/`: the demo guitar, the cabinets, the factory models."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from appliance.engine.reference import ReferenceEngine
from appliance.formats.description import receptive_field_frames
from appliance.formats.read import read_model
from appliance.paths import assets

MODELS = assets("models")
DEMO = MODELS / "demo-guitar.wav"
FACTORY = {"crunch-50": "Crunch 50", "green-drive": "Green Drive", "lead-100": "Lead 100"}
MAX_ESR = {"crunch-50": 0.01, "green-drive": 0.005, "lead-100": 0.015}
KNOBS = {"crunch-50": "Gain", "green-drive": "Drive"}
CABINETS = ("1x12 Open", "4x12 Closed")
RATE_HZ = 48_000

Audio = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def demo() -> Audio:
    audio, rate_hz = soundfile.read(DEMO)
    assert rate_hz == RATE_HZ
    return audio


def knob_positions(stem: str) -> list[np.ndarray | None]:
    return [np.full(1, position, np.float32) for position in (0.0, 0.5, 1.0)] if stem in KNOBS else [None]


def spectrum_db(response: Audio, frequency_hz: float) -> float:
    magnitude = np.abs(np.fft.rfft(response, RATE_HZ))  # one bin is one hertz
    return float(20 * np.log10(magnitude[round(frequency_hz)]))


def test_the_folder_holds_exactly_the_files_named_here() -> None:
    assert {path.stem for path in MODELS.glob("*.onnx")} == set(FACTORY)
    assert {path.stem for path in (MODELS / "cabinets").glob("*.wav")} == set(CABINETS)


def test_the_readme_names_every_file_that_ships() -> None:
    readme = (MODELS / "README.md").read_text()
    shipped = [*MODELS.glob("*.onnx"), *MODELS.glob("*.wav"), *(MODELS / "cabinets").glob("*.wav")]
    assert [path.name for path in shipped if path.name not in readme] == []


@pytest.mark.parametrize("stem", FACTORY)
def test_a_factory_model_says_what_it_is(stem: str) -> None:
    path = MODELS / f"{stem}.onnx"
    model = read_model(path)
    assert model.name == FACTORY[stem]
    assert model.licence == "MIT"
    assert model.sample_rate_hz == RATE_HZ
    assert [knob.name for knob in model.knobs] == ([KNOBS[stem]] if stem in KNOBS else [])
    assert all(knob.heard == (0.0, 0.25, 0.5, 0.75, 1.0) and knob.default == 0.5 for knob in model.knobs)
    assert model.esr is not None
    assert 0 < model.esr < MAX_ESR[stem]
    assert path.stat().st_size < 100_000


@pytest.mark.parametrize("stem", FACTORY)
def test_a_factory_model_stays_tame_whatever_is_plugged_in(stem: str) -> None:
    model = read_model(MODELS / f"{stem}.onnx")
    time_s = np.arange(RATE_HZ // 20) / RATE_HZ
    rng = np.random.default_rng(1)
    full_scale = {
        "low string": np.sin(2 * np.pi * 82.4 * time_s),
        "square": np.sign(np.sin(2 * np.pi * 440 * time_s)),
        "noise": rng.uniform(-1, 1, len(time_s)),
        "stuck at the rail": np.ones(len(time_s)),
    }
    for knobs in knob_positions(stem):
        for name, audio in full_scale.items():
            output = ReferenceEngine(model).process(audio.astype(np.float32), knobs)
            assert np.isfinite(output).all(), (name, knobs)
            assert np.abs(output).max() < 4, (name, knobs)


@pytest.mark.parametrize("stem", FACTORY)
def test_a_factory_model_is_silent_on_silence_from_the_first_sample(stem: str) -> None:
    model = read_model(MODELS / f"{stem}.onnx")
    engine = ReferenceEngine(model)
    if (field_frames := receptive_field_frames(model.architecture)) is not None:
        engine.process(np.zeros(field_frames, np.float32))  # a LSTM starts settled; a WaveNet is warmed by its player
    knobs = np.full(1, model.knobs[0].default, np.float32) if model.knobs else None
    output = engine.process(np.zeros(RATE_HZ // 10, np.float32), knobs)
    assert np.abs(output - output.mean()).max() < 1e-3
    assert abs(output.mean()) < 0.02


@pytest.mark.parametrize("stem", KNOBS)
def test_turning_the_knob_up_drives_the_model_harder(stem: str, demo: Audio) -> None:
    model = read_model(MODELS / f"{stem}.onnx")
    soft = demo[: RATE_HZ // 2].astype(np.float32)
    low, high = (ReferenceEngine(model).process(soft, np.full(1, position, np.float32)) for position in (0.0, 1.0))
    assert high.std() > 1.5 * low.std()


@pytest.mark.parametrize("stem", FACTORY)
def test_a_factory_model_plays_the_demo_guitar_as_its_device_does(stem: str, demo: Audio) -> None:
    pytest.importorskip("numba", reason="the simulated devices are compiled by numba")
    sys.path.insert(0, str(Path(__file__).parent.parent / "models" / "make"))
    try:
        from devices import DEVICES
    finally:
        sys.path.pop(0)
    chords = demo[len(demo) * 3 // 8 :][: 2 * RATE_HZ]
    position = 0.625  # between two positions heard in training
    target = DEVICES[stem].process(chords, position)
    knobs = np.full(1, position, np.float32) if stem in KNOBS else None
    output = ReferenceEngine(read_model(MODELS / f"{stem}.onnx")).process(chords.astype(np.float32), knobs)
    heard = slice(RATE_HZ // 8, None)
    esr = np.sum((output - target)[heard] ** 2) / np.sum(target[heard] ** 2)
    assert esr < MAX_ESR[stem]


def test_the_demo_guitar_is_a_mono_16_bit_file_of_twelve_to_sixteen_seconds() -> None:
    info = soundfile.info(DEMO)
    assert (info.samplerate, info.channels, info.subtype) == (RATE_HZ, 1, "PCM_16")
    assert 12 <= info.duration <= 16


def test_the_demo_guitar_is_neither_clipped_nor_off_centre(demo: Audio) -> None:
    assert -7 < 20 * np.log10(np.abs(demo).max()) < -5
    assert abs(demo.mean()) < 1e-4


def test_the_demo_guitar_loops_without_a_seam(demo: Audio) -> None:
    """The step over the seam, and how the slope changes there, are no larger than 5 ms around it."""
    around = np.concatenate([demo[-240:], demo[:240]])
    step, bend = np.abs(np.diff(around)), np.abs(np.diff(around, 2))
    assert step[239] <= np.delete(step, 239).max()
    assert bend[238:240].max() <= np.delete(bend, [238, 239]).max()


def test_the_demo_guitar_has_soft_and_hard_playing_and_a_rest_with_pickup_noise(demo: Audio) -> None:
    tenths = demo[: len(demo) // 4800 * 4800].reshape(-1, 4800)
    level_db = 20 * np.log10(np.sqrt(np.mean(tenths**2, axis=1)))
    assert np.percentile(level_db, 95) - np.percentile(level_db, 25) > 10
    assert -85 < level_db.min() < -65


@pytest.mark.parametrize("stem", CABINETS)
def test_a_cabinet_is_mono_48_khz_short_and_starts_at_once(stem: str) -> None:
    response, rate_hz = soundfile.read(MODELS / "cabinets" / f"{stem}.wav")
    assert rate_hz == RATE_HZ
    assert response.ndim == 1
    assert 0.04 <= len(response) / RATE_HZ <= 0.06
    assert np.isfinite(response).all()
    assert np.abs(response).max() < 1
    assert np.abs(response).argmax() < 48  # within a millisecond: a cabinet adds no delay
    energy = response**2
    assert energy[-len(response) // 10 :].sum() < 1e-4 * energy.sum()


@pytest.mark.parametrize("stem", CABINETS)
def test_a_cabinet_keeps_the_guitar_at_its_level_and_takes_off_bottom_and_fizz(stem: str, demo: Audio) -> None:
    response, _ = soundfile.read(MODELS / "cabinets" / f"{stem}.wav")
    through = np.convolve(demo, response)
    assert -6 < 20 * np.log10(through.std() / demo.std()) < 3
    presence_db = max(spectrum_db(response, hz) for hz in range(2000, 4000, 50))
    assert presence_db - spectrum_db(response, 40) > 15
    assert presence_db - spectrum_db(response, 8000) > 18
    assert presence_db - spectrum_db(response, 12_000) > 30
