"""A callback for the NAM trainer: ends it when its CPU time is used, and keeps its best weights. Needs Lightning."""

from __future__ import annotations

import math
import time
from typing import Any

import pytorch_lightning
from torch import Tensor


class Watch(pytorch_lightning.Callback):
    """Stops the training after `cpu_s` of CPU time; `best` are the weights with the lowest validation ESR."""

    def __init__(self, cpu_s: float) -> None:
        self._cpu_s, self._began = cpu_s, time.process_time()
        self.best: dict[str, Tensor] = {}
        self.best_esr, self.updates = math.inf, 0

    def took_s(self) -> float:
        """CPU seconds so far."""
        return time.process_time() - self._began

    def on_train_start(self, trainer: Any, module: Any) -> None:
        """Lightning's hook. What it loads and prepares before is not counted."""
        self._began = time.process_time()

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Lightning's hook."""
        self.updates += 1
        if self.took_s() > self._cpu_s:
            trainer.should_stop = True

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        """Lightning's hook."""
        esr = float(trainer.callback_metrics["ESR"])
        if esr < self.best_esr or not self.best:
            self.best_esr = esr
            self.best = {name: value.detach().clone() for name, value in module.net.state_dict().items()}
