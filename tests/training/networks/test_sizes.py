"""One description of what can be trained."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

import pytest
import torch

from appliance.engine.pi_cost import BOARDS
from appliance.errors import BadRequest
from appliance.formats.description import Knob, Recurrent, architecture_name
from appliance.training.networks.sizes import (
    BOARD_NAMES,
    CANDIDATES,
    PRESETS,
    WAVENET_SIZES,
    Kind,
    NetworkConfig,
    board_named,
    build,
    config_named,
    cost_of,
    largest_for,
)

EVERY = [*PRESETS, *WAVENET_SIZES, "lstm-16", "gru-24", "lstm-2x8", "wh"]


@pytest.mark.parametrize("name", EVERY)
def test_a_config_survives_json_and_toml(name: str) -> None:
    config = config_named(name)
    table = config.as_table()
    assert NetworkConfig.from_table(json.loads(json.dumps(table))) == config
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in table.items())
    assert NetworkConfig.from_table(tomllib.loads(lines)) == config
    if name not in PRESETS:
        assert config.name == name


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("knob_count", [0, 2])
def test_every_size_is_built_with_the_knobs_asked_for(name: str, knob_count: int) -> None:
    torch.manual_seed(1)
    network = build(config_named(name), knob_count, 48_000)
    assert network.knob_count == knob_count
    frames = network.past_frames + 50
    output, _ = network(0.1 * torch.randn(2, frames), torch.rand(2, knob_count))
    assert output.shape == (2, 50)
    knobs = tuple(Knob(f"Knob {number}") for number in range(knob_count))
    network.architecture(knobs)


def test_a_name_says_the_size() -> None:
    network = build(config_named("gru-2x24"), 1, 48_000)
    architecture = network.architecture((Knob("Gain"),))
    assert isinstance(architecture, Recurrent)
    assert architecture_name(architecture) == "GRU 2×24"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"kind": "transformer"}, "There are: lstm, gru, wavenet, wiener-hammerstein"),
        ({}, "kind of network is None"),
        ({"kind": "lstm", "channels": 8}, "has no channels"),
        ({"kind": "lstm", "hidden": 4}, "from 8 to 96"),
        ({"kind": "gru", "hidden": 16.5}, "whole number"),
        ({"kind": "gru", "layers": True}, "whole number"),
        ({"kind": "lstm", "skip": 1}, "true or false"),
        ({"kind": "wavenet", "size": "a3"}, "a1-nano"),
        ({"kind": "wiener-hammerstein", "first_ms": 0}, "80 ms"),
        ({"kind": "wiener-hammerstein", "branches": 33}, "from 1 to 32"),
    ],
)
def test_a_size_that_is_none_is_refused_in_words(table: dict[str, object], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        NetworkConfig.from_table(table)


@pytest.mark.parametrize("name", ["huge", "lstm-", "lstm-7", "gru-97", "lstm-4x16", "LSTM-16"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        config_named(name)


def test_more_units_cost_more() -> None:
    zero2 = board_named("zero2")
    shares = []
    for name in ("lstm-8", "lstm-16", "lstm-40", "lstm-80"):
        cost = cost_of(config_named(name), zero2)
        assert cost is not None
        shares.append(cost.estimate.share)
    assert shares == sorted(shares)


@pytest.mark.parametrize("knob_count", [0, 1])
def test_what_is_chosen_for_a_board_plays_there_and_nothing_better_does(knob_count: int) -> None:
    ranks = []
    for name in BOARD_NAMES:
        chosen = largest_for(board_named(name), knob_count)
        assert chosen.period_frames is not None
        assert chosen.period_frames <= 64
        ranks.append(CANDIDATES.index(chosen.config))
        for better in CANDIDATES[ranks[-1] + 1 :]:
            cost = cost_of(better, board_named(name), knob_count)
            assert cost is not None
            assert cost.period_frames is None or cost.period_frames > 64
    assert ranks == sorted(ranks)  # a bigger board never gets less
    assert ranks[0] < ranks[-1]


def test_every_board_has_a_name() -> None:
    assert {board_named(name) for name in BOARD_NAMES} == set(BOARDS)
    with pytest.raises(BadRequest, match="zero2, pi4, pi5"):
        board_named("pi3")


def test_choosing_a_size_by_name_needs_no_torch() -> None:
    using = "import sys; from appliance.training.networks import sizes; sizes.config_named('large')"
    code = f"{using}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_kinds_are_all_built_somewhere() -> None:
    assert {config_named(name).kind for name in EVERY} == set(Kind)
