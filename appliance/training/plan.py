"""How long to train: a number of rounds, or as many as fit into so many minutes on this machine.

Minutes become rounds once, at the start, from measured times; the plan then travels with the checkpoint, so that a
training that was cut off ends as it would have. Only when the machine turns out more than a tenth slower or faster than
measured is the rest planned anew, at a validation, and the new plan kept likewise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from appliance.errors import BadRequest
from appliance.training.schedule import Heat, race_rounds, validation_rounds

Clock = Callable[[], float]
VALIDATION_SHARE = 0.08  # of the time
FEWEST_VALIDATIONS = 4
DRIFT_ALLOWED = 0.1


@dataclass(frozen=True)
class Budget:
    """One of: minutes, rounds or epochs. `clock`: seconds; wall time, or `time.process_time` for CPU time.

    Raises BadRequest for none, several or nonsense.
    """

    minutes: float | None = None
    rounds: int | None = None
    epochs: float | None = None
    clock: Clock = time.monotonic

    def __post_init__(self) -> None:
        given = [value for value in (self.minutes, self.rounds, self.epochs) if value is not None]
        if len(given) != 1 or given[0] <= 0:
            raise BadRequest("Say how long to train by one of minutes, steps or epochs, and more than 0 of it.")


@dataclass(frozen=True)
class Times:
    """What was measured on this machine, in seconds: a round of one racer, and its validation."""

    round_s: float
    validation_s: float


@dataclass(frozen=True)
class Plan:
    """Rounds from start to end. `progress` is straight from (`since_round`, `since_progress`) to (`rounds`, 1)."""

    rounds: int
    heats: tuple[Heat, ...]
    validate_after: tuple[int, ...]
    since_round: int = 0
    since_progress: float = 0.0

    def progress(self, number: int) -> float:
        """0…1 at the start of round `number`."""
        share = (number - self.since_round) / max(1, self.rounds - self.since_round)
        return self.since_progress + (1.0 - self.since_progress) * share

    def as_table(self) -> dict[str, Any]:
        """For a checkpoint."""
        return asdict(self)

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> Plan:
        """The way back from `as_table`."""
        heats = tuple(Heat(**heat) for heat in table["heats"])
        return cls(**{**table, "heats": heats, "validate_after": tuple(table["validate_after"])})


def make_plan(
    budget: Budget,
    *,
    rounds_per_epoch: int,
    racers: int,
    heats: tuple[float, ...],
    validations: int,
    measure: Callable[[], Times],
    spent_s: float = 0.0,
) -> Plan:
    """The plan for a budget. `measure` is only called for minutes; `spent_s` of them are gone already, its own time
    included by the caller's clock."""
    if budget.minutes is None:
        work = budget.rounds if budget.rounds is not None else round((budget.epochs or 0) * rounds_per_epoch)
        rounds, race = race_rounds(max(1, work), racers, heats)
        return Plan(rounds, race, validation_rounds(rounds, min(validations, rounds), race))
    before = budget.clock()
    times = measure()
    left_s = max(budget.minutes * 60.0 - spent_s - (budget.clock() - before), times.round_s)
    count = int(VALIDATION_SHARE * left_s / max(times.validation_s, 1e-9))
    count = max(FEWEST_VALIDATIONS, min(validations, count))
    # Those that drop out are validated at each heat too.
    validating_s = (count + racers * min(len(heats), racers - 1)) * times.validation_s
    work = max(1, int((left_s - min(validating_s, 0.5 * left_s)) / times.round_s))
    rounds, race = race_rounds(work, racers, heats)
    return Plan(rounds, race, validation_rounds(rounds, min(count, rounds), race))


def revised(plan: Plan, budget: Budget, *, done: int, elapsed_s: float, since_s: float, since_round: int) -> Plan:
    """The plan, or another when at this pace it would miss the minutes by more than a tenth of what is left.

    done: rounds run. elapsed_s: since the start. Pace: of the rounds since `since_round`, which took since `since_s`.
    Nothing is revised before the race is over or in the last tenth.
    """
    if budget.minutes is None or done <= since_round or any(heat.round >= done for heat in plan.heats):
        return plan
    pace_s = (elapsed_s - since_s) / (done - since_round)
    left_s = budget.minutes * 60.0 - elapsed_s
    planned = plan.rounds - done
    fitting = max(1, int(left_s / pace_s)) if left_s > 0 else 1
    if planned <= plan.rounds // 10 or abs(fitting - planned) <= DRIFT_ALLOWED * planned:
        return plan
    rounds = done + fitting
    later = len([due for due in plan.validate_after if due > done])
    due = tuple(done + after for after in validation_rounds(fitting, max(1, min(later, fitting)), ()))
    return replace(
        plan,
        rounds=rounds,
        validate_after=tuple(d for d in plan.validate_after if d <= done) + due,
        since_round=done,
        since_progress=plan.progress(done),
    )
