"""Figures of a start: what `bench start` measures, and how it tells it."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.paths import PACKAGE

STEPS = ("python", "imports", "engine", "patch", "real-time set-up", "card", "first period")
_WORDS = {
    "python": "Python starts",
    "imports": "imports",
    "engine": "native library",
    "patch": "patch: load, warm up",
    "real-time set-up": "real-time set-up",
    "card": "card opened",
    "first period": "first period written",
}
# What each has imported once it is up.
MODULES = {
    "audio": ("appliance.audio.process", "appliance.engine._native"),
    "panel": ("appliance.panel.process",),
    "web": ("appliance.web.__main__",),
}
_DEAREST = 10
_IMPORT_RUNS = 4  # the first may have to compile them
_IMPORT_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)")


@dataclass(frozen=True)
class Memory:
    """Of one process, in MB (10^6 bytes). pss: pages that processes share are shared out among them."""

    rss_mb: float
    pss_mb: float


@dataclass(frozen=True)
class Imports:
    """Of one process: milliseconds in all, and the dearest by their own time."""

    total_ms: float
    dearest: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class StartFigures:
    """steps_ms: how long each step took, one list per step with an entry per start; `whole`: from start to sound."""

    sound: str
    steps_ms: dict[str, list[float]]
    memory: dict[str, Memory]
    imports: dict[str, Imports]

    @property
    def whole_ms(self) -> list[float]:
        """From the start of the process to its first period written, for each start."""
        return [sum(steps) for steps in zip(*self.steps_ms.values(), strict=True)]

    def as_json(self) -> dict[str, Any]:
        """Milliseconds and megabytes."""
        return {
            "sound": self.sound,
            "start_ms": {**_summary(self.steps_ms), "whole": _summary({"whole": self.whole_ms})["whole"]},
            "memory_mb": {name: vars(memory) for name, memory in self.memory.items()},
            "imports": {
                name: {"total_ms": imports.total_ms, "dearest_ms": dict(imports.dearest)}
                for name, imports in self.imports.items()
            },
        }

    def as_text(self) -> str:
        """Three tables."""
        lines = [f"{len(self.whole_ms)} starts of audio alone, with {self.sound}; ms  {'median':>8}{'max':>8}"]
        for step, times in (*self.steps_ms.items(), ("whole", self.whole_ms)):
            words = _WORDS.get(step, "start to first period")
            lines.append(f"  {words:<44}{statistics.median(times):8.1f}{max(times):8.1f}")
        lines.append(f"\nmemory, MB{'':<36}{'RSS':>8}{'PSS':>8}")
        for name, memory in self.memory.items():
            lines.append(f"  {name:<44}{memory.rss_mb:8.1f}{memory.pss_mb:8.1f}")
        whole = Memory(sum(m.rss_mb for m in self.memory.values()), sum(m.pss_mb for m in self.memory.values()))
        lines.append(f"  {'together':<44}{whole.rss_mb:8.1f}{whole.pss_mb:8.1f}")
        for name, imports in self.imports.items():
            lines.append(f"\nimports of {name}: {imports.total_ms:.0f} ms; the dearest, ms each by itself")
            lines += [f"  {module:<44}{took_ms:8.1f}" for module, took_ms in imports.dearest]
        return "\n".join(lines)


def memory_of(pid: int) -> Memory:
    """From /proc/PID/smaps_rollup."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, size = line.partition(":")
        sizes[name] = int(size.split()[0]) * 1024 / 1e6
    return Memory(sizes["Rss"], sizes["Pss"])


def imports_of(modules: Sequence[str]) -> Imports:
    """As `python -X importtime` has it, in processes of their own: the quickest of a few."""
    command = (sys.executable, "-X", "importtime", "-c", f"import {', '.join(modules)}")
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    runs = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        for _ in range(_IMPORT_RUNS)
    ]
    return min((parse_importtime(done.stderr) for done in runs), key=lambda found: found.total_ms)


def parse_importtime(words: str) -> Imports:
    """The table of `-X importtime`: own time, time with what it imports (both µs), name."""
    own_ms = {name: int(own_us) / 1000 for own_us, _, name in _IMPORT_LINE.findall(words)}
    dearest = sorted(own_ms.items(), key=lambda item: -item[1])[:_DEAREST]
    return Imports(sum(own_ms.values()), tuple(dearest))


def _summary(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    return {name: {"median": statistics.median(found), "max": max(found)} for name, found in times.items()}
