"""Racers and learners: who goes on, and with what."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from appliance.training.batches import Batches, target_scale
from appliance.training.learner import Learner
from appliance.training.losses import Loss
from appliance.training.race import Racer, leaders
from appliance.training.validation import Validation
from tests.training.devices import data_set
from tests.training.runs import maker, small_recipe

CPU = torch.device("cpu")


def _learner(name: str, seed: int) -> tuple[Learner, Batches]:
    data = data_set(6.0)
    recipe = small_recipe(name, data)
    torch.manual_seed(seed)
    network = maker(name, data)()
    scale = target_scale(data)
    batches = Batches(
        data,
        batch=recipe.batch,
        segment_frames=recipe.segment_frames,
        context_frames=network.past_frames or recipe.warm_up_frames,
        scale=scale,
        seed=0,
        device=CPU,
    )
    loss = Loss(recipe.loss, data.sample_rate_hz, torch.from_numpy(data.takes[0].wet * scale))
    return Learner(network, recipe, loss, Validation(data, network, scale, CPU)), batches


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else bool(one == other)


@pytest.mark.parametrize("name", ["a1-nano", "lstm-8"])
def test_all_that_decides_how_a_learner_goes_on_is_in_its_state(name: str) -> None:
    (straight, batches), (resumed, _) = _learner(name, 1), _learner(name, 2)
    for number in range(5):
        straight.learn(batches.of_round(number), 0.01)
    straight.validate()
    assert not _same(straight.state(), resumed.state())
    resumed.load(straight.state())
    for learner in (straight, resumed):
        learner.learn(batches.of_round(5), 0.01)
        learner.validate()
    assert _same(straight.state(), resumed.state())


def test_the_better_of_weights_and_their_mean_is_kept() -> None:
    learner, batches = _learner("a1-nano", 1)
    for number in range(30):
        learner.learn(batches.of_round(number), 0.01)
    esr = learner.validate()
    learner.weights.values.zero_()  # silence: the mean is the better one now
    assert learner.validate() < 1.0
    assert learner.best_esr <= esr
    learner.take_best()
    assert float(learner.weights.values.abs().sum()) > 0.0


def test_the_leaders_are_those_with_the_least_error() -> None:
    racers = []
    for seed, esr in enumerate((0.3, 0.1, 0.2, 0.1)):
        learner, _ = _learner("a1-nano", seed)
        learner.best_esr = esr
        racers.append(Racer(seed, [learner]))
    assert [racer.seed for racer in leaders(racers, 3)] == [1, 2, 3]
    assert [racer.seed for racer in leaders(racers, 2)] == [1, 3]
    assert [racer.seed for racer in leaders(racers, 1)] == [1]
