"""The line a person watches."""

from __future__ import annotations

import io
import math

from appliance.training.progress import Moment, ProgressLine, as_line, time_left


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _moment(done: int, **changes: float) -> Moment:
    values: dict[str, float] = {"epoch": 1.5, "loss": 0.1, "esr": 0.0123, "best_esr": 0.01, "left_s": 187.0, **changes}
    return Moment(round=done, rounds=100, **values)  # type: ignore[arg-type]


def test_the_line_tells_where_it_stands() -> None:
    line = as_line(_moment(25))
    for told in ("25 %", "epoch 1.5", "step 25/100", "ESR 0.0123", "best 0.0100", "3:07 left"):
        assert told in line
    assert "racing" not in line
    assert "racing 3" in as_line(_moment(25, racers=3))
    assert "ESR –  best –" in as_line(_moment(1, esr=math.nan, best_esr=math.inf))


def test_time_left_in_words() -> None:
    assert [time_left(s) for s in (-1, 7, 187, 3730)] == ["0:00", "0:07", "3:07", "1:02:10"]


def test_off_a_terminal_a_line_comes_now_and_then_and_at_the_end() -> None:
    stream, seconds = io.StringIO(), iter(range(1000))
    line = ProgressLine(stream, clock=lambda: float(next(seconds)))
    for done in range(1, 101):
        line.show(_moment(done))
    line.close()
    told = stream.getvalue().splitlines()
    assert len(told) == 8  # 1, 16, 31 … 91, and the last
    assert told[-1].startswith("100 %")
    assert "\r" not in stream.getvalue()


def test_on_a_terminal_it_is_rewritten_in_place() -> None:
    stream, seconds = _Terminal(), iter(range(1000))
    line = ProgressLine(stream, clock=lambda: float(next(seconds)))
    line.show(_moment(1, left_s=1e5))
    line.show(_moment(2))
    line.close()
    shown = stream.getvalue()
    assert shown.count("\r") == 2
    assert shown.count("\n") == 1
    first, second = shown.rstrip("\n").split("\r")[1:]
    assert len(second) == len(first), "the rest of a longer line would stay"
