"""The pitch of a plucked string. Pure numpy, no clock; a millisecond of work for a look.

Two steps. Which note: the normalised autocorrelation of McLeod and Wyvill ("A smarter way to find pitch", ICMC 2005),
whose first high peak is the period, whatever the partials' levels are. How far off: the phases of the lowest partials
in two windows a known time apart, which tell their frequencies far closer than a bin of a spectrum. The low partials
decide, since those of a stiff string lie the sharper the higher they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

LOWEST_HZ = 28.0
HIGHEST_HZ = 1_450.0
WORKING_RATE_HZ = 12_000  # nearly: the whole fraction of the card's rate that is nearest
QUIETEST = 3e-4  # RMS, re full scale: -70 dB
WINDOW_S = 0.26  # eight periods of a five-string bass's lowest string
SHORTEST_WINDOW_S = 0.04
ATTACK_S = 0.008  # the pick's noise, left out
_BLOCK_S = 0.005
_ONSET_RATIO = 6.0  # of energies: a new note is so much louder than what rings
_FIRST_PEAK_SHARE = 0.92  # of the highest: the first peak this high is the period, lower ones are partials
_ODD_PARTIALS = 0.05  # of the even ones: as strong as this they are a string's own, and the period is twice as long
_LEAST_CLARITY = 0.55
_PARTIALS = 3


@dataclass(frozen=True)
class Pitch:
    """What was heard. `clarity`: 1 for a perfectly periodic sound."""

    frequency_hz: float
    clarity: float


class Listener:
    """Takes audio as it comes, keeps what a look needs at the working rate."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._step = max(1, round(sample_rate_hz / WORKING_RATE_HZ))
        self.rate_hz = sample_rate_hz / self._step
        self._taps = _low_pass(self._step)
        self._waiting = np.zeros(len(self._taps) - 1, np.float32)
        self._kept = np.zeros(math.ceil((WINDOW_S + 0.05) * self.rate_hz), np.float32)
        self._heard = 0  # frames at the working rate since the start
        self._onset = -(10**9)  # in the same count
        self._checked = 0

    @property
    def since_onset_s(self) -> float:
        """How long the note has been sounding."""
        return (self._heard - self._onset) / self.rate_hz

    def hear(self, audio: Float32) -> None:
        """Audio in full scale ±1, any number of frames."""
        joined = np.concatenate([self._waiting, audio])
        reach = len(self._taps) - 1
        count = (len(joined) - reach) // self._step
        if count > 0:
            used = joined[: count * self._step + reach]
            rows = np.lib.stride_tricks.sliding_window_view(used, reach + 1)[: count * self._step : self._step]
            self._append(np.asarray(rows @ self._taps, np.float32))
        self._waiting = joined[count * self._step :]

    def look(self) -> Pitch | None:
        """The pitch now; None for silence, noise, or a note that has only just begun."""
        frames = int(min(WINDOW_S, self.since_onset_s - ATTACK_S) * self.rate_hz)
        if frames < SHORTEST_WINDOW_S * self.rate_hz:
            return None
        return find_pitch(self._kept[-frames:], self.rate_hz)

    def _append(self, fresh: Float32) -> None:
        fresh = fresh[-len(self._kept) :]
        self._kept = np.concatenate([self._kept[len(fresh) :], fresh])
        self._heard += len(fresh)
        block = max(1, int(_BLOCK_S * self.rate_hz))
        while self._heard - self._checked >= block:
            self._checked += block
            end = len(self._kept) - (self._heard - self._checked)
            if end < 8 * block:
                continue
            now = float(np.mean(np.square(self._kept[end - block : end])))
            before = float(np.mean(np.square(self._kept[end - 8 * block : end - block])))
            if now > QUIETEST**2 and now > _ONSET_RATIO * before:
                self._onset = self._checked - block


