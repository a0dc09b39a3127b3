"""Somebody else's streaming ONNX graph, played by ONNX Runtime; the second half of `onnx_engine.py`.

Offline only: `process` allocates. A graph made for blocks of one size is fed through a queue, so that any block may be
given; the output is then late by that size less one frame.
"""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from appliance.engine.contract import Float32
from appliance.engine.onnx_engine import session_options
from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats.description import Description
from appliance.formats.foreign_checks import CHUNK_FRAMES
from appliance.formats.foreign_graph import ForeignGraph


class ForeignEngine:
    """A model engine by the contract of `engine/contract.py`. A knob that can't move within the graph's block stays
    where it is at the block's first frame."""

    def __init__(self, description: Description) -> None:
        graph = description.architecture
        if not isinstance(graph, ForeignGraph):
            raise TypeError(f"{description.name} is no graph of somebody else's")
        self._graph = graph
        self._name = description.name
        self.knob_count = len(description.knobs)
        self.latency_frames = graph.block_frames - 1 if graph.block_frames else 0
        options = session_options()
        options.log_severity_level = 4  # what is wrong is told in the exception
        try:
            self._session = ort.InferenceSession(graph.model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common class
            raise UnsupportedModel(f"{self._name}: ONNX Runtime doesn't take this graph: {_short(error)}") from None
        self.reset()

    def reset(self) -> None:
        """States of zeros, silent history."""
        self._states = {state.input.name: np.zeros(state.input.filled(0), np.float32) for state in self._graph.states}
        self._waiting = np.zeros((1 + self.knob_count, 0), np.float32)  # audio and knobs not played yet
        self._ready = np.zeros(self.latency_frames, np.float32)

    def process(self, audio: Float32, knobs: Float32 | None = None) -> Float32:
        """One block; see the contract. Raises BadModelFile when the graph fails on it."""
        rows = self._rows(audio, knobs)
        block = self._graph.block_frames
        if block is None:
            parts = [self._run(rows[:, at : at + CHUNK_FRAMES]) for at in range(0, len(audio), CHUNK_FRAMES)]
            return np.concatenate(parts) if parts else np.zeros(0, np.float32)
        self._waiting = np.concatenate([self._waiting, rows], axis=1)
        whole = self._waiting.shape[1] // block * block
        made = [self._run(self._waiting[:, at : at + block]) for at in range(0, whole, block)]
        self._waiting = self._waiting[:, whole:]
        self._ready = np.concatenate([self._ready, *made])
        result, self._ready = self._ready[: len(audio)].copy(), self._ready[len(audio) :]
        return result

    def _rows(self, audio: Float32, knobs: Float32 | None) -> Float32:
        """[1 + knobs, frames]."""
        if audio.ndim != 1:
            raise ValueError(f"audio has shape {audio.shape}, but one dimension (frames) was wanted")
        frames = len(audio)
        rows = np.zeros((1 + self.knob_count, frames), np.float32)
        rows[0] = audio
        if knobs is not None and knobs.size:
            if knobs.shape not in ((self.knob_count,), (self.knob_count, frames)):
                wanted = f"({self.knob_count},) or ({self.knob_count}, {frames})"
                raise ValueError(f"knobs have shape {knobs.shape}, but {wanted} was wanted")
            rows[1:] = knobs if knobs.ndim == 2 else knobs[:, None]
        return rows

    def _run(self, rows: Float32) -> Float32:
        graph, frames = self._graph, rows.shape[1]
        feed = {graph.audio.name: np.ascontiguousarray(rows[0]).reshape(graph.audio.filled(frames)), **self._states}
        if graph.knobs is not None:
            shape = graph.knobs.filled(frames)
            moves = len(shape) == 3 and shape[2] == frames
            feed[graph.knobs.name] = np.ascontiguousarray(rows[1:] if moves else rows[1:, 0]).reshape(shape)
        names = [graph.output, *(state.output for state in graph.states)]
        try:
            output, *following = self._session.run(names, feed)
        except Exception as error:  # as above
            raise BadModelFile(f"{self._name}: ONNX Runtime gave up on a block of {frames}: {_short(error)}") from None
        if output.size != frames:
            raise BadModelFile(f"{self._name} gave {output.size} frames for {frames}: it is no streaming graph.")
        self._states = dict(zip(self._states, following, strict=True))
        made: Float32 = output.reshape(-1)
        return made


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
