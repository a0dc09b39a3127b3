"""A new version is put in, tried and taken out again; the power may go at every single step."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from appliance import storage
from appliance.box import trial, versions
from appliance.box.judge import PLAYED_S, Audio, Look
from appliance.box.layout import Box
from appliance.box.trial import Trial, is_on, last_outcome
from appliance.errors import SystemRefused

OLD, NEW, OLDER = "0.1.0-aaaa", "0.2.0-bbbb", "0.0.9-cccc"
CARDS = frozenset({"card"})
WAS = Look(Audio.PLAYS, 1, panel=True, web=True, cards=CARDS)


class PowerCut(BaseException):
    """Nothing runs any more: no `except Exception`, no clean-up that touches the disk, gets a say."""


class PretendBox:
    """A tree with versions, a pretended systemd, and a pedal that plays if the current version is a good one."""

    def __init__(self, root: Path, *names: str) -> None:
        self.box = Box(root)
        self.good = {OLD, OLDER}
        self.units_of: str | None = OLD
        self.runs: str | None = OLD  # the version of the processes
        self.asked: list[str] = []
        self.told: list[tuple[str, str]] = []
        self.now_s = 0.0
        self.starts = 0
        for name in names:
            add(self.box, name)

    def run(self, command: Sequence[str], *, timeout_s: float = 0.0) -> str:
        """What the trial asks the system for."""
        self.asked.append(" ".join(command))
        if command[0] == "systemctl":
            if "restart" in command:
                self._start()
            return ""
        if command[0] == "mount":
            return ""
        assert command[1:7] == ["-P", "-m", "appliance.box.setup", "--system-only", "--no-start", "--yes"]
        name = Path(command[0]).parent.parent.name
        assert versions.is_whole(self.box, name)
        if len(command) == 7:
            self.units_of = name
        return ""

    @property
    def current(self) -> str | None:
        return versions.name_of(self.box.current)

    @property
    def previous(self) -> str | None:
        return versions.back(self.box)

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.box.versions.iterdir())

    def _start(self) -> None:
        self.runs = self.current
        self.starts += 1

    def boot(self) -> None:
        """The services start; then the trial goes on, as its unit has it."""
        self._start()
        assert not is_on(self.box) or (self.box.opt / "trial" / "judge" / "bin" / "python").exists()

    def look(self) -> Look:
        plays = self.runs in self.good
        return Look(Audio.PLAYS if plays else Audio.NOTHING, self.starts if plays else 0, plays, plays, CARDS)

    def close(self) -> None:
        pass

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def trial(self) -> Trial:
        return Trial(self.box, lambda: self, self.run, lambda: self.now_s, self.sleep)


def add(place: Box, name: str) -> None:
    (place.versions / name / "bin").mkdir(parents=True)
    (place.versions / name / "bin" / "python").touch()
    (place.versions / name / ".complete").touch()


@pytest.fixture
def tree() -> Iterator[Path]:
    """A root, in memory: there the hundreds of steps take no time."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def box(tree: Path, monkeypatch: pytest.MonkeyPatch) -> PretendBox:
    """OLD plays, OLDER is kept, NEW is ready."""
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tree / "run"))
    monkeypatch.setattr(os, "sync", lambda: None)  # of the whole machine
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # what is cut off here is the steps, not the disk
    made = PretendBox(tree, OLD, NEW, OLDER)
    monkeypatch.setattr(trial, "tell", lambda status, words, share=None: made.told.append((status, words)))
    (tree / "proc").mkdir()
    (tree / "proc" / "mounts").write_text("/dev/sda1 / ext4 rw 0 0\n")
    versions.point(made.box.current, OLD)
    versions.point(made.box.previous, OLDER)
    return made


def test_a_version_that_plays_stays_and_the_one_before_is_kept(box: PretendBox) -> None:
    box.good.add(NEW)
    trial.begin(box.box, NEW, WAS, box.run)
    assert box.current == OLD  # nothing is changed by asking
    outcome = box.trial().carry_out()
    assert outcome is not None
    assert (outcome.result, outcome.version) == ("stays", NEW)
    assert (box.current, box.previous, box.runs, box.units_of) == (NEW, OLD, NEW, NEW)
    assert box.names == sorted([OLD, NEW])
    assert not is_on(box.box)
    assert last_outcome(box.box) == outcome
    assert box.now_s > PLAYED_S
    assert box.told[-1] == ("done", f"Version {NEW} plays. {OLD} is kept to go back to.")
    assert ("working", "On trial: it has played for 30 of 60 s.") in box.told
    assert (box.box.opt / "last-update.json").stat().st_mode & 0o044 == 0o044  # the panel reads it
    assert box.trial().carry_out() is None


