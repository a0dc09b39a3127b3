"""Instructions and cycles per sample of well-known models on each Pi's CPU: `python -m tests.arm.estimate [FILE]`.

Prints a table; with FILE writes what appliance/engine/pi_cost.py reads. Needs `system/packages.sh arm estimate`.
Estimates, not measurements: docs/arm.md says what they leave out.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from appliance.engine import pi_cost
from appliance.engine.packing import pack_model
from appliance.formats.description import Description, Recurrent, multiply_adds_per_sample
from tests.arm import building, shapes
from tests.arm.counting import Listing, Runs, build_counter, count

# LLVM's model of a CPU by GCC's name. It has none of the A76: the Neoverse N1 is its sibling for servers.
_MODELS = {"cortex-a53": "cortex-a53", "cortex-a72": "cortex-a72", "cortex-a76": "neoverse-n1"}
_SMALL, _LARGE = 16, 64  # frames; the difference tells what a block costs beside its samples
_RARE = 1e-3  # blocks of code that together run fewer instructions than this share are left out
_STEADY_ROUNDS = 50


class Cycles:
    """Cycles of blocks of code on one CPU by llvm-mca, each asked for once."""

    def __init__(self, cpu: str, listing: Listing) -> None:
        self._cpu = _MODELS[cpu]
        self._tool = newest_mca()
        self._listing = listing
        self._known: dict[tuple[int, int, int], float] = {}

    def of(self, place: tuple[int, int], *, serial: bool) -> float:
        """One run of a block. serial: nothing overlaps with it, as in a step that waits for the step before; else it
        overlaps with its like, as tiles of time do, which don't depend on each other, and as a loop's rounds do."""
        rounds = 1 if serial and not self._listing.loops(*place) else _STEADY_ROUNDS
        key = (*place, rounds)
        if key not in self._known:
            self._known[key] = self._ask(self._listing.block(*place), rounds) / rounds
        return self._known[key]

    def _ask(self, instructions: list[str], rounds: int) -> float:
        source = "\n".join(["there:", *instructions, ""])
        command = [self._tool, "-mtriple=aarch64", f"-mcpu={self._cpu}", f"-iterations={rounds}", "-"]
        told = building.run([*command, "-instruction-info=false", "-resource-pressure=false"], stdin=source)
        found = re.search(r"Total Cycles:\s+(\d+)", told)
        assert found, told
        return float(found.group(1))


def newest_mca() -> str:
    """llvm-mca of LLVM 19 or what is there; before 17 the A76's sibling has no model of its own."""
    for name in ("llvm-mca-19", "llvm-mca"):
        if found := shutil.which(name):
            return found
    raise SystemExit("llvm-mca is not installed: system/packages.sh arm estimate")


@dataclass(frozen=True)
class Cost:
    """Per block of audio."""

    instructions: float
    cycles: float


def cost_of(runs: Runs, cycles: Cycles, serial: bool) -> Cost:
    """Σ over blocks of code."""
    total = sum(size * times for (_, size), times in runs.items())
    told = 0.0
    covered = 0.0
    for place, times in sorted(runs.items(), key=lambda run: -run[0][1] * run[1]):
        told += cycles.of(place, serial=serial) * times
        covered += place[1] * times
        if covered >= (1 - _RARE) * total:
            break
    return Cost(total, told * total / covered)


def count_cpu(cpu: str, folder: Path, models: dict[str, Description]) -> dict[str, dict[str, float]]:
    """name → instructions and cycles per sample and per block."""
    programs = building.build(folder / cpu, cpu)
    counter = build_counter(folder)
    cycles = Cycles(cpu, Listing.of(programs / "play"))
    rows = {}
    for name, description in models.items():
        blob = folder / "model.blob"
        blob.write_bytes(pack_model(description))
        serial = isinstance(description.architecture, Recurrent)
        small, large = (
            cost_of(count(cpu, programs, counter, blob, frames), cycles, serial) for frames in (_SMALL, _LARGE)
        )
        rows[name] = {
            "instructions_per_sample": _slope(small.instructions, large.instructions),
            "cycles_per_sample": _slope(small.cycles, large.cycles),
            "cycles_per_block": max(0.0, small.cycles - _SMALL * _slope(small.cycles, large.cycles)),
        }
        report(cpu, name, description, rows[name])
    return rows


def report(cpu: str, name: str, description: Description, row: dict[str, float]) -> None:
    """One line of the table."""
    macs = multiply_adds_per_sample(description.architecture)
    cycles = row["cycles_per_sample"] + row["cycles_per_block"] / _LARGE
    sys.stdout.write(
        f"{cpu:<11} {name:<26} {macs:>7} multiply-adds {row['instructions_per_sample']:>8.0f} instructions "
        f"{cycles:>8.0f} cycles at {_LARGE} frames, {macs / cycles:.2f} a cycle\n"
    )
    sys.stdout.flush()


def _slope(small: float, large: float) -> float:
    return (large - small) / (_LARGE - _SMALL)


def fit(rows: dict[str, dict[str, float]], models: dict[str, Description]) -> tuple[dict[str, Any], float]:
    """Weights (none negative) of the features for cycles per sample and per block, and the largest relative error."""
    found = {name: pi_cost.features(description.architecture) or {} for name, description in models.items()}
    names = sorted({feature for part in found.values() for feature in part})
    matrix = np.array([[found[model].get(name, 0.0) for name in names] for model in models])
    weights = {}
    for what in ("per_sample", "per_block"):
        wanted = np.array([rows[model][f"cycles_{what}"] for model in models])
        scale = 1.0 / np.array([rows[m]["cycles_per_sample"] + rows[m]["cycles_per_block"] / _LARGE for m in models])
        solved, _ = nnls(matrix * scale[:, None], wanted * scale)
        weights[what] = dict(zip(names, (round(float(w), 4) for w in solved), strict=True))
    told = sum(
        matrix @ np.array([weights[f"per_{what}"][name] for name in names]) / part
        for what, part in (("sample", 1), ("block", _LARGE))
    )
    real = np.array([rows[m]["cycles_per_sample"] + rows[m]["cycles_per_block"] / _LARGE for m in models])
    errors = np.abs(told / real - 1)
    for model, error in zip(models, errors, strict=True):
        sys.stdout.write(f"  formula off by {100 * error:5.1f} % for {model}\n")
    return weights, float(errors.max())


def main(arguments: list[str]) -> None:
    """Count everything; takes some minutes."""
    models = shapes.every()
    looked_up = shapes.counted()
    table: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for cpu in building.CPUS:
            rows = count_cpu(cpu, Path(folder), models)
            weights, error = fit(rows, models)
            counted = {name: {key: round(value, 1) for key, value in rows[name].items()} for name in looked_up}
            table[cpu] = {"counted": counted, "weights": weights, "fit_error": round(error, 3)}
    if arguments:
        text = json.dumps(table, indent=1, ensure_ascii=False) + "\n"
        Path(arguments[0]).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
