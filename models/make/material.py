"""What the factory models hear in training: guitar in every register and loudness, then sounds no guitar makes.

Guitar is rendered by `guitar.py` from phrases drawn at random (seeded); the rest are sweeps and noise bursts at many
levels and a stretch of near silence, so that a model stays tame whatever is plugged in.
"""

from __future__ import annotations

import guitar
import numpy as np
import numpy.typing as npt
from guitar import Note, strum
from scipy import signal

Audio = npt.NDArray[np.float64]

RATE_HZ = guitar.SAMPLE_RATE_HZ
PROGRAMS = (26, 27, 28)  # jazz, clean, muted
HISS_DB = -80.0
SCALE = (0, 2, 3, 5, 7, 8, 10)  # natural minor


def _phrase(rng: np.random.Generator, start_beat: float) -> list[Note]:
    """Four beats: single notes, double stops or chords, in a random key, register and dynamic."""
    root, velocity = 40 + int(rng.integers(0, 24)), int(rng.integers(35, 122))
    scale = [root + octave + step for octave in (0, 12) for step in SCALE if root + octave + step <= 86]
    beats = float(rng.choice([0.5, 0.5, 1.0, 2.0]))
    notes: list[Note] = []
    for i in range(int(4 / beats)):
        at, loud = start_beat + i * beats, int(np.clip(velocity + rng.integers(-12, 12), 1, 127))
        low = int(rng.integers(0, max(1, len(scale) - 5)))
        kind = rng.choice(["single", "single", "double", "power", "chord"])
        keys = {
            "single": scale[low : low + 1],
            "double": scale[low : low + 3 : 2],
            "power": [scale[0], scale[0] + 7, scale[0] + 12],
            "chord": [scale[0] + step for step in (0, 7, 12, 15, 19)],
        }[str(kind)]
        notes += strum(at, beats * rng.uniform(0.6, 1.0), keys, loud)
    return notes


def guitar_phrases(seed: int, seconds: float, programs: tuple[int, ...] = PROGRAMS) -> Audio:
    """Random phrases; each second scaled to a peak between -18 and 0 dBFS, cross-faded."""
    rng = np.random.default_rng(seed)
    share = seconds / len(programs)
    parts = []
    for program in programs:
        beats_per_minute = float(rng.uniform(90, 150))
        phrases = int(share * beats_per_minute / 60 / 4) + 1
        notes = [note for i in range(phrases) for note in _phrase(rng, 4 * i)]
        audio = guitar.render(notes, beats_per_minute=beats_per_minute, program=program)[: int(share * RATE_HZ)]
        step = RATE_HZ  # one second
        stretches = range(0, len(audio), step)
        gains = []
        for at in stretches:
            peak = max(np.abs(audio[at : at + step]).max(), 0.02)
            gains.append(10 ** (rng.uniform(-18, 0) / 20) / peak)
        points = [at + step / 2 for at in stretches]
        envelope = np.exp(np.interp(np.arange(len(audio)), points, np.log(gains)))
        parts.append(np.clip(audio * envelope, -1, 1))
    return np.concatenate(parts) + _hiss(rng, sum(map(len, parts)))


def _hiss(rng: np.random.Generator, frames: int) -> Audio:
    return rng.normal(size=frames) * 10 ** (HISS_DB / 20)


def other_sounds(seed: int) -> Audio:
    """12 s: log sweeps, noise bursts, near silence."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    fade = signal.windows.tukey(len(time_s), 0.05)
    parts = [
        signal.chirp(time_s, 20, 2, 12_000, "logarithmic", phi=-90) * fade * 10 ** (level_db / 20)
        for level_db in (-1, -15, -35)
    ]
    bursts = rng.normal(size=4 * RATE_HZ)
    low_pass = signal.butter(1, 2500, fs=RATE_HZ)
    levels_db = np.repeat(rng.uniform(-60, -10, size=32), RATE_HZ // 8)
    parts.append(np.clip(signal.lfilter(*low_pass, bursts) * 10 ** (levels_db / 20) * 3, -1, 1))
    parts.append(_hiss(rng, 2 * RATE_HZ))
    return np.concatenate(parts)
