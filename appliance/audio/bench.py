"""How punctual the loop is: the real loop on the demo card in a process of its own, every period timed.

Only `read` of the demo card is instrumented, so what is measured is what plays:

- wake_us: how late the process woke for its period.
- busy_us: from there to the next wait: engine, copies, Python, instruments.
- python_us: busy_us less the time inside the compiled engine.

A period is `late` when its output was not ready one period after its input (with 2 periods of playback: an xrun).

No machine is punctual by itself, so the same work is done by a plain C++ loop (`native/clocked_loop.cpp`: the same
engine object, clock, deadlines and real-time set-up), turn by turn with Python's in slices of a few seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from appliance.audio import loop, realtime
from appliance.audio.demo import DemoPort
from appliance.audio.ports import PERIOD_FRAMES_MAX, PERIOD_FRAMES_MIN
from appliance.errors import BadRequest, DeviceError

if TYPE_CHECKING:
    from appliance.engine._native import Pedal

_WARM_UP_PERIODS = 200  # of each slice
_SLICE_S = 5.0
_RANKS_OF_10_000 = {"p50": 5_000, "p99": 9_900, "p99.9": 9_990, "p99.99": 9_999}


def bench_loop(
    seconds: float = 10.0,
    period: int = 64,
    rate: int = 48_000,
    model_patch: bytes | None = None,
    core: str = "",
    *,
    load: bool = False,
) -> dict[str, object]:
    """Run both loops, `seconds` each, and return {period, periods, late, wake_us, busy_us, python_us, native_loop:
    {periods, late, wake_us, busy_us}}. Blocks for a little more than twice `seconds`.

    The times are {p50, p99, p99.9, p99.99, max} in microseconds. model_patch: what engine/packing.py makes; None
    measures the chain without a model. load: keep the other cores busy meanwhile (`bench_load.py`). Warnings of the
    real-time set-up go to stderr.
    Errors: BadRequest; DeviceError when the process ended without a result; NotRunning when the load did not start.
    """
    if not PERIOD_FRAMES_MIN <= period <= PERIOD_FRAMES_MAX:
        raise BadRequest(
            f"a period of {period} frames was asked for; it must be {PERIOD_FRAMES_MIN}…{PERIOD_FRAMES_MAX}"
        )
    command = [sys.executable, "-m", "appliance.audio.bench", str(seconds), str(period), str(rate), core]
    with _load_beside(core) if load else nullcontext():
        done = subprocess.run(command, input=model_patch or b"", stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise DeviceError(f"the measuring process ended with code {done.returncode}; its last words are above")
    result: dict[str, object] = json.loads(done.stdout)
    return result


def _load_beside(core: str) -> AbstractContextManager[object]:
    from appliance.audio.bench_load import busy_neighbours  # here: the measuring process does without

    allowed = os.sched_getaffinity(0)
    own_core = int(core) if core.isdecimal() else realtime.default_core()
    return busy_neighbours(allowed - {own_core} or allowed)


class _Times:
    """Room for the times of `count` periods, in nanoseconds, made before the start."""

    def __init__(self, count: int) -> None:
        self.wake_ns, self.busy_ns, self.engine_ns = (array("q", bytes(8 * count)) for _ in range(3))
        self.missed = 0  # deadlines

    def __len__(self) -> int:
        return len(self.wake_ns)

    def views(self, start: int, stop: int) -> tuple[memoryview, memoryview, memoryview]:
        """The entries of a slice."""
        wake, busy, engine = (memoryview(column)[start:stop] for column in (self.wake_ns, self.busy_ns, self.engine_ns))
        return wake, busy, engine

    def late(self, period_ns: float) -> int:
        """Periods that were not ready in time."""
        return self.missed + sum(wake + busy > period_ns for wake, busy in zip(self.wake_ns, self.busy_ns, strict=True))


class _TimedDemoPort(DemoPort):
    """Notes the times of a period when the next one is asked for: before the wait, so that noting costs no period
    anything."""

    def __init__(self, rate_hz: int, period_frames: int, pedal: Pedal, times: _Times) -> None:
        super().__init__(rate_hz, period_frames)
        self._pedal = pedal
        self._times = times
        self._index = self._stop = 0
        self._skip = 0  # periods not to be noted: the warm-up, and what a missed deadline left half done

    def note(self, start: int, stop: int) -> None:
        """Fill these entries, after a warm-up."""
        self._index, self._stop = start, stop
        self._skip = _WARM_UP_PERIODS + 1  # the first `read` has no period before it

    def is_done(self) -> bool:
        """Real-time safe."""
        return self._index >= self._stop

    def read(self) -> bytes:
        """See `ports.Port.read`."""
        ended_ns = time.monotonic_ns()
        if self._skip:
            self._skip -= 1
        elif self._index < self._stop:
            index, times = self._index, self._times
            times.wake_ns[index] = self.woke_ns - self.due_ns
            times.busy_ns[index] = ended_ns - self.woke_ns
            times.engine_ns[index] = self._pedal.last_engine_ns
            self._index = index + 1
        return super().read()

    def recover(self) -> None:
        """See `ports.Port.recover`."""
        if not self._skip and self._index < self._stop:
            self._times.missed += 1
            self._skip = 1
        super().recover()


def _measure(seconds: float, period: int, rate: int, core: str, model_patch: bytes) -> dict[str, object]:
    from appliance.engine._native import Pedal, run_clocked_loop  # here: the compiled engine belongs to this process

    pedal = Pedal(rate, period)
    if model_patch:
        pedal.load_patch(model_patch)
    count = max(1, round(seconds * rate / period))
    in_python, in_cpp = _Times(count), _Times(count)
    port = _TimedDemoPort(rate, period, pedal, in_python)
    for warning in realtime.set_up(core or None).warnings:
        sys.stderr.write(f"{warning}\n")
    slice_periods = round(_SLICE_S * rate / period)
    for start in range(0, count, slice_periods):
        stop = min(count, start + slice_periods)
        port.open()
        guitar = port.recording
        port.note(start, stop)
        loop.run(port, pedal, port.is_done)
        in_cpp.missed += run_clocked_loop(
            pedal, guitar, rate, port.periods, _WARM_UP_PERIODS, *in_cpp.views(start, stop)
        )
    period_ns = period * 1_000_000_000 / rate
    busy_and_engine = zip(in_python.busy_ns, in_python.engine_ns, strict=True)
    return {
        "period": period,
        "periods": count,
        "late": in_python.late(period_ns),
        "wake_us": percentiles_us(in_python.wake_ns),
        "busy_us": percentiles_us(in_python.busy_ns),
        "python_us": percentiles_us([busy - engine for busy, engine in busy_and_engine]),
        "native_loop": {
            "periods": count,
            "late": in_cpp.late(period_ns),
            "wake_us": percentiles_us(in_cpp.wake_ns),
            "busy_us": percentiles_us(in_cpp.busy_ns),
        },
    }


def as_text(result: dict[str, Any]) -> str:
    """The result for people: both loops side by side."""
    columns = ("p50", "p99", "p99.9", "p99.99", "max")
    native = result["native_loop"]
    lines = [f"{'µs':<20}" + "".join(f"{column:>10}" for column in columns)]
    for title, times in (
        ("wake-up", result["wake_us"]),
        ("  of the C++ loop", native["wake_us"]),
        ("busy", result["busy_us"]),
        ("  of the C++ loop", native["busy_us"]),
        ("Python", result["python_us"]),
    ):
        lines.append(f"{title:<20}" + "".join(f"{times[column]:>10.1f}" for column in columns))
    lines.append(
        f"{result['periods']} periods of {result['period']} frames in each loop; late: {result['late']}, "
        f"in the C++ loop {native['late']}"
    )
    return "\n".join(lines)


def percentiles_us(samples_ns: Sequence[int]) -> dict[str, float]:
    """{p50, p99, p99.9, p99.99, max} of times in nanoseconds, in microseconds: the smallest sample that so many
    per cent of all do not exceed."""
    ordered = sorted(samples_ns)
    ranks = {name: -(-rank * len(ordered) // 10_000) for name, rank in _RANKS_OF_10_000.items()}  # rounded up
    return {name: ordered[rank - 1] / 1000 for name, rank in ranks.items()} | {"max": ordered[-1] / 1000}


def _main(arguments: list[str]) -> None:
    seconds, period, rate, core = arguments
    result = _measure(float(seconds), int(period), int(rate), core, sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    _main(sys.argv[1:])
