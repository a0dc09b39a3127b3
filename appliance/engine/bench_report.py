"""The rows of `bench.py` for machines, for people, and for the tables of docs/engine.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from appliance.engine._native import cpu_features
from appliance.engine.bench import EngineTime

_NONE = "–"


def as_json(rows: Sequence[EngineTime]) -> list[dict[str, str | int | float | None]]:
    """The rows as `--json` prints them."""
    return [asdict(row) for row in rows]


def as_table(rows: Sequence[EngineTime]) -> str:
    """The rows in columns: times, share of the period, ratio to ONNX Runtime, errors, loading."""
    width = max(len("model"), *(len(row.model) for row in rows))
    lines = [
        f"{'model':<{width}}  block  engine     ns/sample  of period  x ONNX  multiply-adds  GFLOP/s  of peak"
        "    error  load ms (max)  patch ms"
    ]
    for row in rows:
        loading = _NONE if row.load_ms is None else f"{row.load_ms:.2f} ({row.load_ms_max:.2f})"
        lines.append(
            f"{row.model:<{width}}  {row.block:>5}  {row.engine:<9}  {row.ns_per_sample:>9.1f}"
            f"  {1 / row.realtime_factor:>9.2%}  {_or_none(row.onnx_ratio, '.3f'):>6}"
            f"  {row.multiply_adds_per_sample:>13}  {row.gflops:>7.1f}  {row.peak_share:>7.0%}"
            f"  {_or_none(row.error, '.1e'):>7}  {loading:>13}  {_or_none(row.patch_ms, '.2f'):>8}"
        )
    lines.append(f"Medians; {cpu_features()}.")
    return "\n".join(lines)


def as_markdown(rows: Sequence[EngineTime]) -> str:
    """The native engine's rows as a table for docs/engine.md, ONNX Runtime's error beside its own."""
    onnx_errors = {(row.model, row.block): row.error for row in rows if row.engine == "onnx"}
    lines = [
        "| model | block | ns per sample | × ONNX Runtime | multiply-adds | GFLOP/s | of peak | error | its error "
        "| load, ms (max) | patch file, ms |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row.engine == "native":
            cells = (
                row.model,
                str(row.block),
                f"{row.ns_per_sample:.1f}",
                _or_none(row.onnx_ratio, ".3f"),
                f"{row.multiply_adds_per_sample:,}",
                f"{row.gflops:.1f}",
                f"{row.peak_share:.0%}",
                _or_none(row.error, ".1e"),
                _or_none(onnx_errors.get((row.model, row.block)), ".1e"),
                f"{_or_none(row.load_ms, '.2f')} ({_or_none(row.load_ms_max, '.2f')})",
                _or_none(row.patch_ms, ".2f"),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _or_none(value: float | None, form: str) -> str:
    return _NONE if value is None else format(value, form)
