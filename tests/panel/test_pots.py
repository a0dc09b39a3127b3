"""Pots: rest where the hand rests, reach their ends, and hold their last position when a wire comes off."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.panel.pots import Curve, Fault, Learner, Pot, Travel

LOOK_S = 0.005


class Turning:
    """A pot and the clock of its looks."""

    def __init__(self, travel: Travel = Travel()) -> None:  # noqa: B008 – frozen
        self.pot = Pot(travel)
        self.now_s = 0.0

    def feed(self, readings: Iterable[float | None]) -> list[float]:
        moves = []
        for reading in readings:
            self.now_s += LOOK_S
            moved = self.pot.step(self.now_s, reading)
            if moved is not None:
                moves.append(moved)
        return moves


def measured(rng: np.random.Generator, at: float, looks: int, sigma_lsb: float) -> list[float]:
    """What a ten-bit converter reads of a wiper at rest: noise of the supply, one look in 200 a spike, whole steps."""
    level = at * 1023 + rng.normal(0.0, sigma_lsb, looks) + 0.5 * sigma_lsb * np.sin(np.arange(looks) * 1.57)
    level[rng.random(looks) < 0.005] += rng.choice([-80.0, 80.0])
    return list(np.clip(np.round(level), 0, 1023) / 1023)


@pytest.mark.parametrize("sigma_lsb", [0.3, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("at", [0.012, 0.31, 0.985])
def test_a_resting_pot_does_not_move(sigma_lsb: float, at: float) -> None:
    rng = np.random.default_rng(7)
    turning = Turning()
    turning.feed(measured(rng, at, 200, sigma_lsb))  # one second to know the noise
    moves = turning.feed(measured(rng, at, 60 * 200, sigma_lsb))
    assert moves == []
    assert turning.pot.fault is None


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.integers(1, 200))
@settings(max_examples=50)
def test_a_turn_is_followed_without_going_back_and_to_within_the_play(start: float, end: float, looks: int) -> None:
    turning = Turning()
    turning.feed([start] * 5)
    moves = turning.feed([*np.linspace(start, end, looks), *[end] * 200])  # a jump counts as noise for a moment
    assert moves == sorted(moves, reverse=end < start)
    assert turning.pot.position == pytest.approx((end - 0.01) / 0.98, abs=0.01)


@pytest.mark.parametrize("curve", Curve)
@pytest.mark.parametrize("invert", [False, True])
def test_both_ends_are_reached_exactly(curve: Curve, invert: bool) -> None:
    turning = Turning(Travel(curve=curve, invert=invert))
    turning.feed([0.5] * 5)
    turning.feed([*np.linspace(0.5, 0.0, 50), *[0.0] * 5])
    assert turning.pot.position == pytest.approx(1.0 if invert else 0.0, abs=1e-12)
    turning.feed([*np.linspace(0.0, 1.0, 100), *[1.0] * 5])
    assert turning.pot.position == pytest.approx(0.0 if invert else 1.0, abs=1e-12)


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(Curve))
def test_curves_rise_and_keep_their_ends(one: float, other: float, curve: Curve) -> None:
    low, high = sorted((one, other))
    assert curve.apply(low) <= curve.apply(high)
    assert curve.apply(0.0) == pytest.approx(0.0, abs=1e-12)
    assert curve.apply(1.0) == pytest.approx(1.0)


def test_the_middle_of_a_log_pot_is_a_tenth() -> None:
    assert Curve.LOG.apply(0.5) == pytest.approx(0.1)
    assert Curve.ANTILOG.apply(0.5) == pytest.approx(0.9)


def test_the_first_reading_is_no_move() -> None:
    turning = Turning()
    assert turning.feed([0.7] * 10) == []
    assert turning.pot.position == pytest.approx((0.7 - 0.01) / 0.98, abs=0.01)


def test_a_converter_that_does_not_answer_leaves_everything_and_comes_back_without_a_move() -> None:
    turning = Turning()
    turning.feed([0.3] * 10)
    before = turning.pot.position
    assert turning.feed([None] * 50) == []
    assert (turning.pot.fault, turning.pot.position) == (Fault.SILENT, before)
    assert turning.feed([0.8] * 60) == []  # turned meanwhile: no move of now
    assert turning.pot.fault is None
    assert turning.pot.position == pytest.approx(0.8, abs=0.02)
    assert turning.feed(np.linspace(0.8, 0.7, 10)) != []


@pytest.mark.parametrize("rail", [0.0, 1.0])
def test_a_wire_that_comes_off_is_told_from_a_hand(rail: float) -> None:
    turning = Turning()
    turning.feed([0.5] * 10)
    before = turning.pot.position
    assert turning.feed([rail] * 100) == []
    assert (turning.pot.fault, turning.pot.position) == (Fault.LOST, before)
    turning.feed([0.45] * 60)
    assert turning.pot.fault is None


def test_the_fastest_hand_is_no_fault() -> None:
    """Heel to toe in 25 ms, which no foot does."""
    turning = Turning()
    turning.feed([0.0] * 10)
    turning.feed([0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0])
    assert turning.pot.fault is None
    assert turning.pot.position == 1.0


def test_a_floating_input_is_called_noisy_and_held() -> None:
    rng = np.random.default_rng(3)
    turning = Turning()
    turning.feed([0.5] * 20)
    turning.feed(rng.uniform(0.1, 0.9, 400))
    assert turning.pot.fault is Fault.NOISY
    held = turning.pot.position
    assert turning.feed(rng.uniform(0.1, 0.9, 400)) == []
    assert turning.pot.position == held
    turning.feed([0.5] * 400)
    assert turning.pot.fault is None


def test_a_pedal_learns_its_ends() -> None:
    learner = Learner()
    for reading in (None, *np.linspace(0.25, 0.71, 30), *np.linspace(0.71, 0.25, 30)):
        learner.step(reading)
    ends = learner.ends()
    assert ends is not None
    turning = Turning(Travel(*ends))
    turning.feed([0.5] * 5)
    turning.feed([*np.linspace(0.5, 0.25, 30), *[0.25] * 3])
    assert turning.pot.position == 0.0
    turning.feed([*np.linspace(0.25, 0.71, 30), *[0.71] * 3])
    assert turning.pot.position == 1.0


def test_what_hardly_moved_has_no_ends() -> None:
    learner = Learner()
    assert learner.ends() is None
    learner.step(0.5)
    learner.step(0.6)
    assert learner.ends() is None
    assert math.isclose(learner.travelled, 0.1)