def find_pitch(audio: Float32, rate_hz: float) -> Pitch | None:
    """The pitch of a stretch of sound (float32 mono), or None. Two periods must fit."""
    sound = audio.astype(np.float64) - float(np.mean(audio))
    if len(sound) < 16 or math.sqrt(float(np.mean(sound**2))) < QUIETEST:
        return None
    similarity = _similarity(sound, min(len(sound) // 2, int(rate_hz / LOWEST_HZ) + 2))
    period, clarity = _period(similarity, rate_hz)
    if period is None or clarity < _LEAST_CLARITY:
        return None
    coarse_hz = rate_hz / _over_many_periods(similarity, period)
    if _has_odd_partials(sound, rate_hz, 0.5 * coarse_hz):
        coarse_hz *= 0.5
    fine_hz = _from_phases(sound, rate_hz, coarse_hz)
    return Pitch(fine_hz, clarity)


def _similarity(sound: Float64, longest_lag: int) -> Float64:
    """Of the sound and itself `lag` later, over a stretch of one length: 1 the same, -1 the opposite."""
    length = len(sound) - longest_lag
    size = 1 << (len(sound) + length - 1).bit_length()
    spectrum = np.fft.rfft(sound, size)
    product = np.fft.irfft(spectrum * np.conj(np.fft.rfft(sound[:length], size)), size)[: longest_lag + 1]
    energies = np.concatenate([[0.0], np.cumsum(sound**2)])
    later = energies[length : length + longest_lag + 1] - energies[: longest_lag + 1]
    result: Float64 = 2.0 * product / np.maximum(later[0] + later, 1e-20)
    return result


def _period(similarity: Float64, rate_hz: float) -> tuple[float | None, float]:
    """The first of the high peaks: its lag in frames, and its height."""
    below = np.flatnonzero(similarity < 0.0)
    start = int(below[0]) if len(below) else 0
    start = max(start, int(rate_hz / HIGHEST_HZ) - 1, 1)
    inner = similarity[start:-1]
    peaks = start + np.flatnonzero((inner > similarity[start - 1 : -2]) & (inner >= similarity[start + 1 :]))
    if not len(below) or not len(peaks):
        return None, 0.0
    # Heights between the frames: at high pitches a period is only ten of them.
    left, middle, right = similarity[peaks - 1], similarity[peaks], similarity[peaks + 1]
    bend = np.minimum(left - 2.0 * middle + right, -1e-12)
    heights = middle - (left - right) ** 2 / (8.0 * bend)
    first = int(peaks[np.argmax(heights >= _FIRST_PEAK_SHARE * heights.max())])
    return _vertex(similarity, first), float(similarity[first])


def _over_many_periods(similarity: Float64, period: float) -> float:
    """The period, from the peak as many periods off as there are: a lag so much longer is known so much closer."""
    count = 1
    while 2 * count * period < len(similarity) - 2:
        count *= 2
        at = round(count * period)
        nearby = max(1, round(0.2 * period))
        low, high = max(1, at - nearby), min(len(similarity) - 1, at + nearby + 1)
        peak = low + int(np.argmax(similarity[low:high]))
        if similarity[peak] < 0.5 or not 0 < peak < len(similarity) - 1:
            break
        period = _vertex(similarity, peak) / count
    return period


def _has_odd_partials(sound: Float64, rate_hz: float, lower_hz: float) -> bool:
    """Whether a string of half the pitch was played, with its even partials so strong that they drown the odd ones."""
    if lower_hz < LOWEST_HZ or len(sound) * lower_hz < 5.0 * rate_hz:  # too short to tell them apart
        return False
    window = np.blackman(len(sound) + 2)[1:-1]
    time_s = np.arange(len(sound)) / rate_hz
    at_hz = lower_hz * np.arange(1, 7)
    levels = np.abs(np.exp(-2j * math.pi * np.outer(at_hz[at_hz < 0.4 * rate_hz], time_s)) @ (window * sound))
    return float(levels[::2].sum()) > _ODD_PARTIALS * float(levels[1::2].sum())


def _vertex(values: Float64, at: int) -> float:
    """Where the parabola through a peak and its neighbours has its top."""
    left, middle, right = values[at - 1 : at + 2]
    bend = left - 2.0 * middle + right
    return at + (float(0.5 * (left - right) / bend) if bend < 0.0 else 0.0)


def _from_phases(sound: Float64, rate_hz: float, coarse_hz: float) -> float:
    length = 2 * len(sound) // 3
    apart = len(sound) - length
    window = np.hanning(length + 2)[1:-1]
    time_s = (np.arange(length) - 0.5 * (length - 1)) / rate_hz
    total = weights = 0.0
    for number in range(1, _PARTIALS + 1):
        about_hz = number * coarse_hz
        if about_hz > 0.4 * rate_hz:
            break
        wave = window * np.exp(-2j * math.pi * about_hz * time_s)
        first, second = complex(sound[:length] @ wave), complex(sound[apart:] @ wave)
        turned = np.angle(second * first.conjugate() * np.exp(-2j * math.pi * about_hz * apart / rate_hz))
        found_hz = about_hz + float(turned) * rate_hz / (2.0 * math.pi * apart)
        weight = abs(first) * abs(second) / number**2
        total += weight * found_hz / number
        weights += weight
    found = total / weights if weights > 0.0 else coarse_hz
    return found if abs(found / coarse_hz - 1.0) < 0.03 else coarse_hz


def _low_pass(step: int) -> Float32:
    """For taking every `step`-th frame: the lower partials pass, what would fold onto them does not."""
    if step == 1:
        return np.ones(1, np.float32)
    count = 12 * step + 1
    at = np.arange(count) - count // 2
    taps = np.sinc(at * 0.45 / step) * np.kaiser(count, 6.0)
    normalised: Float32 = (taps / taps.sum()).astype(np.float32)
    return normalised
