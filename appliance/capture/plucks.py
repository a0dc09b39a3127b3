"""Plucked strings by Karplus and Strong (Computer Music Journal 7(2), 1983): the guitar in our capture signal.

Nothing but sums and products of seeded random numbers, so every machine makes the same strings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

RATE_HZ = 48_000
A4_KEY, A4_HZ = 69, 440.0
_RELEASE_S = 0.02
_ATTACK_S = 0.0005


@dataclass(frozen=True)
class Pluck:
    """One string, struck once. Key 40 is the low E string; strength 0…1 also makes it brighter.

    is_muted: the palm lies on the bridge. bend_semitones: reached after a third of its time.
    """

    at_s: float
    seconds: float
    key: float
    strength: float
    is_muted: bool = False
    bend_semitones: float = 0.0


def render(plucks: list[Pluck], seconds: float, rng: np.random.RandomState) -> Float64:
    """All of them, summed; mono at RATE_HZ, not normalised. May block (a few ms a string)."""
    mix = np.zeros(round(seconds * RATE_HZ))
    for pluck in plucks:
        start = round(pluck.at_s * RATE_HZ)
        sound = string(pluck, rng)[: max(0, len(mix) - start)]
        mix[start : start + len(sound)] += sound
    return mix


def string(pluck: Pluck, rng: np.random.RandomState) -> Float64:
    """One pluck, from its first frame to the end of its release."""
    frames = round(pluck.seconds * RATE_HZ)
    hz = A4_HZ * 2.0 ** ((pluck.key - A4_KEY) / 12.0)
    period = round(RATE_HZ / hz)
    speed = _speed(pluck, frames, hz * (period + 0.5) / RATE_HZ)
    read_at = np.cumsum(speed) - speed[0]
    loop = _loop(_excitation(period, pluck.strength, rng), int(read_at[-1]) + 2, period, pluck.is_muted)
    sound: Float64 = np.interp(read_at, np.arange(len(loop)), loop)
    release = min(frames, round(_RELEASE_S * RATE_HZ))
    sound[frames - release :] *= np.linspace(1.0, 0.0, release)
    attack = min(frames, round(_ATTACK_S * RATE_HZ))
    sound[:attack] *= np.linspace(0.0, 1.0, attack)
    return sound * pluck.strength


def _speed(pluck: Pluck, frames: int, in_tune: float) -> Float64:
    """How fast the loop is read: tunes it, and bends it."""
    if not pluck.bend_semitones:
        return np.full(frames, in_tune)
    rise = np.clip(np.arange(frames) / max(1.0, frames / 3.0), 0.0, 1.0)
    bent: Float64 = in_tune * 2.0 ** (pluck.bend_semitones * rise / 12.0)
    return bent


def _excitation(period: int, strength: float, rng: np.random.RandomState) -> Float64:
    """One period of noise, plucked at a seventh of the string and softened: the harder, the brighter."""
    noise = rng.uniform(-1.0, 1.0, period)
    noise = noise - np.roll(noise, max(1, period // 7))
    width = 1 + round((1.0 - strength) * 8) + period // 20
    kernel = np.convolve(np.ones(width), np.ones(1 + width // 3))
    soft = np.convolve(np.tile(noise, 2), kernel)[period : 2 * period]
    soft -= soft.mean()
    return soft / max(float(np.abs(soft).max()), 1e-9)


def _loop(excitation: Float64, frames: int, period: int, is_muted: bool) -> Float64:
    """The string: each period is the one before it, delayed half a frame more, a little weaker and duller."""
    t60_s = 0.15 if is_muted else 4.0
    keep = 10.0 ** (-3.0 * (period + 0.5) / RATE_HZ / t60_s)
    rows = frames // period + 1
    out = np.empty((rows, period))
    out[0] = excitation
    last = excitation[-1]
    for row in range(1, rows):
        before = out[row - 1]
        shifted = np.concatenate(([last], before[:-1]))
        last = before[-1]
        out[row] = keep * 0.5 * (before + shifted)
    return out.ravel()[:frames]
