"""A new version is put in, tried and taken out again; the power may go at every single step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from appliance import storage
from appliance.box import trial, versions
from appliance.box.judge import PLAYED_S, Audio, Look
from appliance.box.trial import Trial, is_on, last_outcome
from appliance.box.versions import Versions
from appliance.errors import SystemRefused

OLD, NEW, OLDER = "0.1.0-aaaa", "0.2.0-bbbb", "0.0.9-cccc"
CARDS = frozenset({"card"})
WAS = Look(Audio.PLAYS, 1, panel=True, web=True, cards=CARDS)


class PowerCut(BaseException):
    """Nothing runs any more: no `except Exception`, no clean-up that touches the disk, gets a say."""


class Box:
    """A tree with versions, a pretended systemd, and a pedal that plays if the current version is a good one."""

    def __init__(self, root: Path, *names: str) -> None:
        self.versions = Versions(root)
        self.good = {OLD, OLDER}
        self.units_of: str | None = OLD
        self.runs: str | None = OLD  # the version of the processes
        self.asked: list[str] = []
        self.told: list[tuple[str, str]] = []
        self.now_s = 0.0
        self.starts = 0
        for name in names:
            add(self.versions, name)

    def run(self, command: Sequence[str], *, timeout_s: float = 0.0) -> str:
        """What the trial asks the system for."""
        self.asked.append(" ".join(command))
        if command[0] == "systemctl":
            if "restart" in command:
                self._start()
            return ""
        assert command[1:] == ["-m", "appliance.box.setup", "--units-only"]
        name = Path(command[0]).parent.parent.name
        assert self.versions.is_finished(name)
        self.units_of = name
        return ""

    def _start(self) -> None:
        self.runs = self.versions.current
        self.starts += 1

    def boot(self) -> None:
        """The services start; then the trial goes on, as its unit has it."""
        self._start()
        assert not is_on(self.versions) or (self.versions.base / "trial" / "judge" / "bin" / "python").exists()

    def look(self) -> Look:
        plays = self.runs in self.good
        return Look(Audio.PLAYS if plays else Audio.NOTHING, self.starts if plays else 0, plays, plays, CARDS)

    def close(self) -> None:
        pass

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def trial(self) -> Trial:
        return Trial(self.versions, lambda: self, self.run, lambda: self.now_s, self.sleep)


def add(place: Versions, name: str) -> None:
    folder = place.begin(name)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    place.finish(name)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    """OLD plays, OLDER is kept, NEW is ready."""
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setattr(os, "sync", lambda: None)  # of the whole machine
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # what is cut off here is the steps, not the disk
    made = Box(tmp_path, OLD, NEW, OLDER)
    monkeypatch.setattr(trial, "tell", lambda status, words, share=None: made.told.append((status, words)))
    made.versions.point("current", OLD)
    made.versions.point("previous", OLDER)
    return made


def test_a_version_that_plays_stays_and_the_one_before_is_kept(box: Box) -> None:
    box.good.add(NEW)
    trial.begin(box.versions, NEW, WAS, box.run)
    assert box.versions.current == OLD  # nothing is changed by asking
    outcome = box.trial().carry_out()
    assert outcome is not None
    assert (outcome.result, outcome.version) == ("stays", NEW)
    assert (box.versions.current, box.versions.previous, box.runs, box.units_of) == (NEW, OLD, NEW, NEW)
    assert box.versions.names() == sorted([OLD, NEW])
    assert not is_on(box.versions)
    assert last_outcome(box.versions) == outcome
    assert box.now_s > PLAYED_S
    assert box.told[-1] == ("done", f"Version {NEW} plays. {OLD} is kept to go back to.")
    assert ("working", "On trial: it has played for 30 of 60 s.") in box.told
    assert (box.versions.base / "last-update.json").stat().st_mode & 0o044 == 0o044  # the panel reads it
    assert box.trial().carry_out() is None


def test_a_version_that_does_not_play_gives_way_to_the_one_before(box: Box) -> None:
    trial.begin(box.versions, NEW, WAS, box.run)
    outcome = box.trial().carry_out()
    assert outcome is not None
    assert outcome.result == "went back"
    assert f"Version {NEW} was taken out again: it did not play for 60 s on end" in outcome.words
    assert (box.versions.current, box.versions.previous, box.runs, box.units_of) == (OLD, OLDER, OLD, OLD)
    assert box.versions.names() == sorted([OLD, OLDER])
    assert box.now_s < 240
    assert "systemctl reset-failed" in " ".join(box.asked)


def test_a_version_whose_units_cannot_be_laid_down_gives_way_too(box: Box) -> None:
    box.good.add(NEW)
    real = box.run

    def run(command: Sequence[str], *, timeout_s: float = 0.0) -> str:
        if NEW in command[0]:
            raise SystemRefused("setup failed (exit code 1): no such file")
        return real(command, timeout_s=timeout_s)

    trial.begin(box.versions, NEW, WAS, run)
    outcome = Trial(box.versions, lambda: box, run, lambda: box.now_s, box.sleep).carry_out()
    assert outcome is not None
    assert "could not be set up: setup failed" in outcome.words
    assert (box.versions.current, box.runs) == (OLD, OLD)


def test_going_back_by_hand_is_a_trial_and_the_newer_one_is_kept(box: Box) -> None:
    trial.begin(box.versions, OLDER, WAS, box.run)
    outcome = box.trial().carry_out()
    assert outcome is not None
    assert outcome.result == "stays"
    assert (box.versions.current, box.versions.previous) == (OLDER, OLD)


def test_a_damaged_record_leaves_what_plays(box: Box) -> None:
    trial.begin(box.versions, NEW, WAS, box.run)
    for path in (box.versions.base / "trial").glob("record.json*"):
        path.write_bytes(b"{")
    assert box.trial().carry_out() is None
    assert not is_on(box.versions)
    assert box.versions.current == OLD


class Cutter:
    """The `os` module of one of ours, and the box's `run`, with the power gone from the k-th step on."""

    WATCHED = frozenset(
        {"open", "write", "fsync", "close", "link", "replace", "unlink", "rename", "symlink", "makedirs", "sync"}
    )

    def __init__(self, cut_at: int) -> None:
        self.steps = 0
        self._cut_at = cut_at

    def step(self) -> None:
        """Raises PowerCut."""
        self.steps += 1
        if self.steps > self._cut_at:
            raise PowerCut

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self.WATCHED:
            return real

        def call(*arguments: Any, **options: Any) -> Any:
            if name == "close":
                real(*arguments)  # or the test would run out of descriptors
                self.step()
                return None
            self.step()
            return real(*arguments, **options)

        return call


