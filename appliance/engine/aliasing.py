"""How much of a model's sound is aliases: harmonics of the distortion that fold back at half the sample rate.

A sine of a whole number of hertz, heard for one second, has every harmonic on a bin of its own; whatever else is there
between 20 Hz and 20 kHz is an alias (or noise). The ratio of the two is what `appliance bench aliasing` prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from appliance.engine.contract import Float32, ModelEngine
from appliance.engine.native_engine import NativeEngine
from appliance.engine.rates import OVERSAMPLING, plan_rates
from appliance.formats.description import Description

FREQUENCIES_HZ = (1245, 4186)  # D♯6 and C8, high on the neck and above it
LEVEL = 0.25  # -12 dB: a hard stroke
_LOWEST_HZ, _HIGHEST_HZ = 20, 20_000
_BLOCK_FRAMES = 1024


@dataclass(frozen=True)
class Aliasing:
    """One row of `appliance bench aliasing --json`."""

    model: str
    frequency_hz: int
    oversample: int
    alias_to_signal_db: float
    latency_ms: float


def alias_to_signal_db(engine: ModelEngine, rate_hz: int, frequency_hz: int, level: float = LEVEL) -> float:
    """Power of the aliases over power of the harmonics, in dB, after a second of settling. May block for seconds.

    frequency_hz: must not divide rate_hz, or the aliases fall on harmonics.
    """
    if rate_hz % frequency_hz == 0:
        raise ValueError(f"{frequency_hz} Hz divides {rate_hz} Hz: its aliases can't be told from its harmonics")
    phase = 2.0 * np.pi * frequency_hz * np.arange(2 * rate_hz) / rate_hz
    sine = (level * np.sin(phase)).astype(np.float32)
    knobs = np.full(engine.knob_count, 0.5, np.float32) if engine.knob_count else None
    made = np.concatenate([engine.process(block, knobs) for block in _blocks(sine)])
    power = np.square(np.abs(np.fft.rfft(made[rate_hz:].astype(np.float64))))  # bin n is n Hz
    heard = power[_LOWEST_HZ : min(_HIGHEST_HZ, rate_hz // 2) + 1]
    frequencies_hz = _LOWEST_HZ + np.arange(len(heard))
    harmonic = frequencies_hz % frequency_hz == 0
    floor = np.finfo(np.float64).tiny
    return float(10.0 * np.log10((heard[~harmonic].sum() + floor) / (heard[harmonic].sum() + floor)))


def measure(models: Sequence[tuple[str, Description]], rate_hz: int = 48_000) -> list[Aliasing]:
    """Every model at every frequency and oversampling, at a session rate. Blocks for seconds."""
    return [
        Aliasing(
            name,
            frequency_hz,
            oversample,
            round(
                alias_to_signal_db(
                    NativeEngine(description, session_rate_hz=rate_hz, oversample=oversample), rate_hz, frequency_hz
                ),
                1,
            ),
            round(plan_rates(description, rate_hz, oversample).latency_ms, 3),
        )
        for name, description in models
        for frequency_hz in FREQUENCIES_HZ
        for oversample in OVERSAMPLING
    ]


def as_json(rows: Sequence[Aliasing]) -> list[dict[str, str | int | float]]:
    """The rows as `--json` prints them."""
    return [asdict(row) for row in rows]


def as_table(rows: Sequence[Aliasing]) -> str:
    """The rows for people."""
    width = max(len(row.model) for row in rows)
    lines = [f"{'model':<{width}}  sine Hz  oversampling  aliases dB  latency ms"]
    lines += [
        f"{row.model:<{width}}  {row.frequency_hz:>7}  {row.oversample:>11}x  {row.alias_to_signal_db:>10.1f}"
        f"  {row.latency_ms:>10.2f}"
        for row in rows
    ]
    return "\n".join(lines)


def _blocks(audio: Float32) -> list[Float32]:
    return [audio[start : start + _BLOCK_FRAMES] for start in range(0, len(audio), _BLOCK_FRAMES)]
