"""Recipes travel as plain tables."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from appliance.training.losses import Emphasis, LossConfig
from appliance.training.networks.sizes import build, config_named
from appliance.training.recipe import Recipe, default_recipe


@pytest.mark.parametrize("name", ["a1-nano", "lstm-16", "gru-8"])
def test_a_recipe_survives_json(name: str) -> None:
    recipe = default_recipe(build(config_named(name), 0, 48_000))
    recipe = replace(recipe, loss=LossConfig(emphasis=Emphasis.A_WEIGHTING, spectral=0.1))
    assert Recipe.from_table(json.loads(json.dumps(recipe.as_table()))) == recipe


def test_recurrent_networks_race_and_carry_their_state() -> None:
    recurrent = default_recipe(build(config_named("lstm-16"), 1, 48_000))
    assert recurrent.racers > 1
    assert recurrent.segment_frames > recurrent.update_frames > 0
    assert recurrent.warm_up_frames > 0
    assert default_recipe(build(config_named("a1-nano"), 0, 48_000)).update_frames == 0
