"""Training: a data set and a network in, the best weights out. Blocks for as long as the budget says.

With the same data, network, recipe, seed, number of rounds and machine the result is the same to the bit, whether or
not it was cut off and resumed on the way.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from appliance.errors import BadRequest
from appliance.training import checkpoint
from appliance.training.batches import Batches, target_scale
from appliance.training.contract import DataSet, Network
from appliance.training.history import Epoch
from appliance.training.learner import Learner
from appliance.training.losses import Loss
from appliance.training.plan import Budget, Plan, Times, make_plan, revised
from appliance.training.progress import Moment
from appliance.training.race import Racer, leaders
from appliance.training.recipe import Recipe, default_recipe
from appliance.training.schedule import learning_rate_at, top_rate
from appliance.training.validation import Validation

CHECKPOINT_EVERY_S = 20.0
PROBE_WARM_UP_ROUNDS = 2
PROBE_S = 2.0
PROBE_ROUNDS = 40


@dataclass(frozen=True)
class Trained:
    """What came out. `network` holds its best weights, member by member."""

    network: Network
    scale: float  # the network was taught the device's output times this
    validation_esr: tuple[float, ...]  # of each member
    history: tuple[Epoch, ...]
    rounds: int
    epochs: float
    seconds: float
    seed: int  # that won the race
    interrupted: bool
    recipe: Recipe = field(default_factory=Recipe)


@dataclass
class _Run:
    """What changes from round to round, and is saved."""

    plan: Plan
    racers: list[Racer]
    done: int = 0
    elapsed_s: float = 0.0  # before this sitting
    esr: float = math.nan
    loss_sum: float = 0.0  # since the last validation
    loss_rounds: int = 0
    history: list[Epoch] = field(default_factory=list)

    @property
    def loss(self) -> float:
        """Mean since the last validation."""
        return self.loss_sum / self.loss_rounds if self.loss_rounds else math.nan


def pick_device(name: str = "auto") -> torch.device:
    """ "cpu", "cuda", "mps", or the best there is. Raises BadRequest for one that isn't here."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    if not there.get(name, False):
        has = ", ".join(kind for kind, is_there in there.items() if is_there)
        raise BadRequest(f"This machine has no {name} that torch can use; it has: {has}.")
    return torch.device(name)


