"""How far an engine is from the float64 reference: the largest difference on the demo guitar."""

from __future__ import annotations

import wave

import numpy as np

from appliance.engine.contract import Float32
from appliance.engine.engines import make_engine
from appliance.engine.reference import Float64, ReferenceEngine
from appliance.formats.description import Description
from appliance.paths import assets

SECONDS = 1.0
_KNOB = 0.5


def demo_guitar(seconds: float = SECONDS) -> Float32:
    """The beginning of the guitar that the pedal comes with, full scale ±1.0. May block."""
    with wave.open(str(assets("models") / "demo-guitar.wav"), "rb") as file:
        samples = file.readframes(round(seconds * file.getframerate()))
    return np.frombuffer(samples, dtype="<i2").astype(np.float32) / np.float32(32_768)


class Judge:
    """One model on the guitar by the reference, knobs half-way. Errors: UnsupportedModel."""

    def __init__(self, description: Description, seconds: float = SECONDS) -> None:
        self._description = description
        self._audio = demo_guitar(seconds)
        self._knobs = np.full(len(description.knobs), _KNOB, np.float32) if description.knobs else None
        self._wanted: Float64 = ReferenceEngine(description).process_float64(self._audio, self._knobs)

    def error(self, engine: str, block_frames: int) -> float:
        """The largest difference, of full scale, in blocks of `block_frames`. Blocks."""
        made = make_engine(engine, self._description)
        blocks = range(0, len(self._audio), block_frames)
        heard = np.concatenate([made.process(self._audio[at : at + block_frames], self._knobs) for at in blocks])
        return float(np.abs(heard - self._wanted).max())
