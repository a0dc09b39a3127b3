"""Capture signals whose inside is known: where the blips, the silences and the passage played twice are.

A recording of such a signal is aligned by its blips, its noise is measured in true silence, and what is trained,
validated and tested on is what the signal's maker meant for that. Times are seconds from the file's first frame, so
that a copy at another sample rate is known as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
SpanS = tuple[float, float]  # from, to; seconds

_BLIP_REACH_S = 0.002
_AROUND_BLIP_S = 0.2  # quiet is wanted this far on both sides
_MIN_BLIP_OVER_QUIET = 30.0
_MIN_BLIP_PEAK = 0.02
_MIN_REPEAT_CORRELATION = 0.98
_MAX_LONGER_S = 30.0


@dataclass(frozen=True)
class Layout:
    """Where is what in a capture signal.

    repeat: the same passage twice; the second is what is validated on, the first is left out of training.
    quiet: true silence that has been silent for a while, where a device's noise and hum can be heard.
    """

    name: str
    seconds: float
    blips: tuple[float, ...]
    quiet: tuple[SpanS, ...]
    repeat: tuple[SpanS, SpanS]
    train: tuple[SpanS, ...]
    test: tuple[SpanS, ...]

    @property
    def validation(self) -> tuple[SpanS, ...]:
        """Spans to choose the best network by."""
        return (self.repeat[1],)


# `signal.py` writes this one from these very numbers.
OWN = Layout(
    name="our capture signal",
    seconds=180.0,
    blips=(1.0, 1.5, 178.0, 178.5),
    quiet=((0.1, 0.95), (25.5, 26.9)),
    repeat=((3.0, 12.0), (168.0, 177.0)),
    train=((13.0, 156.0),),
    test=((157.0, 167.0),),
)

# Facts of the layout from neural-amp-modeler's nam/train/core.py (v3 signal). Its only designed hold-out is the passage
# played twice, so what is tested on is cut out of its music.
NAM_V3 = Layout(
    name="NAM's v3 signal",
    seconds=190.0,
    blips=(10.5, 11.5),
    quiet=((9.3, 10.4), (180.7, 180.95)),
    repeat=((0.0, 9.0), (181.0, 190.0)),
    train=((10.0, 59.75), (65.25, 119.75), (125.25, 180.5)),
    test=((60.0, 65.0), (120.0, 125.0)),
)

LAYOUTS = (OWN, NAM_V3)


def recognise(dry: Float32, rate_hz: int) -> Layout | None:
    """The layout of a dry file, or None. It must start where the signal starts; a tail does not matter. May block."""
    return next((layout for layout in LAYOUTS if _is_of(layout, dry, rate_hz)), None)


def frames_of(span: SpanS, rate_hz: int) -> tuple[int, int]:
    """Seconds → frames."""
    return round(span[0] * rate_hz), round(span[1] * rate_hz)


def _is_of(layout: Layout, dry: Float32, rate_hz: int) -> bool:
    seconds = len(dry) / rate_hz
    if not layout.seconds - 0.01 <= seconds <= layout.seconds + _MAX_LONGER_S:
        return False
    if not all(_is_blip(dry, rate_hz, at) for at in layout.blips):
        return False
    first, second = (dry[slice(*frames_of(span, rate_hz))].astype(np.float64) for span in layout.repeat)
    frames = min(len(first), len(second))
    first, second = first[:frames], second[:frames]
    power = float(np.sqrt(np.sum(first**2) * np.sum(second**2)))
    return power > 0 and float(np.dot(first, second)) > _MIN_REPEAT_CORRELATION * power


def _is_blip(dry: Float32, rate_hz: int, at_s: float) -> bool:
    middle, reach, around = (round(s * rate_hz) for s in (at_s, _BLIP_REACH_S, _AROUND_BLIP_S))
    peak = float(np.abs(dry[middle - reach : middle + reach]).max())
    before = np.abs(dry[middle - around : middle - reach])
    after = np.abs(dry[middle + 2 * reach : middle + around])
    quiet = max(float(before.max()), float(after.max()))
    return peak > max(_MIN_BLIP_PEAK, _MIN_BLIP_OVER_QUIET * quiet)
