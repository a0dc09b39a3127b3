"""Line a wet file up with its dry one: delay, drift, polarity. Blips first, where the signal has some."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.capture.delay import Delay, find_delay
from appliance.capture.drift import MIN_DRIFT_FRAMES, Drift, measure_drift
from appliance.capture.layout import Layout

Float32 = npt.NDArray[np.float32]

SAFETY_FRAMES = 1  # early is harmless, late would ask the network to look ahead (as in NAM's trainer)
_BLIP_REACH_S = 0.006
_BLIP_NOISE_S = 0.05
_ONSET = 0.05  # of the answer's peak: where a cabinet's answer starts to rise
_OVER_NOISE = 3.0
_MIN_APART_S = 60.0
_BLIP_ERROR_FRAMES = 0.5
_MAX_BLIP_SPREAD_FRAMES = 4
_MAX_BLIP_LEAD_FRAMES = 24  # blips and music may differ by a cabinet's group delay


@dataclass(frozen=True)
class Alignment:
    """wet[n + shift_frames] answers dry[n], in the `wet` given here (resampled where clocks drifted).

    delay: what the correlation says. blip_frames: what the blips say, None without. sign: -1 where the device (or its
    cables) turns the polarity. drift: what was taken out, None if nothing.
    """

    wet: Float32
    shift_frames: int
    delay: Delay
    blip_frames: float | None
    drift: Drift | None

    @property
    def sign(self) -> int:
        """-1 for inverted polarity, 0 where it is not clear."""
        return self.delay.sign


def align(dry: Float32, wet: Float32, rate_hz: int, layout: Layout | None) -> Alignment | None:
    """None when the two have nothing in common, or too little to tell the frame.

    Whole frames are shifted; only a drifting clock is resampled away. May block (some seconds for three minutes).
    """
    delay = find_delay(dry, wet, rate_hz)
    taken_out = None
    for _ in range(2):
        known = round(delay.frames) if delay.is_common else None
        drift = measure_drift(dry, wet, rate_hz, known)
        if drift is None or not _is_worth(drift, len(dry)):
            break
        wet = without_drift(wet, rate_hz, drift.per_frame)
        taken_out = drift if taken_out is None else _sum(taken_out, drift)
        delay = find_delay(dry, wet, rate_hz)
    if not delay.is_common:
        return None
    if layout is not None and (rest := blip_drift(dry, wet, rate_hz, layout, round(delay.frames))):
        wet = without_drift(wet, rate_hz, rest)
        taken_out = (
            _sum(taken_out, Drift(0.0, rest, _BLIP_ERROR_FRAMES)) if taken_out else Drift(0.0, rest, _BLIP_ERROR_FRAMES)
        )
        delay = find_delay(dry, wet, rate_hz)
    blip = None if layout is None else blip_delay(dry, wet, rate_hz, layout, round(delay.frames))
    if blip is not None and -_MAX_BLIP_LEAD_FRAMES <= delay.frames - blip <= _MAX_BLIP_LEAD_FRAMES:
        return Alignment(wet, int(np.floor(blip)) - SAFETY_FRAMES, delay, blip, taken_out)
    if not delay.is_clear:
        return None
    return Alignment(wet, round(delay.frames) - SAFETY_FRAMES, delay, None, taken_out)


def without_drift(wet: Float32, rate_hz: int, per_frame: float) -> Float32:
    """wet as if it had been recorded by the clock that played."""
    import soxr

    out: Float32 = soxr.resample(wet, rate_hz * (1.0 + per_frame), rate_hz, quality="VHQ")
    return out.astype(np.float32, copy=False)


def blip_delay(dry: Float32, wet: Float32, rate_hz: int, layout: Layout, near_frames: int) -> float | None:
    """Median over the blips of (start of the answer − start of the blip), or None where they can't be made out."""
    found = list(_blip_delays(dry, wet, rate_hz, layout, near_frames).values())
    if len(found) < 2 or max(found) - min(found) > _MAX_BLIP_SPREAD_FRAMES:
        return None
    return float(np.median(found))


def blip_drift(dry: Float32, wet: Float32, rate_hz: int, layout: Layout, near_frames: int) -> float | None:
    """What drift the blips still show, per frame: blips at both ends tell it more finely than music. None if none."""
    found = _blip_delays(dry, wet, rate_hz, layout, near_frames)
    middle = (layout.blips[0] + layout.blips[-1]) / 2
    early, late = ([d for at, d in found.items() if (at > middle) is is_late] for is_late in (False, True))
    apart_s = layout.blips[-1] - layout.blips[0]
    if len(early) < 2 or len(late) < 2 or apart_s < _MIN_APART_S:
        return None
    change = float(np.mean(late) - np.mean(early))
    return change / (apart_s * rate_hz) if abs(change) >= MIN_DRIFT_FRAMES else None


def _blip_delays(dry: Float32, wet: Float32, rate_hz: int, layout: Layout, near_frames: int) -> dict[float, int]:
    found = {}
    for at_s in layout.blips:
        at = round(at_s * rate_hz)
        played, answered = onset(dry, at, rate_hz), onset(wet, at + near_frames, rate_hz)
        if played is not None and answered is not None:
            found[at_s] = answered - played
    return found


def onset(audio: Float32, near: int, rate_hz: int) -> int | None:
    """Frame at which a blip near `near` starts to rise out of the noise before it."""
    reach, noise = round(_BLIP_REACH_S * rate_hz), round(_BLIP_NOISE_S * rate_hz)
    first = near - reach
    if first - noise < 0 or near + reach > len(audio):
        return None
    before = audio[first - noise : first]
    offset = float(np.median(before))
    floor = float(np.abs(before - offset).max())
    around = np.abs(audio[first : near + reach] - offset)
    peak = float(around.max())
    if peak < _OVER_NOISE * floor / _ONSET:
        return None
    return first + int(np.argmax(around > _ONSET * peak))


def _is_worth(drift: Drift, frames: int) -> bool:
    change = abs(drift.per_frame) * frames
    return change > max(MIN_DRIFT_FRAMES, 4.0 * drift.error_frames)


def _sum(first: Drift, second: Drift) -> Drift:
    return Drift(first.delay_frames, first.per_frame + second.per_frame, second.error_frames)
