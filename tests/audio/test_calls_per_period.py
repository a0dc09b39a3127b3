"""What Python does in a period, counted rather than timed: the same on every machine, however busy.

After the wait for a period the processor's caches are cold, so every function and every instruction of the interpreter
that is not there is the surest way to a short tail. The limits are what the loop needs now; whoever raises one should
look at `appliance bench loop` first.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from appliance.audio import loop
from appliance.audio.card import CardSettings
from appliance.audio.demo import DemoPort
from appliance.audio.ports import Port
from appliance.engine._native import Pedal

PERIODS = 200
RATE_HZ = 48_000
PERIOD_FRAMES = 256


def demo() -> Port:
    return DemoPort(RATE_HZ, PERIOD_FRAMES, periods=64)  # a deadline that a busy machine meets too


def alsa() -> Port:
    alsa_port = pytest.importorskip("appliance.audio.alsa")
    return alsa_port.open_card(CardSettings("null", "null", RATE_HZ, PERIOD_FRAMES))  # type: ignore[no-any-return]


def after_one_beat() -> Callable[[], bool]:
    """The loop asks before each beat (a quarter of a second)."""
    answers = iter([False, True])
    return lambda: next(answers)


def periods_of_a_beat() -> int:
    """With those of the fade at the end."""
    return sum(round(seconds * RATE_HZ / PERIOD_FRAMES) for seconds in (0.25, loop._FADE_S))


def per_period(port: Port, watch: Callable[[Callable[[], None], Counter[str]], None]) -> dict[str, float]:
    """Events in a beat, for each of its periods. What happens once a beat or once in all adds a fraction."""
    pedal = Pedal(RATE_HZ, PERIOD_FRAMES)
    port.open()
    found: Counter[str] = Counter()
    watch(lambda: loop.run(port, pedal, after_one_beat()), found)
    return {kind: number / periods_of_a_beat() for kind, number in found.items()}


def count_calls(play: Callable[[], None], found: Counter[str]) -> None:
    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        found[event] += 1

    sys.setprofile(note)
    try:
        play()
    finally:
        sys.setprofile(None)


def count_instructions(play: Callable[[], None], found: Counter[str]) -> None:
    def note(frame: FrameType, event: str, _argument: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        found[event] += 1
        return note

    sys.settrace(note)
    try:
        play()
    finally:
        sys.settrace(None)


@pytest.mark.parametrize(("make", "functions", "compiled"), [(demo, 0, 0), (alsa, 2, 3)])
def test_a_period_takes_no_or_two_python_functions_and_a_handful_of_compiled_ones(
    make: Callable[[], Port], functions: int, compiled: int
) -> None:
    found = per_period(make(), count_calls)
    assert functions <= found["call"] < functions + 0.5
    assert compiled <= found["c_call"] < compiled + 0.5


@pytest.mark.parametrize(("make", "least", "limit"), [(demo, 0.1, 6), (alsa, 20, 85)])
def test_a_period_takes_few_instructions_of_the_interpreter(
    make: Callable[[], Port], least: float, limit: float
) -> None:
    found = per_period(make(), count_instructions)
    assert least < found["opcode"] < limit
