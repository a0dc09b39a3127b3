"""The linear part of the way from dry to wet, and the pure delay in it.

A device filters, and a filter moves the peak of a correlation by some frames. But what a causal filter without delay of
its own does to the phase follows from what it does to the loudness (minimum phase, by the real cepstrum: Oppenheim and
Schafer, Discrete-Time Signal Processing, ch. 12). So the delay is what is left of the phase once that share is taken
out. A distorting device has such a linear part too (Bussgang); its distortion counts as noise.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Complex128 = npt.NDArray[np.complex128]

REACH_FRAMES = 192  # how far off the files may still be
_WINDOW_FRAMES = 1 << 13
_MAX_WINDOWS = 600
_LEVEL_BINS = 16  # to either side: levels are smoothed over some 200 Hz
_SILENCE = 1e-3  # of the mean level: windows in which the device is silent must not count for more
_BEFORE_FRAMES, _AFTER_FRAMES = 64, 256  # of the response, around its start
_RESPONSE_FRAMES = 1 << 11
_NOISE_AT = (-7, -6, -5, -4, -3, -2, 3, 4, 5, 6, 7, 8)  # in responses' lengths: where nothing but noise is found
_SMOOTH_OCTAVES = 1 / 6
_MIDDLE_BINS = slice(8, 128)
_LOWEST_BINS, _SURE_BINS = 5, 64  # about 120 and 1500 Hz
_MIN_SNR = 2.0
_EDGE = 0.7  # the slope that is carried on is the one over the last half octave
_MIN_FALL = 5.0  # nepers an octave: what can't be heard is taken to fall at least so fast, for early is harmless
_MAX_FALL = 6.0  # nepers
_STEPS = 8  # of a frame
_SIGN_RATIO = 1.4  # of the higher peak over the lower; less is no clear sign


def pure_delay(dry: Float32, wet: Float32) -> tuple[float, int, float]:
    """(frames, sign, snr): how much later wet is than dry. May block (a second).

    The files must be aligned to within REACH_FRAMES. To about two frames for a device without delay of its own whose
    filters are minimum phase; sign is -1 for inverted polarity, 0 if not clear.

    snr: how far the response stands out of the noise (power, 190 Hz to 3 kHz); 3 and more for music, below 1.5 for
    strangers and for a single note, which leaves open what the device does beside its partials.
    """
    lags = whitened_lags(dry, wet)
    at = int(np.argmax(np.abs(np.roll(lags, REACH_FRAMES)[: 2 * REACH_FRAMES + 1]))) - REACH_FRAMES
    frames, sign, middle_snr = 0.0, 0, 0.0
    for _ in range(2):  # the second time around the start itself
        response, snr = linear_response(lags, at)
        left, sign = _phase_delay(response, snr)
        frames, middle_snr = left + at, float(np.median(snr[_MIDDLE_BINS]))
        at = round(frames)
    return frames, sign, middle_snr


def whitened_lags(dry: Float32, wet: Float32) -> Float64:
    """Impulse response from dry to wet, circular over `_WINDOW_FRAMES`, with the noise spread evenly over all lags.

    Every window counts by how little sound there is in wet at each frequency: soft passages are the least distorted,
    and an attack's highs are heard best where the rest is quiet.
    """
    bins = _WINDOW_FRAMES // 2 + 1
    mean, count = np.zeros(bins), 0
    for _, spectrum in _spectra(dry, wet):
        mean += np.abs(spectrum) ** 2
        count += 1
    floor = _SILENCE * smooth(mean, _LEVEL_BINS) / max(1, count) + 1e-20
    dry_power, cross = np.zeros(bins), np.zeros(bins, dtype=np.complex128)
    for x, y in _spectra(dry, wet):
        share = 1.0 / (smooth(np.abs(y) ** 2, _LEVEL_BINS) + floor)
        dry_power += share * np.abs(x) ** 2
        cross += share * np.conj(x) * y
    lags: Float64 = np.fft.irfft(cross / (smooth(dry_power, _LEVEL_BINS) + 1e-30))
    return lags


def linear_response(lags: Float64, at: int) -> tuple[Complex128, Float64]:
    """(response, snr) on `_RESPONSE_FRAMES // 2 + 1` bins: what `lags` hold around `at`, and how sure each bin is.

    snr: power of the response over that of the noise, which is what is found at lags where no response is.
    """
    length = _BEFORE_FRAMES + _AFTER_FRAMES
    middle = (_AFTER_FRAMES - _BEFORE_FRAMES) // 2
    noise = np.mean([np.abs(_part(lags, at + n * length)) ** 2 / _overlap(n * length + middle) for n in _NOISE_AT], 0)
    response = _part(lags, at)
    noise = over_octaves(noise) + 1e-30
    return response, np.maximum(over_octaves(np.abs(response) ** 2) / noise - 1.0, 1e-3)


def minimum_phase(log_magnitude: Float64) -> Complex128:
    """The minimum-phase spectrum of a magnitude (in nepers) on the bins of a real FFT."""
    size = 2 * (len(log_magnitude) - 1)
    fold = np.zeros(size)
    fold[0] = fold[size // 2] = 1.0
    fold[1 : size // 2] = 2.0
    return np.exp(np.fft.rfft(np.fft.irfft(log_magnitude, size) * fold))


def smooth(power: Float64, width: int) -> Float64:
    """The mean over `width` bins to either side."""
    sums = np.concatenate(([0.0], np.cumsum(np.pad(power, width, mode="edge"))))
    smoothed: Float64 = (sums[2 * width + 1 :] - sums[: -2 * width - 1]) / (2 * width + 1)
    return smoothed


def over_octaves(values: Float64) -> Float64:
    """The mean over a third of an octave around each bin."""
    bins = np.arange(len(values))
    high = np.minimum(len(values), (bins * 2**_SMOOTH_OCTAVES).astype(int) + 2)
    low = np.minimum(np.maximum(1, (bins * 2**-_SMOOTH_OCTAVES).astype(int)), high - 1)
    sums = np.concatenate(([0.0], np.cumsum(values)))
    mean: Float64 = (sums[high] - sums[low]) / (high - low)
    return mean


def _spectra(dry: Float32, wet: Float32) -> Iterator[tuple[Complex128, Complex128]]:
    window = np.hanning(_WINDOW_FRAMES)
    hop = max(_WINDOW_FRAMES // 2, len(dry) // _MAX_WINDOWS)
    for start in range(0, min(len(dry), len(wet)) - _WINDOW_FRAMES + 1, hop):
        x, y = (part[start : start + _WINDOW_FRAMES].astype(np.float64) for part in (dry, wet))
        if np.any(x):
            yield np.fft.rfft(window * (x - x.mean())), np.fft.rfft(window * (y - y.mean()))


def _part(lags: Float64, at: int) -> Complex128:
    """Spectrum of the lags around `at`, faded in and out."""
    around = np.arange(-_BEFORE_FRAMES, _AFTER_FRAMES)
    rise, fall = _BEFORE_FRAMES // 2, _AFTER_FRAMES // 2
    fade = np.ones(len(around))
    fade[:rise] = np.sin(np.linspace(0.0, np.pi / 2, rise)) ** 2
    fade[-fall:] = np.cos(np.linspace(0.0, np.pi / 2, fall)) ** 2
    part = np.zeros(_RESPONSE_FRAMES)
    part[around] = lags[(around + at) % len(lags)] * fade
    return np.fft.rfft(part)


def _overlap(lag: int) -> float:
    """What the windows leave of the power of noise at a lag, against lag zero."""
    window = np.hanning(_WINDOW_FRAMES) ** 2
    return float(np.dot(window, np.roll(window, lag)) / np.dot(window, window))


def _phase_delay(response: Complex128, snr: Float64) -> tuple[float, int]:
    """(frames, sign) of the phase that is left once the minimum phase is taken out."""
    last = _last_known(snr)
    weight = snr / (1.0 + snr)
    weight[:_LOWEST_BINS] = 0.0
    weight[last + 1 :] = 0.0
    phase_only = weight * response / np.maximum(np.abs(response), 1e-30)
    energy = np.fft.irfft(phase_only)
    up, down = float(energy.max()), -float(energy.min())
    sign = 0 if max(up, down) < _SIGN_RATIO * min(up, down) else 1 if up > down else -1
    # Of what is measured, so much is noise.
    power = over_octaves(np.abs(response) ** 2) * snr / (1.0 + snr)
    phase_only /= np.exp(1j * np.angle(minimum_phase(_carried_on(0.5 * np.log(power + 1e-30), last))))
    padded = np.zeros((len(phase_only) - 1) * _STEPS + 1, dtype=np.complex128)
    padded[: len(phase_only)] = phase_only
    correlation = np.abs(np.roll(np.fft.irfft(padded), REACH_FRAMES * _STEPS)[: 2 * REACH_FRAMES * _STEPS + 1])
    return int(np.argmax(correlation)) / _STEPS - REACH_FRAMES, sign


def _last_known(snr: Float64) -> int:
    """The bin up to which the response is heard without a gap."""
    unsure = np.flatnonzero(snr[_SURE_BINS:] < _MIN_SNR)
    return _SURE_BINS + int(unsure[0]) - 1 if len(unsure) else len(snr) - 1


def _carried_on(log_magnitude: Float64, last: int) -> Float64:
    """With what lies above bin `last` made up: it falls on as it did before, or faster."""
    known = log_magnitude.copy()
    octaves = np.log2(np.maximum(np.arange(len(known)), 1) / last)
    edge = slice(int(last * _EDGE), last + 1)
    slope = float(np.polyfit(octaves[edge], known[edge], 1)[0])
    known[last:] = np.maximum(known[last] + min(slope, -_MIN_FALL) * octaves[last:], known[last] - _MAX_FALL)
    return known
