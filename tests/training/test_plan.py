"""Schedule and plan: arithmetic on a clock that the test turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import BadRequest
from appliance.training.plan import Budget, Plan, Times, make_plan, revised
from appliance.training.schedule import learning_rate_at, race_rounds, top_rate, validation_rounds


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def _planned(minutes: float, times: Times, racers: int = 1, measuring_s: float = 1.0) -> Plan:
    clock = Clock()

    def measure() -> Times:
        clock.now_s += measuring_s
        return times

    return make_plan(
        Budget(minutes=minutes, clock=clock),
        rounds_per_epoch=50,
        racers=racers,
        heats=(0.06, 0.15),
        validations=40,
        measure=measure,
        spent_s=2.0,
    )


def _took_s(plan: Plan, racers: int, times: Times) -> float:
    """Run the plan on paper."""
    alive, total_s, heats = racers, 0.0, {heat.round: heat.keep for heat in plan.heats}
    for done in range(1, plan.rounds + 1):
        total_s += alive * times.round_s
        if done in plan.validate_after:
            total_s += alive * times.validation_s
        alive = heats.get(done, alive)
    return total_s


@pytest.mark.parametrize("minutes", [0.5, 3.0, 20.0])
@pytest.mark.parametrize("racers", [1, 3, 4])
@pytest.mark.parametrize("times", [Times(0.005, 0.3), Times(0.2, 1.0)])
def test_minutes_become_as_many_rounds_as_fit(minutes: float, racers: int, times: Times) -> None:
    plan = _planned(minutes, times, racers)
    took_s = _took_s(plan, racers, times) + 3.0
    # A heat can only fall between two rounds, and four validations are always held.
    slack_s = 2 * racers * times.round_s + 5 * racers * times.validation_s
    assert 0.85 * minutes * 60 - slack_s <= took_s <= 1.02 * minutes * 60 + slack_s


def test_a_slower_machine_makes_fewer_rounds_of_what_is_left() -> None:
    clock = Clock()
    budget = Budget(minutes=10, clock=clock)
    plan = Plan(rounds=1000, heats=(), validate_after=tuple(range(100, 1001, 100)))
    same = revised(plan, budget, done=200, elapsed_s=125.0, since_s=0.0, since_round=0)
    assert same is plan  # within a tenth
    slower = revised(plan, budget, done=200, elapsed_s=240.0, since_s=0.0, since_round=0)
    assert slower.rounds == 200 + int((600 - 240) / 1.2)
    assert slower.progress(200) == plan.progress(200)
    assert slower.progress(slower.rounds) == 1.0
    assert slower.validate_after[-1] == slower.rounds
    faster = revised(plan, budget, done=200, elapsed_s=60.0, since_s=0.0, since_round=0)
    assert faster.rounds == 200 + int((600 - 60) / 0.3)


def test_rounds_and_epochs_are_never_revised() -> None:
    plan = Plan(rounds=1000, heats=(), validate_after=(1000,))
    assert revised(plan, Budget(rounds=1000), done=10, elapsed_s=1e6, since_s=0, since_round=0) is plan
    by_epochs = make_plan(
        Budget(epochs=1.5),
        rounds_per_epoch=50,
        racers=1,
        heats=(),
        validations=4,
        measure=lambda: pytest.fail("nothing to measure"),
    )
    assert by_epochs.rounds == 75


def test_a_plan_survives_its_table() -> None:
    plan = _planned(3.0, Times(0.01, 0.1), racers=3)
    assert Plan.from_table(plan.as_table()) == plan
    assert [heat.keep for heat in plan.heats] == [2, 1]


@pytest.mark.parametrize("given", [{}, {"minutes": 1.0, "rounds": 5}, {"rounds": 0}, {"minutes": -1.0}])
def test_a_budget_is_one_thing(given: dict[str, float]) -> None:
    with pytest.raises(BadRequest):
        Budget(**given)  # type: ignore[arg-type]


@given(st.integers(1, 20_000), st.integers(1, 8))
def test_a_race_costs_the_work_it_may(work: int, racers: int) -> None:
    rounds, heats = race_rounds(work, racers, (0.06, 0.15))
    alive, spent, at = racers, 0, 0
    for heat in heats:
        assert heat.round > at or work < 100
        spent += alive * (heat.round - at)
        at, alive = heat.round, heat.keep
    spent += alive * (rounds - at)
    assert alive == 1
    assert abs(spent - work) <= 3 * racers


@given(st.integers(1, 5000), st.integers(1, 60))
def test_validations_end_with_the_training_and_grow_denser(rounds: int, count: int) -> None:
    due = validation_rounds(rounds, count, ())
    assert due[-1] == rounds
    assert len(due) <= count
    assert list(due) == sorted(set(due))


def test_one_cycle_of_the_learning_rate() -> None:
    rates = [learning_rate_at(progress / 1000, 0.01, 0.05, 0.002) for progress in range(1001)]
    assert max(rates) == pytest.approx(0.01)
    assert rates.index(max(rates)) == 50
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[-1] == pytest.approx(0.002 * 0.01)


def test_a_long_training_takes_smaller_steps() -> None:
    assert top_rate(0.015, 100, 5000) == top_rate(0.015, 5000, 5000) == 0.015
    assert top_rate(0.015, 20_000, 5000) == pytest.approx(0.0075)
    assert top_rate(0.015, 80_000, 5000) == pytest.approx(0.00375)
