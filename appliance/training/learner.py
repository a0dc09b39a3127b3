"""One network that learns: its weights, optimiser, running mean of weights, and the best weights so far."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from appliance.training.batches import Batch
from appliance.training.contract import Network
from appliance.training.losses import Loss
from appliance.training.optimisers import Adam, FlatWeights
from appliance.training.recipe import Recipe
from appliance.training.validation import Validation


class Learner:
    """A network in training. `context_frames` of each batch's audio come before what is learned."""

    def __init__(self, network: Network, recipe: Recipe, loss: Loss, validation: Validation) -> None:
        self.network, self._recipe, self._loss, self._validation = network, recipe, loss, validation
        self.weights = FlatWeights(network)
        self._stepper = Adam(self.weights.values.numel(), self.weights.values.device)
        self._average = self.weights.values.clone()
        self._best = self.weights.values.clone()
        self._updates = 0
        self.best_esr = math.inf

    def learn(self, batch: Batch, learning_rate: float) -> float:
        """One round; returns the mean loss. Updates from a gradient that isn't finite are left out."""
        energy = self._loss.energy(batch.target, batch.take_energy)
        if self.network.past_frames:
            extra = batch.audio.shape[1] - batch.target.shape[1] - self.network.past_frames
            output, _ = self.network(batch.audio[:, extra:], batch.positions)
            return self._update(self._loss(output, batch.target, energy), learning_rate)
        return self._learn_in_order(batch, energy, learning_rate)

    def _learn_in_order(self, batch: Batch, energy: Tensor, learning_rate: float) -> float:
        """Truncated back-propagation: the state is carried along, its history cut at each update."""
        frames = batch.target.shape[1]
        context = batch.audio.shape[1] - frames
        chunk = self._recipe.update_frames or frames
        state = None
        if context:
            with torch.no_grad():
                _, state = self.network(batch.audio[:, :context], batch.positions)
        losses = []
        for first in range(0, frames, chunk):
            last = min(first + chunk, frames)
            output, state = self.network(batch.audio[:, context + first : context + last], batch.positions, state)
            losses.append(self._update(self._loss(output, batch.target[:, first:last], energy), learning_rate))
            state = self.network.detached(state)
        return math.fsum(losses) / len(losses)

    def _update(self, loss: Tensor, learning_rate: float) -> float:
        weights, recipe = self.weights, self._recipe
        weights.gradient.zero_()
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            norm = float(weights.gradient.norm())
            if not math.isfinite(norm):
                return float(loss.detach())
            if norm > recipe.clip_norm > 0:
                weights.gradient.mul_(recipe.clip_norm / norm)
            self._stepper.step(weights.values, weights.gradient, learning_rate)
            self._updates += 1
            # Young means forget faster, or the random start would linger in them.
            decay = min(recipe.average_decay, self._updates / (self._updates + 10.0))
            self._average.lerp_(weights.values, 1.0 - decay)
        return float(loss.detach())

    @torch.no_grad()
    def validate(self) -> float:
        """The better ESR of the weights and of their running mean; keeps those weights if none were better."""
        found = [(self._validation.esr(self.network), self.weights.values.clone())]
        if self._recipe.average_decay:
            with _Borrowed(self, self._average):
                found.append((self._validation.esr(self.network), self._average.clone()))
        esr, values = min(found, key=lambda pair: pair[0])
        if esr < self.best_esr:
            self.best_esr, self._best = esr, values
        return esr

    @torch.no_grad()
    def take_best(self) -> None:
        """The network's weights become the best ones found."""
        self.weights.values.copy_(self._best)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "weights": self.weights.values,
            "average": self._average,
            "best": self._best,
            "best_esr": self.best_esr,
            "updates": self._updates,
            "stepper": self._stepper.state(),
        }

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.weights.values.copy_(state["weights"])
        self._average.copy_(state["average"])
        self._best = state["best"].to(self.weights.values.device).clone()
        self.best_esr, self._updates = float(state["best_esr"]), int(state["updates"])
        self._stepper.load(state["stepper"])


class _Borrowed:
    """Other weights in a network, for as long as a `with` lasts."""

    def __init__(self, learner: Learner, values: Tensor) -> None:
        self._own, self._other = learner.weights.values, values

    def __enter__(self) -> None:
        self._kept = self._own.clone()
        self._own.copy_(self._other)

    def __exit__(self, *_: object) -> None:
        self._own.copy_(self._kept)
