"""Errors and levels against signals whose figures are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.training.report import measures

RATE_HZ = 48_000


def noise(seed: int, frames: int = 4800, level: float = 0.1) -> measures.Float64:
    return level * np.random.default_rng(seed).standard_normal(frames)


@settings(max_examples=30, deadline=None)
@given(st.floats(-1.5, 1.5), st.integers(0, 100))
def test_a_scaled_copy_has_the_esr_of_its_scale_pre_emphasised_or_not(scale: float, seed: int) -> None:
    device = noise(seed)
    assert measures.esr(device, scale * device) == pytest.approx((1 - scale) ** 2)
    assert measures.esr_over([(device, scale * device)], 0.95) == pytest.approx((1 - scale) ** 2)


def test_pre_emphasis_weighs_highs_as_its_formula_says() -> None:
    t = np.arange(RATE_HZ) / RATE_HZ
    device = np.sin(2 * np.pi * 100 * t)
    for frequency_hz in (50, 5000):
        wrong = 0.1 * np.sin(2 * np.pi * frequency_hz * t)
        gain = {hz: abs(1 - 0.95 * np.exp(-2j * np.pi * hz / RATE_HZ)) ** 2 for hz in (100, frequency_hz)}
        assert measures.esr_over([(device, device + wrong)], 0.95) == pytest.approx(
            0.01 * gain[frequency_hz] / gain[100], rel=0.01
        )


def test_several_passages_count_by_their_energy() -> None:
    loud, soft = noise(1, level=1.0), noise(2, level=0.01)
    spans = [(loud, loud), (soft, 0 * soft)]
    energies = [float(np.sum(np.square(audio))) for audio in (loud, soft)]
    assert measures.esr_over(spans) == pytest.approx(energies[1] / sum(energies))


def test_nothing_is_said_of_silence() -> None:
    assert math.isnan(measures.esr(np.zeros(10), np.ones(10)))
    windows = measures.short_time_error(np.zeros(100), np.ones(100), 10)
    assert np.isnan(windows.esr).all()
    assert measures.worst_and_median(windows) is None


def test_the_worst_and_the_median_window_are_found_and_quiet_ones_left_out() -> None:
    device = np.concatenate([noise(seed, 100, 1.0) for seed in range(5)] + [noise(5, 100, 1e-4)])
    scales = np.repeat([0.9, 0.7, 0.99, 0.8, 0.95, -5.0], 100)
    windows = measures.short_time_error(device, scales * device, 100)
    assert windows.esr[:5] == pytest.approx([0.01, 0.09, 0.0001, 0.04, 0.0025])
    assert np.isnan(windows.esr[5])
    assert measures.worst_and_median(windows) == (1, 0)


def test_a_moving_level_is_that_of_a_sine_and_follows_a_step() -> None:
    sine = np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ)
    sine[RATE_HZ // 2 :] *= 0.1
    level = measures.moving_level_db(sine, 480, 48)
    assert level[200] == pytest.approx(-3.01, abs=0.01)
    assert level[800] == pytest.approx(-23.01, abs=0.01)
    assert np.flatnonzero(level < -13)[5] == pytest.approx(500, abs=10)


def test_a_spectrogram_shows_a_sine_at_its_level_place_and_time() -> None:
    audio = np.zeros(2 * RATE_HZ)
    audio[RATE_HZ:] = 0.1 * np.sin(2 * np.pi * 3000 * np.arange(RATE_HZ) / RATE_HZ)
    seen = measures.spectrogram(audio, RATE_HZ)
    row = int(np.argmin(np.abs(seen.frequencies_hz - 3000)))
    late, early = seen.times_s > 1.1, seen.times_s < 0.9
    assert seen.level_db[row, late] == pytest.approx(-20.0, abs=0.2)
    assert seen.level_db[:, early].max() == measures.FLOOR_DB
    assert np.argmax(seen.level_db[:, late].mean(axis=1)) == row


@settings(max_examples=25, deadline=None)
@given(st.integers(-900, 900), st.booleans())
def test_a_delay_is_found_to_the_frame_whatever_the_polarity(late: int, inverted: bool) -> None:
    audio = noise(7, 6000)
    other = np.roll(audio, late)
    assert measures.lag_frames(audio, -other if inverted else other, 1000) == late
