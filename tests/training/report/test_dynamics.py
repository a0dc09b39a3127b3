"""Compression, attack and release against a compressor whose settings are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from appliance.training.report import dynamics, measures

RATE_HZ = 8_000
THRESHOLD_DB, RATIO = -30.0, 4.0


def compressed(
    sine: measures.Float64, level_db: measures.Float64, attack_ms: float, release_ms: float
) -> measures.Float64:
    """Gain in dB glides to its target with two time constants. level_db: of `sine`, known from how it was made."""
    target = -(1.0 - 1.0 / RATIO) * np.maximum(level_db - THRESHOLD_DB, 0.0)
    gain_db = np.empty(len(sine))
    now = target[0]
    attack, release = (1.0 - math.exp(-1e3 / (ms * RATE_HZ)) for ms in (attack_ms, release_ms))
    for frame, wanted in enumerate(target):
        now += (attack if wanted < now else release) * (wanted - now)
        gain_db[frame] = now
    return sine * 10.0 ** (gain_db / 20.0)


def bursts(count: int = 6) -> tuple[measures.Float64, measures.Float64]:
    """A 500 Hz tone, half a second soft and half a second loud in turn, and its peak level in dB."""
    level_db = np.tile(np.repeat([-40.0, -10.0], RATE_HZ // 2), count)
    t = np.arange(len(level_db)) / RATE_HZ
    return 10.0 ** (level_db / 20.0) * np.sin(2 * np.pi * 500 * t), level_db


@pytest.mark.parametrize(("attack_ms", "release_ms"), [(30.0, 120.0), (80.0, 50.0)])
def test_attack_and_release_of_a_compressor_are_read_off(attack_ms: float, release_ms: float) -> None:
    dry, level_db = bursts()
    wet = compressed(dry, level_db, attack_ms, release_ms)
    starts, stops = dynamics.events(dry, RATE_HZ)
    # The last of all has nothing behind it to disturb it; the first is a stop or start only with something before it.
    assert starts == pytest.approx([500 + 1000 * n for n in range(6)], abs=8)
    assert stops == pytest.approx([1000 * n for n in range(1, 6)], abs=8)
    for at_ms, wanted_ms in ((starts, attack_ms), (stops, release_ms)):
        response = dynamics.gain_response(dry, wet, RATE_HZ, at_ms)
        assert response.events == len(at_ms)
        assert response.steady
        assert dynamics.settling_ms(response) == pytest.approx(wanted_ms, rel=0.15)
    ends = dynamics.gain_response(dry, wet, RATE_HZ, starts).gain_db
    assert ends[0] == pytest.approx(0.0, abs=0.7)  # released
    assert ends[-1] == pytest.approx(-15.0, abs=0.5)  # 20 dB above the threshold, 4 : 1


def test_a_plain_gain_has_no_attack_and_a_decaying_note_is_not_called_steady() -> None:
    dry, _ = bursts()
    starts, _ = dynamics.events(dry, RATE_HZ)
    response = dynamics.gain_response(dry, 3.0 * dry, RATE_HZ, starts)
    assert math.isnan(dynamics.settling_ms(response))
    assert response.gain_db[np.isfinite(response.gain_db)] == pytest.approx(9.54, abs=0.01)
    t = np.arange(RATE_HZ) / RATE_HZ
    pluck = np.concatenate((np.zeros(RATE_HZ // 2), np.exp(-4 * t) * np.sin(2 * np.pi * 300 * t)))
    starts, _ = dynamics.events(pluck, RATE_HZ)
    assert len(starts) == 1
    assert not dynamics.gain_response(pluck, pluck, RATE_HZ, starts).steady


def test_without_events_there_is_an_empty_answer() -> None:
    hum = np.full(RATE_HZ, 0.1)
    assert dynamics.events(hum, RATE_HZ) == ([], [])
    response = dynamics.gain_response(hum, hum, RATE_HZ, [])
    assert response.events == 0
    assert np.isnan(response.gain_db).all()
    assert math.isnan(dynamics.gain_difference_db(response, response))


def test_the_compression_curve_has_the_knee_and_the_ratio() -> None:
    level_db = np.linspace(-55.0, 0.0, 20 * RATE_HZ)
    sine = 10.0 ** (level_db / 20.0) * np.sin(2 * np.pi * 500 * np.arange(len(level_db)) / RATE_HZ)
    curve = dynamics.compression_curve(sine, compressed(sine, level_db, 1.0, 1.0), RATE_HZ)
    soft, loud = curve.input_db < THRESHOLD_DB - 6, curve.input_db > THRESHOLD_DB
    assert soft.sum() >= 3
    assert loud.sum() >= 5
    assert curve.output_db[soft] == pytest.approx(curve.input_db[soft], abs=0.5)
    assert np.polyfit(curve.input_db[loud], curve.output_db[loud], 1)[0] == pytest.approx(1 / RATIO, abs=0.02)
    assert (curve.low_db <= curve.output_db).all()
    assert (curve.high_db >= curve.output_db).all()


def test_two_gains_apart_by_two_db_are_told_so() -> None:
    dry, _ = bursts(3)
    starts, _ = dynamics.events(dry, RATE_HZ)
    device, model = (dynamics.gain_response(dry, gain * dry, RATE_HZ, starts) for gain in (1.0, 10 ** (2 / 20)))
    assert dynamics.gain_difference_db(device, model) == pytest.approx(2.0, abs=0.01)
