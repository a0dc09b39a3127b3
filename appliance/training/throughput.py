"""How much audio a second of CPU time trains: our step beside that of NAM's own trainer, same network, same batch.

A step is what a training loop repeats: forward, loss, backward, optimiser. NAM's is made of its own classes (network,
`LightningModule` with its loss and optimiser); the PyPI package `neural-amp-modeler` must be installed for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from appliance.errors import BadRequest, NotInstalled
from appliance.formats.description import Act
from appliance.training.networks.wavenet import WaveNetNetwork
from appliance.training.networks.wavenet_shape import SHAPES, WaveNetShape

Step = Callable[[], float]
_ACTIVATIONS = {Act.TANH: "Tanh", Act.LEAKY_RELU: "LeakyReLU"}
_LEARNING_RATE = 0.004  # NAM's; it doesn't change the work


@dataclass(frozen=True)
class Throughput:
    """CPU time (of all threads) and wall time for one second of audio at 48 kHz, medians over the rounds."""

    size: str
    threads: int
    ours_cpu_s: float
    nam_cpu_s: float
    ours_wall_s: float
    nam_wall_s: float

    @property
    def ratio(self) -> float:
        """How many times as much audio a second of CPU time trains here as in NAM's trainer."""
        return self.nam_cpu_s / self.ours_cpu_s


def compare(
    size: str, *, batch: int = 16, frames: int = 8192, threads: int = 1, rounds: int = 5, sample_rate_hz: int = 48_000
) -> Throughput:
    """Trains both networks in turn, one step each per round, after a warming one. Takes seconds; uses the CPU alone.

    frames: outputs of each item, after the network's past. Raises BadRequest for a size that there isn't and
    NotInstalled without neural-amp-modeler.
    """
    if size not in SHAPES:
        raise BadRequest(f"There is no WaveNet of size {size!r}. There are: {', '.join(SHAPES)}.")
    shape = SHAPES[size]
    generator = torch.Generator().manual_seed(0)
    audio = torch.rand(batch, shape.past_frames + frames, generator=generator) - 0.5
    target = torch.rand(batch, frames, generator=generator) * 0.1
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        steps = (our_step(shape, audio, target), nam_step(shape, audio, target))
        for step in steps:
            step()
        # in turn, so that another load on the machine falls on both
        taken = [[_timed(step) for step in steps] for _ in range(rounds)]
    finally:
        torch.set_num_threads(threads_before)
    audio_s = batch * frames / sample_rate_hz
    (ours_cpu, ours_wall), (nam_cpu, nam_wall) = (
        [_median([times[which][clock] for times in taken]) / audio_s for clock in (0, 1)] for which in (0, 1)
    )
    return Throughput(size, threads, ours_cpu, nam_cpu, ours_wall, nam_wall)


def our_step(shape: WaveNetShape, audio: Tensor, target: Tensor) -> Step:
    """One step of a fresh network of ours; it returns the loss."""
    network = WaveNetNetwork(shape)
    optimiser = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    positions = torch.zeros(len(audio), 0)

    def step() -> float:
        optimiser.zero_grad()
        output, _ = network(audio, positions)
        loss = torch.nn.functional.mse_loss(output, target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return float(loss.detach())

    return step


def nam_step(shape: WaveNetShape, audio: Tensor, target: Tensor) -> Step:
    """One step of NAM's trainer over a fresh network of the same shape. Raises NotInstalled."""
    try:
        from nam.train.lightning_module import LightningModule
    except ImportError as error:
        raise NotInstalled(
            "The comparison needs NAM's own trainer, which isn't installed. "
            "Install it with: pip install 'neural-amp-modeler>=0.13,<0.14'"
        ) from error
    module = LightningModule.init_from_config(
        {
            "net": {"name": "WaveNet", "config": nam_config(shape)},
            "loss": {},
            "optimizer": {"lr": _LEARNING_RATE},
            "lr_scheduler": {"class": "ExponentialLR", "kwargs": {"gamma": 0.993}},
        }
    )
    module.train()
    optimiser = module.configure_optimizers()["optimizer"]
    assert sum(parameter.numel() for parameter in module.parameters()) == shape.weight_count

    def step() -> float:
        optimiser.zero_grad()
        loss = module.training_step((audio, target), 0)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def nam_config(shape: WaveNetShape) -> dict[str, Any]:
    """The shape as NAM's trainer is told it."""
    layers = []
    inputs = 1
    for array in shape.arrays:
        head = {"out_channels": array.head_size, "kernel_size": array.head_taps, "bias": array.head_bias}
        layers.append(
            {
                "input_size": inputs,
                "condition_size": 1,
                "channels": array.channels,
                "kernel_sizes": list(array.taps),
                "dilations": list(array.dilations),
                "activation": _ACTIVATIONS[shape.activation.kind],
                "head": head,
            }
        )
        inputs = array.channels
    return {"layers_configs": layers, "head_scale": shape.head_scale}


def _timed(step: Step) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    step()
    return time.process_time() - cpu, time.perf_counter() - wall


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
