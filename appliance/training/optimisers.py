"""Steps from gradients, over all weights of a network as one flat vector.

Networks for a pedal are so small (hundreds to thousands of weights) that a step on a tensor for each layer would take
longer than its arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FlatWeights:
    """The weights of a network, and their gradients, as one vector that the network itself looks into."""

    def __init__(self, network: nn.Module) -> None:
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.values = torch.cat([parameter.data.reshape(-1) for parameter in parameters])
        self.gradient = torch.zeros_like(self.values)
        start = 0
        for parameter in parameters:
            end = start + parameter.numel()
            parameter.data = self.values[start:end].view_as(parameter)
            parameter.grad = self.gradient[start:end].view_as(parameter)
            start = end


class Adam:
    """Adam (Kingma & Ba, ICLR 2015)."""

    def __init__(self, count: int, device: torch.device, first: float = 0.9, second: float = 0.999) -> None:
        self._first, self._second = first, second
        self._mean = torch.zeros(count, device=device)
        self._square = torch.zeros(count, device=device)
        self._steps = 0

    def step(self, weights: Tensor, gradient: Tensor, learning_rate: float) -> None:
        """Change the weights in place."""
        self._steps += 1
        self._mean.lerp_(gradient, 1 - self._first)
        self._square.lerp_(gradient.square(), 1 - self._second)
        mean = self._mean / (1 - self._first**self._steps)
        size = (self._square / (1 - self._second**self._steps)).sqrt_().add_(1e-8)
        weights.addcdiv_(mean, size, value=-learning_rate)

    def state(self) -> dict[str, Tensor]:
        """Everything it remembers, for a checkpoint."""
        return {"mean": self._mean, "square": self._square, "steps": torch.tensor(self._steps)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])
        self._steps = int(state["steps"])
