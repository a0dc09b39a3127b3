"""How punctual the loop is: the real loop on the demo card in a process of its own, every period timed.

Only the wait of the demo card is instrumented, so what is measured is what plays:

- wake_us: how late the process woke for its period.
- busy_us: from there to the next wait: engine, copies, Python, instruments.
- python_us: busy_us less the time inside the compiled engine.

A period is `late` when its output was not ready one period after its input (with 2 periods of playback: an xrun).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from array import array
from typing import TYPE_CHECKING, Any

from appliance.audio import loop, realtime
from appliance.audio.demo import DemoPort
from appliance.audio.ports import PERIOD_FRAMES_MAX, PERIOD_FRAMES_MIN
from appliance.errors import BadRequest, DeviceError

if TYPE_CHECKING:
    from appliance.engine._native import Pedal

_WARM_UP_PERIODS = 200
_RANKS_OF_10_000 = {"p50": 5_000, "p99": 9_900, "p99.9": 9_990, "p99.99": 9_999}


def bench_loop(
    seconds: float = 10.0, period: int = 64, rate: int = 48_000, model_patch: bytes | None = None, core: str = ""
) -> dict[str, object]:
    """Run the loop and return {period, periods, late, wake_us, busy_us, python_us}. Blocks for `seconds`.

    The last three are {p50, p99, p99.9, p99.99, max} in microseconds. model_patch: what engine/packing.py makes; None
    measures the chain without a model. Warnings of the real-time set-up go to stderr.
    Errors: BadRequest; DeviceError when the process ended without a result.
    """
    if not PERIOD_FRAMES_MIN <= period <= PERIOD_FRAMES_MAX:
        raise BadRequest(
            f"a period of {period} frames was asked for; it must be {PERIOD_FRAMES_MIN}…{PERIOD_FRAMES_MAX}"
        )
    command = [sys.executable, "-m", "appliance.audio.bench", str(seconds), str(period), str(rate), core]
    done = subprocess.run(command, input=model_patch or b"", stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise DeviceError(f"the measuring process ended with code {done.returncode}; its last words are above")
    result: dict[str, object] = json.loads(done.stdout)
    return result


class _TimedDemoPort(DemoPort):
    """Notes the ends of each wait. Room for the numbers is made before the start."""

    def __init__(self, rate_hz: int, period_frames: int, count: int, pedal: Pedal) -> None:
        super().__init__(rate_hz, period_frames)
        self._count = count
        self.wake_ns, self.busy_ns, self.engine_ns = (array("q", bytes(8 * count)) for _ in range(3))
        self._pedal = pedal
        self._noted = -_WARM_UP_PERIODS
        self._woke_ns = self._late_by_ns = 0

    def is_done(self) -> bool:
        """Real-time safe."""
        return self._noted >= self._count

    def _wait_until(self, due_ns: int) -> None:
        slept_from_ns = time.monotonic_ns()
        index = self._noted
        if 0 <= index < self._count:
            self.wake_ns[index] = self._late_by_ns
            self.busy_ns[index] = slept_from_ns - self._woke_ns
            self.engine_ns[index] = self._pedal.last_engine_ns
        self._noted = index + 1
        super()._wait_until(due_ns)
        self._woke_ns = time.monotonic_ns()
        self._late_by_ns = self._woke_ns - due_ns


def _measure(seconds: float, period: int, rate: int, core: str, model_patch: bytes) -> dict[str, object]:
    from appliance.engine._native import Pedal  # here: the compiled engine belongs to the measuring process alone

    pedal = Pedal(rate, period)
    if model_patch:
        pedal.load_patch(model_patch)
    count = max(1, round(seconds * rate / period))
    port = _TimedDemoPort(rate, period, count, pedal)
    for warning in realtime.set_up(core or None).warnings:
        sys.stderr.write(f"{warning}\n")
    port.open()
    loop.run(port, pedal, port.is_done)
    pairs = list(zip(port.wake_ns, port.busy_ns, port.engine_ns, strict=True))
    period_ns = period * 1_000_000_000 / rate
    return {
        "period": period,
        "periods": count,
        "late": sum(wake + busy > period_ns for wake, busy, _ in pairs),
        "wake_us": percentiles_us([wake for wake, _, _ in pairs]),
        "busy_us": percentiles_us([busy for _, busy, _ in pairs]),
        "python_us": percentiles_us([busy - engine for _, busy, engine in pairs]),
    }


def as_text(result: dict[str, Any]) -> str:
    """The result for people."""
    columns = ("p50", "p99", "p99.9", "p99.99", "max")
    lines = [f"{'µs':<10}" + "".join(f"{column:>10}" for column in columns)]
    for key, title in (("wake_us", "wake-up"), ("busy_us", "busy"), ("python_us", "Python")):
        lines.append(f"{title:<10}" + "".join(f"{result[key][column]:>10.1f}" for column in columns))
    lines.append(f"{result['periods']} periods of {result['period']} frames, {result['late']} late")
    return "\n".join(lines)


def percentiles_us(samples_ns: list[int]) -> dict[str, float]:
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
