"""What the parts of training promise each other: data → networks → loop → export → report.

Audio is float32, mono, full scale ±1. Knob values in a `Take` are in the knob's own unit; what a network is fed is the
knob's *position*, 0 at its minimum and 1 at its maximum (`position_of`), and `Network.architecture` folds that scaling
into the weights, so that the engine feeds units again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from appliance.formats.description import Architecture, Knob

Float32 = npt.NDArray[np.float32]
Span = tuple[int, int]  # first frame, one past the last frame


@dataclass(frozen=True)
class Take:
    """One recording of the device: what went in and, aligned to the sample, what came out.

    train, validation, test: spans of frames that don't overlap. A take that is `held_out` (a knob position that is
    never trained on) has no train and no validation spans. Audio before a span may be used to warm a network up.
    """

    name: str
    dry: Float32  # [frames]
    wet: Float32  # [frames]; wet[n] is the device's answer to dry[n]
    knobs: tuple[float, ...] = ()  # in the order and units of DataSet.knobs
    held_out: bool = False
    train: tuple[Span, ...] = ()
    validation: tuple[Span, ...] = ()
    test: tuple[Span, ...] = ()
    notes: tuple[str, ...] = ()  # what was found and repaired, in words for the player


@dataclass(frozen=True)
class DataSet:
    """Every take of one device, at one sample rate. `knobs[i].heard` lists the positions of takes not held out."""

    name: str
    sample_rate_hz: int
    takes: tuple[Take, ...]
    knobs: tuple[Knob, ...] = ()
    notes: tuple[str, ...] = ()


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


def position_of(knob: Knob, value: float) -> float:
    """0 at the knob's minimum, 1 at its maximum."""
    return (value - knob.minimum) / (knob.maximum - knob.minimum)
