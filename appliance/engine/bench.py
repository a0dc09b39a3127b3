"""What engines make of models: time of a block, error against the reference, loading; engines interleaved in one run.

On a shared machine one figure says little; figures taken turn by turn in the same run can be compared. Medians, and the
ratio to ONNX Runtime, are what travels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from appliance.engine._native import peak_gflops
from appliance.engine.bench_accuracy import SECONDS, Judge
from appliance.engine.bench_loading import load_times
from appliance.engine.contract import Float32
from appliance.engine.engines import make_engine
from appliance.engine.native_engine import NativeEngine
from appliance.formats.description import Description, multiply_adds_per_sample
from appliance.formats.foreign_graph import ForeignGraph

# Sound that an engine plays at a turn: long enough that it finds its own past in the caches again, as the one model of
# a pedal does, and not the other engine's.
_TURN_FRAMES = 4800
_WARM_UP_BLOCKS = 20


@dataclass(frozen=True)
class EngineTime:
    """One row of `appliance bench engine --json`."""

    model: str
    engine: str
    block: int  # frames
    ns_per_sample: float  # median
    realtime_factor: float  # how many times faster than the model's own sample rate
    onnx_ratio: float | None  # time as a share of ONNX Runtime's; None where that was not measured
    multiply_adds_per_sample: int
    gflops: float  # two operations a multiply-add; activations not counted
    peak_share: float  # of what this core's multiply-add units can do
    error: float | None  # largest difference to the float64 reference, of full scale; None where that has no equations
    load_ms: float | None  # native: building and warm-up over the whole receptive field, median
    load_ms_max: float | None
    patch_ms: float | None  # native: packing, writing and reading the patch file, median


def bench_engines(
    models: Sequence[tuple[str, Description]],
    engines: Sequence[str],
    blocks_frames: Sequence[int],
    *,
    seconds_per_model: float = 1.5,
    guitar_seconds: float = SECONDS,
    only_times: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> list[EngineTime]:
    """Time every engine on every model in blocks of every size, on the same audio. Blocks.

    One row per model, size and engine, in this order. guitar_seconds: what errors are measured on. only_times:
    errors and loading are left out, which is quicker.
    progress: called after each model and size.
    Errors: UnsupportedModel, for an engine that can't play a model.
    """
    rows = []
    peak = peak_gflops()
    for name, description in models:
        has_equations = not isinstance(description.architecture, ForeignGraph)
        judge = Judge(description, guitar_seconds) if has_equations and not only_times else None
        for block_frames in blocks_frames:
            times = _median_ns(description, engines, block_frames, seconds_per_model)
            loads = load_times(description, block_frames) if "native" in engines and not only_times else None
            multiply_adds = multiply_adds_per_sample(description.architecture)
            for engine in engines:
                ns_per_sample = times[engine] / block_frames
                gflops = 2.0 * multiply_adds / ns_per_sample
                own_loads = loads if engine == "native" else None
                rows.append(
                    EngineTime(
                        model=name,
                        engine=engine,
                        block=block_frames,
                        ns_per_sample=round(ns_per_sample, 2),
                        realtime_factor=round(1e9 / (description.sample_rate_hz * ns_per_sample), 2),
                        onnx_ratio=round(times[engine] / times["onnx"], 4) if "onnx" in times else None,
                        multiply_adds_per_sample=multiply_adds,
                        gflops=round(gflops, 2),
                        peak_share=round(gflops / peak, 4),
                        error=judge.error(engine, block_frames) if judge else None,
                        load_ms=own_loads.load_ms if own_loads else None,
                        load_ms_max=own_loads.load_ms_max if own_loads else None,
                        patch_ms=own_loads.patch_ms if own_loads else None,
                    )
                )
            progress()
    return rows


def _median_ns(description: Description, engines: Sequence[str], block_frames: int, seconds: float) -> dict[str, float]:
    """Engine → median time of a block, taken turn by turn."""
    audio = _plucks(block_frames)
    timers = {engine: _timer(engine, description, audio) for engine in engines}
    taken: dict[str, list[float]] = {engine: [] for engine in engines}
    until = time.monotonic() + seconds
    while time.monotonic() < until or not all(taken.values()):
        for engine, timer in timers.items():
            taken[engine] += timer()
    return {engine: median(times) for engine, times in taken.items()}


def _plucks(frames: int) -> Float32:
    t = np.arange(frames) / 48_000
    return (0.3 * np.sin(2 * np.pi * 196 * t) + 0.1 * np.sin(2 * np.pi * 588 * t)).astype(np.float32)


def _timer(engine: str, description: Description, audio: Float32) -> Callable[[], list[float]]:
    made = make_engine(engine, description)
    blocks = -(-_TURN_FRAMES // len(audio))
    if isinstance(made, NativeEngine):
        native = made
        native.time_blocks(audio, _WARM_UP_BLOCKS)
        return lambda: [float(ns) for ns in native.time_blocks(audio, blocks)]
    knobs = np.full(made.knob_count, 0.5, np.float32) if made.knob_count else None

    def turn() -> list[float]:
        taken = []
        for _ in range(blocks if engine == "onnx" else 1):
            start = time.perf_counter_ns()
            made.process(audio, knobs)
            taken.append(float(time.perf_counter_ns() - start))
        return taken

    turn()
    return turn
