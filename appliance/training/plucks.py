"""A clean electric guitar made of arithmetic alone: the same seed gives the same plucks and chords on every machine.

Karplus–Strong strings (Karplus & Strong, "Digital Synthesis of Plucked-String and Drum Timbres", Computer Music
Journal 7(2), 1983) with the comb of pick and pickup position (Jaffe & Smith, same issue), played as riffs, strums,
palm mutes and single notes from very soft to hard. `appliance bench train` plays its devices with it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

OPEN_STRINGS = (40, 45, 50, 55, 59, 64)  # MIDI keys of E A D G B E
CHORDS = ((0, 7, 12), (0, 7, 12, 16, 19, 24), (0, 7, 12, 15, 19, 24), (0, 5, 7, 12), (0, 7, 10, 16))
PEAK = 0.7  # of the hardest playing
LOUDNESS_RANGE_DB = 24.0
GOLDEN_RATIO = 0.618034
RESONANCE_HZ, RESONANCE_Q = 3500.0, 1.5


def guitar(seconds: float, seed: int, sample_rate_hz: int = 48_000) -> npt.NDArray[np.float32]:
    """Riffs and chords, [frames] float32, peak about 0.7. Deterministic in its arguments. Takes about 1 s for 100 s."""
    rng = np.random.default_rng(seed)
    frames = round(seconds * sample_rate_hz)
    audio = np.zeros(frames + 4 * sample_rate_hz)
    start, level = 0.05 * sample_rate_hz, rng.random()
    while start < frames:
        level = (level + GOLDEN_RATIO) % 1.0  # so that even ten seconds hold soft and hard playing in fair shares
        start = _phrase(audio, round(start), frames, LOUDNESS_RANGE_DB * (level - 1.0), rng, sample_rate_hz)
    return _picked_up(audio, sample_rate_hz)[:frames].clip(-1, 1).astype(np.float32)


def _phrase(audio: Float64, start: int, end: int, level_db: float, rng: np.random.Generator, rate_hz: int) -> float:
    """Add one phrase of a few seconds, its hardest note at its level; returns where the next begins."""
    peak = PEAK * 10 ** (level_db / 20)
    phrase = np.zeros(len(audio) - start)
    beat = rate_hz * 60 / rng.uniform(70, 180)
    brightness = rng.uniform(0.15, 0.95)
    pickup = rng.uniform(0.06, 0.25)
    kind = rng.choice(["riff", "strum", "mute", "solo"])
    now = 0.0
    for _ in range(int(rng.integers(3, 7))):
        if start + now >= end:
            break
        root = int(rng.integers(40, 56 if kind != "solo" else 77))
        length = beat * rng.choice([0.5, 1, 2] if kind != "strum" else [1, 2, 4])
        intervals = CHORDS[rng.integers(len(CHORDS))] if kind == "strum" else (0, 7) if rng.random() < 0.3 else (0,)
        decay_s = 0.12 if kind == "mute" else rng.uniform(0.6, 3.0)
        for index, interval in enumerate(intervals):
            at = round(now + index * rng.uniform(0.004, 0.02) * rate_hz)
            held = round(min(length * rng.uniform(0.8, 1.3), 3 * rate_hz))
            note = _pluck(root + interval, held, decay_s, brightness * rng.uniform(0.8, 1), pickup, rng, rate_hz)
            phrase[at : at + len(note)] += rng.uniform(0.6, 1) * note[: max(0, len(phrase) - at)]
        now += length
    audio[start:] += peak / max(1e-9, float(np.abs(phrase).max())) * phrase
    return float(start + now + rng.choice([0.0, 0.1, 0.5]) * rate_hz)


def _pluck(
    key: int, frames: int, decay_s: float, brightness: float, pickup: float, rng: np.random.Generator, rate_hz: int
) -> Float64:
    """One string let go, [frames]; ends with a short release so that it doesn't click."""
    period = rate_hz / (440 * 2 ** ((key - 69) / 12))
    size = int(period)
    noise = rng.uniform(-1, 1, size)
    string = _smoothed(noise, 1 - brightness)
    string -= string.mean()
    string -= np.roll(string, max(1, round(pickup * size)))  # the pickup hears the string at one place
    loop_gain = 0.001 ** (period / (decay_s * 2 * rate_hz))
    stretch = 0.5 * (1 - 0.4 * brightness)
    laps = -(-frames // size)
    out = np.empty((laps, size))
    for lap in range(laps):
        out[lap] = string
        string = loop_gain * ((1 - stretch) * string + stretch * np.roll(string, 1))
    note: Float64 = out.reshape(-1)[:frames] / max(1e-9, float(np.abs(out[0]).max()))
    attack, release = min(frames, 24), min(frames, rate_hz // 100)
    note[:attack] *= np.linspace(0, 1, attack)
    note[frames - release :] *= np.linspace(1, 0, release)
    return note


def _picked_up(audio: Float64, rate_hz: int) -> Float64:
    """Through a pickup on a cable: a resonance, and 12 dB per octave less above it."""
    ratio = np.fft.rfftfreq(len(audio), 1 / rate_hz) / RESONANCE_HZ
    heard: Float64 = np.fft.irfft(np.fft.rfft(audio) / (1 - ratio**2 + 1j * ratio / RESONANCE_Q), len(audio))
    return heard


def _smoothed(noise: Float64, amount: float) -> Float64:
    """A softer pick: circular one-pole smoothing, twice."""
    for _ in range(2):
        spectrum = np.fft.rfft(noise)
        turn = np.exp(-2j * np.pi * np.arange(len(spectrum)) / len(noise))
        pole = 0.9 * amount
        noise = np.fft.irfft(spectrum * (1 - pole) / (1 - pole * turn), len(noise))
    return noise
