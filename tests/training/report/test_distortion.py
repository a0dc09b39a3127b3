"""Transfer curves, harmonics and spectra of waveshapers that can be calculated."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.training.report import distortion, sweeps
from appliance.training.report.measures import Float64

RATE_HZ = 48_000


def test_the_transfer_curve_of_a_waveshaper_is_the_waveshaper() -> None:
    dry = 0.3 * np.random.default_rng(0).standard_normal(100_000)
    curve = distortion.transfer_curve(dry, np.tanh(3.0 * dry))
    assert len(curve.input) > 30
    assert curve.output == pytest.approx(np.tanh(3.0 * curve.input), abs=0.02)
    spread = distortion.transfer_curve(dry, np.roll(np.tanh(3.0 * dry), 1))  # all memory: nothing to be told
    assert (spread.high - spread.low).min() > 1.0


def test_harmonics_of_a_polynomial_are_those_of_trigonometry() -> None:
    def play(audio: distortion.npt.NDArray[np.float32]) -> distortion.npt.NDArray[np.float32]:
        return (audio + 0.2 * audio**2 + 0.1 * audio**3).astype(np.float32)

    found = distortion.sine_harmonics(play, RATE_HZ, levels_db=(-20.0, 0.0))
    for row, amplitude in enumerate((0.1, 1.0)):
        fundamental = amplitude + 0.1 * 0.75 * amplitude**3
        wanted = [0.2 * amplitude**2 / 2, 0.1 * amplitude**3 / 4]
        assert found.gain_db[row] == pytest.approx(20 * np.log10(fundamental / amplitude), abs=0.01)
        assert found.harmonics_db[row, :2] == pytest.approx(20 * np.log10(np.array(wanted) / fundamental), abs=0.1)
        assert found.total_db[row] == pytest.approx(20 * np.log10(np.hypot(*wanted) / fundamental), abs=0.1)
    assert (found.harmonics_db[:, 2:] < -80).all()


def test_a_sine_through_a_delay_draws_a_loop_and_through_a_gain_a_line() -> None:
    (_, sent, heard), *_ = distortion.sine_transfer(lambda audio: 2.0 * audio, RATE_HZ, levels_db=(-6.0,))
    assert heard == pytest.approx(2.0 * sent)
    assert np.abs(sent).max() == pytest.approx(10 ** (-6 / 20), rel=1e-3)
    (_, sent, heard), *_ = distortion.sine_transfer(lambda audio: np.roll(audio, 50), RATE_HZ, levels_db=(-6.0,))
    assert np.abs(heard - sent).max() > 0.2


def test_parts_of_a_take_by_level_and_their_spectra() -> None:
    frames = RATE_HZ // 2
    t = np.arange(frames) / RATE_HZ
    sine = np.sin(2 * np.pi * 1000 * t)
    dry = np.concatenate([level * sine for level in (0.01, 0.1, 1.0)] + [np.zeros(frames)])
    masks, levels_db = distortion.level_masks(dry, RATE_HZ)
    assert levels_db == pytest.approx([-43.0, -23.0, -3.0], abs=0.2)
    assert not any(mask[3 * frames :].any() for mask in masks)
    for mask, level_db in zip(masks, (-40.0, -20.0, 0.0), strict=True):
        centres, bands_db = distortion.third_octave_db(dry, mask, RATE_HZ)
        at = int(np.argmin(np.abs(centres - 1000)))
        assert bands_db[at] == pytest.approx(level_db, abs=0.3)
        assert np.delete(bands_db, [at - 1, at, at + 1]).max() < level_db - 40
    assert distortion.level_masks(np.zeros(RATE_HZ), RATE_HZ) == ([], [])


def sweep(seconds: float, first_hz: float, last_hz: float, amplitude: float) -> Float64:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    efold = seconds / np.log(last_hz / first_hz)
    made = amplitude * np.sin(2 * np.pi * first_hz * efold * (np.exp(t / efold) - 1.0))
    fade = np.minimum(1.0, np.minimum(np.arange(len(t)), np.arange(len(t))[::-1]) / 240)
    return np.asarray(made * fade)


@pytest.mark.parametrize("seconds", [2.0, 6.0])
def test_a_sweep_is_found_among_other_sounds_and_gives_the_harmonics(seconds: float) -> None:
    rng = np.random.default_rng(0)
    noise, rest = 0.2 * rng.standard_normal(RATE_HZ), np.zeros(RATE_HZ // 2)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE_HZ) / RATE_HZ)
    amplitude = 0.5
    dry = np.concatenate((noise, rest, sweep(seconds, 20, 20_000, amplitude), rest, tone, rest))
    (found,) = sweeps.find_sweeps(dry, RATE_HZ)
    assert found.seconds_per_efold == pytest.approx(seconds / np.log(1000), rel=0.02)
    assert RATE_HZ < found.first < 1.5 * RATE_HZ + 0.4 * seconds * RATE_HZ
    assert found.last == pytest.approx((1.5 + seconds) * RATE_HZ, abs=0.05 * RATE_HZ)
    wet = 2.0 * (dry + 0.3 * dry**2 + 0.2 * dry**3)
    told = sweeps.sweep_harmonics(dry, wet, found, RATE_HZ)
    fundamental = amplitude + 0.2 * 0.75 * amplitude**3
    middle = (told.frequencies_hz > 200) & (told.frequencies_hz < 4000)
    assert told.gain_db[middle] == pytest.approx(20 * np.log10(2.0 * fundamental / amplitude), abs=0.3)
    wanted = 20 * np.log10(np.array([0.3 * amplitude**2 / 2, 0.2 * amplitude**3 / 4]) / fundamental)
    assert told.harmonics_db[0, middle] == pytest.approx(wanted[0], abs=0.7)
    assert told.harmonics_db[1, middle] == pytest.approx(wanted[1], abs=0.7)
    assert np.nanmax(told.harmonics_db[2:, middle]) < -50
    assert np.isnan(told.harmonics_db[0, -1])  # twice that is beyond the sweep


def test_sweeps_one_after_the_other_are_told_apart_loudest_first() -> None:
    dry = np.concatenate([sweep(2.0, 20, 16_000, level) for level in (0.02, 0.9, 0.12)])
    found = sweeps.find_sweeps(dry, RATE_HZ)
    assert [one.peak_db for one in found] == pytest.approx([-0.9, -18.4, -34.0], abs=0.1)
    assert [one.last / RATE_HZ for one in found] == pytest.approx([4.0, 6.0, 2.0], abs=0.05)


def test_guitar_noise_and_steady_tones_are_no_sweep() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(3 * RATE_HZ) / RATE_HZ
    falling = sweep(3.0, 20, 20_000, 0.5)[::-1]
    for audio in (rng.standard_normal(3 * RATE_HZ), np.sin(2 * np.pi * 200 * t), falling, np.zeros(3 * RATE_HZ)):
        assert sweeps.find_sweeps(audio, RATE_HZ) == []