@pytest.fixture
def cut(box: Box, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], tuple[int, bool]]:
    """Do something with the power going at its k-th step: (steps made, whether it came to its end)."""

    def cut_at(k: int, deed: Callable[[], object]) -> tuple[int, bool]:
        cutter = Cutter(k)
        real_run, real_rmtree = box.run, shutil.rmtree

        def run(command: Sequence[str], *, timeout_s: float = 0.0) -> str:
            cutter.step()
            return real_run(command, timeout_s=timeout_s)

        def rmtree(path: Path, ignore_errors: bool = False) -> None:
            cutter.step()
            real_rmtree(path, ignore_errors=ignore_errors)

        with monkeypatch.context() as patched:
            for module in (storage, trial, versions):
                patched.setattr(module, "os", cutter)
            for module in (trial, versions):
                patched.setattr(module.shutil, "rmtree", rmtree)
            patched.setattr(box, "run", run)
            try:
                deed()
                return cutter.steps, True
            except PowerCut:
                return cutter.steps, False

    return cut_at


@pytest.mark.parametrize("plays", [True, False], ids=["plays", "does not play"])
def test_wherever_the_power_goes_the_box_boots_into_something_whole_and_ends_with_one_that_plays(
    box: Box, tmp_path: Path, cut: Callable[[int, Callable[[], object]], tuple[int, bool]], plays: bool
) -> None:
    fresh = tmp_path / "fresh"
    shutil.copytree(tmp_path / "opt", fresh, symlinks=True)
    if plays:
        box.good.add(NEW)

    def update() -> None:
        trial.begin(box.versions, NEW, WAS, box.run)
        box.trial().carry_out()

    whole, _ = cut(10_000, update)
    assert whole > 60
    for k in range(whole):
        shutil.rmtree(tmp_path / "opt")
        shutil.copytree(fresh, tmp_path / "opt", symlinks=True)
        box.units_of = OLD
        assert not cut(k, update)[1], k
        box.boot()
        assert box.runs in (OLD, NEW), k
        box.trial().carry_out()
        assert not is_on(box.versions), k
        wanted = {OLD, NEW} if plays else {OLD}
        assert box.runs in wanted, k
        assert box.units_of == box.runs, k
        assert box.versions.current == box.runs, k
        box.versions.tidy()  # as the next update begins
        assert (NEW in box.versions.names()) == (box.runs == NEW), k


def test_a_trial_that_the_power_cut_off_twice_goes_back_at_the_third_boot(
    box: Box, cut: Callable[[int, Callable[[], object]], tuple[int, bool]]
) -> None:
    box.good.add(NEW)
    trial.begin(box.versions, NEW, WAS, box.run)

    def tired(seconds: float) -> None:
        raise PowerCut

    for attempt in range(2):
        with pytest.raises(PowerCut):
            Trial(box.versions, lambda: box, box.run, lambda: 0.0, tired).carry_out()
        box.boot()
        assert box.runs == NEW, attempt
    outcome = box.trial().carry_out()
    assert outcome is not None
    assert "the power went, twice" in outcome.words
    assert (box.versions.current, box.runs, box.units_of) == (OLD, OLD, OLD)


def test_an_unfinished_version_is_never_taken_for_one_and_is_thrown_away(box: Box) -> None:
    folder = box.versions.begin("0.3.0-dddd")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    assert "0.3.0-dddd" not in box.versions.names()
    box.versions.tidy()
    assert not folder.exists()
    assert box.versions.names() == sorted([OLD, OLDER])  # NEW was nobody's
    assert [path.name for path in box.versions.folder.iterdir() if path.name.startswith(".")] == []
