"""The delay that is left once what the device's filters do is taken out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from appliance.capture.response import linear_response, minimum_phase, pure_delay, whitened_lags
from tests.capture.devices import RATE_HZ, Float32, delayed, guitar, noisy


def filtered(audio: Float32, low_hz: float, high_hz: float, order: int) -> Float32:
    """Through minimum-phase filters, as an amp's coupling and its loudspeaker."""
    lows = sosfilt(butter(1, low_hz, "high", fs=RATE_HZ, output="sos"), audio)
    return sosfilt(butter(order, high_hz, fs=RATE_HZ, output="sos"), lows).astype(np.float32)


def test_minimum_phase_is_told_from_the_magnitude_alone() -> None:
    impulse = np.zeros(1 << 14, np.float32)
    impulse[0] = 1.0
    truth = np.fft.rfft(sosfilt(butter(2, 6000.0, fs=RATE_HZ, output="sos"), impulse))
    made = minimum_phase(np.log(np.abs(truth) + 1e-9))
    heard = slice(20, 5000)
    assert np.abs(np.angle(made[heard] / truth[heard])).max() < 0.05
    late = truth * np.exp(-2j * np.pi * np.arange(len(truth)) * 40 / len(impulse))
    np.testing.assert_allclose(minimum_phase(np.log(np.abs(late) + 1e-9)), made, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("high_hz", "order"), [(12_000.0, 1), (6000.0, 2), (5000.0, 3), (4000.0, 4)])
@pytest.mark.parametrize("delay", [-37, 150])
def test_a_filter_adds_no_delay(high_hz: float, order: int, delay: int) -> None:
    wet = delayed(noisy(filtered(guitar(), 90.0, high_hz, order), 50), delay)
    frames, sign, _ = pure_delay(guitar(), -wet)
    assert -1.5 <= frames - delay <= 1.5
    assert sign == -1


def test_half_a_frame_is_seen() -> None:
    spectrum = np.fft.rfft(guitar())
    turn = np.exp(-1j * np.pi * np.arange(len(spectrum)) / (len(spectrum) - 1) * 5.5)
    frames, _, _ = pure_delay(guitar(), np.fft.irfft(spectrum * turn, len(guitar())).astype(np.float32))
    assert frames == pytest.approx(5.5, abs=0.25)


def test_noise_is_told_from_a_response() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, len(guitar())).astype(np.float32)
    _, strange = linear_response(whitened_lags(guitar(), noise), 0)
    _, known = linear_response(whitened_lags(guitar(), guitar()), 0)
    assert np.median(strange) < 0.5
    assert np.median(known) > 5.0


def test_silence_at_the_start_does_not_count() -> None:
    wet = filtered(guitar(), 90.0, 6000.0, 2)
    wet[: 4 * RATE_HZ] = 0.0
    frames, sign, snr = pure_delay(guitar(), wet)
    assert -1.5 <= frames <= 1.5
    assert sign == 1
    assert snr > 3.0
