"""What can be wrong with a take, once it is aligned: silence, clipping, hum, a moved knob, files the wrong way round.

Each check returns figures; the words are made where the take's name is known (`take.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.capture.layout import Layout, frames_of
from appliance.capture.recording import decibel, rms

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

QUIET_DB = -75.0  # of the dry file's peak: nothing is played
_MIN_QUIET_S = 0.3
_RING_OUT_S = 0.5
_HUM_HZ = (50.0, 60.0)
_HUM_HARMONICS = 8
_HUM_SHARE = 0.5
_LEVEL_FRAMES = 2400
_LEVEL_RANGE_DB = 35.0


@dataclass(frozen=True)
class Noise:
    """What the device makes while nothing is played. level_db: RMS against the RMS of its loud parts.

    offset: the mean (DC). hum_hz: the mains frequency if most of the noise is hum, else None.
    """

    level_db: float
    offset: float
    hum_hz: float | None


def quiet_spans(dry: Float32, rate_hz: int, layout: Layout | None) -> tuple[tuple[int, int], ...]:
    """Spans of frames in which nothing is played and what was played has rung out."""
    if layout is not None:
        return tuple(frames_of(span, rate_hz) for span in layout.quiet)
    peak = float(np.abs(dry).max(initial=0.0))
    loud = np.flatnonzero(np.abs(dry) > peak * 10 ** (QUIET_DB / 20))
    ring_out, shortest = round(_RING_OUT_S * rate_hz), round(_MIN_QUIET_S * rate_hz)
    edges = np.concatenate(([-ring_out], loud, [len(dry)]))
    gaps = np.flatnonzero(np.diff(edges) > ring_out + shortest)
    return tuple((int(edges[gap]) + ring_out, int(edges[gap + 1])) for gap in gaps)


def measure_noise(wet: Float32, spans: tuple[tuple[int, int], ...], rate_hz: int) -> Noise | None:
    """Noise of aligned wet audio in the quiet spans; None without any."""
    parts = [wet[first:last].astype(np.float64) for first, last in spans if last <= len(wet) and last > first]
    if not parts:
        return None
    longest = max(parts, key=len)
    offset = float(np.mean(np.concatenate(parts)))
    level = float(np.sqrt(np.mean((longest - longest.mean()) ** 2)))
    loud = float(np.percentile(_levels(wet - np.float32(offset)), 90))
    return Noise(decibel(level / max(loud, 1e-10)), offset, _hum_hz(longest, rate_hz))


def repeat_error(wet: Float32, layout: Layout, rate_hz: int, first_frame: int = 0) -> float | None:
    """ESR between the two answers to the passage that is played twice; None if the file does not reach that far.

    The best of one frame either way counts, for a drift that is too small to be taken out. first_frame: what lies
    before it was not recorded.
    """
    (a, b), (c, d) = (frames_of(span, rate_hz) for span in layout.repeat)
    late = max(0, first_frame - a)
    a, c = a + late, c + late
    frames = min(b - a, d - c) - 1
    if c + frames + 1 > len(wet):
        return None
    first = wet[a + 1 : a + frames].astype(np.float64)
    power = float(np.sum(first**2)) + 1e-20
    errors = [float(np.sum((wet[c + 1 + s : c + frames + s] - first) ** 2)) / power for s in (-1, 0, 1)]
    return min(errors)


@dataclass(frozen=True)
class Order:
    """How wet compares with dry: spread of its levels (in dB, as a ratio) and crest factor (difference in dB).

    An amp that distorts makes both smaller; if both grow, wet is more likely what went in.
    """

    spread: float
    crest_db: float


def compare_order(dry: Float32, wet: Float32) -> Order:
    """Of aligned files of the same length."""
    dry_db, wet_db = (20 * np.log10(_levels(part) + 1e-9) for part in (dry, wet - wet.mean()))
    heard = (dry_db > dry_db.max() - _LEVEL_RANGE_DB) & (wet_db > wet_db.max() - _LEVEL_RANGE_DB)
    if heard.sum() < 20:
        return Order(1.0, 0.0)
    spread = float(np.std(wet_db[heard]) / max(float(np.std(dry_db[heard])), 1e-6))
    return Order(spread, _crest_db(wet) - _crest_db(dry))


def _crest_db(audio: Float32) -> float:
    return decibel(float(np.percentile(np.abs(audio), 99.99)) / max(rms(audio), 1e-10))


def _levels(audio: Float32) -> Float64:
    """RMS in steps of 50 ms at 48 kHz."""
    if len(audio) < _LEVEL_FRAMES:
        return np.array([rms(audio)])
    steps = audio[: len(audio) // _LEVEL_FRAMES * _LEVEL_FRAMES].reshape(-1, _LEVEL_FRAMES)
    levels: Float64 = np.sqrt(np.mean(steps.astype(np.float64) ** 2, axis=1))
    return levels


def _hum_hz(noise: Float64, rate_hz: int) -> float | None:
    """50 or 60 if most of the noise's power lies within 3 Hz of its multiples."""
    if len(noise) < rate_hz // 4:
        return None
    power = np.abs(np.fft.rfft((noise - noise.mean()) * np.hanning(len(noise)))) ** 2
    hz = np.fft.rfftfreq(len(noise), 1 / rate_hz)
    total = float(power.sum()) or 1.0
    shares = {}
    for mains_hz in _HUM_HZ:
        nearest = np.round(hz / mains_hz)
        on_line = (np.abs(hz - nearest * mains_hz) <= 3.0) & (nearest >= 1) & (nearest <= _HUM_HARMONICS)
        shares[mains_hz] = float(power[on_line].sum()) / total
    best = max(shares, key=lambda mains_hz: shares[mains_hz])
    return best if shares[best] > _HUM_SHARE else None
