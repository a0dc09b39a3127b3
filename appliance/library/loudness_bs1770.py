"""Loudness as ears have it: ITU-R BS.1770-4, one channel. Pure numpy.

K-weighting (a shelf for the head, a high-pass for how little lows count), mean square over 400 ms blocks that overlap
by three quarters, and two gates that leave out pauses. The standard gives its filters for 48 kHz; for other rates they
are designed anew from analogue ones (a shelf at 1682 Hz of 4 dB, a high-pass at 38 Hz) that at 48 kHz give the
standard's own numbers; a test compares them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

_STANDARD_RATE_HZ = 48_000
_BLOCK_S = 0.4
_OVERLAP = 4
_OFFSET_DB = -0.691  # so that a sine of 997 Hz at full scale in one channel reads -3.01
_ABSOLUTE_GATE_DB = -70.0
_RELATIVE_GATE_DB = -10.0
_TAIL_S = 0.5  # the weighting has died away long before


def loudness_lufs(audio: npt.NDArray[np.float32], rate_hz: int) -> float:
    """Integrated loudness of one channel (frames,) in LUFS; -inf for silence or less than 400 ms."""
    weighted = k_weighted(audio, rate_hz)
    block = round(_BLOCK_S * rate_hz)
    step = block // _OVERLAP
    sums = np.concatenate([[0.0], np.cumsum(weighted**2)])
    starts = np.arange(0, len(weighted) - block + 1, step)
    if not len(starts):
        return -math.inf
    energies = np.maximum((sums[starts + block] - sums[starts]) / block, 0.0)
    loud = energies[_lufs(energies) > _ABSOLUTE_GATE_DB]
    if not len(loud):
        return -math.inf
    gate_db = float(_lufs(np.mean(loud, keepdims=True))[0]) + _RELATIVE_GATE_DB
    kept = loud[_lufs(loud) > gate_db]
    return float(_lufs(np.mean(kept, keepdims=True))[0]) if len(kept) else -math.inf


def k_weighted(audio: npt.NDArray[np.float32], rate_hz: int) -> Float64:
    """The audio through both filters, float64 (frames,). By its spectrum: as a recursion it would be a loop."""
    size = 1 << (len(audio) + int(_TAIL_S * rate_hz)).bit_length()
    turn = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    response = np.ones(len(turn), np.complex128)
    for ahead, back in filters(rate_hz):
        response *= (ahead[0] + ahead[1] * turn + ahead[2] * turn**2) / (back[0] + back[1] * turn + back[2] * turn**2)
    result: Float64 = np.fft.irfft(np.fft.rfft(audio.astype(np.float64), size) * response, size)[: len(audio)]
    return result


def filters(rate_hz: int) -> tuple[tuple[Float64, Float64], tuple[Float64, Float64]]:
    """Both filters as (feed-forward, feed-back) coefficients, the first of the feed-back ones 1."""
    k = math.tan(math.pi * 1681.974450955533 / rate_hz)
    q = 0.7071752369554196
    high = 10.0 ** (3.999843853973347 / 20.0)
    band = high**0.4996667741545416
    norm = 1.0 + k / q + k * k
    shelf_ahead = np.array([high + band * k / q + k * k, 2.0 * (k * k - high), high - band * k / q + k * k]) / norm
    shelf_back = np.array([norm, 2.0 * (k * k - 1.0), 1.0 - k / q + k * k]) / norm
    k, norm = _high_pass(rate_hz)
    pass_back = np.array([norm, 2.0 * (k * k - 1.0), 2.0 + 2.0 * k * k - norm]) / norm
    # The standard's high-pass is a little above 1 where it passes, by what its own rate makes of it: the same here.
    pass_ahead = np.array([1.0, -2.0, 1.0]) * _high_pass(_STANDARD_RATE_HZ)[1] / norm
    return (shelf_ahead, shelf_back), (pass_ahead, pass_back)


def _high_pass(rate_hz: int) -> tuple[float, float]:
    k = math.tan(math.pi * 38.13547087602444 / rate_hz)
    return k, 1.0 + k / 0.5003270373238773 + k * k


def _lufs(energies: Float64) -> Float64:
    result: Float64 = _OFFSET_DB + 10.0 * np.log10(np.maximum(energies, 1e-30))
    return result
