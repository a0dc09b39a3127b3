"""What a device does to loud and soft: compression curve, and how its gain moves after notes start and stop.

All of it is read off ordinary playing, so it works on any take. Levels are RMS in dB of full scale; a gain is output
level minus input level. Pure numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from appliance.training.report.measures import Audio, Float64, moving_level_db, window_levels_db

WINDOW_MS = 50.0  # of the compression curve: four periods of a low E
LEVEL_WINDOW_MS = 15.0  # of gains after onsets and drops: what happens faster is blurred
_HOP_MS = 1.0
_STEP_DB = 10.0  # a rise or fall by so much across two level windows is an onset or a drop
_ALONE_MS = 150.0  # a start or stop with another one sooner behind it is not used
_FAINT_DB = -60.0  # input below this is hiss: gain means nothing
_BEFORE_MS, _AFTER_MS = 50.0, 400.0
_BIN_DB = 3.0
_FEWEST = 4  # windows in a bin
_LEAST_CHANGE_DB = 1.0
_STEADY_DB = 3.0


@dataclass(frozen=True)
class CompressionCurve:
    """Output level for each input level: median, and where the middle 80 % of windows lie. All [bins], in dB."""

    input_db: Float64
    output_db: Float64
    low_db: Float64
    high_db: Float64


def compression_curve(dry: Audio, wet: Audio, rate_hz: int) -> CompressionCurve:
    """Short-time input level against short-time output level, in bins of 3 dB; bins with few windows are left out."""
    frames = max(1, round(rate_hz * WINDOW_MS / 1e3))
    into, out = window_levels_db(dry, frames), window_levels_db(wet, frames)
    rows = []
    for low in np.arange(_FAINT_DB, 3.0, _BIN_DB):
        inside = out[(into >= low) & (into < low + _BIN_DB)]
        if len(inside) >= _FEWEST:
            rows.append((low + _BIN_DB / 2.0, *np.percentile(inside, [50, 10, 90])))
    table = np.array(rows, np.float64).reshape(-1, 4)
    return CompressionCurve(table[:, 0], table[:, 1], table[:, 2], table[:, 3])


@dataclass(frozen=True)
class GainResponse:
    """Median gain around an event at time 0, over `events` events. `gain_db` is NaN where nothing could be told.

    steady: after the event the input stays at one level, so that a moving gain is the device's doing alone.
    """

    times_ms: Float64
    gain_db: Float64
    events: int
    steady: bool


def events(dry: Audio, rate_hz: int) -> tuple[list[int], list[int]]:
    """Milliseconds at which notes start and stop in the input: rises and falls of 10 dB, calm after each."""
    level = _level_db(dry, rate_hz)
    reach = round(LEVEL_WINDOW_MS / _HOP_MS)
    step = np.zeros(len(level))
    if len(level) > 2 * reach:
        step[reach:-reach] = level[2 * reach :] - level[: -2 * reach]
    found = []
    for sign in (1.0, -1.0):
        moves = sign * step
        at = [
            index
            for index in np.flatnonzero(moves >= _STEP_DB)
            if moves[index] == moves[max(0, index - 2 * reach) : index + 2 * reach + 1].max()
        ]
        found.append([int(index) for n, index in enumerate(at) if n == 0 or index - at[n - 1] > 1])
    every = sorted(found[0] + found[1])
    alone = {at for at, then in zip(every, [*every[1:], 1 << 60], strict=True) if then - at >= _ALONE_MS / _HOP_MS}
    return [at for at in found[0] if at in alone], [at for at in found[1] if at in alone]


def gain_response(dry: Audio, wet: Audio, rate_hz: int, at_ms: list[int]) -> GainResponse:
    """Median gain (output level - input level) from 50 ms before to 400 ms after the events `at_ms`."""
    into, out = _level_db(dry, rate_hz), _level_db(wet, rate_hz)
    gain = np.where(into > _FAINT_DB, out - into, np.nan)
    # Each event counts up to the next one only.
    starts = sorted(at_ms)
    ends = [*starts[1:], len(gain)][: len(starts)]
    times = np.arange(-round(_BEFORE_MS / _HOP_MS), round(_AFTER_MS / _HOP_MS))
    rows = np.full((2, len(starts), len(times)), np.nan)
    for number, (at, end) in enumerate(zip(starts, ends, strict=True)):
        index = at + times
        usable = (index >= 0) & (index < min(end, len(gain)))
        rows[0, number, usable] = gain[index[usable]]
        rows[1, number, usable] = into[index[usable]]
    told = np.isfinite(rows[0]).sum(axis=0) > len(starts) / 2
    median = np.full((2, len(times)), np.nan)
    if told.any():
        median[:, told] = np.nanmedian(rows[:, :, told], axis=1)
    sent = median[1, told & (times * _HOP_MS > LEVEL_WINDOW_MS)]
    steady = len(sent) > 0 and float(np.ptp(sent)) < _STEADY_DB
    return GainResponse((times * _HOP_MS).astype(np.float64), median[0], len(starts), steady)


def gain_difference_db(device: GainResponse, model: GainResponse) -> float:
    """RMS difference of the two gains after the event; NaN where neither can be told."""
    apart = (device.gain_db - model.gain_db)[device.times_ms >= 0.0]
    apart = apart[np.isfinite(apart)]
    return float(np.sqrt(np.mean(np.square(apart)))) if len(apart) else float("nan")


def settling_ms(response: GainResponse) -> float:
    """Time constant of the gain after the event: 63 % of the way from where it can first be told to where it ends.

    NaN where the gain moves by less than 1 dB, or too little of it was seen.
    """
    after = np.isfinite(response.gain_db) & (response.times_ms >= LEVEL_WINDOW_MS / 2.0 + _HOP_MS)
    times, gain = response.times_ms[after], response.gain_db[after]
    if len(gain) < 50:
        return float("nan")
    first, last = gain[0], float(np.median(gain[-20:]))
    if abs(last - first) < _LEAST_CHANGE_DB:
        return float("nan")
    done = (gain - first) / (last - first)
    return float(times[np.argmax(done >= 1.0 - np.exp(-1.0))] - times[0])


def _level_db(audio: Audio, rate_hz: int) -> Float64:
    return moving_level_db(audio, round(rate_hz * LEVEL_WINDOW_MS / 1e3), round(rate_hz * _HOP_MS / 1e3))
