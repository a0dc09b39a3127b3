"""How a network is trained: every number of it, and the defaults that measurements chose (docs/training.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from appliance.training.contract import Network
from appliance.training.losses import Emphasis, LossConfig


@dataclass(frozen=True)
class Recipe:
    """One training. A round is one batch: one update for a network that hears its past in the audio, one for each
    `update_frames` of a segment for a recurrent one (truncated back-propagation, the state carried along).

    warm_up_frames: run without learning at the start of a segment, recurrent networks only.
    racers: networks from different seeds that start together; `heats` are the shares of the work at which the worse
    half of those left drops out.
    """

    learning_rate: float = 0.015  # the top of the cycle; in trainings of more rounds than full_rate_rounds less
    full_rate_rounds: int = 5000
    batch: int = 4
    segment_frames: int = 4096
    warm_up_frames: int = 0
    update_frames: int = 0
    rise_share: float = 0.05  # of the training: learning rate from 0 to its top
    final_share: float = 0.002  # of the top: where the cosine ends
    clip_norm: float = 1.0
    average_decay: float = 0.99  # per update, of the running mean of the weights; 0: none
    racers: int = 1
    heats: tuple[float, ...] = (0.06, 0.15)
    validations: int = 40
    loss: LossConfig = field(default_factory=LossConfig)

    def as_table(self) -> dict[str, Any]:
        """For a file or a report: plain values."""
        table = asdict(self)
        table["heats"] = list(self.heats)
        table["loss"]["emphasis"] = self.loss.emphasis.value
        return table

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> Recipe:
        """The way back from `as_table`."""
        values = dict(table)
        values["heats"] = tuple(values["heats"])
        loss = dict(values["loss"])
        values["loss"] = LossConfig(**{**loss, "emphasis": Emphasis(loss["emphasis"])})
        return cls(**values)


def default_recipe(network: Network) -> Recipe:
    """The recipe for a network: one for those with a past in the audio, one for recurrent ones."""
    if network.past_frames:
        return Recipe()
    return Recipe(
        learning_rate=0.015,
        batch=16,
        segment_frames=8192,
        warm_up_frames=1024,
        update_frames=2048,
        racers=3,
        loss=LossConfig(plain=0.5, emphasised=0.5, dc=0.05, evenness=0.9),
    )
