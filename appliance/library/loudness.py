"""How loud a model is, measured by us: files say it wrongly, or not at all.

NAM defines loudness as output RMS on a one-second clip of its own, at -15.0 dB RMS, which is not shipped here. Ours is
five seconds of the demo guitar at `CLIP_LEVEL_DB`. A nearly linear model gives NAM's figure when ours is at -15 dB too
(measured: +0.2 dB), but ours has the smaller crest, so overdriven models come out 1.6 dB (A1) to 2 dB (A2, LSTM) above
NAM's there. At -18 dB nine public captures and toys lie +1.3 dB from their metadata on average, the six real captures
between +0.9 and +1.6 dB: the middle between the two kinds.
"""

from __future__ import annotations

import math
import wave
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from appliance import paths
from appliance.engine.contract import ModelEngine
from appliance.formats.description import Description, multiply_adds_per_sample

Float32 = npt.NDArray[np.float32]

TARGET_DB = -18.0  # RMS that normalisation brings every model to: room for peaks 18 dB above
CLIP_LEVEL_DB = -18.0
_CLIP_START_S = 4.0  # soft notes, then hard ones and chords: what somebody plays to hear how loud a sound is
_CLIP_S = 5.0
_BLOCK_FRAMES = 1024
_WARM_UP_FRAMES = 8192  # longer than the receptive field of every model in use
_FLOOR_DB = -120.0
_MOST_DB = 40.0
# Work is capped, not refused: a model too heavy to play in real time is still measured, on less of the clip.
_MAX_MULTIPLY_ADDS = 6_000_000_000


@lru_cache(maxsize=1)
def loudness_clip() -> Float32:
    """The clip on which loudness is defined: float32 mono, 48 kHz. Raises OSError when it is missing."""
    with wave.open(str(paths.assets("models") / "demo-guitar.wav"), "rb") as file:
        rate_hz = file.getframerate()
        file.setpos(int(_CLIP_START_S * rate_hz))
        data = file.readframes(int(_CLIP_S * rate_hz))
    audio = np.frombuffer(data, "<i2").astype(np.float32) / 32768.0
    scale = 10.0 ** (CLIP_LEVEL_DB / 20.0) / np.sqrt(np.mean(np.square(audio, dtype=np.float64)))
    return (audio * np.float32(scale)).astype(np.float32, copy=False)


def measure_loudness_db(
    engine: ModelEngine, clip: Float32, *, knobs: Float32 | None = None, multiply_adds_per_sample: int = 0
) -> float:
    """Output RMS of a model on the clip, in dB re full scale, floored at -120. May block for seconds.

    The engine is warmed up with silence first. `knobs`: positions to measure at. `multiply_adds_per_sample`: the
    model's cost, to shorten the clip for one that is very heavy. Raises ValueError when the model gives NaN.
    """
    frames = len(clip)
    if multiply_adds_per_sample:
        frames = min(frames, max(_BLOCK_FRAMES, _MAX_MULTIPLY_ADDS // multiply_adds_per_sample))
    silence = np.zeros(_BLOCK_FRAMES, np.float32)
    for _ in range(min(_WARM_UP_FRAMES, frames) // _BLOCK_FRAMES):
        engine.process(silence, knobs)
    energy = 0.0
    for start in range(0, frames, _BLOCK_FRAMES):
        made = engine.process(clip[start : min(start + _BLOCK_FRAMES, frames)], knobs)
        energy += float(np.sum(np.square(made, dtype=np.float64)))
    if not math.isfinite(energy):
        raise ValueError("the model's output is not a number on ordinary guitar")
    return max(_FLOOR_DB, 10.0 * math.log10(max(energy / frames, 1e-30)))


def normalise_gain_db(loudness_db: float) -> float:
    """Gain that brings a model of this loudness to `TARGET_DB`; kept within ±40 dB, so that silence stays silent."""
    return max(-_MOST_DB, min(_MOST_DB, TARGET_DB - loudness_db))


def model_loudness_db(description: Description) -> float:
    """`measure_loudness_db` of a model on the engine that plays it, knobs at their defaults. May block for seconds."""
    from appliance.engine.engines import engine_for, make_engine

    knobs = np.array([knob.default for knob in description.knobs], np.float32)
    return measure_loudness_db(
        make_engine(engine_for(description), description),
        loudness_clip(),
        knobs=knobs if description.knobs else None,
        multiply_adds_per_sample=multiply_adds_per_sample(description.architecture),
    )
