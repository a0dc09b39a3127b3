"""Asking the kernel for what keeps deadlines: a core of its own, real-time priority, memory that stays.

Each wish may be refused (a PC, a container); the pedal plays then too, and says what to do about it. Called once the
process has made all it needs: the threads started before keep their ordinary priority and may run on any core.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
from dataclasses import dataclass
from pathlib import Path

PRIORITY = 80  # above the kernel's interrupt threads (50), below its watchdogs (99)

_MCL_CURRENT, _MCL_FUTURE = 1, 2
_ISOLATED = Path("/sys/devices/system/cpu/isolated")


@dataclass(frozen=True)
class Granted:
    """What the kernel gave, and a sentence for each thing it refused."""

    core: int | None
    priority: int | None
    memory_locked: bool
    warnings: tuple[str, ...]


def set_up(core: int | str | None = None, priority: int = PRIORITY) -> Granted:
    """Make the calling thread real-time. May block (locking memory reads in all of it). Never raises.

    core: a number, "none" to leave the choice to the kernel, or None for the isolated core if there is one, else the
    last core this process may use.
    """
    warnings: list[str] = []
    gc.collect()
    gc.freeze()  # what lives now lives for ever: never looked at again
    gc.disable()
    return Granted(
        core=_take_core(core, warnings),
        priority=_take_priority(priority, warnings),
        memory_locked=_lock_memory(warnings),
        warnings=tuple(warnings),
    )


def parse_cores(words: str) -> list[int]:
    """The kernel's lists of cores: "3", "2-3", "1,3-5", "" (none)."""
    cores: list[int] = []
    for part in words.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            cores.extend(range(int(first), int(last or first) + 1))
    return cores


def choose_core(isolated: list[int], allowed: set[int]) -> int | None:
    """The last isolated core, else the last allowed one; None when there is but one core, which all must share."""
    if isolated:
        return isolated[-1]
    return max(allowed) if len(allowed) > 1 else None


def default_core() -> int | None:
    """The core that `set_up` takes when none is named."""
    try:
        isolated = parse_cores(_ISOLATED.read_text())
    except (OSError, ValueError):
        isolated = []
    return choose_core(isolated, os.sched_getaffinity(0))


def _take_core(wish: int | str | None, warnings: list[str]) -> int | None:
    if wish == "none":
        return None
    core = default_core() if wish is None else int(wish)
    if core is None:
        return None
    try:
        os.sched_setaffinity(0, {core})
    except (OSError, ValueError, OverflowError) as error:
        warnings.append(
            f"core {core} was refused ({_reason(error)}); this machine has {os.cpu_count()} cores, from 0: "
            "use --core N or --core none"
        )
        return None
    return core


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _take_priority(priority: int, warnings: list[str]) -> int | None:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (OSError, ValueError) as error:
        reason = _reason(error)
        warnings.append(
            f"real-time priority {priority} was refused ({reason}), so other programs can make the sound crackle: run "
            "the pedal as its service, or put '@audio - rtprio 95' into /etc/security/limits.conf, join the group "
            "audio and log in again"
        )
        return None
    return priority


def _lock_memory(warnings: list[str]) -> bool:
    """Lock what there is and what will come. Under a limit only what there is: beyond the limit every later
    allocation would fail, which is worse than a page fault."""
    limit, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if limit != hard:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    unlimited = hard == resource.RLIM_INFINITY or os.geteuid() == 0
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | (_MCL_FUTURE if unlimited else 0)) == 0:
        if not unlimited:
            warnings.append(f"only the memory in use now could be locked (limit {hard} bytes): {_MEMORY_ADVICE}")
        return True
    reason = os.strerror(ctypes.get_errno())
    warnings.append(f"memory could not be locked ({reason}), so a page fault can interrupt the sound: {_MEMORY_ADVICE}")
    return False


_MEMORY_ADVICE = (
    "run the pedal as its service, or put '@audio - memlock unlimited' into /etc/security/limits.conf, join the group "
    "audio and log in again"
)
