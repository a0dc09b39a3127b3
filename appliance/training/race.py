"""Several networks from different seeds on the same batches; the worse ones drop out early.

Which minimum a small recurrent network ends in is much of it luck, and shows early.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from appliance.training.batches import Batch
from appliance.training.learner import Learner


class Racer:
    """The members of one network (one for most, two for a pack), from one seed, always on the same batches."""

    def __init__(self, seed: int, learners: Sequence[Learner]) -> None:
        self.seed, self.learners = seed, list(learners)

    def learn(self, batch: Batch, learning_rate: float) -> float:
        """One round of every member; the mean loss."""
        return math.fsum(learner.learn(batch, learning_rate) for learner in self.learners) / len(self.learners)

    def validate(self) -> float:
        """ESR of the largest member now; each member keeps its own best weights."""
        return [learner.validate() for learner in self.learners][-1]

    @property
    def best_esr(self) -> float:
        """Of the largest member."""
        return self.learners[-1].best_esr

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"seed": self.seed, "learners": [learner.state() for learner in self.learners]}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for learner, kept in zip(self.learners, state["learners"], strict=True):
            learner.load(kept)


def leaders(racers: Sequence[Racer], keep: int) -> list[Racer]:
    """The `keep` racers with the lowest ESR so far, in the order they had; a tie goes to the lower seed."""
    ranked = sorted(racers, key=lambda racer: (racer.best_esr, racer.seed))[:keep]
    return [racer for racer in racers if racer in ranked]
