"""The compiled engine behind the common contract (`contract.py`)."""

from __future__ import annotations

import numpy as np

from appliance.engine import _native
from appliance.engine.contract import Float32
from appliance.engine.packing import pack_model
from appliance.formats.description import Description


class NativeEngine:
    """A description prepared for the compiled engine. `process` allocates only its result.

    session_rate_hz: the rate of the audio, None for the model's own. oversample: 1, 2 or 4 (`rates.py`).
    """

    def __init__(
        self,
        description: Description,
        max_block_frames: int = 1024,
        *,
        session_rate_hz: int | None = None,
        oversample: int = 1,
    ) -> None:
        self._model = _native.Model(pack_model(description), max_block_frames, session_rate_hz or 0, oversample)
        self.knob_count = self._model.knob_count
        self.latency_frames = self._model.latency_frames

    def process(self, audio: Float32, knobs: Float32 | None = None) -> Float32:
        """One block; see `ModelEngine.process`."""
        if knobs is not None:
            knobs = np.ascontiguousarray(knobs, dtype=np.float32) if self.knob_count else None
        return self._model.process(np.ascontiguousarray(audio, dtype=np.float32), knobs)

    def time_blocks(self, audio: Float32, repeats: int) -> list[int]:
        """Nanoseconds that each of `repeats` runs of the block took inside compiled code."""
        return self._model.time_blocks(np.ascontiguousarray(audio, dtype=np.float32), repeats)

    def reset(self) -> None:
        """Initial state, silent history. Real-time safe."""
        self._model.reset()
