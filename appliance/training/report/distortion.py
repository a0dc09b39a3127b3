"""What a device adds to a sound: transfer curves, harmonics of sines, spectra by level. Pure numpy.

Two kinds of measurement, never mixed up in the report: *sines* can only be sent through a model; what a real device did
is read off the *take*, which holds no steady sines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.training.report.measures import Audio, Float64, to_db, window_levels_db

Play = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]

HARMONICS = (2, 3, 4, 5)
SINE_HZ = 220
LEVELS_DB = tuple(float(level) for level in range(-48, 1, 6))
TRANSFER_HZ = 110
TRANSFER_LEVELS_DB = (-30.0, -18.0, -6.0)
_SETTLE_S, _HEARD_S = 0.5, 0.5
_WINDOW_MS = 50.0
_FEWEST = 40  # samples in a bin of a transfer curve


@dataclass(frozen=True)
class TransferCurve:
    """Output sample for each input sample: median, and where the middle 80 % lie (what memory spreads). All [bins]."""

    input: Float64
    output: Float64
    low: Float64
    high: Float64


def transfer_curve(dry: Audio, wet: Audio, bins: int = 41) -> TransferCurve:
    """Bins of equal width over ± the 99.9th percentile of the input; bins with few samples are left out."""
    most = float(np.percentile(np.abs(dry), 99.9)) if len(dry) else 0.0
    if most <= 0.0:
        return TransferCurve(*(np.empty(0),) * 4)
    edges = np.linspace(-most, most, bins + 1)
    which = np.digitize(dry, edges) - 1
    order = np.argsort(which, kind="stable")
    limits = np.searchsorted(which[order], np.arange(bins + 1))
    rows = []
    for index in range(bins):
        inside = np.asarray(wet)[order[limits[index] : limits[index + 1]]]
        if len(inside) >= _FEWEST:
            rows.append(((edges[index] + edges[index + 1]) / 2.0, *np.percentile(inside, [50, 10, 90])))
    table = np.array(rows, np.float64).reshape(-1, 4)
    return TransferCurve(table[:, 0], table[:, 1], table[:, 2], table[:, 3])


def level_masks(dry: Audio, rate_hz: int) -> tuple[list[npt.NDArray[np.bool_]], list[float]]:
    """Soft, middle and loud parts of a take: masks over frames, a third of the sounding 50 ms windows each, and the
    median input level (dB) of each part. Empty lists where hardly anything sounds."""
    frames = max(1, round(rate_hz * _WINDOW_MS / 1e3))
    level = window_levels_db(dry, frames)
    sounding = level > -60.0
    if sounding.sum() < 12:
        return [], []
    low, high = np.percentile(level[sounding], [100 / 3, 200 / 3])
    parts = [sounding & (level <= low), sounding & (level > low) & (level <= high), sounding & (level > high)]
    parts = [part for part in parts if part.any()]
    tail = np.zeros(len(dry) - len(level) * frames, bool)
    masks = [np.concatenate((np.repeat(part, frames), tail)) for part in parts]
    return masks, [float(np.median(level[part])) for part in parts]


def third_octave_db(audio: Audio, mask: npt.NDArray[np.bool_], rate_hz: int) -> tuple[Float64, Float64]:
    """Mean power in thirds of an octave from 63 Hz to 16 kHz, over windows that lie wholly in `mask`.

    Returns centres (Hz) and levels (dB of a full-scale sine in that band); bands beyond half the rate are left out, and
    all are NaN where the mask holds no whole window.
    """
    frames = max(16, round(rate_hz * _WINDOW_MS / 1e3))
    centres = 1000.0 * 2.0 ** (np.arange(-12, 13) / 3.0)
    centres = centres[centres * 2.0 ** (1 / 6) < rate_hz / 2]
    count = len(audio) // frames
    chosen = mask[: count * frames].reshape(count, frames).all(axis=1)
    if not chosen.any():
        return centres, np.full(len(centres), np.nan)
    shape = np.hanning(frames + 1)[:-1]
    windows = np.asarray(audio[: count * frames], np.float64).reshape(count, frames)[chosen]
    size = 4 * frames  # so that the lowest bands hold a bin or more
    power = np.mean(np.square(np.abs(np.fft.rfft(windows * shape, size))), axis=0)
    # Parseval: a full-scale sine (mean power 1/2) comes out as 0 dB.
    power *= 2.0 / (size * np.sum(np.square(shape))) * 2.0
    frequencies = np.fft.rfftfreq(size, 1.0 / rate_hz)
    edge = 2.0 ** (1 / 6)
    bands = [power[(frequencies >= centre / edge) & (frequencies < centre * edge)].sum() for centre in centres]
    return centres, to_db(np.sqrt(bands))


@dataclass(frozen=True)
class SineHarmonics:
    """Harmonics of a sine at several levels. `harmonics_db` [levels, harmonics 2…5] and `total_db` are dB of the
    fundamental; `gain_db` [levels] is the fundamental's own gain."""

    frequency_hz: int
    levels_db: Float64
    gain_db: Float64
    harmonics_db: Float64
    total_db: Float64  # all harmonics below half the rate together


def sine_harmonics(
    play: Play, rate_hz: int, frequency_hz: int = SINE_HZ, levels_db: tuple[float, ...] = LEVELS_DB
) -> SineHarmonics:
    """Play a sine at each level and read its harmonics. `play` keeps its state from call to call. May block.

    Half a second to settle, half a second heard: every harmonic of an even frequency falls on a bin of its own.
    """
    frames = int(_HEARD_S * rate_hz)
    t = np.arange(int(_SETTLE_S * rate_hz) + frames) / rate_hz
    bin_hz = rate_hz / frames
    steps = round(frequency_hz / bin_hz)
    gains, rows, totals = [], [], []
    for level_db in levels_db:
        amplitude = 10.0 ** (level_db / 20.0)
        made = play((amplitude * np.sin(2.0 * np.pi * steps * bin_hz * t)).astype(np.float32))
        spectrum = np.abs(np.fft.rfft(made[-frames:].astype(np.float64))) * 2.0 / frames
        harmonics = spectrum[steps::steps]
        first = to_db(harmonics[0])
        gains.append(float(first - to_db(amplitude)))
        rows.append(to_db(harmonics[[number - 1 for number in HARMONICS]]) - first)
        totals.append(float(to_db(np.sqrt(np.sum(np.square(harmonics[1:])))) - first))
    return SineHarmonics(frequency_hz, np.array(levels_db), np.array(gains), np.array(rows), np.array(totals))


def sine_transfer(
    play: Play, rate_hz: int, frequency_hz: int = TRANSFER_HZ, levels_db: tuple[float, ...] = TRANSFER_LEVELS_DB
) -> list[tuple[float, Float64, Float64]]:
    """One settled period of a sine at each level: (level_db, input [frames], output [frames]). Memory makes a loop."""
    period = round(rate_hz / frequency_hz)
    t = np.arange(period * round(_SETTLE_S * rate_hz / period + 1))
    found = []
    for level_db in levels_db:
        sine = (10.0 ** (level_db / 20.0) * np.sin(2.0 * np.pi * t / period)).astype(np.float32)
        made = play(sine)
        found.append((level_db, sine[-period:].astype(np.float64), made[-period:].astype(np.float64)))
    return found
