"""What the parts of training promise each other: data → networks → loop → export → report.

Audio is float32, mono, full scale ±1. Knob values in a `Take` are in the knob's own unit; what a network is fed is the
knob's *position*, 0 at its minimum and 1 at its maximum (`position_of`), and `Network.architecture` folds that scaling
into the weights, so that the engine feeds units again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from appliance.formats.description import Architecture, Knob
from appliance.training.takes import DataSet, Float32, Span, Take, position_of

__all__ = ["DataSet", "Float32", "Network", "Span", "Take", "position_of"]


class Network(nn.Module, ABC):
    """A model that can be trained and that the engine can play.

    past_frames: frames of past audio that `forward` eats before its first output (0 for recurrent networks, whose past
    is in the state). settle_frames: outputs after a fresh start (state None) that are not worth judging.
    members: the networks that are trained together and packed in one file, smallest first; just itself for most.
    """

    past_frames: int = 0
    settle_frames: int = 0
    knob_count: int = 0

    @property
    def members(self) -> Sequence[Network]:
        return (self,)

    @abstractmethod
    def forward(self, audio: Tensor, positions: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """audio [batch, past_frames + frames], positions [batch, knob_count] in 0…1 → output [batch, frames], state.

        The state is opaque: None starts afresh, what came back carries on. `detached` cuts it off the graph.
        """

    def start_from(self, data: DataSet) -> None:
        """Set the weights to a good start for this data, where there is one; the loop calls it once. May block."""

    @staticmethod
    def detached(state: Any) -> Any:
        """The same state without its gradient history."""
        if isinstance(state, Tensor):
            return state.detach()
        if isinstance(state, (tuple, list)):
            return type(state)(Network.detached(part) for part in state)
        return state

    @abstractmethod
    def architecture(self, knobs: Sequence[Knob]) -> Architecture:
        """What the engine plays, with the scaling of `knobs` (units → positions) folded into the weights."""
