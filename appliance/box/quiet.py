"""Work that must not be heard: behind everything else in line for the processor and the card, off the audio core."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from appliance.audio.realtime import parse_cores
from appliance.box.run import run
from appliance.errors import SystemRefused

_ISOLATED = Path("/sys/devices/system/cpu/isolated")


def be_quiet(isolated: Path = _ISOLATED) -> None:
    """Let this process and those it starts run only when nothing else wants to. What the system refuses is let be."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 19)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with contextlib.suppress(SystemRefused):
        run(["ionice", "--class", "idle", "--pid", str(os.getpid())])
    with contextlib.suppress(OSError, ValueError):
        others = os.sched_getaffinity(0) - set(parse_cores(isolated.read_text()))
        if others:
            os.sched_setaffinity(0, others)
