"""The contract every model engine keeps: native, ONNX Runtime and the numpy reference."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


class ModelEngine(Protocol):
    """One model, prepared to run as a stream: state is kept from call to call.

    The audio of a stream may be split into blocks of any size; the output does not depend on the split.
    """

    knob_count: int
    latency_frames: int  # delay of the output against the input (0 but for a native model resampled or oversampled)

    def process(self, audio: Float32, knobs: Float32 | None = None) -> Float32:
        """Run one block.

        audio: float32 (frames,), mono, full scale ±1.0.
        knobs: float32 (knob_count,) held for the block, or (knob_count, frames); None means every knob at 0.
        Returns float32 (frames,), a new array the caller owns. Never resets state.
        """
        ...

    def reset(self) -> None:
        """Back to the state after construction: the model's own initial state, silent history, NOT warmed."""
        ...
