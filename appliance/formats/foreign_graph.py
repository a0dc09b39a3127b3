"""A streaming ONNX graph that somebody else made, as an architecture: its bytes and what its ports are called.

Read and checked by `foreign.py`; played by ONNX Runtime alone (`engine/foreign_engine.py`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Port:
    """An input or output of the graph. Sizes of the shape are whole numbers, or None for the block's frames."""

    name: str
    shape: tuple[int | None, ...]

    def filled(self, frames: int) -> tuple[int, ...]:
        """The shape for a block of `frames`."""
        return tuple(frames if size is None else size for size in self.shape)


@dataclass(frozen=True)
class StatePort:
    """A state: what goes in with one block and comes out, changed, for the next. Starts as zeros."""

    input: Port
    output: str


@dataclass(frozen=True)
class ForeignGraph:
    """The graph and its ports. Its weights and inside shapes were checked when it was read."""

    model: bytes
    audio: Port
    output: str
    knobs: Port | None
    states: tuple[StatePort, ...]
    block_frames: int | None  # frames of every block, or None where any number will do
    nodes: int
    weights: int  # numbers that it multiplies with
