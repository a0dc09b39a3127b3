"""Harmonics over frequency from an exponential sweep in the take: the one thing a recording tells of a *device*'s
harmonics directly. Pure numpy.

Deconvolving the answer by the sweep puts the response of each harmonic k before the linear one, by ln(k) times the
sweep's seconds per e-fold (Farina, "Simultaneous measurement of impulse response and distortion with a swept-sine
technique", 2000). The sweep is found in the input by itself, so that any capture signal with one will do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from appliance.training.report.measures import Audio, Float64, to_db

KERNELS = (1, 2, 3, 4, 5)
_COLUMN_MS = 20.0
_LEAST_S = 0.8
_LEAST_OCTAVES = 4.0
_TONAL = 0.9  # share of a column's power near its peak
_REGULARISATION = 1e-6


@dataclass(frozen=True)
class Sweep:
    """Frames of an exponential sweep; its frequency grows e-fold in `seconds_per_efold`."""

    first: int
    last: int
    first_hz: float
    last_hz: float
    seconds_per_efold: float
    peak_db: float


def find_sweeps(dry: Audio, rate_hz: int) -> list[Sweep]:
    """Every rising exponential sweep of 0.8 s and 4 octaves or more, loudest first."""
    frames = round(rate_hz * _COLUMN_MS / 1e3)
    count = len(dry) // frames
    windows = np.asarray(dry[: count * frames], np.float64).reshape(count, frames)
    size = 4 * frames
    power = np.square(np.abs(np.fft.rfft(windows * np.hanning(frames), size)))
    peaks = np.argmax(power, axis=1)
    near = np.abs(np.arange(power.shape[1]) - peaks[:, None]) <= np.maximum(8, peaks[:, None] // 6)
    total = power.sum(axis=1)
    tonal = (np.where(near, power, 0.0).sum(axis=1) >= _TONAL * total) & (total > 1e-6 * frames) & (peaks > 0)
    octaves = np.log2(np.maximum(peaks, 1) * rate_hz / size)
    # A sweep's pitch climbs from column to column, by steps of a bin at its low end.
    climbs = np.zeros(count, bool)
    climbs[1:] = tonal[1:] & tonal[:-1] & (np.diff(octaves) >= 0.0) & (np.diff(octaves) < 1.0)
    found = []
    edges = np.flatnonzero(np.diff(np.concatenate(([0], climbs.astype(np.int8), [0]))))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        first, last = int(begin) - 1, int(end)
        rise = octaves[first:last]
        if (last - first) * _COLUMN_MS < 1e3 * _LEAST_S or rise[-1] - rise[0] < _LEAST_OCTAVES:
            continue
        times = (np.arange(first, last) + 0.5) * _COLUMN_MS / 1e3
        upper = rise > rise[0] + 1.0  # pitch is coarse in the lowest octave
        slope, offset = np.polyfit(times[upper], rise[upper], 1)
        if slope <= 0.0 or np.abs(slope * times[upper] + offset - rise[upper]).max() > 0.15:
            continue
        begin_s, end_s = times[0] - _COLUMN_MS / 2e3, times[-1] + _COLUMN_MS / 2e3
        span = np.asarray(dry[first * frames : last * frames])
        found.append(
            Sweep(
                first * frames,
                last * frames,
                float(2.0 ** (slope * begin_s + offset)),
                float(min(2.0 ** (slope * end_s + offset), rate_hz / 2)),
                float(1.0 / (slope * np.log(2.0))),
                float(to_db(np.abs(span).max())),
            )
        )
    return sorted(found, key=lambda sweep: -sweep.peak_db)


@dataclass(frozen=True)
class SweepHarmonics:
    """For each frequency of the input: gain of the fundamental, and harmonics in dB of it; NaN where it can't be told.

    gain_db [frequencies]; harmonics_db [harmonics 2…5, frequencies].
    """

    frequencies_hz: Float64
    gain_db: Float64
    harmonics_db: Float64


def sweep_harmonics(dry: Audio, wet: Audio, sweep: Sweep, rate_hz: int) -> SweepHarmonics:
    """Harmonics of a device or a model from its answer `wet` to `dry`, which holds `sweep`."""
    margin = rate_hz // 10  # fades, and the tail of the answer
    part = slice(max(0, sweep.first - margin), sweep.last + margin)
    sent, heard = np.asarray(dry[part], np.float64), np.asarray(wet[part], np.float64)
    size = 1 << int(2 * len(sent) - 1).bit_length()
    spectrum = np.fft.rfft(sent, size)
    power = np.square(np.abs(spectrum))
    response = np.fft.irfft(
        np.fft.rfft(heard, size) * np.conj(spectrum) / (power + _REGULARISATION * power.max()), size
    )
    frequencies = np.geomspace(max(40.0, 1.2 * sweep.first_hz), 0.8 * min(sweep.last_hz, rate_hz / 2), 60)
    # Half the way to the next harmonic's response on either side, and the same for all.
    reach = int(0.45 * np.log(KERNELS[-1] / (KERNELS[-1] - 1)) * sweep.seconds_per_efold * rate_hz)
    levels = []
    for number in KERNELS:
        centre = -round(np.log(number) * sweep.seconds_per_efold * rate_hz)
        kernel = np.take(response, np.arange(centre - reach, centre + reach), mode="wrap") * np.hanning(2 * reach)
        bins = np.fft.rfftfreq(8 * reach, 1.0 / rate_hz)
        magnitude = np.abs(np.fft.rfft(kernel, 8 * reach))
        at = number * frequencies
        level = to_db(np.interp(at, bins, magnitude))
        level[at > 0.9 * min(sweep.last_hz, rate_hz / 2)] = np.nan
        levels.append(level)
    table = np.array(levels)
    return SweepHarmonics(frequencies, table[0], table[1:] - table[0])
