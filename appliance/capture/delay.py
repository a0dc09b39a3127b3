"""How much later a recording is than what was played, without any mark in the signal.

The cross-spectrum of dry and wet is turned into a generalised cross-correlation (Knapp and Carter, IEEE Trans. ASSP
24(4), 1976). A heavily distorted signal still correlates with its source (Bussgang), so the peak stands out at any
gain. `response.py` then tells the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.capture.response import pure_delay, smooth

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

MAX_DELAY_S = 1.25  # looked for either way
COMMON_RATIO = 20.0  # of the peak over the rest; strangers reach 11, or 21 where each is one long note
DISTINCT_RATIO = 2.0  # of the peak over the next one far off; strangers reach 1.9
CLEAR_SNR = 2.0  # music has 3 and more, a single sustained note 1.2
_PEAK_REACH_FRAMES = 500
_STRETCH_S = 20.0
_TRIES = 4
_ROUGH_SMOOTH_HZ_FRAMES = 16_000  # whitened over about 3 Hz at 48 kHz: finer than the partials of a note
_WHITE_FLOOR = 1e-4


@dataclass(frozen=True)
class Delay:
    """frames: wet is later than dry by so many (a fraction; negative: it is ahead). sign: -1 for inverted polarity,
    0 if not clear.

    ratio, distinct: how far the peak stands out of all the rest, and of the next one. snr: as of `pure_delay`; 0 where
    that was not asked.
    """

    frames: float
    sign: int
    ratio: float
    distinct: float
    snr: float = 0.0

    @property
    def is_common(self) -> bool:
        """Whether dry and wet belong together at all."""
        return self.ratio >= COMMON_RATIO and self.distinct >= DISTINCT_RATIO

    @property
    def is_clear(self) -> bool:
        """Whether the frame is known, and not only that they belong together."""
        return self.snr >= CLEAR_SNR


def find_delay(dry: Float32, wet: Float32, rate_hz: int) -> Delay:
    """Delay of wet against dry, MAX_DELAY_S either way. May block (two seconds for three minutes).

    To a fraction of a frame for a device that passes highs, to about two for a distorted one behind a cabinet.
    """
    rough = rough_anywhere(dry, wet, rate_hz)
    if not rough.is_common:
        return rough
    whole = round(rough.frames)
    frames, sign, snr = pure_delay(*overlapping(dry, wet, whole))
    return Delay(whole + frames, sign, rough.ratio, rough.distinct, snr)


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
    levels = [smooth(np.abs(part) ** 2, width) for part in (x, y)]
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
