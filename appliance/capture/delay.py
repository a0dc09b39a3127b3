"""How much later a recording is than what was played, without any mark in the signal.

The cross-spectrum of dry and wet is turned into a generalised cross-correlation (Knapp and Carter, IEEE Trans. ASSP
24(4), 1976). A heavily distorted signal still correlates with its source (Bussgang), so the peak stands out at any
gain. But a device also filters, and a filter moves the peak by some frames; what a causal device's filter does to the
phase follows from what it does to the loudness (minimum phase), so that share is taken out before the peak is looked
for. Only frequencies at which the two files agree (coherence) count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Complex128 = npt.NDArray[np.complex128]

MAX_DELAY_S = 1.25  # looked for either way
COMMON_RATIO = 20.0  # of the peak over the rest; strangers reach 11, or 21 where each is one long note
DISTINCT_RATIO = 2.0  # of the peak over the next one far off; strangers reach 1.9
_WINDOW_FRAMES = 1 << 13
_FINE_REACH_FRAMES = 192
_PEAK_REACH_FRAMES = 500
_STRETCH_S = 20.0
_TRIES = 4
_SIGN_RATIO = 1.4  # of the higher peak over the lower; less is no clear sign
_ROUGH_SMOOTH_HZ_FRAMES = 16_000  # whitened over about 3 Hz at 48 kHz: finer than the partials of a note
_WHITE_FLOOR = 1e-4
_MAX_MARGIN_FRAMES = 4
_SMOOTH_OCTAVES = 1 / 6
_MIN_COHERENCES = (0.4, 0.5, 0.6, 0.7, 0.8)
_STEPS = 8  # of a frame
_EDGE = 0.7  # the slope that is carried on is the one over the last half octave
_MAX_FALL = 8.0  # nepers


@dataclass(frozen=True)
class Delay:
    """frames: wet is later than dry by so many (a fraction; negative: it is ahead). sign: -1 for inverted polarity,
    0 if not clear.

    ratio, distinct: how far the peak stands out of all the rest, and of the next one.
    margin_frames: how much earlier the start of the device's answer may lie, since files without highs can't show it.
    """

    frames: float
    sign: int
    ratio: float
    distinct: float
    margin_frames: int = 1

    @property
    def is_common(self) -> bool:
        """Whether dry and wet belong together at all."""
        return self.ratio >= COMMON_RATIO and self.distinct >= DISTINCT_RATIO


def find_delay(dry: Float32, wet: Float32, rate_hz: int) -> Delay:
    """Delay of wet against dry, MAX_DELAY_S either way. May block (two seconds for three minutes).

    To a fraction of a frame for a device that passes highs; a cabinet's start may be found up to some frames late.
    """
    rough = rough_anywhere(dry, wet, rate_hz)
    if not rough.is_common:
        return rough
    whole = round(rough.frames)
    frames, sign = fine_delay(*overlapping(dry, wet, whole))
    # A peak that lies later than the start: the device rounds edges off, and its start is less sure.
    margin = 1 + int(np.clip(round((-frames - 3) / 2), 0, _MAX_MARGIN_FRAMES))
    return Delay(whole + frames, sign, rough.ratio, rough.distinct, margin)


def rough_anywhere(dry: Float32, wet: Float32, rate_hz: int) -> Delay:
    """`rough_delay` of the liveliest stretches, the best of a few: a whole file would take long and prove no more."""
    reach, stretch = round(MAX_DELAY_S * rate_hz), round(_STRETCH_S * rate_hz)
    if len(dry) <= stretch * 3 // 2:
        return rough_delay(dry, wet, reach)
    starts = np.arange(0, len(dry) - stretch, stretch // 2)
    # Not the loudest (a sweep is) but where most has happened.
    lively = [float(np.abs(np.diff(_levels(dry[start : start + stretch]))).sum()) for start in starts]
    best = Delay(0.0, 0, 0.0, 0.0)
    for start in starts[np.argsort(lively)[::-1]][:_TRIES].tolist():
        first = max(0, start - reach)
        found = rough_delay(dry[start : start + stretch], wet[first : start + stretch + reach], 2 * reach)
        if found.ratio > best.ratio:
            best = Delay(found.frames - (start - first), found.sign, found.ratio, found.distinct)
        if best.is_common:
            break
    return best


def _levels(audio: Float32) -> Float64:
    """Amplitude in steps of 1024 frames."""
    steps = audio[: len(audio) // 1024 * 1024].reshape(-1, 1024)
    levels: Float64 = np.sqrt(np.mean(steps.astype(np.float64) ** 2, axis=1))
    return levels


def rough_delay(dry: Float32, wet: Float32, reach_frames: int) -> Delay:
    """To a few frames, over a long reach; whitened, so that a bass note's many peaks become one."""
    size = 1 << int(np.ceil(np.log2(max(len(dry), len(wet)) + reach_frames)))
    x, y = (np.fft.rfft(part - part.mean(dtype=np.float64), size) for part in (dry, wet))
    width = max(1, size // _ROUGH_SMOOTH_HZ_FRAMES)
    levels = [_smooth(np.abs(part) ** 2, width) for part in (x, y)]
    whitened = np.conj(x) * y
    for level in levels:
        whitened /= np.sqrt(level + _WHITE_FLOOR * level.max() + 1e-30)
    correlation = np.fft.irfft(whitened, size)
    lags = np.concatenate((correlation[-reach_frames:], correlation[: reach_frames + 1]))
    loud = np.abs(lags)
    peak = int(np.argmax(loud))
    spread = float(np.sqrt(np.mean(lags**2))) or 1.0
    around = min(_PEAK_REACH_FRAMES, reach_frames // 4)
    far = np.concatenate((loud[: max(0, peak - around)], loud[peak + around :]))
    rest = float(far.max(initial=0.0)) or 1.0
    sign = 1 if lags[peak] >= 0 else -1
    return Delay(float(peak - reach_frames), sign, float(loud[peak]) / spread, float(loud[peak]) / rest)


def overlapping(dry: Float32, wet: Float32, shift_frames: int) -> tuple[Float32, Float32]:
    """Both files cut to where they overlap once wet is moved `shift_frames` earlier."""
    if shift_frames >= 0:
        wet = wet[shift_frames:]
    else:
        dry = dry[-shift_frames:]
    frames = min(len(dry), len(wet))
    return dry[:frames], wet[:frames]


def fine_delay(dry: Float32, wet: Float32) -> tuple[float, int]:
    """(frames, sign) of two files that are aligned to within _FINE_REACH_FRAMES.

    How far up the files agree is a matter of opinion; of several, the one that gives the earliest start is taken, for
    early is harmless.
    """
    response, weight = linear_response(dry, wet)
    frames = min(_phase_delay(response, weight, coherence) for coherence in _MIN_COHERENCES)
    # The sign is that of the bulk of the energy; the highs of a device with many stages may have another.
    energy = np.fft.irfft(response * weight / np.maximum(np.abs(response), 1e-30))
    up, down = float(energy.max()), -float(energy.min())
    sign = 0 if max(up, down) < _SIGN_RATIO * min(up, down) else 1 if up > down else -1
    return frames, sign


def _phase_delay(response: Complex128, weight: Float64, min_coherence: float) -> float:
    """The delay that is left once the minimum phase is taken out."""
    flat = response / minimum_phase(np.abs(response), weight, min_coherence)
    phase_only = weight * flat / np.maximum(np.abs(flat), 1e-30)
    size = 2 * (len(phase_only) - 1) * _STEPS
    padded = np.zeros(size // 2 + 1, dtype=np.complex128)
    padded[: len(phase_only)] = phase_only
    correlation = np.fft.irfft(padded, size)
    reach = _FINE_REACH_FRAMES * _STEPS
    lags = np.concatenate((correlation[-reach:], correlation[: reach + 1]))
    return (int(np.argmax(np.abs(lags))) - reach) / _STEPS


def linear_response(dry: Float32, wet: Float32) -> tuple[Complex128, Float64]:
    """The linear part of the way from dry to wet (`_WINDOW_FRAMES // 2 + 1` bins), and each bin's coherence, 0…1."""
    window = np.hanning(_WINDOW_FRAMES)
    hop = _WINDOW_FRAMES // 2
    bins = _WINDOW_FRAMES // 2 + 1
    dry_power, wet_power, cross = np.zeros(bins), np.zeros(bins), np.zeros(bins, dtype=np.complex128)
    for start in range(0, max(1, len(dry) - _WINDOW_FRAMES), hop):
        x = dry[start : start + _WINDOW_FRAMES].astype(np.float64)
        y = wet[start : start + _WINDOW_FRAMES].astype(np.float64)
        if len(x) < _WINDOW_FRAMES or not np.any(x):
            continue
        # Each window counts alike: the soft ones are the least distorted.
        scale = 1.0 / np.sqrt(np.mean(x**2) + 1e-9)
        spectrum_x = np.fft.rfft(window * x * scale)
        spectrum_y = np.fft.rfft(window * (y - y.mean()) * scale)
        dry_power += np.abs(spectrum_x) ** 2
        wet_power += np.abs(spectrum_y) ** 2
        cross += np.conj(spectrum_x) * spectrum_y
    coherence = np.abs(cross) ** 2 / np.maximum(dry_power * wet_power, 1e-30)
    response = cross / np.maximum(dry_power, dry_power.max() * 1e-9 + 1e-30)
    return response, coherence


def minimum_phase(magnitude: Float64, weight: Float64, min_coherence: float) -> Complex128:
    """The minimum-phase spectrum of a magnitude on the bins of a real FFT (by its real cepstrum).

    Where weight is small the magnitude is not known and is carried on from its neighbours.
    """
    bins = np.arange(len(magnitude))
    trust = np.maximum(weight, 1e-6) ** 2
    smooth = _over_octaves(np.log(np.maximum(magnitude, 1e-12)), trust)
    last = _last_known(weight, min_coherence)
    if last > 0:
        edge = slice(max(1, int(last * _EDGE)), last + 1)
        octaves = np.log2(np.maximum(bins, 1) / last)
        if last - edge.start > 4:
            slope = float(np.polyfit(octaves[edge], smooth[edge], 1, w=trust[edge])[0])
            smooth[last:] = np.maximum(smooth[last] + min(slope, 0.0) * octaves[last:], smooth[last] - _MAX_FALL)
    size = 2 * (len(smooth) - 1)
    cepstrum = np.fft.irfft(smooth, size)
    fold = np.zeros(size)
    fold[0] = fold[size // 2] = 1.0
    fold[1 : size // 2] = 2.0
    return np.exp(np.fft.rfft(cepstrum * fold))


def _over_octaves(values: Float64, trust: Float64) -> Float64:
    """The mean over a third of an octave, weighted."""
    bins = np.arange(len(values))
    high = np.minimum(len(values), (bins * 2**_SMOOTH_OCTAVES).astype(int) + 2)
    low = np.minimum(np.maximum(1, (bins * 2 ** (-_SMOOTH_OCTAVES)).astype(int)), high - 1)
    sums, weights = (np.concatenate(([0.0], np.cumsum(part))) for part in (values * trust, trust))
    mean: Float64 = (sums[high] - sums[low]) / (weights[high] - weights[low])
    return mean


def _last_known(weight: Float64, min_coherence: float) -> int:
    """The highest bin at which the files agree; 0 if they nowhere do."""
    known = np.flatnonzero(_over_octaves(weight, np.ones(len(weight))) > min_coherence)
    return int(known[-1]) if len(known) else 0


def _smooth(power: Float64, width: int) -> Float64:
    """The mean over `width` bins to either side."""
    sums = np.concatenate(([0.0], np.cumsum(np.pad(power, width, mode="edge"))))
    smoothed: Float64 = (sums[2 * width + 1 :] - sums[: -2 * width - 1]) / (2 * width + 1)
    return smoothed
