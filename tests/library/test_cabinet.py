"""Impulse responses: what loads, what is refused, and that another rate doesn't change the sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import BadAudioFile
from appliance.library.cabinet import cabinet_gain_db, prepare_cabinet, read_impulse_response, resample_ir

Float32 = npt.NDArray[np.float32]


def response_db(samples: Float32, rate_hz: int, at_hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    turns = np.exp(-2j * np.pi * np.outer(at_hz / rate_hz, np.arange(len(samples))))
    magnitude: npt.NDArray[np.float64] = np.abs(turns @ samples.astype(np.float64))
    return 20 * np.log10(magnitude)


def some_cabinet(rate_hz: int, seed: int = 1, frames: int = 2000) -> Float32:
    """Noise that dies away, dull like a speaker, loud from its first sample on."""
    rng = np.random.default_rng(seed)
    decay = np.exp(-np.arange(frames) / (0.005 * rate_hz))
    noise = np.convolve(rng.standard_normal(frames), np.ones(6) / 6)[:frames]
    return (noise * decay).astype(np.float32)


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(44_100, 48_000), (96_000, 48_000), (48_000, 44_100), (192_000, 48_000)]
)
def test_a_response_at_another_rate_filters_in_the_same_way(from_hz: int, to_hz: int) -> None:
    original = some_cabinet(from_hz)
    resampled = resample_ir(original, from_hz, to_hz)
    at_hz = np.geomspace(60, 0.4 * min(from_hz, to_hz), 60)
    before, after = response_db(original, from_hz, at_hz), response_db(resampled, to_hz, at_hz)
    audible = before > before.max() - 35  # in a deep notch the same small error is many dB
    np.testing.assert_allclose(after[audible], before[audible], atol=0.25)


def test_a_click_at_once_stays_a_flat_response() -> None:
    click = np.zeros(100, np.float32)
    click[0] = 1.0
    flat = response_db(resample_ir(click, 44_100, 48_000), 48_000, np.geomspace(60, 16_000, 40))
    np.testing.assert_allclose(flat, 0.0, atol=0.5)


def test_resampling_delays_by_half_a_millisecond_at_most() -> None:
    late = np.zeros(2000, np.float32)
    late[441] = 1.0  # 10 ms
    assert int(np.argmax(np.abs(resample_ir(late, 44_100, 48_000)))) == 480
    early = np.zeros(2000, np.float32)
    early[0] = 1.0
    assert int(np.argmax(np.abs(resample_ir(early, 44_100, 48_000)))) <= 24


def test_the_same_rate_changes_nothing() -> None:
    samples = some_cabinet(48_000)
    np.testing.assert_array_equal(resample_ir(samples, 48_000, 48_000), samples)


def test_more_than_a_second_is_cut_with_a_fade() -> None:
    samples = np.ones(100_000, np.float32)
    short = resample_ir(samples, 48_000, 48_000)
    assert len(short) == 48_000
    assert short[46_000] == 1.0
    assert abs(short[-1]) < 1e-6
    assert np.abs(np.diff(short)).max() < 0.01


@given(seed=st.integers(0, 1000), rate_hz=st.sampled_from([8_000, 22_050, 44_101, 96_000]), frames=st.integers(1, 3000))
@settings(max_examples=30, deadline=None)
def test_any_response_becomes_one_that_leaves_the_level_alone(seed: int, rate_hz: int, frames: int) -> None:
    samples = some_cabinet(rate_hz, seed, frames) * np.float32(10.0 ** ((seed % 80 - 40) / 20))
    ready = prepare_cabinet(samples, rate_hz, 48_000)
    assert ready.dtype == np.float32
    assert np.isfinite(ready).all()
    assert abs(cabinet_gain_db(ready, 48_000)) < 0.01


def test_gain_of_known_responses() -> None:
    click = np.array([1.0], np.float32)
    assert cabinet_gain_db(click, 48_000) == pytest.approx(0.0, abs=1e-6)
    assert cabinet_gain_db(click * 10, 44_100) == pytest.approx(20.0, abs=1e-5)


def write(path: Path, audio: npt.NDArray[np.floating], rate_hz: int = 48_000, **options: str) -> Path:
    soundfile.write(path, audio, rate_hz, **options)
    return path


def test_mono_and_stereo_wav_and_flac_load(tmp_path: Path) -> None:
    mono = some_cabinet(48_000) * 0.1
    samples, rate_hz, channels = read_impulse_response(write(tmp_path / "a.wav", mono, subtype="FLOAT"))
    assert (rate_hz, channels) == (48_000, 1)
    np.testing.assert_array_equal(samples, mono)
    stereo = np.stack([mono, mono * 0.5], axis=1)
    samples, rate_hz, channels = read_impulse_response(write(tmp_path / "b.flac", stereo, 44_100, subtype="PCM_24"))
    assert (rate_hz, channels) == (44_100, 2)
    np.testing.assert_allclose(samples, mono * 0.75, atol=1e-6)


def test_sides_that_cancel_each_other_do_not_become_silence(tmp_path: Path) -> None:
    mono = some_cabinet(48_000) * 0.1
    path = write(tmp_path / "out-of-phase.wav", np.stack([mono, -mono], axis=1), subtype="FLOAT")
    np.testing.assert_array_equal(read_impulse_response(path)[0], mono)


@pytest.mark.parametrize(
    ("audio", "rate_hz", "words"),
    [
        (np.zeros(0), 48_000, "no audio"),
        (np.zeros(500), 48_000, "silent"),
        (np.array([0.5, np.nan]), 48_000, "not numbers"),
        (np.ones((50, 3)), 48_000, "3 channels"),
        (np.ones(50), 4_000, "4000 Hz"),
        (np.ones((1 << 20) + 1), 48_000, "22 s long"),
    ],
)
def test_what_is_no_impulse_response_is_refused_in_words(
    tmp_path: Path, audio: npt.NDArray[np.floating], rate_hz: int, words: str
) -> None:
    with pytest.raises(BadAudioFile, match=words) as caught:
        read_impulse_response(write(tmp_path / "bad.wav", audio, rate_hz, subtype="FLOAT"), "My Cab.wav")
    assert str(caught.value).startswith("My Cab.wav ")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(keep=st.integers(0, 2000), at=st.integers(0, 2000), byte=st.integers(0, 255))
def test_damaged_files_are_read_or_refused_never_a_crash(tmp_path: Path, keep: int, at: int, byte: int) -> None:
    path = write(tmp_path / "x.wav", some_cabinet(48_000, frames=900) * 0.1)
    data = bytearray(path.read_bytes())
    data[at % min(len(data), 60)] = byte  # the header is where it matters
    path.write_bytes(data[: keep or None])
    try:
        samples, _, _ = read_impulse_response(path)
    except BadAudioFile:
        return
    assert np.isfinite(samples).all()


def test_files_of_the_field_load(shared_data: Path) -> None:
    files = sorted((shared_data / "irs").glob("*.wav"))
    assert files
    for path in files:
        samples, rate_hz, channels = read_impulse_response(path)
        assert (rate_hz, channels) == (44_100, 2)
        ready = prepare_cabinet(samples, rate_hz, 48_000)
        at_hz = np.geomspace(80, 15_000, 50)
        change = response_db(ready, 48_000, at_hz) - response_db(samples, rate_hz, at_hz)
        loud = response_db(samples, rate_hz, at_hz) > response_db(samples, rate_hz, at_hz).max() - 40
        assert np.ptp(change[loud]) < 0.5  # only the level changed
