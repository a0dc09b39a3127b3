"""Loudness by the standard: its own check, its own coefficients, its gates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import signal

from appliance.library.loudness_bs1770 import filters, k_weighted, loudness_lufs


def sine(hz: float, rate_hz: int, seconds: float = 3.0, peak: float = 1.0) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
def test_a_sine_of_997_hz_at_full_scale_reads_minus_3_01(rate_hz: int) -> None:
    assert loudness_lufs(sine(997.0, rate_hz), rate_hz) == pytest.approx(-3.01, abs=0.01)
    assert loudness_lufs(sine(997.0, rate_hz, peak=0.1), rate_hz) == pytest.approx(-23.01, abs=0.01)


def test_at_48_khz_the_filters_are_the_standards_own() -> None:
    """Tables 1 and 2 of ITU-R BS.1770-4."""
    shelf, high_pass = filters(48_000)
    np.testing.assert_allclose(shelf[0], [1.53512485958697, -2.69169618940638, 1.19839281085285], atol=1e-9)
    np.testing.assert_allclose(shelf[1], [1.0, -1.69065929318241, 0.73248077421585], atol=1e-9)
    np.testing.assert_allclose(high_pass[0], [1.0, -2.0, 1.0], atol=0)
    np.testing.assert_allclose(high_pass[1], [1.0, -1.99004745483398, 0.99007225036621], atol=1e-9)


def test_filtering_by_the_spectrum_is_filtering() -> None:
    noise = np.random.default_rng(1).standard_normal(30_000).astype(np.float32)
    expected = noise.astype(np.float64)
    for ahead, back in filters(48_000):
        expected = signal.lfilter(ahead, back, expected)
    np.testing.assert_allclose(k_weighted(noise, 48_000), expected, atol=1e-6)


def test_pauses_are_left_out_and_quiet_passages_count_less() -> None:
    loud, silence = sine(997.0, 48_000), np.zeros(5 * 48_000, np.float32)
    whole = loudness_lufs(np.concatenate([loud, silence]), 48_000)
    assert whole == pytest.approx(loudness_lufs(loud, 48_000), abs=0.25)  # blocks across the edge remain
    assert loudness_lufs(np.concatenate([loud, 0.01 * loud]), 48_000) == pytest.approx(whole, abs=0.1)


def test_silence_and_too_little_have_no_loudness() -> None:
    assert loudness_lufs(np.zeros(96_000, np.float32), 48_000) == -math.inf
    assert loudness_lufs(sine(997.0, 48_000, seconds=0.39), 48_000) == -math.inf
