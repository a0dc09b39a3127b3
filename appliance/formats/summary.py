"""What `inspect`, the library and the page tell about a model file. JSON-able; may block for a second."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from appliance.engine.contract import Float32, ModelEngine
from appliance.engine.rates import plan_rates, sentences
from appliance.formats.description import (
    Description,
    architecture_name,
    multiply_adds_per_sample,
    receptive_field_frames,
)
from appliance.formats.foreign_graph import ForeignGraph
from appliance.formats.read import read_variants

MakeEngine = Callable[[Description], ModelEngine]

SELF_TEST_TOLERANCE = 1e-4  # of full scale: -80 dB, far below what anybody hears, far above rounding
PLAYING_RATE_HZ = 48_000
_HIGH_ESR = 0.1


def summarise(
    source: Path | Description, make_engine: MakeEngine | None = None, *, playing_rate_hz: int = PLAYING_RATE_HZ
) -> dict[str, Any]:
    """Everything worth telling about a model.

    source: a file (all its sizes are listed under "variants") or a description.
    make_engine: builds the engine that runs the file's self-test; None leaves "self_test" unrun.
    Raises BadModelFile, UnsupportedModel.
    """
    sizes = (source,) if isinstance(source, Description) else read_variants(source)
    description = sizes[-1]
    architecture = description.architecture
    field_frames = receptive_field_frames(architecture)
    self_test = run_self_test(description, make_engine) if make_engine is not None else None
    notes = notes_for(description, playing_rate_hz)
    if len(sizes) > 1:
        notes.insert(0, f"The file holds {len(sizes)} sizes of this model; the biggest is played.")
    if self_test is not None and not self_test["passed"]:
        notes.append(
            f"The self-test in the file fails (error {self_test['max_error']:.1e}): "
            "it won't sound as its maker heard it."
        )
    return {
        "name": description.name,
        "file": source.name if isinstance(source, Path) else None,
        "format": description.source_format,
        "architecture": architecture_name(architecture),
        "variant": description.variant,
        "variants": [_variant(size) for size in sizes],
        "sample_rate_hz": description.sample_rate_hz,
        "sample_rate_known": description.sample_rate_known,
        "knobs": [dataclasses.asdict(knob) | {"heard": list(knob.heard)} for knob in description.knobs],
        "levels": dataclasses.asdict(description.levels),
        "input_gain_db": description.input_gain_db,
        "output_gain_db": description.output_gain_db,
        "esr": description.esr,
        "licence": description.licence,
        "playing": _playing(description, playing_rate_hz),
        "receptive_field_frames": field_frames,
        "receptive_field_ms": None if field_frames is None else 1e3 * field_frames / description.sample_rate_hz,
        "multiply_adds_per_sample": multiply_adds_per_sample(architecture),
        "self_test": self_test,
        "metadata": description.metadata,
        "notes": notes,
    }


def _playing(description: Description, rate_hz: int) -> dict[str, Any] | None:
    if isinstance(description.architecture, ForeignGraph):
        return None  # the pedal doesn't play it
    plan = plan_rates(description, rate_hz)
    return {
        "rate_hz": rate_hz,
        "method": plan.method.name.lower(),
        "latency_frames": plan.latency_frames,
        "latency_ms": round(plan.latency_ms, 3),
    }


def notes_for(description: Description, playing_rate_hz: int = PLAYING_RATE_HZ) -> list[str]:
    """Sentences for the player about what is unusual in this model."""
    notes = []
    rate = description.sample_rate_hz
    if not description.sample_rate_known:
        notes.append(
            f"The file does not tell its sample rate; {spaced(rate)} Hz is assumed, "
            f"as usual for {description.source_format.split(' ')[0]} models."
        )
    if isinstance(description.architecture, ForeignGraph):
        notes.append("An ONNX graph of its own: it plays only offline, with --engine onnx, not in the pedal.")
    else:
        notes += sentences(plan_rates(description, playing_rate_hz))
    if any(knob.name.startswith("Knob ") for knob in description.knobs):
        notes.append("The file does not name its knobs.")
    if description.esr is not None and description.esr > _HIGH_ESR:
        notes.append(f"Its maker measured an error (ESR) of {description.esr:.2f}: only roughly like the original.")
    return notes


def run_self_test(description: Description, make_engine: MakeEngine) -> dict[str, Any] | None:
    """The engine's output against the one that the file promises; None if the file promises none."""
    test = description.self_test
    if test is None:
        return None
    output = make_engine(description).process(test.audio)
    difference = output.astype(np.float64) - test.expected
    error = float(np.abs(difference).max())
    energy = float(np.sum(np.square(test.expected, dtype=np.float64)))
    return {
        "frames": len(test.audio),
        "max_error": error,
        "esr": float(np.sum(np.square(difference))) / energy if energy > 0.0 else None,
        "passed": error <= SELF_TEST_TOLERANCE,
    }


def loudness_and_gain(
    make_engine: Callable[[], ModelEngine], clip: Float32, *, warm_up_frames: int = 8192
) -> tuple[float, float]:
    """NAM's `metadata.loudness` (dB) and `metadata.gain` (0…1) of a model, measured anew. May block for seconds.

    make_engine: a fresh engine at every call. clip: NAM's loudness clip, float32 mono. warm_up_frames: zeros played
    first, at least the receptive field. Gain: output RMS at eleven input gains 0…1, between a straight line (0) and
    a step (1). Source: neural-amp-modeler `nam/models/base.py`.
    """
    rms = []
    for step in range(11):
        engine = make_engine()
        engine.process(np.zeros(warm_up_frames, np.float32))
        output = engine.process((clip * np.float32(step / 10.0)).astype(np.float32))
        rms.append(math.sqrt(float(np.mean(np.square(output, dtype=np.float64)))))
    most = len(rms) * rms[-1]
    loudness_db = 20.0 * math.log10(rms[-1]) if rms[-1] > 0.0 else -math.inf
    gain = (sum(rms) - most / 2.0) / (most / 2.0) if most > 0.0 else 0.0
    return loudness_db, min(max(gain, 0.0), 1.0)


def spaced(number: int) -> str:
    """44100 → "44 100"."""
    return f"{number:,}".replace(",", " ")


def _variant(description: Description) -> dict[str, Any]:
    return {
        "variant": description.variant,
        "architecture": architecture_name(description.architecture),
        "multiply_adds_per_sample": multiply_adds_per_sample(description.architecture),
        "loudness_db": description.levels.loudness_db,
        "esr": description.esr,
    }
