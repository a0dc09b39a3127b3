"""Two takes whose knob positions were mixed up: the sound changes in steps along a knob, and not back and forth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from appliance.formats.description import Knob
from appliance.training.contract import Take

Float64 = npt.NDArray[np.float64]

_MIN_TAKES = 4
_MUCH_SHORTER = 0.75
_BANDS = 24
_WINDOW_FRAMES = 4096


def exchanged_takes(knobs: tuple[Knob, ...], takes: Sequence[Take]) -> list[str]:
    """A sentence for each knob along which the takes look exchanged; only for devices with one knob."""
    if len(knobs) != 1 or len(takes) < _MIN_TAKES:
        return []
    order = sorted(range(len(takes)), key=lambda i: takes[i].knobs[0])
    features = [_features(takes[i]) for i in order]
    usual = _path(features)
    lengths = {}
    for a, b in combinations(range(len(features)), 2):
        swapped = list(features)
        swapped[a], swapped[b] = swapped[b], swapped[a]
        lengths[a, b] = _path(swapped)
    best = min(lengths.values())
    if best > _MUCH_SHORTER * usual:
        return []
    # A row and its mirror image are as long as each other: the pair nearer together is the likelier mistake.
    pair = min((pair for pair in lengths if lengths[pair] < best * 1.01), key=lambda pair: pair[1] - pair[0])
    first, second = (takes[order[i]] for i in pair)
    (knob,) = knobs
    return [
        f"{first.name} ({knob.name} = {first.knobs[0]:g}) and {second.name} ({knob.name} = {second.knobs[0]:g}) look "
        "exchanged: the sound changes more smoothly along the knob with the two the other way round. Listen to them."
    ]


def _path(features: Sequence[Float64]) -> float:
    return float(sum(np.linalg.norm(a - b) for a, b in pairwise(features)))


def _features(take: Take) -> Float64:
    """Loudness by bands, and the spread of levels, in dB."""
    frames = len(take.wet) // _WINDOW_FRAMES * _WINDOW_FRAMES
    windows = take.wet[:frames].reshape(-1, _WINDOW_FRAMES) * np.hanning(_WINDOW_FRAMES)
    power = np.mean(np.abs(np.fft.rfft(windows)) ** 2, axis=0)
    edges = np.unique(np.geomspace(4, len(power), _BANDS + 1).astype(int))
    bands = [power[a:b].sum() for a, b in pairwise(edges.tolist())]
    levels_db = 10 * np.log10(np.mean(windows**2, axis=1) + 1e-9)
    spread = np.percentile(levels_db, [25, 50, 75, 95])
    features: Float64 = np.concatenate([10 * np.log10(np.array(bands) + 1e-9), spread])
    return features
