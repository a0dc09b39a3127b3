"""How near one recording is to another: errors, levels and spectra in time. Pure numpy.

Audio is any float [frames], full scale ±1; sums are taken in float64. Where nothing can be judged the answer is NaN,
never an invented figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.floating[Any]]
Float64 = npt.NDArray[np.float64]
Span = tuple[int, int]

PRE_EMPHASIS = 0.95  # Wright et al. (2020): 1 - 0.95 z^-1
FLOOR_DB = -140.0  # below what 24 bits can hold
_QUIET_DB = 40.0  # a window this far below the loudest is not judged: its ESR tells of hiss


def pre_emphasised(audio: Audio, coefficient: float = PRE_EMPHASIS) -> Float64:
    """y[n] = x[n] - coefficient · x[n-1], with silence before the first sample."""
    made = np.array(audio, np.float64)
    made[1:] -= coefficient * np.asarray(audio[:-1], np.float64)
    return made


def esr(device: Audio, model: Audio) -> float:
    """Error-to-signal ratio Σ(device - model)² / Σ device². NaN where the device is silent.

    Source: Wright et al., "Real-Time Guitar Amplifier Emulation with Deep Learning" (2020).
    """
    signal = float(np.sum(np.square(device, dtype=np.float64)))
    error = float(np.sum(np.square(np.subtract(device, model, dtype=np.float64))))
    return error / signal if signal > 0.0 else float("nan")


def esr_over(spans: Sequence[tuple[Audio, Audio]], coefficient: float = 0.0) -> float:
    """ESR of several (device, model) passages as if they were one, each pre-emphasised by itself."""
    signal = error = 0.0
    for device, model in spans:
        wanted, made = pre_emphasised(device, coefficient), pre_emphasised(model, coefficient)
        signal += float(np.sum(np.square(wanted)))
        error += float(np.sum(np.square(wanted - made)))
    return error / signal if signal > 0.0 else float("nan")


def rms(audio: Audio) -> float:
    """Root mean square; 0 for nothing."""
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if len(audio) else 0.0


def to_db(amplitude: npt.ArrayLike) -> Float64:
    """20·log10, no lower than `FLOOR_DB`."""
    made: Float64 = 20.0 * np.log10(np.maximum(np.abs(np.asarray(amplitude, np.float64)), 10.0 ** (FLOOR_DB / 20.0)))
    return made


def window_energies(audio: Audio, window_frames: int) -> Float64:
    """Σx² of each whole window, one after the other. [frames // window_frames]"""
    count = len(audio) // window_frames
    windows = np.asarray(audio[: count * window_frames], np.float64).reshape(count, window_frames)
    made: Float64 = np.einsum("ij,ij->i", windows, windows)
    return made


def window_levels_db(audio: Audio, window_frames: int) -> Float64:
    """RMS level of each whole window in dB of full scale."""
    return to_db(np.sqrt(window_energies(audio, window_frames) / window_frames))


def moving_level_db(audio: Audio, window_frames: int, hop_frames: int) -> Float64:
    """RMS level of a window centred on frame 0, hop, 2·hop …; silence beyond the ends. [ceil(frames / hop)]"""
    sums = np.concatenate(([0.0], np.cumsum(np.square(audio, dtype=np.float64))))
    centres = np.arange(0, len(audio), hop_frames)
    first = np.clip(centres - window_frames // 2, 0, len(audio))
    last = np.clip(centres - window_frames // 2 + window_frames, 0, len(audio))
    # The difference of two sums can fall a rounding below 0 in silence.
    return to_db(np.sqrt(np.maximum(sums[last] - sums[first], 0.0) / window_frames))


@dataclass(frozen=True)
class ShortTimeError:
    """The error window by window; `esr` is NaN in windows too quiet to judge."""

    window_frames: int
    esr: Float64
    device_db: Float64
    error_db: Float64


def short_time_error(device: Audio, model: Audio, window_frames: int) -> ShortTimeError:
    """ESR and levels of each whole window. Quiet windows (40 dB below the loudest) keep their levels, not their ESR."""
    signal = window_energies(device, window_frames)
    error = window_energies(np.subtract(device, model, dtype=np.float64), window_frames)
    loudest = float(signal.max()) if len(signal) else 0.0
    judged = (signal > loudest * 10.0 ** (-_QUIET_DB / 10.0)) & (signal > 0.0)
    ratio = np.full(len(signal), np.nan)
    ratio[judged] = error[judged] / signal[judged]
    return ShortTimeError(
        window_frames, ratio, to_db(np.sqrt(signal / window_frames)), to_db(np.sqrt(error / window_frames))
    )


def worst_and_median(windows: ShortTimeError) -> tuple[int, int] | None:
    """Index of the window with the highest ESR and of the one in the middle; None where all is too quiet."""
    judged = np.flatnonzero(np.isfinite(windows.esr))
    if not len(judged):
        return None
    ranked = judged[np.argsort(windows.esr[judged], kind="stable")]
    return int(ranked[-1]), int(ranked[(len(ranked) - 1) // 2])


@dataclass(frozen=True)
class Spectrogram:
    """Level of a sine of that frequency, in dB of full scale. `level_db` [frequencies, times]."""

    times_s: Float64
    frequencies_hz: Float64
    level_db: Float64


def spectrogram(audio: Audio, rate_hz: int, window_frames: int = 2048, *, most_columns: int = 600) -> Spectrogram:
    """Hann-windowed short-time spectrum with at least half overlap, or fewer columns than `most_columns`."""
    padded = np.pad(np.asarray(audio, np.float64), (0, max(0, window_frames - len(audio))))
    hop_frames = max(window_frames // 2, -(-(len(padded) - window_frames) // most_columns), 1)
    starts = np.arange(0, len(padded) - window_frames + 1, hop_frames)
    shape = np.hanning(window_frames + 1)[:-1]
    columns = np.stack([np.abs(np.fft.rfft(padded[start : start + window_frames] * shape)) for start in starts], axis=1)
    return Spectrogram(
        ((starts + window_frames / 2) / rate_hz).astype(np.float64),
        np.fft.rfftfreq(window_frames, 1.0 / rate_hz).astype(np.float64),
        to_db(columns * 2.0 / shape.sum()),
    )


def lag_frames(reference: Audio, other: Audio, most_frames: int) -> int:
    """By how many frames `other` comes later than `reference`, by cross-correlation; at most ±`most_frames`.

    Polarity does not matter. 0 where either is silent.
    """
    size = 1 << int(len(reference) + len(other) - 1).bit_length()
    spectrum = np.conj(np.fft.rfft(reference, size)) * np.fft.rfft(other, size)
    correlation = np.abs(np.fft.irfft(spectrum, size))
    most_frames = min(most_frames, size // 2 - 1)
    around = np.concatenate((correlation[-most_frames:], correlation[: most_frames + 1]))
    return int(np.argmax(around)) - most_frames if around.max() > 0.0 else 0
