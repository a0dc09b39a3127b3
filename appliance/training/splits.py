"""Which spans of a recording are trained on, chosen by and judged by.

A capture signal has spans made for it (`capture/layout.py`). In any other recording validation and test are short
chunks from all over the file, drawn so that together they sound like the whole: the same share of soft and loud, of
lows and highs. Around each a guard is left out, so that no network hears in training what it is judged on.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from appliance.capture.layout import Layout, SpanS, frames_of

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Span = tuple[int, int]

GUARD_S = 0.25  # longer than the receptive field of any network here
_CHUNK_S = 1.5
_VALIDATION_S, _TEST_S = 9.0, 12.0
_MAX_SHARE = 0.15  # of the file, for each of the two
_DRAWS = 300
_BANDS_HZ = (0.0, 200.0, 800.0, 3200.0, 24_000.0)
_MIN_SPAN_S = 0.5


@dataclass(frozen=True)
class SplitWish:
    """What the manifest asks for: seconds, or spans in seconds; None leaves it to this module."""

    validation: float | tuple[SpanS, ...] | None = None
    test: float | tuple[SpanS, ...] | None = None


@dataclass(frozen=True)
class Split:
    """Spans of frames that don't overlap, in time order."""

    train: tuple[Span, ...]
    validation: tuple[Span, ...]
    test: tuple[Span, ...]


def split(
    dry: Float32, rate_hz: int, frames: int, layout: Layout | None, wish: SplitWish, leave_out: tuple[Span, ...] = ()
) -> Split:
    """Split the first `frames` of a dry file. The same file is always split alike. leave_out: damaged spans.

    Raises ValueError (in words) where the wish leaves nothing to train on or spans overlap.
    """
    if layout is not None and wish == SplitWish():
        spans = [tuple(_within(frames_of(s, rate_hz), frames) for s in part) for part in _parts(layout)]
        return Split(_without(spans[0], leave_out), spans[1], spans[2])
    free: tuple[Span, ...] = ((0, frames),) if layout is None else tuple(frames_of(s, rate_hz) for s in layout.train)
    free = _without(tuple(_within(span, frames) for span in free), leave_out)
    guard = round(GUARD_S * rate_hz)
    test, free = _chosen(dry, rate_hz, free, guard, wish.test, _TEST_S, "test", frames)
    validation, free = _chosen(dry, rate_hz, free, guard, wish.validation, _VALIDATION_S, "validation", frames)
    train = tuple(span for span in free if span[1] - span[0] >= _MIN_SPAN_S * rate_hz)
    if not train:
        raise ValueError("nothing is left to train on: ask for less validation and test")
    return Split(train, validation, test)


def _parts(layout: Layout) -> tuple[tuple[SpanS, ...], ...]:
    return layout.train, layout.validation, layout.test


def _chosen(
    dry: Float32,
    rate_hz: int,
    free: tuple[Span, ...],
    guard: int,
    wish: float | tuple[SpanS, ...] | None,
    usual_s: float,
    name: str,
    frames: int,
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """(the spans, what is left free around them)."""
    if isinstance(wish, tuple):
        spans = tuple(sorted(frames_of(span, rate_hz) for span in wish))
        for first, last in spans:
            if not 0 <= first < last <= frames:
                raise ValueError(f"{name} wants {first / rate_hz:g} … {last / rate_hz:g} s of {frames / rate_hz:.1f} s")
            if not any(a <= first and last <= b for a, b in free):
                raise ValueError(f"{name} wants {first / rate_hz:g} … {last / rate_hz:g} s, which is in use already")
    else:
        total = sum(last - first for first, last in free)
        wanted = min((usual_s if wish is None else wish) * rate_hz, (_MAX_SHARE if wish is None else 0.6) * total)
        spans = _drawn(dry, rate_hz, free, guard, int(wanted))
    taken = tuple((max(0, first - guard), last + guard) for first, last in spans)
    return spans, _without(free, taken)


def _drawn(dry: Float32, rate_hz: int, free: tuple[Span, ...], guard: int, wanted: int) -> tuple[Span, ...]:
    """Chunks from all over, of `wanted` frames together: the draw whose features lie nearest to the file's."""
    count = max(2, round(wanted / (_CHUNK_S * rate_hz)))
    size = wanted // count
    step = size + 2 * guard
    places = [at for first, last in free for at in range(first + guard, last - size - guard + 1, step)]
    if len(places) <= count:
        raise ValueError("the recording is too short for validation and test beside training: record two minutes")
    features = np.array([_features(dry[at : at + size], rate_hz) for at in places])
    spread = features.std(axis=0) + 1e-9
    goal = np.sort(features, axis=0)
    at_share = (np.arange(count) + 0.5) / count * (len(places) - 1)
    wanted_values = np.array([np.interp(at_share, np.arange(len(places)), column) for column in goal.T]).T
    rng = np.random.RandomState(0)
    best, best_distance = np.arange(count), np.inf
    strata = np.array_split(np.arange(len(places)), count)  # one from each part of the file
    for _ in range(_DRAWS):
        draw = np.array([stratum[rng.randint(len(stratum))] for stratum in strata])
        distance = float(np.mean(((np.sort(features[draw], axis=0) - wanted_values) / spread) ** 2))
        if distance < best_distance:
            best, best_distance = draw, distance
    return tuple((places[int(i)], places[int(i)] + size) for i in sorted(best))


def _features(audio: Float32, rate_hz: int) -> Float64:
    """Loudness in dB as a whole, at its loudest, and by bands."""
    power = np.abs(np.fft.rfft(audio)) ** 2
    hz = np.fft.rfftfreq(len(audio), 1 / rate_hz)
    bands = [power[(hz >= a) & (hz < b)].sum() for a, b in pairwise(_BANDS_HZ)]
    values = [*bands, float(np.abs(audio).max()) ** 2 * len(audio)]
    features: Float64 = 10 * np.log10(np.array(values) + 1e-6)
    return features


def _within(span: Span, frames: int) -> Span:
    return min(span[0], frames), min(span[1], frames)


def _without(spans: tuple[Span, ...], taken: tuple[Span, ...]) -> tuple[Span, ...]:
    """The spans less what is taken."""
    left = list(spans)
    for first, last in taken:
        pieces = [((a, min(b, first)), (max(a, last), b)) for a, b in left]
        left = [piece for pair in pieces for piece in pair if piece[1] > piece[0]]
    return tuple(left)
