"""How punctual the loop is: the real loop on the demo card in a process of its own, every period timed.

The card notes the times (`native/demo_card.hpp`), so what is measured is what plays:

- wake_us: how late the process woke for its period.
- busy_us: from there to the next wait: engine, copies, Python, instruments.
- python_us: busy_us less the time inside the compiled engine.

A period is `late` when its output was not ready one period after its input (with 2 periods of playback: an xrun).

Three loops play the same with the same engine object, clock, deadlines and real-time set-up, turn by turn in slices of
a few seconds:

- the loop that the pedal plays the demo card with: compiled from beat to beat;
- `python_loop`: the loop in Python, which plays the ports of sound cards, on this card;
- `native_loop`: a plain C++ loop without Python. No machine is punctual by itself: this is what it can do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from array import array
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from appliance.audio import loop, realtime
from appliance.audio.demo import DemoPort
from appliance.audio.ports import PERIOD_FRAMES_MAX, PERIOD_FRAMES_MIN, frame_bytes
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
    """Run the three loops, `seconds` each, and return {period, periods, late, wake_us, busy_us, python_us, python_loop:
    {periods, late, wake_us, busy_us, python_us}, native_loop: {periods, late, wake_us, busy_us}}. Blocks for a little
    more than three times `seconds`.

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

    def views(self, start: int, stop: int) -> tuple[memoryview, memoryview, memoryview]:
        """The entries of a slice."""
        wake, busy, engine = (memoryview(column)[start:stop] for column in (self.wake_ns, self.busy_ns, self.engine_ns))
        return wake, busy, engine

    def summary(self, period_ns: float, *, with_python: bool = True) -> dict[str, object]:
        """{periods, late, wake_us, busy_us, python_us}."""
        late = self.missed + sum(wake + busy > period_ns for wake, busy in zip(self.wake_ns, self.busy_ns, strict=True))
        told: dict[str, object] = {
            "periods": len(self.wake_ns),
            "late": late,
            "wake_us": percentiles_us(self.wake_ns),
            "busy_us": percentiles_us(self.busy_ns),
        }
        if with_python:
            beside = [busy - engine for busy, engine in zip(self.busy_ns, self.engine_ns, strict=True)]
            told["python_us"] = percentiles_us(beside)
        return told


def _measure(seconds: float, period: int, rate: int, core: str, model_patch: bytes) -> dict[str, object]:
    from appliance.engine._native import Pedal  # here: the compiled engine belongs to this process

    pedal = Pedal(rate, period)
    if model_patch:
        pedal.load_patch(model_patch)
    count = max(1, round(seconds * rate / period))
    compiled, in_python, in_cpp = _Times(count), _Times(count), _Times(count)
    port = DemoPort(rate, period)
    card = port.compiled_card
    for warning in realtime.set_up(core or None).warnings:
        sys.stderr.write(f"{warning}\n")
    slice_periods = round(_SLICE_S * rate / period)
    for start in range(0, count, slice_periods):
        stop = min(count, start + slice_periods)
        for times, play in ((in_cpp, _play_without_python), (in_python, _play_in_python), (compiled, _play)):
            port.open()
            card.note(*times.views(start, stop), _WARM_UP_PERIODS, pedal)
            play(port, pedal)
            times.missed += card.missed
    period_ns = period * 1_000_000_000 / rate
    return (
        {"period": period}
        | compiled.summary(period_ns)
        | {
            "python_loop": in_python.summary(period_ns),
            "native_loop": in_cpp.summary(period_ns, with_python=False),
        }
    )


def _play(port: DemoPort, pedal: Pedal) -> None:
    loop.run(port, pedal, port.compiled_card.is_noted)


def _play_in_python(port: DemoPort, pedal: Pedal) -> None:
    loop.run(port, pedal, port.compiled_card.is_noted, turns_of=loop.PythonTurns)


def _play_without_python(port: DemoPort, pedal: Pedal) -> None:
    from appliance.engine._native import CardLoop

    out = bytearray(port.period_frames * frame_bytes(port.playback_format, port.playback_channels))
    pedal.configure_io(
        port.capture_format, port.capture_channels, port.capture_channel, port.playback_format, port.playback_channels
    )
    CardLoop(port.compiled_card, pedal, out).play_until_noted()
    port.close()


def as_text(result: dict[str, Any]) -> str:
    """The result for people: the three loops side by side."""
    columns = ("p50", "p99", "p99.9", "p99.99", "max")
    loops = (
        ("", result),
        ("  of the loop in Python", result["python_loop"]),
        ("  of the C++ loop", result["native_loop"]),
    )
    lines = [f"{'µs':<26}" + "".join(f"{column:>10}" for column in columns)]
    for title, key in (("wake-up", "wake_us"), ("busy", "busy_us"), ("Python adds", "python_us")):
        for whose, times in loops:
            if key in times:
                figures = "".join(f"{times[key][column]:>10.1f}" for column in columns)
                lines.append(f"{whose or title:<26}{figures}")
    lines.append(
        f"{result['periods']} periods of {result['period']} frames in each loop; late: {result['late']}, "
        f"in the loop in Python {result['python_loop']['late']}, in the C++ loop {result['native_loop']['late']}"
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
