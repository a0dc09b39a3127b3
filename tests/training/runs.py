"""Small trainings, for tests and for the process that a test kills: `python -m tests.training.runs CHECKPOINT`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from appliance.training.contract import DataSet, Network
from appliance.training.loop import Trained, train
from appliance.training.networks.sizes import build, config_named
from appliance.training.plan import Budget
from appliance.training.progress import Moment
from appliance.training.recipe import Recipe, default_recipe
from tests.training.devices import data_set

ROUNDS = 60


def maker(name: str, data: DataSet) -> Callable[[], Network]:
    return lambda: build(config_named(name), len(data.knobs), data.sample_rate_hz)


def small_recipe(name: str, data: DataSet, racers: int = 1) -> Recipe:
    """The network's own recipe with short segments."""
    recipe = default_recipe(maker(name, data)())
    recipe = replace(recipe, segment_frames=1024, batch=4, racers=racers, validations=4)
    if recipe.update_frames:
        recipe = replace(recipe, segment_frames=768, warm_up_frames=256, update_frames=256)
    return recipe


def run(
    name: str,
    data: DataSet,
    rounds: int = ROUNDS,
    *,
    racers: int = 1,
    seed: int = 1,
    path: Path | None = None,
    resume: bool = False,
    show: Callable[[Moment], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Trained:
    return train(
        data,
        maker(name, data),
        Budget(rounds=rounds),
        recipe=small_recipe(name, data, racers),
        seed=seed,
        device=torch.device("cpu"),
        checkpoint_path=path,
        resume=resume,
        show=show,
        stop=stop,
        identity=name,
    )


def weights(trained: Trained) -> torch.Tensor:
    return torch.cat([value.detach().reshape(-1) for value in trained.network.parameters()])


if __name__ == "__main__":
    torch.set_num_threads(1)
    network, checkpoint = sys.argv[1:]

    def tell(moment: Moment) -> None:
        print(moment.round, flush=True)  # noqa: T201 – what the test waits for

    run(network, data_set(6.0), racers=2, path=Path(checkpoint), show=tell)
