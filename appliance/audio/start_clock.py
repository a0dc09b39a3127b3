"""How long after its start the process was heard, told once: for the journal, and step by step for `bench start`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

_STARTED_AT = 19  # the field starttime, counted behind the name of the command: proc_pid_stat(5) has it as the 22nd
_STAT = Path("/proc/self/stat")


class StartClock:
    """Notes when steps of the start were done, and tells once that the first period was written."""

    def __init__(self, say: Callable[[str], None], *, tells_steps: bool = False) -> None:
        """tells_steps: also say the monotonic time of each step (JSON), for `appliance bench start`."""
        self.sounds = ""  # what is heard, in words
        self._say = say
        self._tells_steps = tells_steps
        self._steps_s: dict[str, float] = {}
        self._first_ms: float | None = None
        self._told = False

    def done(self, step: str, at_s: float | None = None) -> None:
        """A step is done, now or at `at_s` (monotonic)."""
        self._steps_s[step] = time.monotonic() if at_s is None else at_s

    def beat(self) -> None:
        """The loop's beats: the first comes with the first period, which is in nobody's way only until the second is
        due. So that one is only noted, and told a beat later. Real-time safe but for that once.
        """
        if self._told:
            return
        if self._first_ms is None:
            self.done("first period")
            self._first_ms = 1000 * since_process_start_s()
            return
        self._told = True
        self._say(f"first period {self._first_ms:.0f} ms after start, with {self.sounds}")
        if self._tells_steps:
            import json  # here: only the bench pays for it

            self._say(json.dumps(self._steps_s))


def since_process_start_s() -> float:
    """Seconds since this process was started (not since Python ran its first line); to a hundredth. May block."""
    fields = _STAT.read_text().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[_STARTED_AT]) / os.sysconf("SC_CLK_TCK")


def say(words: str) -> None:
    """A line to the journal."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
