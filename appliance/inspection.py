"""What `appliance inspect` tells about a file: what it says of itself, what it costs here, whether its test passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from appliance.engine import pi_cost
from appliance.engine.bench import bench_engines
from appliance.engine.engines import engine_for, make_engine
from appliance.formats.read import read_model
from appliance.formats.summary import spaced, summarise

_BLOCK_FRAMES = 64
_COST_SECONDS = 0.1


def inspect_file(path: Path) -> dict[str, Any]:
    """The summary of a model file (`formats/summary.py`) with `cost` on this machine and `pi_estimates` of
    `engine/pi_cost.py`. May block for a second.

    cost: {"engine", "block", "ns_per_sample", "period_share": 0…1 of the time there is}.
    Raises BadModelFile, UnsupportedModel.
    """
    description = read_model(path)
    engine = engine_for(description)
    summary = summarise(path, lambda size: make_engine(engine, size))
    row = bench_engines(
        [(path.name, description)], [engine], [_BLOCK_FRAMES], seconds_per_model=_COST_SECONDS, only_times=True
    )[0]
    cost = {
        "engine": row.engine,
        "block": row.block,
        "ns_per_sample": row.ns_per_sample,
        "period_share": round(1.0 / row.realtime_factor, 5),
    }
    estimates = pi_cost.estimates(description)
    return summary | {"file": str(path), "cost": cost, "pi_estimates": estimates}


def as_text(result: dict[str, Any]) -> str:
    """`inspect_file`'s result, or {"file", "error"}, for people."""
    if "error" in result:
        return f"{result['file']}\n  {result['error']}\n"
    rows = [
        ("format", result["format"]),
        ("architecture", result["architecture"]),
        (
            "sizes",
            ", ".join(size["architecture"] for size in result["variants"]) if len(result["variants"]) > 1 else "",
        ),
        (
            "sample rate",
            f"{spaced(result['sample_rate_hz'])} Hz" + ("" if result["sample_rate_known"] else " (assumed)"),
        ),
        ("played", _played(result["playing"])),
        ("knobs", ", ".join(_knob(knob) for knob in result["knobs"]) or "none"),
        ("levels", _levels(result)),
        ("ESR", "" if result["esr"] is None else f"{result['esr']:.4g}"),
        ("licence", result["licence"] or "not stated"),
        ("receptive field", _receptive_field(result)),
        ("cost", _cost(result)),
        *((told["board"], f"{pi_cost.as_words(told)} (estimate)") for told in result["pi_estimates"]),
        ("self-test", _self_test(result["self_test"])),
    ]
    lines = [f"{result['file']}: {result['name']}"]
    lines += [f"  {title:<16}{value}" for title, value in rows if value]
    lines += [f"  note            {note}" for note in result["notes"]]
    return "\n".join(lines) + "\n"


def _played(playing: dict[str, Any] | None) -> str:
    if playing is None:
        return "offline only, by ONNX Runtime"
    how = {
        "same": "as it is",
        "longer_delays": "with longer delays inside",
        "delayed_state": "with its state delayed",
        "resampled": "resampled",
    }[playing["method"]]
    return f"at {spaced(playing['rate_hz'])} Hz {how}, latency {playing['latency_ms']:.2f} ms"


def _knob(knob: dict[str, Any]) -> str:
    heard = f", heard at {' '.join(f'{position:g}' for position in knob['heard'])}" if knob["heard"] else ""
    return f"{knob['name']} {knob['minimum']:g}…{knob['maximum']:g}{knob['unit'] and ' ' + knob['unit']}{heard}"


def _levels(result: dict[str, Any]) -> str:
    levels = result["levels"]
    named = {
        "loudness_db": "loudness {:.2f} dB",
        "gain": "gain {:.2f}",
        "input_level_dbu": "input {:.1f} dBu",
        "output_level_dbu": "output {:.1f} dBu",
    }
    told = [text.format(levels[key]) for key, text in named.items() if levels[key] is not None]
    told += [
        f"{side} gain {result[f'{side}_gain_db']:+.1f} dB" for side in ("input", "output") if result[f"{side}_gain_db"]
    ]
    return ", ".join(told) or "not stated"


def _receptive_field(result: dict[str, Any]) -> str:
    frames = result["receptive_field_frames"]
    return "recurrent" if frames is None else f"{spaced(frames)} frames ({result['receptive_field_ms']:.1f} ms)"


def _cost(result: dict[str, Any]) -> str:
    cost = result["cost"]
    return (
        f"{cost['ns_per_sample']:.0f} ns per sample, {100 * cost['period_share']:.1f} % of the time there is "
        f"({spaced(result['multiply_adds_per_sample'])} multiply-adds)"
    )


def _self_test(test: dict[str, Any] | None) -> str:
    if test is None:
        return "none in the file"
    verdict = "passed" if test["passed"] else "FAILED"
    return f"{verdict}, largest error {test['max_error']:.1e} over {test['frames']} frames"
