"""What a device is played with for `appliance bench train`: riffs, chords, mutes and single notes, soft to hard.

The strings are those of our capture signal (`capture/plucks.py`), heard by a pickup on a cable; the same seed gives the
same playing on every machine.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from appliance.capture.plucks import RATE_HZ, Pluck, render

Float64 = npt.NDArray[np.float64]

CHORDS = ((0, 7, 12), (0, 7, 12, 16, 19, 24), (0, 7, 12, 15, 19, 24), (0, 5, 7, 12), (0, 7, 10, 16))
PEAK = 0.7  # of the hardest playing
LOUDNESS_RANGE_DB = 24.0
GOLDEN_RATIO = 0.618034
RESONANCE_HZ, RESONANCE_Q = 3500.0, 1.5


def guitar(seconds: float, seed: int) -> npt.NDArray[np.float32]:
    """Phrase after phrase at 48 kHz, [frames] float32, peak about 0.7. Deterministic. May block: 10 s for 180 s."""
    rng = np.random.RandomState(seed)
    frames = round(seconds * RATE_HZ)
    audio = np.zeros(frames + 8 * RATE_HZ)
    start, level = round(0.05 * RATE_HZ), rng.random_sample()
    while start < frames:
        level = (level + GOLDEN_RATIO) % 1.0  # so that even ten seconds hold soft and hard playing in fair shares
        plucks = _phrase(rng)
        lasts_s = max(pluck.at_s for pluck in plucks)
        phrase = render(plucks, lasts_s + 3.0, rng)[: len(audio) - start]
        peak = PEAK * 10 ** (LOUDNESS_RANGE_DB * (level - 1.0) / 20)
        audio[start : start + len(phrase)] += peak / max(1e-9, float(np.abs(phrase).max())) * phrase
        start += round((lasts_s + rng.choice([0.2, 0.5, 1.0])) * RATE_HZ)
    return _picked_up(audio)[:frames].clip(-1, 1).astype(np.float32)


def _phrase(rng: np.random.RandomState) -> list[Pluck]:
    """Three to six notes or chords of one kind of playing."""
    kind = rng.choice(["riff", "strum", "mute", "solo"])
    beat_s = 60 / rng.uniform(70, 180)
    strength = rng.uniform(0.3, 1.0)
    plucks: list[Pluck] = []
    now_s = 0.0
    for _ in range(rng.randint(3, 7)):
        root = rng.randint(52, 77) if kind == "solo" else rng.randint(40, 56)
        length_s = beat_s * float(rng.choice([1, 2, 4] if kind == "strum" else [0.5, 1, 2]))
        chord = CHORDS[rng.randint(len(CHORDS))] if kind == "strum" else (0, 7) if rng.random_sample() < 0.3 else (0,)
        bend = float(rng.choice([0.0, 0.0, 1.0, 2.0])) if kind == "solo" else 0.0
        for index, interval in enumerate(chord):
            held_s = min(length_s * rng.uniform(0.8, 1.3), 3.0)
            at_s = now_s + index * rng.uniform(0.004, 0.02)
            hit = strength * rng.uniform(0.7, 1.0)
            plucks.append(Pluck(at_s, held_s, root + interval, hit, kind == "mute", bend))
        now_s += length_s
    return plucks


def _picked_up(audio: Float64) -> Float64:
    """Through a pickup on a cable: a resonance, and 12 dB per octave less above it."""
    ratio = np.fft.rfftfreq(len(audio), 1 / RATE_HZ) / RESONANCE_HZ
    heard: Float64 = np.fft.irfft(np.fft.rfft(audio) / (1 - ratio**2 + 1j * ratio / RESONANCE_Q), len(audio))
    return heard
