"""Two clocks: when playing and recording ran on different ones, the delay grows along the file.

The delay of many short stretches is laid on a line; its slope is the drift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.capture.delay import MAX_DELAY_S, overlapping, rough_delay

Float32 = npt.NDArray[np.float32]

MAX_DRIFT = 1e-3  # what is beyond is no clock but a wrong sample rate
MIN_DRIFT_FRAMES = 1.0  # over the whole file
_STRETCH_S = 4.0
_LONG_STRETCH_S = 10.0
_MAX_STRETCHES = 18
_MAX_LONG_STRETCHES = 9
_REACH_FRAMES = 2048
_MIN_RATIO = 12.0
_MIN_LOUDNESS = 0.02
_INLIER_FRAMES = 4.0
_MIN_STRETCHES = 4


@dataclass(frozen=True)
class Drift:
    """wet is later than dry by `delay_frames` at its start and by `per_frame` more with each frame.

    error_frames: how well the change over the whole file is known (one standard deviation).
    """

    delay_frames: float
    per_frame: float
    error_frames: float

    @property
    def ppm(self) -> float:
        """Parts per million."""
        return self.per_frame * 1e6


def measure_drift(dry: Float32, wet: Float32, rate_hz: int, delay_frames: int | None) -> Drift | None:
    """The drift of wet against dry, or None where it can't be told. May block (seconds).

    delay_frames: the delay of the whole file if it is known; otherwise each stretch is searched for over MAX_DELAY_S.
    """
    if delay_frames is None:
        stretch, reach, shift = round(_LONG_STRETCH_S * rate_hz), round(MAX_DELAY_S * rate_hz), 0
    else:
        stretch, reach, shift = round(_STRETCH_S * rate_hz), _REACH_FRAMES, delay_frames
    offset = max(0, -shift)  # how much of the dry file's beginning `overlapping` takes away
    dry, wet = overlapping(dry, wet, shift)
    stretch = min(stretch, len(dry) // 6)
    if stretch < 4 * _REACH_FRAMES:
        return None
    loud_enough = _MIN_LOUDNESS * float(np.abs(dry).max(initial=0.0))
    most = _MAX_STRETCHES if delay_frames is not None else _MAX_LONG_STRETCHES
    starts = np.linspace(0, len(dry) - stretch, min(most, 2 * (len(dry) // stretch) - 1)).astype(int)
    middles, delays = [], []
    for start in starts.tolist():
        here = dry[start : start + stretch]
        if float(np.abs(here).max(initial=0.0)) < loud_enough:
            continue
        first = max(0, start - reach)
        there = wet[first : start + stretch + reach]
        found = rough_delay(here, there, 2 * reach)
        if found.ratio >= _MIN_RATIO:
            middles.append(start + stretch / 2)
            delays.append(found.frames - (start - first))
    if len(delays) < _MIN_STRETCHES:
        return None
    drift = _line(np.array(middles), np.array(delays), len(dry), stretch)
    return drift and Drift(drift.delay_frames + shift - drift.per_frame * offset, drift.per_frame, drift.error_frames)


def _line(at: npt.NDArray[np.float64], delays: npt.NDArray[np.float64], frames: int, stretch: int) -> Drift | None:
    """Theil and Sen's median of slopes, then least squares over what lies near it."""
    first, second = np.triu_indices(len(at), 1)
    slope = float(np.median((delays[second] - delays[first]) / (at[second] - at[first])))
    offset = float(np.median(delays - slope * at))
    within = _INLIER_FRAMES + abs(slope) * stretch  # the delay changes inside a stretch as well
    near = np.abs(delays - slope * at - offset) < within
    if near.sum() < max(_MIN_STRETCHES, len(at) // 2) or abs(slope) > MAX_DRIFT:
        return None
    middle = at[near].mean()
    width = float(np.sum((at[near] - middle) ** 2))
    slope = float(np.sum((at[near] - middle) * delays[near]) / width)
    offset = float(delays[near].mean() - slope * middle)
    rest = delays[near] - slope * at[near] - offset
    spread = max(0.3, float(np.sqrt(np.sum(rest**2) / max(1, len(rest) - 2))))
    return Drift(offset, slope, spread / float(np.sqrt(width)) * frames)
