"""The learning rate over a training, and when the races and validations of it fall due: plain arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass


def learning_rate_at(progress: float, top: float, rise_share: float, final_share: float) -> float:
    """One cycle: a straight rise to the top, then a cosine down to `final_share` of it. progress 0…1."""
    if progress < rise_share:
        return top * max(progress / rise_share, 0.01)
    fall = (progress - rise_share) / (1.0 - rise_share)
    return top * (final_share + (1.0 - final_share) * 0.5 * (1.0 + math.cos(math.pi * min(fall, 1.0))))


def top_rate(learning_rate: float, rounds: int, full_rate_rounds: int) -> float:
    """The top of the cycle for a training of so many rounds: up to `full_rate_rounds` the rate itself, beyond that it
    falls with the square root of the rounds. Large steps for long can throw a network where it never comes back from,
    and a long training gets as far with small ones.
    """
    return learning_rate * min(1.0, math.sqrt(full_rate_rounds / max(rounds, 1)))


@dataclass(frozen=True)
class Heat:
    """At the start of this round only the best `keep` go on."""

    round: int
    keep: int


def race_rounds(work_rounds: int, racers: int, heats: tuple[float, ...]) -> tuple[int, tuple[Heat, ...]]:
    """How many rounds a race lasts when `work_rounds` can be run in all (each racer's round counts), and its heats.

    At each share of the work in `heats` half of those left drop out (rounded up); after the last one is left.
    """
    made: list[Heat] = []
    rounds, alive, before = 0.0, racers, 0.0
    for index, share in enumerate(heats):
        if alive == 1:
            break
        rounds += (share - before) * work_rounds / alive
        alive = 1 if index == len(heats) - 1 else -(-alive // 2)
        before = share
        made.append(Heat(max(1, round(rounds)), alive))
    rounds += (1.0 - before) * work_rounds / alive
    return max(round(rounds), len(made) + 1, 1), tuple(made)


def validation_rounds(rounds: int, count: int, heats: tuple[Heat, ...]) -> tuple[int, ...]:
    """After how many rounds to validate: ever denser towards the end, where the best weights come; at each heat too."""
    due = {max(1, round(rounds * math.sqrt((index + 1) / count))) for index in range(count)}
    return tuple(sorted(due | {heat.round for heat in heats} | {rounds}))
