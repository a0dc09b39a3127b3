"""How a training went, epoch by epoch. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One pass over the training audio."""

    number: int  # from 1
    loss: float  # mean training loss, whatever the recipe's loss is
    validation_esr: float  # NaN where this epoch was not validated
    seconds: float = 0.0  # since training began
