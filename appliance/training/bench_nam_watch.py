"""A callback for the NAM trainer: notes where it stands after so much CPU time, and ends it. Needs Lightning."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning
from torch import Tensor


@dataclass(frozen=True)
class Mark:
    """A training at a moment: its weights then, and the best ones (by validation ESR) at the end of an epoch before."""

    cpu_s: float
    updates: int
    weights: dict[str, Tensor]
    best: dict[str, Tensor]
    best_esr: float


class Watch(pytorch_lightning.Callback):
    """Makes a mark after each of `budgets_s` of CPU time (ascending) and stops the training at the last."""

    def __init__(self, budgets_s: Sequence[float]) -> None:
        self._waiting, self._began = list(budgets_s), time.process_time()
        self._best: dict[str, Tensor] = {}
        self._best_esr, self._updates = math.inf, 0
        self.marks: list[Mark] = []

    def on_train_start(self, trainer: Any, module: Any) -> None:
        """Lightning's hook. What it loads and prepares before is not counted."""
        self._began = time.process_time()

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        """Lightning's hook."""
        self._updates += 1
        cpu_s = time.process_time() - self._began
        while self._waiting and cpu_s > self._waiting[0]:
            self._waiting.pop(0)
            self.marks.append(Mark(cpu_s, self._updates, _weights(module), self._best, self._best_esr))
        if not self._waiting:
            trainer.should_stop = True

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        """Lightning's hook."""
        esr = float(trainer.callback_metrics["ESR"])
        if esr < self._best_esr and self._waiting:
            self._best_esr, self._best = esr, _weights(module)


def _weights(module: Any) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.net.state_dict().items()}
