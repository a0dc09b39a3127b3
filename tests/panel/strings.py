"""Plucked strings as they are hard to tune: stiff, with strong partials, picked near the bridge or in the middle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SILENCE_S = 0.25  # before the pluck


def pluck(
    f0_hz: float,
    *,
    stiffness: float = 1e-4,
    tilt: float = 1.0,
    picked_at: float = 0.13,
    fundamental: float = 1.0,
    second: float = 1.0,
    seconds: float = 0.9,
    rate_hz: int = 48_000,
    seed: int = 1,
) -> npt.NDArray[np.float32]:
    """A string of `f0_hz` without its stiffness: partial n at n f0 sqrt(1 + stiffness n²). Silence comes before it."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    sound = np.zeros(len(time_s))
    for number in range(1, 40):
        partial_hz = number * f0_hz * np.sqrt(1 + stiffness * number**2)
        if partial_hz > 0.35 * rate_hz:
            break
        level = np.sin(np.pi * number * picked_at) / number**tilt
        level *= {1: fundamental, 2: second}.get(number, 1.0)
        phase = rng.uniform(0, 2 * np.pi)
        sound += level * np.exp(-time_s * (1.5 + 0.3 * number)) * np.sin(2 * np.pi * partial_hz * time_s + phase)
    sound *= 0.2 / np.abs(sound).max()
    attack = rate_hz // 500
    sound[:attack] *= np.linspace(0, 1, attack)
    whole = np.concatenate([np.zeros(int(SILENCE_S * rate_hz)), sound])
    return (whole + 1e-4 * rng.standard_normal(len(whole))).astype(np.float32)


def first_partial_hz(f0_hz: float, stiffness: float) -> float:
    """What a tuner is to show."""
    return float(f0_hz * np.sqrt(1 + stiffness))
