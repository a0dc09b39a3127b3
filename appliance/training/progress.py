"""The line a person watches while a model is trained."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

LINE_EVERY_S = 15.0  # where the line can't be rewritten
REDRAW_EVERY_S = 0.2


@dataclass(frozen=True)
class Moment:
    """Where a training stands."""

    round: int
    rounds: int
    epoch: float
    loss: float
    esr: float  # of the last validation; NaN before the first
    best_esr: float  # infinity before the first
    left_s: float
    racers: int = 1


def time_left(seconds: float) -> str:
    """ "3:07", "1:02:10" """
    whole = max(0, round(seconds))
    minutes, second = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def as_line(moment: Moment) -> str:
    """One line: how far, ESR now and best, time left."""
    esr = "–" if math.isnan(moment.esr) else f"{moment.esr:.4f}"
    best = "–" if math.isinf(moment.best_esr) else f"{moment.best_esr:.4f}"
    racing = f"  racing {moment.racers}" if moment.racers > 1 else ""
    share = 100 * moment.round // max(1, moment.rounds)
    return (
        f"{share:3d} %  epoch {moment.epoch:.1f}  step {moment.round}/{moment.rounds}  "
        f"ESR {esr}  best {best}{racing}  {time_left(moment.left_s)} left"
    )


class ProgressLine:
    """Shows moments on a stream: rewritten in place on a terminal, a line now and then elsewhere."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._live = stream.isatty()
        self._shown_at = -math.inf
        self._width = 0

    def show(self, moment: Moment) -> None:
        """Show it, unless one was shown just before; the last one always."""
        now, last = self._clock(), moment.round == moment.rounds
        if not last and now - self._shown_at < (REDRAW_EVERY_S if self._live else LINE_EVERY_S):
            return
        self._shown_at = now
        line = as_line(moment)
        if self._live:
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def close(self) -> None:
        """End the line."""
        if self._live and self._width:
            self._stream.write("\n")
            self._stream.flush()
