"""A quiet core for the sound: full speed, and no interrupts to disturb it. `python -m appliance.box.cores`, as root.

The kernel's command line isolates the core from the next start on (`boot_config.isolation_words`); this does what only
a running system can: the governor, and interrupts that were set up in spite of it. Where there is no core to spare,
or a file refuses (many interrupts can't be moved), things stay as they are: the pedal plays all the same.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path

from appliance.audio.realtime import choose_core, parse_cores
from appliance.errors import ExitCode

log = logging.getLogger(__name__)


def quiet(root: Path = Path("/")) -> list[str]:
    """Make the audio core quiet. Returns what was done, in words. Never raises for what the system refuses."""
    cpus = root / "sys/devices/system/cpu"
    online = set(parse_cores(_text(cpus / "online") or "0"))
    core = choose_core(parse_cores(_text(cpus / "isolated")), online)
    if core is None:
        return ["there is one core only: nothing to keep free"]
    done = []
    governor = cpus / f"cpu{core}/cpufreq/scaling_governor"
    if "performance" in _text(governor.with_name("scaling_available_governors")).split():
        with contextlib.suppress(OSError):
            governor.write_text("performance")
            done.append(f"core {core} runs at full speed")
    others = ",".join(str(other) for other in sorted(online - {core}))
    moved = sum(_move(folder, core, others) for folder in sorted((root / "proc/irq").glob("[0-9]*")))
    with contextlib.suppress(OSError):
        _write_if_other(root / "proc/irq/default_smp_affinity", f"{sum(1 << other for other in online - {core}):x}")
    done.append(f"{moved} interrupts moved from core {core} to {others}")
    return done


def _move(folder: Path, core: int, others: str) -> int:
    """Interrupts that may come to the core, and to others too, are kept to the others. Returns how many (0 or 1)."""
    try:
        allowed = parse_cores(_text(folder / "smp_affinity_list"))
        if core in allowed:
            (folder / "smp_affinity_list").write_text(others)
            return 1
    except (OSError, ValueError):
        return 0  # it belongs to that core, such as its timer
    return 0


def _write_if_other(path: Path, words: str) -> None:
    if _text(path) != words:
        path.write_text(words)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def main() -> int:
    """Do it and say so."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for words in quiet():
        log.info("%s", words)
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