def train(
    data: DataSet,
    build: Callable[[], Network],
    budget: Budget,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    device: torch.device | None = None,
    checkpoint_path: Path | None = None,
    resume: bool = False,
    show: Callable[[Moment], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    identity: str = "",
) -> Trained:
    """Train what `build` makes (called once for each racer, with torch seeded) until the budget is used.

    recipe: the network's default if left out. checkpoint_path: where the training is kept while it lasts; with
    `resume` it goes on from there, and is refused if data, recipe, seed or `identity` (a word for the network) differ.
    stop: asked every round; true ends the training with the best so far.
    Raises BadAudioFile (too little audio, silence), BadRequest (can't resume), StorageError.
    """
    trainer = _Trainer(data, build, budget, recipe, seed, device or pick_device(), checkpoint_path, identity)
    run = trainer.resumed() if resume else trainer.fresh()
    return trainer.finish(run, show, stop)


class _Trainer:
    def __init__(
        self,
        data: DataSet,
        build: Callable[[], Network],
        budget: Budget,
        recipe: Recipe | None,
        seed: int,
        device: torch.device,
        checkpoint_path: Path | None,
        identity: str,
    ) -> None:
        self._began = budget.clock()
        self._budget, self._seed, self._device, self._path = budget, seed, device, checkpoint_path
        self._data = data
        torch.manual_seed(seed)
        first = build()
        self._recipe = recipe = recipe or default_recipe(first)
        self._scale = target_scale(data)
        self._batches = Batches(
            data,
            batch=recipe.batch,
            segment_frames=recipe.segment_frames,
            context_frames=first.past_frames or recipe.warm_up_frames,
            scale=self._scale,
            seed=seed,
            device=device,
        )
        wet = torch.cat(
            [torch.from_numpy(take.wet[a:b]) for take in data.takes if not take.held_out for a, b in take.train]
        )
        self._loss = Loss(recipe.loss, data.sample_rate_hz, (wet * self._scale).to(device))
        self._validations: dict[int, Validation] = {}
        self._networks: dict[int, Network] = {}  # by seed
        self._build = build
        self._about = {
            "data": checkpoint.fingerprint(data),
            "recipe": repr(sorted(recipe.as_table().items())),
            "seed": seed,
            "network": identity,
        }

    def fresh(self) -> _Run:
        racers = [self._racer(self._seed + index) for index in range(self._recipe.racers)]
        plan = make_plan(
            self._budget,
            rounds_per_epoch=self._batches.rounds_per_epoch,
            racers=len(racers),
            heats=self._recipe.heats,
            validations=self._recipe.validations,
            measure=lambda: self._measure(racers[0]),
            spent_s=self._budget.clock() - self._began,
        )
        return _Run(plan, racers)

    def resumed(self) -> _Run:
        if self._path is None:
            raise BadRequest("There is no checkpoint to resume from.")
        kept = checkpoint.load_checkpoint(self._path)
        words = {"data": "recordings", "recipe": "settings", "seed": "seed", "network": "network"}
        for key, value in self._about.items():
            if kept["about"][key] != value:
                raise BadRequest(
                    f"{self._path} was trained with other {words[key]}: start again without --resume, or give the same."
                )
        racers = [self._racer(state["seed"]) for state in kept["racers"]]
        for racer, state in zip(racers, kept["racers"], strict=True):
            racer.load(state)
        history = [Epoch(*entry) for entry in kept["history"]]
        sums = (kept["loss_sum"], kept["loss_rounds"])
        plan = Plan.from_table(kept["plan"])
        return _Run(plan, racers, kept["done"], kept["elapsed_s"], kept["esr"], *sums, history)

    def finish(self, run: _Run, show: Callable[[Moment], None], stop: Callable[[], bool]) -> Trained:
        saved_at = time.monotonic()
        pace_s, pace_round = self._elapsed(run), run.done
        interrupted = False
        if run.done == 0:
            self._save(run)
        while run.done < run.plan.rounds:
            if stop():
                interrupted = True
                break
            self._round(run)
            heat = next((heat for heat in run.plan.heats if heat.round == run.done), None)
            if run.done in run.plan.validate_after:
                run.esr = min([racer.validate() for racer in run.racers])
                run.history.append(Epoch(len(run.history) + 1, run.loss, run.esr, self._elapsed(run)))
                run.loss_sum, run.loss_rounds = 0.0, 0
            if heat is not None:
                run.racers = leaders(run.racers, heat.keep)
                pace_s, pace_round = self._elapsed(run), run.done
            if run.done in run.plan.validate_after or time.monotonic() - saved_at > CHECKPOINT_EVERY_S:
                run.plan = revised(
                    run.plan,
                    self._budget,
                    done=run.done,
                    elapsed_s=self._elapsed(run),
                    since_s=pace_s,
                    since_round=pace_round,
                )
                self._save(run)
                saved_at = time.monotonic()
            show(self._moment(run, pace_s, pace_round))
        return self._ended(run, interrupted)

    def _round(self, run: _Run) -> None:
        recipe = self._recipe
        progress = run.plan.progress(run.done)
        top = top_rate(recipe.learning_rate, run.plan.rounds, recipe.full_rate_rounds)
        rate = learning_rate_at(progress, top, recipe.rise_share, recipe.final_share)
        batch = self._batches.of_round(run.done)
        run.loss_sum += min([racer.learn(batch, rate) for racer in run.racers])
        run.loss_rounds += 1
        run.done += 1

    def _ended(self, run: _Run, interrupted: bool) -> Trained:
        self._save(run)  # before the extra validation: resumed, the training must not know of it
        if not run.history or (interrupted and run.done not in run.plan.validate_after):
            for racer in run.racers:
                racer.validate()
        winner = leaders(run.racers, 1)[0]
        for learner in winner.learners:
            learner.take_best()
        return Trained(
            network=self._networks[winner.seed],
            scale=self._scale,
            validation_esr=tuple(learner.best_esr for learner in winner.learners),
            history=tuple(run.history),
            rounds=run.done,
            epochs=run.done / self._batches.rounds_per_epoch,
            seconds=self._elapsed(run),
            seed=winner.seed,
            interrupted=interrupted,
            recipe=self._recipe,
        )

    def _racer(self, seed: int) -> Racer:
        torch.manual_seed(seed)
        network = self._build().to(self._device)
        network.start_from(self._data)
        self._networks[seed] = network
        return Racer(seed, [self._learner(member, index) for index, member in enumerate(network.members)])

    def _learner(self, member: Network, index: int) -> Learner:
        if index not in self._validations:
            self._validations[index] = Validation(self._data, member, self._scale, self._device)
        return Learner(member, self._recipe, self._loss, self._validations[index])

    def _measure(self, racer: Racer) -> Times:
        """Times on a copy, so that the measured rounds teach nobody anything."""
        clock = self._budget.clock
        members = [copy.deepcopy(learner.network) for learner in racer.learners]
        probe = Racer(0, [self._learner(member, index) for index, member in enumerate(members)])
        for number in range(PROBE_WARM_UP_ROUNDS):
            probe.learn(self._batches.of_round(number), 0.0)
        began, rounds = clock(), 0
        while rounds < PROBE_ROUNDS and (rounds < 3 or clock() - began < PROBE_S):
            probe.learn(self._batches.of_round(rounds), 0.0)
            rounds += 1
        middle = clock()
        probe.validate()
        return Times((middle - began) / rounds, clock() - middle)

    def _elapsed(self, run: _Run) -> float:
        return run.elapsed_s + self._budget.clock() - self._began

    def _moment(self, run: _Run, pace_s: float, pace_round: int) -> Moment:
        elapsed_s = self._elapsed(run)
        left_s = (elapsed_s - pace_s) / max(1, run.done - pace_round) * (run.plan.rounds - run.done)
        return Moment(
            round=run.done,
            rounds=run.plan.rounds,
            epoch=run.done / self._batches.rounds_per_epoch,
            loss=run.loss,
            esr=run.esr,
            best_esr=min(racer.best_esr for racer in run.racers),
            left_s=left_s,
            racers=len(run.racers),
        )

    def _save(self, run: _Run) -> None:
        if self._path is None:
            return
        content: dict[str, Any] = {
            "about": self._about,
            "plan": run.plan.as_table(),
            "racers": [racer.state() for racer in run.racers],
            "done": run.done,
            "elapsed_s": self._elapsed(run),
            "esr": run.esr,
            "loss_sum": run.loss_sum,
            "loss_rounds": run.loss_rounds,
            "history": [(e.number, e.loss, e.validation_esr, e.seconds) for e in run.history],
        }
        checkpoint.save_checkpoint(self._path, content)
