"""Models by ONNX Runtime: one thread, sequential, no spinning. The second engine, and the judge of the first.

Making a session may block for tens of milliseconds. `process` allocates its output and so is not for the audio thread
when the native engine can play the model.
"""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from appliance.engine.contract import Float32
from appliance.engine.onnx_graph import build, initial_states
from appliance.formats.description import Description


def session_options() -> ort.SessionOptions:
    """One thread that sleeps when it has nothing to do."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


class OnnxEngine:
    """A model engine by the contract of `engine/contract.py`, played by ONNX Runtime on the CPU."""

    latency_frames = 0

    def __init__(self, description: Description) -> None:
        self.knob_count = len(description.knobs)
        model = build(description)
        self._session = ort.InferenceSession(
            model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
        )
        self._initial = initial_states(model)
        self._next_names = [f"next_{name}" for name in self._initial]
        self.reset()

    def reset(self) -> None:
        """The model's own initial state, silent history."""
        self._states = {name: ort.OrtValue.ortvalue_from_numpy(value) for name, value in self._initial.items()}

    def process(self, audio: Float32, knobs: Float32 | None = None) -> Float32:
        """One block; see the contract."""
        if audio.ndim != 1:
            raise ValueError(f"audio has shape {audio.shape}, but one dimension (frames) was wanted")
        if audio.size == 0:
            return np.zeros(0, np.float32)
        block = np.ascontiguousarray(audio, np.float32).reshape(1, 1, -1)
        feed = {"audio": ort.OrtValue.ortvalue_from_numpy(block), **self._states}
        if self.knob_count:
            feed["knobs"] = ort.OrtValue.ortvalue_from_numpy(self._knobs(knobs, len(audio)))
        elif knobs is not None and knobs.size:
            raise ValueError(f"knobs have shape {knobs.shape}, but this model has no knobs")
        # States stay inside the runtime from block to block: only audio crosses into numpy.
        output, *following = self._session.run_with_ort_values(["output", *self._next_names], feed)
        self._states = dict(zip(self._initial, following, strict=True))
        result: Float32 = output.numpy().reshape(-1)
        return result

    def _knobs(self, knobs: Float32 | None, frames: int) -> Float32:
        if knobs is None:
            return np.zeros((1, self.knob_count, 1), np.float32)
        if knobs.shape not in ((self.knob_count,), (self.knob_count, frames)):
            wanted = f"({self.knob_count},) or ({self.knob_count}, {frames})"
            raise ValueError(f"knobs have shape {knobs.shape}, but {wanted} was wanted")
        return np.ascontiguousarray(knobs, np.float32).reshape(1, self.knob_count, -1)
