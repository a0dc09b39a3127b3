"""How long engines take for a block of audio: several models and engines, interleaved in one run.

On a shared machine one figure says little; figures taken turn by turn in the same run can be compared. Medians, and the
ratio to ONNX Runtime, are what travels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

import numpy as np

from appliance.engine._native import cpu_features, peak_gflops
from appliance.engine.contract import Float32
from appliance.engine.engines import make_engine
from appliance.engine.native_engine import NativeEngine
from appliance.formats.description import Description, multiply_adds_per_sample

_BLOCKS_PER_TURN = 20
_WARM_UP_BLOCKS = 20


@dataclass(frozen=True)
class EngineTime:
    """One row of `appliance bench engine --json`."""

    model: str
    engine: str
    block: int  # frames
    ns_per_sample: float  # median
    realtime_factor: float  # how many times faster than the model's own sample rate
    multiply_adds_per_sample: int
    gflops: float  # two operations a multiply-add; activations not counted
    peak_share: float  # of what this core's multiply-add units can do


def bench_engines(
    models: Sequence[tuple[str, Description]],
    engines: Sequence[str],
    block_frames: int,
    *,
    seconds_per_model: float = 1.5,
    progress: Callable[[], None] = lambda: None,
) -> list[EngineTime]:
    """Time every engine on every model, on the same audio. Blocks. One row per pair, in order."""
    audio = _plucks(block_frames)
    rows = []
    peak = peak_gflops()
    for name, description in models:
        timers = {engine: _timer(engine, description, audio) for engine in engines}
        taken: dict[str, list[float]] = {engine: [] for engine in engines}
        until = time.monotonic() + seconds_per_model
        while time.monotonic() < until or not all(taken.values()):
            for engine, timer in timers.items():
                taken[engine] += timer()
        multiply_adds = multiply_adds_per_sample(description.architecture)
        for engine in engines:
            ns_per_sample = median(taken[engine]) / block_frames
            factor = 1e9 / (description.sample_rate_hz * ns_per_sample)
            gflops = 2.0 * multiply_adds / ns_per_sample
            rows.append(
                EngineTime(
                    name,
                    engine,
                    block_frames,
                    round(ns_per_sample, 2),
                    round(factor, 2),
                    multiply_adds,
                    round(gflops, 2),
                    round(gflops / peak, 4),
                )
            )
        progress()
    return rows


def as_json(rows: Sequence[EngineTime]) -> list[dict[str, str | int | float]]:
    """The rows as `--json` prints them."""
    return [asdict(row) for row in rows]


def as_table(rows: Sequence[EngineTime], rates_hz: dict[str, int]) -> str:
    """The rows for people: time per sample, share of the period, ratio to ONNX Runtime where it was measured too."""
    onnx = {row.model: row.ns_per_sample for row in rows if row.engine == "onnx"}
    width = max(len(row.model) for row in rows)
    head = f"{'model':<{width}}  engine     ns/sample  share of period  x ONNX Runtime  multiply-adds  GFLOP/s  of peak"
    lines = [head]
    for row in rows:
        share = row.ns_per_sample * rates_hz[row.model] / 1e9
        ratio = f"{row.ns_per_sample / onnx[row.model]:.3f}" if row.model in onnx else "-"
        lines.append(
            f"{row.model:<{width}}  {row.engine:<9}  {row.ns_per_sample:>9.1f}  {share:>15.2%}  {ratio:>14}"
            f"  {row.multiply_adds_per_sample:>13}  {row.gflops:>7.1f}  {row.peak_share:>7.0%}"
        )
    lines.append(f"Blocks of {rows[0].block} frames, medians; {cpu_features()}.")
    return "\n".join(lines)


def _plucks(frames: int) -> Float32:
    t = np.arange(frames) / 48_000
    return (0.3 * np.sin(2 * np.pi * 196 * t) + 0.1 * np.sin(2 * np.pi * 588 * t)).astype(np.float32)


def _timer(engine: str, description: Description, audio: Float32) -> Callable[[], list[float]]:
    made = make_engine(engine, description)
    if isinstance(made, NativeEngine):
        native = made
        native.time_blocks(audio, _WARM_UP_BLOCKS)
        return lambda: [float(ns) for ns in native.time_blocks(audio, _BLOCKS_PER_TURN)]
    knobs = np.full(made.knob_count, 0.5, np.float32) if made.knob_count else None
    blocks = _BLOCKS_PER_TURN if engine == "onnx" else 1

    def turn() -> list[float]:
        taken = []
        for _ in range(blocks):
            start = time.perf_counter_ns()
            made.process(audio, knobs)
            taken.append(float(time.perf_counter_ns() - start))
        return taken

    turn()
    return turn
