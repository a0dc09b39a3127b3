"""Our training against the NAM trainer's: same audio, same network, same CPU time, judged on the same passage.

The device is a model file, played by the native engine with plucks and chords that are arithmetic, so anyone can repeat
the figures. Blocks for twice the CPU time and somewhat more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from appliance.errors import BadRequest
from appliance.formats.read import read_model
from appliance.render import knob_values
from appliance.training.bench_guitar import guitar
from appliance.training.bench_nam import BATCH, SEGMENT_FRAMES, Side, need_nam, train_with_nam
from appliance.training.contract import DataSet, Network, Take
from appliance.training.loop import train
from appliance.training.networks.sizes import Kind, build, config_named
from appliance.training.plan import Budget
from appliance.training.recipe import Recipe, default_recipe
from appliance.training.report.playing import play_span
from appliance.training.validation import test_esr

RATE_HZ = 48_000
TRAIN_S, VALIDATION_S, TEST_S = 160.0, 10.0, 12.0
GUITAR_SEED = 1
BAR_RATIO = 0.7
THROUGHPUT_BAR = 1.5


@dataclass(frozen=True)
class Settings:
    """device: model file that stands for the device, its knobs at `knobs` (or their defaults). One comparison for each
    of `cpu_minutes`."""

    device: Path
    network: str = "a1-nano"
    cpu_minutes: tuple[float, ...] = (10.0,)
    knobs: dict[str, float] = field(default_factory=dict)
    threads: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Result:
    """After `cpu_minutes` of each. ratio: our test ESR over theirs. speed_ratio: our seconds of audio per CPU second
    over theirs, with their batch and segments on both sides."""

    settings: Settings
    cpu_minutes: float
    ours: Side
    theirs: Side
    speed_ratio: float

    @property
    def ratio(self) -> float:
        """Below 1: ours errs less."""
        return self.ours.test_esr / self.theirs.test_esr

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        named = {"device": self.settings.device.name, "cpu_minutes": self.cpu_minutes}
        settings = {**asdict(self.settings), **named}
        return {
            "settings": settings,
            "ours": asdict(self.ours),
            "nam": asdict(self.theirs),
            "esr_ratio": self.ratio,
            "speed_ratio": self.speed_ratio,
        }

    def as_text(self) -> str:
        """A table, and the bars."""
        settings = self.settings
        lines = [
            f"{settings.network} as {settings.device.name}, {self.cpu_minutes:g} CPU minutes each, "
            f"{settings.threads} thread(s)",
            f"{'':12}{'test ESR':>10}{'validation':>12}{'updates':>10}{'CPU s':>8}{'audio s per CPU s':>20}",
        ]
        for name, side in (("this package", self.ours), ("NAM trainer", self.theirs)):
            lines.append(
                f"{name:12}{side.test_esr:10.5f}{side.validation_esr:12.5f}{side.updates:10d}{side.cpu_s:8.0f}"
                f"{side.throughput:20.1f}"
            )
        lines.append(f"ESR {self.ratio:.2f} × theirs (bar: {BAR_RATIO})")
        lines.append(f"speed {self.speed_ratio:.2f} × theirs at their batch and segments (bar: {THROUGHPUT_BAR})")
        return "\n".join(lines)


def device_data(settings: Settings) -> DataSet:
    """The device played for 160 s to train, 10 s to validate and 12 s to test. May block for seconds.

    Raises BadModelFile, BadRequest (knobs).
    """
    device = read_model(settings.device)
    knobs = tuple(knob_values(device, settings.knobs))
    ends = [round(seconds * RATE_HZ) for seconds in (TRAIN_S, TRAIN_S + VALIDATION_S, TRAIN_S + VALIDATION_S + TEST_S)]
    dry = guitar(TRAIN_S + VALIDATION_S + TEST_S, GUITAR_SEED)
    wet = play_span(device, dry, (0, len(dry)), RATE_HZ, knobs)
    take = Take(
        device.name,
        dry,
        wet,
        train=((0, ends[0]),),
        validation=((ends[0], ends[1]),),
        test=((ends[1], ends[2]),),
    )
    return DataSet(device.name, RATE_HZ, (take,))


def bench(settings: Settings, *, say: Callable[[str], None] = lambda _: None) -> Iterator[Result]:
    """Both trainings; theirs comes first and is one for all times, for its schedule does not know when it ends.

    Sets torch's thread count. Raises NotInstalled without the NAM trainer, BadRequest for a network that NAM doesn't
    train from a description of layers.
    """
    config = config_named(settings.network)
    if config.kind is not Kind.WAVENET or config.size == "a2":
        raise BadRequest("The comparison is for a1-nano, a1-feather, a1-lite and a1-standard.")
    need_nam()
    torch.set_num_threads(settings.threads)
    say("playing the device")
    data = device_data(settings)

    def make() -> Network:
        return build(config, 0, RATE_HZ)

    budgets = sorted(settings.cpu_minutes)
    say(f"NAM trainer, {budgets[-1]:g} CPU minutes")
    judged = train_with_nam(data, config.size, [60.0 * minutes for minutes in budgets], settings.seed)
    say("speed at the NAM trainer's batch and segments")
    alike = replace(default_recipe(make()), batch=BATCH, segment_frames=SEGMENT_FRAMES)
    speed = _speed(data, make, alike, settings.seed)
    for minutes, theirs in zip(budgets, judged, strict=True):
        say(f"this package, {minutes:g} CPU minutes")
        ours = train_here(data, make, minutes, settings.seed)
        yield Result(settings, minutes, ours, theirs, speed / theirs.throughput)


def train_here(data: DataSet, make: Callable[[], Network], cpu_minutes: float, seed: int) -> Side:
    """Our default recipe for so much CPU time."""
    trained = train(
        data,
        make,
        Budget(minutes=cpu_minutes, clock=time.process_time),
        seed=seed,
        device=torch.device("cpu"),
    )
    heard_s = trained.rounds * trained.recipe.batch * trained.recipe.segment_frames / RATE_HZ
    return Side(
        test_esr=test_esr(data, trained.network, trained.scale, torch.device("cpu")),
        validation_esr=trained.validation_esr[-1],
        updates=trained.rounds,
        cpu_s=trained.seconds,
        throughput=heard_s / trained.seconds,
    )


def _speed(data: DataSet, make: Callable[[], Network], recipe: Recipe, seed: int, rounds: int = 30) -> float:
    """Seconds of audio learned per CPU second."""
    began = time.process_time()
    trained = train(data, make, Budget(rounds=rounds), recipe=replace(recipe, validations=1), seed=seed)
    took_s = time.process_time() - began
    return trained.rounds * recipe.batch * recipe.segment_frames / RATE_HZ / took_s
