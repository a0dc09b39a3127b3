"""Train the factory models on the devices of `devices.py`. One core, about 7 minutes for each; seeded.

    PYTHONPATH=. python models/make/train_factory.py [crunch-50] [green-drive] [lead-100]

Leaves a checkpoint per device in `build/factory/`; `write_factory.py` turns those into the files of `models/`.
The two devices with a knob become LSTMs that have heard five positions of it; the lead becomes a nano WaveNet.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import devices
import numpy as np
import torch
from devices import Device
from material import RATE_HZ, guitar_phrases, other_sounds
from networks import KnobLstm, NanoWaveNet
from torch import Tensor, nn

CHECKPOINTS = Path("build/factory")
HEARD = (0.0, 0.25, 0.5, 0.75, 1.0)
TESTED = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
TRAIN_SEED, TEST_SEED = 10, 20
TEST_SECONDS = 12
WARM_UP_FRAMES = 1024
TRUNCATION_FRAMES = 2048
SEGMENT_FRAMES = WARM_UP_FRAMES + 6 * TRUNCATION_FRAMES
PRE_EMPHASIS = 0.85  # as in Wright et al. 2019


@dataclass(frozen=True)
class Recipe:
    """How one device is learned."""

    hidden: int  # LSTM units; 0 means the nano WaveNet
    guitar_seconds: float
    batch: int
    updates: int
    learning_rate: float


RECIPES = {
    "crunch-50": Recipe(hidden=16, guitar_seconds=45, batch=32, updates=9000, learning_rate=6e-3),
    "green-drive": Recipe(hidden=16, guitar_seconds=45, batch=32, updates=4500, learning_rate=6e-3),
    "lead-100": Recipe(hidden=0, guitar_seconds=150, batch=8, updates=2600, learning_rate=6e-3),
}


def recordings(device: Device, recipe: Recipe) -> tuple[Tensor, Tensor, Tensor]:
    """Segments of the device played at every heard position: input, output [segments, frames]; knob [segments]."""
    dry = np.concatenate([guitar_phrases(TRAIN_SEED, recipe.guitar_seconds), other_sounds(TRAIN_SEED)])
    count = len(dry) // SEGMENT_FRAMES
    frames = count * SEGMENT_FRAMES
    inputs, outputs, knobs = [], [], []
    for position in HEARD if device.knob else (0.5,):
        inputs.append(dry[:frames].reshape(count, SEGMENT_FRAMES))
        outputs.append(device.process(dry, position)[:frames].reshape(count, SEGMENT_FRAMES))
        knobs.append(np.full(count, position))
    audio, target, knob = (
        torch.tensor(np.concatenate(parts), dtype=torch.float32) for parts in (inputs, outputs, knobs)
    )
    return audio, target, knob


def loudness_weights(target: Tensor, knob: Tensor) -> Tensor:
    """One over each segment's energy, so that soft playing counts; its position's mean keeps silence from ruling."""
    energy = target.square().mean(1)
    position_energy = torch.zeros_like(energy)
    for position in knob.unique():
        position_energy[knob == position] = energy[knob == position].mean()
    return 1 / (energy + 0.1 * position_energy)


def loss_of(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """ESR plain and pre-emphasised, in equal parts. Time is the last axis; weight [batch]."""
    error = output - target
    emphasised = error[..., 1:] - PRE_EMPHASIS * error[..., :-1]
    # Pre-emphasis takes about 12 dB from guitar; 8 brings both parts to a like size.
    return ((error.square().mean(-1) + 8 * emphasised.square().mean(-1)) * weight).mean()


def schedule(network: nn.Module, recipe: Recipe) -> tuple[torch.optim.Adam, torch.optim.lr_scheduler.LRScheduler]:
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    cosine = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.updates, pct_start=0.05, final_div_factor=40
    )
    return optimiser, cosine


def update(network: nn.Module, loss: Tensor, optimiser: torch.optim.Adam, cosine: object) -> float:
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    cosine.step()  # type: ignore[attr-defined]
    return loss.item()


def batches(count: int, size: int) -> list[Tensor]:
    return list(torch.randperm(count)[: count // size * size].split(size))


def train_lstm(network: KnobLstm, data: tuple[Tensor, Tensor, Tensor], recipe: Recipe) -> None:
    """Truncated back-propagation: each segment is walked through in order, the state carried along."""
    audio, target, knob = data
    weight = loudness_weights(target, knob)
    frames = torch.stack([audio, knob[:, None].expand_as(audio)], -1).transpose(0, 1)  # [time, segments, 2]
    optimiser, cosine = schedule(network, recipe)
    log = Log(recipe.updates)
    while True:
        for chosen in batches(len(audio), recipe.batch):
            with torch.no_grad():
                _, state = network(frames[:WARM_UP_FRAMES, chosen], None)
            for start in range(WARM_UP_FRAMES, SEGMENT_FRAMES, TRUNCATION_FRAMES):
                if log.updates == recipe.updates:
                    return
                part = slice(start, start + TRUNCATION_FRAMES)
                output, state = network(frames[part, chosen], (state[0].detach(), state[1].detach()))
                loss = loss_of(output.T, target[chosen, part], weight[chosen])
                log.add(update(network, loss, optimiser, cosine))


def train_wavenet(network: NanoWaveNet, data: tuple[Tensor, Tensor, Tensor], recipe: Recipe) -> None:
    """Whole segments; what lies within the receptive field of their start is not judged."""
    audio, target, knob = data
    weight = loudness_weights(target, knob)
    optimiser, cosine = schedule(network, recipe)
    log = Log(recipe.updates)
    first = network.RECEPTIVE_FIELD_FRAMES - 1
    while True:
        for chosen in batches(len(audio), recipe.batch):
            if log.updates == recipe.updates:
                return
            loss = loss_of(network(audio[chosen]), target[chosen, first:], weight[chosen])
            log.add(update(network, loss, optimiser, cosine))


class Log:
    """Prints the mean loss now and then."""

    EVERY = 200

    def __init__(self, total: int) -> None:
        self.updates, self._total, self._sum, self._start = 0, total, 0.0, time.monotonic()

    def add(self, loss: float) -> None:
        self.updates += 1
        self._sum += loss
        if self.updates % self.EVERY == 0:
            elapsed_s = time.monotonic() - self._start
            print(f"  {self.updates}/{self._total}  loss {self._sum / self.EVERY:.4f}  {elapsed_s:.0f} s", flush=True)
            self._sum = 0.0


@torch.no_grad()
def measured_esr(network: nn.Module, device: Device) -> dict[float, float]:
    """Error-to-signal ratio on phrases never heard in training, per knob position."""
    dry = guitar_phrases(TEST_SEED, TEST_SECONDS)
    audio = torch.tensor(dry, dtype=torch.float32)
    figures = {}
    for position in TESTED if device.knob else (0.5,):
        target = torch.tensor(device.process(dry, position), dtype=torch.float32)
        if isinstance(network, KnobLstm):
            output, _ = network(torch.stack([audio, torch.full_like(audio, position)], -1)[:, None], None)
            output = output[:, 0]
        else:
            output = network(audio[None])[0]
        heard = slice(RATE_HZ // 8, None)  # past the receptive field of either network
        target = target[heard]
        figures[position] = float((output[-len(target) :] - target).square().sum() / target.square().sum())
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*RECIPES], metavar="DEVICE")
    torch.set_num_threads(1)
    CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().names:
        device, recipe = devices.DEVICES[name], RECIPES[name]
        print(device.display_name, flush=True)
        torch.manual_seed(1)
        data = recordings(device, recipe)
        network: KnobLstm | NanoWaveNet
        if recipe.hidden:
            network = KnobLstm(2, recipe.hidden)
            train_lstm(network, data, recipe)
        else:
            network = NanoWaveNet()
            train_wavenet(network, data, recipe)
        esr = measured_esr(network, device)
        print("  test ESR", {position: round(value, 4) for position, value in esr.items()}, flush=True)
        torch.save({"weights": network.state_dict(), "hidden": recipe.hidden, "esr": esr}, CHECKPOINTS / f"{name}.pt")


if __name__ == "__main__":
    main()
