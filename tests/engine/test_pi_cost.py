"""The estimates of what a model takes of a Pi: within what the CPUs can do, in order, none where nothing is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from appliance.engine import pi_cost
from appliance.formats.description import Act, Activation, Description, Gating, multiply_adds_per_sample
from tests import models
from tests.arm import shapes

# Multiply-adds that a core's vector units can finish in a cycle.
PEAK = {"Zero 2 W": 4, "Pi 4": 4, "Pi 5": 8}


def told(description: Description, board: pi_cost.Board, **more: Any) -> pi_cost.Estimate:
    found = pi_cost.estimate(description, board, **more)
    assert found is not None
    return found


@pytest.mark.parametrize("board", pi_cost.BOARDS, ids=lambda board: board.name)
@pytest.mark.parametrize("name", shapes.counted())
def test_no_estimate_beats_what_the_cpu_can_do(name: str, board: pi_cost.Board) -> None:
    description = shapes.counted()[name]
    found = told(description, board)
    assert found.counted
    least = multiply_adds_per_sample(description.architecture) / PEAK[board.name] * 48_000 / board.clock_hz
    assert least < found.low < found.share < found.high


@pytest.mark.parametrize("board", pi_cost.BOARDS, ids=lambda board: board.name)
@pytest.mark.parametrize("name", shapes.counted())
def test_the_formula_agrees_with_the_counts_within_its_stated_error(
    name: str, board: pi_cost.Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = shapes.counted()[name]
    counted = told(description, board)
    monkeypatch.setattr(pi_cost, "_counted_name", lambda _: "")
    fitted = told(description, board)
    assert not fitted.counted
    stated = fitted.high / fitted.share - 1 - pi_cost.MARGIN
    assert fitted.share == pytest.approx(counted.share, rel=stated + 0.01)


def test_faster_boards_and_smaller_models_take_less() -> None:
    found = shapes.counted()
    standard, nano = found["WaveNet A1 standard"], found["WaveNet A1 nano"]
    shares = [told(standard, board).share for board in pi_cost.BOARDS]
    assert shares == sorted(shares, reverse=True)
    for board in pi_cost.BOARDS:
        assert told(nano, board).share < told(standard, board).share / 3


def test_short_periods_cost_more_a_sample() -> None:
    standard = shapes.counted()["WaveNet A1 standard"]
    for board in pi_cost.BOARDS:
        assert told(standard, board, period_frames=16).share > told(standard, board, period_frames=256).share


def test_the_period_is_the_smallest_that_leaves_room_for_the_rest() -> None:
    zero, _, five = pi_cost.BOARDS
    found = shapes.counted()
    assert pi_cost.which_period(found["WaveNet A1 nano"], five) == 16
    assert pi_cost.which_period(models.random_recurrent(np.random.default_rng(0), hidden=200), zero) is None
    nano = pi_cost.which_period(found["WaveNet A1 nano"], zero)
    assert nano is not None
    period_us = 1e6 * nano / 48_000
    assert told(found["WaveNet A1 nano"], zero, period_frames=nano).high * period_us + zero.period_us < period_us


def test_shapes_without_a_kernel_are_told_to_cost_more() -> None:
    rng = np.random.default_rng(1)
    board = pi_cost.BOARDS[1]
    plain = told(models.random_wavenet(rng, channels=(8,), dilations=((1, 2, 4),)), board)
    relu = told(
        models.random_wavenet(rng, channels=(8,), dilations=((1, 2, 4),), activation=Activation(Act.SIGMOID)), board
    )
    gated = told(models.random_wavenet(rng, channels=(8,), dilations=((1, 2, 4),), gating=Gating.GATED), board)
    assert plain.share < relu.share < gated.share


@pytest.mark.parametrize("family", [family for family in models.FAMILIES if not family.startswith("stack")])
def test_every_family_has_an_estimate_for_every_board(family: str) -> None:
    found = pi_cost.estimates(models.FAMILIES[family](np.random.default_rng(0)))
    assert [one["board"] for one in found] == ["Zero 2 W", "Pi 4", "Pi 5"]
    assert all(0 < one["low"] <= one["share"] <= one["high"] for one in found)
    assert all(" % of a core (" in pi_cost.as_words(one) for one in found)


def test_nothing_is_told_of_a_stack() -> None:
    description = models.random_stack(np.random.default_rng(0))
    assert pi_cost.estimates(description) == []
    assert pi_cost.which_period(description, pi_cost.BOARDS[0]) is None


def test_the_words_say_when_it_is_too_much() -> None:
    estimate = {"board": "Zero 2 W", "share": 1.071, "low": 0.75, "high": 1.39, "period_frames": None}
    assert pi_cost.as_words(estimate) == "107 % of a core (75 to 139 %), too much for this board"
    estimate = {"board": "Pi 5", "share": 0.0912, "low": 0.0638, "high": 0.1186, "period_frames": 32}
    assert pi_cost.as_words(estimate) == "9.1 % of a core (6.4 to 12 %), plays from period 32"
