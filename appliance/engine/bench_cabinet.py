"""What a cabinet costs: time per sample, how evenly it is spread over the periods, and a direct FIR for comparison.

The work of the convolver repeats with the longest of its partitions, so each period of that cycle is timed on its own:
the least of many repeats is what the work itself takes, free of what else the machine does. The worst such period
against their mean is how uneven the work is.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from appliance.engine._native import Convolver, DirectFir
from appliance.engine.contract import Float32
from appliance.errors import BadRequest

LONGEST_MS = 1000.0
CYCLE_FRAMES = 512  # of the longest partitions (native/convolver.hpp)

_REPEATS = 60
_TURNS = 3
_DIRECT_PERIODS = 100


@dataclass(frozen=True)
class CabinetTime:
    """The result, as `appliance bench cabinet --json` prints it."""

    ms: float  # length of the impulse response
    taps: int
    block: int  # frames
    rate: int  # Hz
    ns_per_sample: float  # mean over the periods of a cycle
    worst_to_mean: float  # of those periods
    direct_ns_per_sample: float
    times_direct: float  # how many times cheaper than the direct FIR
    share_of_period: float

    def as_json(self) -> dict[str, float | int]:
        """Plain values."""
        return asdict(self)

    def as_text(self) -> str:
        """For people."""
        return (
            f"{self.ms:g} ms ({self.taps} taps) in periods of {self.block} frames: {self.ns_per_sample:.1f} ns/sample, "
            f"{self.share_of_period:.2%} of the time there is\n"
            f"worst period: {self.worst_to_mean:.2f} x the mean\n"
            f"direct FIR: {self.direct_ns_per_sample:.1f} ns/sample, {self.times_direct:.1f} x as much"
        )


def bench_cabinet(ms: float = 200.0, block_frames: int = 64, rate_hz: int = 48_000) -> CabinetTime:
    """Time a mono impulse response of `ms`. Blocks for about a second. Errors: BadRequest."""
    if not 0 < ms <= LONGEST_MS or not 1 <= block_frames <= 8192:
        raise BadRequest(
            f"a cabinet of {ms:g} ms in periods of {block_frames} frames was asked for; the pedal takes up to "
            f"{LONGEST_MS:g} ms, in periods of 1 to 8192 frames"
        )
    rng = np.random.default_rng(0)
    count = max(1, round(ms * rate_hz / 1000))
    taps = (rng.standard_normal(count) * np.exp(-4.0 * np.arange(count) / count)).astype(np.float32)
    periods = period_times(taps, block_frames)
    direct_ns = _direct_time(taps, block_frames, rng)
    ns_per_sample = float(periods.mean()) / block_frames
    return CabinetTime(
        ms=ms,
        taps=count,
        block=block_frames,
        rate=rate_hz,
        ns_per_sample=round(ns_per_sample, 2),
        worst_to_mean=round(float(periods.max() / periods.mean()), 3),
        direct_ns_per_sample=round(direct_ns / block_frames, 2),
        times_direct=round(direct_ns / block_frames / ns_per_sample, 2),
        share_of_period=round(ns_per_sample * rate_hz / 1e9, 6),
    )


def period_times(taps: Float32, block_frames: int) -> np.ndarray:
    """Nanoseconds of each period of a cycle: the least of many repeats. Blocks."""
    convolver = Convolver(taps, block_frames)
    cycle = math.lcm(CYCLE_FRAMES, block_frames) // block_frames
    audio = np.random.default_rng(1).standard_normal(cycle * block_frames * _REPEATS).astype(np.float32)
    convolver.time_periods(audio)  # warm-up; whole cycles, so that the next call begins where a cycle does
    turns = [np.array(convolver.time_periods(audio)).reshape(_REPEATS, cycle) for _ in range(_TURNS)]
    least: np.ndarray = np.concatenate(turns).min(axis=0)
    return least


def _direct_time(taps: Float32, block_frames: int, rng: np.random.Generator) -> float:
    direct = DirectFir(taps, block_frames)
    audio = rng.standard_normal(block_frames * _DIRECT_PERIODS).astype(np.float32)
    direct.time_periods(audio)
    return float(np.median(direct.time_periods(audio)))