def test_a_version_that_does_not_play_gives_way_to_the_one_before(box: PretendBox) -> None:
    trial.begin(box.box, NEW, WAS, box.run)
    outcome = box.trial().carry_out()
    assert outcome is not None
    assert outcome.result == "went back"
    assert f"Version {NEW} was taken out again: it did not play for 60 s on end" in outcome.words
    assert (box.current, box.previous, box.runs, box.units_of) == (OLD, OLDER, OLD, OLD)
    assert box.names == sorted([OLD, OLDER])
    assert box.now_s < 240
    assert "systemctl reset-failed" in " ".join(box.asked)


def test_a_version_whose_units_cannot_be_laid_down_gives_way_too(box: PretendBox) -> None:
    box.good.add(NEW)
    real = box.run

    def run(command: Sequence[str], *, timeout_s: float = 0.0) -> str:
        if NEW in command[0]:
            raise SystemRefused("setup failed (exit code 1): no such file")
        return real(command, timeout_s=timeout_s)

    trial.begin(box.box, NEW, WAS, run)
    outcome = Trial(box.box, lambda: box, run, lambda: box.now_s, box.sleep).carry_out()
    assert outcome is not None
    assert "could not be set up: setup failed" in outcome.words
    assert (box.current, box.runs) == (OLD, OLD)


def test_going_back_by_hand_is_a_trial_and_the_newer_one_is_kept(box: PretendBox) -> None:
    trial.begin(box.box, OLDER, WAS, box.run)
    outcome = box.trial().carry_out()
    assert outcome is not None
    assert outcome.result == "stays"
    assert (box.current, box.previous) == (OLDER, OLD)


def test_a_damaged_record_leaves_what_plays(box: PretendBox) -> None:
    trial.begin(box.box, NEW, WAS, box.run)
    for path in (box.box.opt / "trial").glob("record.json*"):
        path.write_bytes(b"{")
    assert box.trial().carry_out() is None
    assert not is_on(box.box)
    assert box.current == OLD


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
def cut(box: PretendBox, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], tuple[int, bool]]:
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
    box: PretendBox, tree: Path, cut: Callable[[int, Callable[[], object]], tuple[int, bool]], plays: bool
) -> None:
    fresh = tree / "fresh"
    shutil.copytree(tree / "opt", fresh, symlinks=True)
    if plays:
        box.good.add(NEW)

    def update() -> None:
        trial.begin(box.box, NEW, WAS, box.run)
        box.trial().carry_out()

    whole, _ = cut(10_000, update)
    assert whole > 60
    for k in range(whole):
        shutil.rmtree(tree / "opt")
        shutil.copytree(fresh, tree / "opt", symlinks=True)
        box.units_of = OLD
        assert not cut(k, update)[1], k
        box.boot()
        assert box.runs in (OLD, NEW), k
        box.trial().carry_out()
        assert not is_on(box.box), k
        wanted = {OLD, NEW} if plays else {OLD}
        assert box.runs in wanted, k
        assert box.units_of == box.runs, k
        assert box.current == box.runs, k
        versions.tidy(box.box)  # as the next update begins
        assert (NEW in box.names) == (box.runs == NEW), k


def test_a_trial_that_the_power_cut_off_twice_goes_back_at_the_third_boot(
    box: PretendBox, cut: Callable[[int, Callable[[], object]], tuple[int, bool]]
) -> None:
    box.good.add(NEW)
    trial.begin(box.box, NEW, WAS, box.run)

    def tired(seconds: float) -> None:
        raise PowerCut

    for attempt in range(2):
        with pytest.raises(PowerCut):
            Trial(box.box, lambda: box, box.run, lambda: 0.0, tired).carry_out()
        box.boot()
        assert box.runs == NEW, attempt
    outcome = box.trial().carry_out()
    assert outcome is not None
    assert "the power went, twice" in outcome.words
    assert (box.current, box.runs, box.units_of) == (OLD, OLD, OLD)


def test_a_version_that_was_cut_off_while_it_was_made_is_thrown_away(box: PretendBox) -> None:
    (box.box.versions / "0.3.0-dddd" / "bin").mkdir(parents=True)
    versions.tidy(box.box)
    assert box.names == sorted([OLD, OLDER])  # NEW was nobody's


def test_under_a_read_only_root_the_units_are_laid_down_below_it_too(box: PretendBox, tree: Path) -> None:
    (tree / "proc" / "mounts").write_text("overlay / overlay rw 0 0\n")
    box.good.add(NEW)
    trial.begin(box.box, NEW, WAS, box.run)
    outcome = box.trial().carry_out()
    assert outcome is not None
    assert outcome.result == "stays"
    lower = str(tree / "run/overlay/lower")
    begun = next(place for place, words in enumerate(box.asked) if words.startswith("mount"))
    assert box.asked[begun] == f"mount -o remount,rw {lower}"
    assert box.asked[begun + 1].endswith(f"--yes --root {lower}")
    assert box.asked[begun + 2].endswith("--yes")
    assert box.asked[begun + 3] == f"mount -o remount,ro {lower}"
