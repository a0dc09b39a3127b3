"""One pot or pedal and what it turns: readings in, positions to set out. Pure but for the `Stage` it looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from appliance.panel.actions import Action, Stage
from appliance.panel.pickup import Pickup
from appliance.panel.pots import Fault, Learner, Pot, Travel
from appliance.panel.wiring import PotWiring

_RESTED_S = 1.5  # at rest for so long after a whole travel: learnt
_LEARN_S = 30.0
_ALONE_S = 90.0  # nobody says that it is done, and nothing new came for so long
_NEW_END = 0.005


class PotHand:
    """For one thread."""

    def __init__(self, name: str, wiring: PotWiring, travel: Travel) -> None:
        self.name = name
        self.channel = wiring.channel
        self.learner: Learner | None = None
        self.moved = False
        self.outcome: str | None = None  # of the last learning: "learnt" or "too little"
        self.walked = False  # somebody is told each step, and says when it is done
        self._turns = wiring.turns
        self._pot = Pot(travel)
        self._pickup = Pickup(wiring.pickup)
        self._action: Action | None = None
        self._begun_s = self._grew_s = self._travelled = 0.0

    @property
    def fault(self) -> Fault | None:
        """Why it is not believed at present."""
        return self._pot.fault

    def step(self, now_s: float, reading: float | None, stage: Stage) -> tuple[Action, float] | None:
        """Take a reading. Returns what to set, and to which position, or None."""
        before = self._pot.fault
        position = self._pot.step(now_s, reading)
        self.moved = position is not None
        if before is not None or self._pot.fault is not None or (position is None and not self._pickup.placed):
            self._pickup.rest(self._pot.position)
        if self.learner is not None:
            self._learn(now_s, reading)
            return None
        if position is None:
            return None
        for action in self._turns:
            stands_at = stage.position(action)
            if stands_at is not None:
                self._action = action
                wanted = self._pickup.move((stage.sound, action), position, stands_at)
                return None if wanted is None else (action, wanted)
        return None

    def settled(self, stage: Stage) -> None:
        """What `step` returned was set."""
        if self._action is not None:
            self._pickup.settled(stage.position(self._action))

    def begin_learning(self, now_s: float, *, until_told: bool = False) -> None:
        """Look for the ends from now on; nothing is turned meanwhile. `until_told`: rest does not end it."""
        self.learner = Learner()
        self.outcome = None
        self.walked = until_told
        self._begun_s = self._grew_s = now_s
        self._travelled = 0.0

    def learnt_enough(self, now_s: float) -> bool:
        """Did it travel and come to rest, or take too long?"""
        if self.learner is None or self.walked:
            return False
        rested = self.learner.ends() is not None and now_s - self._grew_s >= _RESTED_S
        return rested or now_s - self._begun_s >= _LEARN_S

    def left_alone(self, now_s: float) -> bool:
        """Was learning begun by somebody who went away?"""
        return self.learner is not None and self.walked and now_s - self._grew_s >= _ALONE_S

    def stop_learning(self) -> None:
        """End learning and keep nothing."""
        self.learner = None
        self._pickup.rest(self._pot.position)

    def learnt(self) -> Travel | None:
        """End learning. Returns the way it found, now in force, or None where it was too little."""
        learner = self.learner
        self.stop_learning()
        if learner is None:
            return None
        ends = learner.ends()
        self.outcome = "too little" if ends is None else "learnt"
        if ends is None:
            return None
        self.forget(replace(self._pot.travel, low=ends[0], high=ends[1]))
        return self._pot.travel

    def forget(self, travel: Travel) -> None:
        """Another way is in force from now on."""
        self._pot.recalibrate(travel)
        self._pickup.rest(self._pot.position)

    def report(self, stage: Stage, describe: Callable[[Action], str | None]) -> dict[str, Any]:
        """As it is now, for people."""
        present = next((action for action in self._turns if stage.position(action) is not None), None)
        return {
            "raw": self._pot.raw,
            "position": self._pot.position,
            "turns": None if present is None else describe(present) or str(present),
            "stands_at": None if present is None else stage.position(present),
            "waiting": self._pickup.waiting,
            "fault": None if self.fault is None else self.fault.value,
            "bound": [str(action) for action in self._turns],
            "learning": self.learner is not None,
            "seen": [self.learner.low, self.learner.high] if self.learner and self.learner.travelled else None,
            "outcome": self.outcome,
            "low": self._pot.travel.low,
            "high": self._pot.travel.high,
        }

    def _learn(self, now_s: float, reading: float | None) -> None:
        assert self.learner is not None
        self.learner.step(reading)
        if self.learner.travelled > self._travelled + _NEW_END:
            self._travelled, self._grew_s = self.learner.travelled, now_s
