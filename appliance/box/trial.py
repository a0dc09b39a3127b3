"""Put a new version in, watch whether it plays, go back if not: `python -m appliance.box.trial`, as root.

    /opt/appliance/trial/judge → ../versions/OLD   the version whose code does this: one that has played
    /opt/appliance/trial/record.json               what is tried, and how far it is

The folder appears whole by a rename and goes by one. While it is there, systemd starts this at every boot
(appliance-trial.service). Each step may be done twice, and the record says which are done, so the power may go at any
moment; an attempt that was cut off twice goes back. All of it is run by the old version's code: what is broken in the
new one can't be in the way.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from appliance import storage
from appliance.box import readonly, versions, wishes
from appliance.box.health import Onlooker
from appliance.box.judge import PLAYED_S, Judge, Look, Verdict
from appliance.box.layout import Box
from appliance.box.run import run as run_program
from appliance.box.wishes import Answer
from appliance.errors import ApplianceError, ExitCode, StorageError

log = logging.getLogger(__name__)

UNIT = "appliance-trial.service"
SCHEMA = 1
MOST_ATTEMPTS = 2
_LOOK_EVERY_S = 1.0
_SETUP_TIMEOUT_S = 300.0
SERVICES = ("appliance-audio.service", "appliance-panel.service", "appliance-web.service")

Run = Callable[..., str]


@dataclass(frozen=True)
class Record:
    """A trial. `phase`: what is done already: "begun", "swapped", "set up", "running" or "going back" (then
    `words` says why).

    `before`: the version to go back to until now. `was`: a `Look` at the pedal under the old version, as JSON.
    """

    new: str
    old: str
    before: str | None
    was: dict[str, Any]
    phase: str = "begun"
    attempts: int = 0
    words: str = ""


class Looks(Protocol):
    """What looks at the pedal (`health.Onlooker`)."""

    def look(self) -> Look:
        """How it is now."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


def is_on(box: Box) -> bool:
    """Whether a version is on trial."""
    return _folder(box).exists()


def begin(box: Box, new: str, was: Look, run: Run = run_program) -> None:
    """Have `new` tried in place of the current version. Returns at once. Raises StorageError, SystemRefused."""
    old = versions.name_of(box.current)
    assert old is not None
    aside = box.opt / ".trial.new"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        os.makedirs(aside)  # noqa: PTH103 – the module's system calls stand in `os`, where a test fails them
        os.symlink(f"../versions/{old}", aside / "judge")  # noqa: PTH211
        _save(aside, Record(new, old, versions.back(box), was.to_json()))
        os.rename(aside, _folder(box))  # noqa: PTH104
        storage.sync_folder(box.opt)
    except OSError as error:
        raise storage.storage_error("the update could not be put in", error) from error
    run(["systemctl", "start", "--no-block", UNIT])


@dataclass(frozen=True)
class Outcome:
    """How the last trial ended, for the player. `result`: "stays" or "went back"; `when`: UTC, ISO 8601."""

    result: str
    words: str
    version: str
    when: str


def last_outcome(box: Box) -> Outcome | None:
    """How the last update went; None: there was none."""
    content = storage.load_json(box.opt / "last-update.json", SCHEMA).content
    try:
        return Outcome(**content) if content is not None else None
    except TypeError:
        return None


class Trial:
    """Carries one through, from wherever the record says it stands."""

    def __init__(
        self,
        box: Box,
        looks: Callable[[], Looks] = Onlooker,
        run: Run = run_program,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._box = box
        self._looks = looks
        self._run = run
        self._clock = clock
        self._sleep = sleep

    def carry_out(self) -> Outcome | None:
        """To its end. None: nothing is on trial. Blocks for minutes. Raises StorageError, OSError."""
        record = self._load()
        if record is None:
            return None
        if record.phase == "going back":
            return self._go_back(record, record.words)
        if record.attempts >= MOST_ATTEMPTS:
            return self._go_back(record, "the power went, twice, before it had played for a minute")
        record = self._keep(record, attempts=record.attempts + 1)
        try:
            if record.phase == "begun":
                versions.point(self._box.previous, record.old)
                versions.point(self._box.current, record.new)
                record = self._keep(record, phase="swapped")
            if record.phase == "swapped":
                self._set_up(record.new)
                record = self._keep(record, phase="set up")
            if record.phase == "set up":
                self._restart()
                record = self._keep(record, phase="running")
            verdict = self._watch(record)
        except ApplianceError as error:
            if isinstance(error, StorageError):
                raise
            verdict = Verdict(False, f"it could not be set up: {error}")
        if not verdict.stays:
            return self._go_back(record, verdict.words)
        return self._end(record, "stays", f"Version {record.new} plays. {record.old} is kept to go back to.")

    def _watch(self, record: Record) -> Verdict:
        judge = Judge(Look.from_json(record.was), self._clock())
        looks = self._looks()
        try:
            while True:
                self._sleep(_LOOK_EVERY_S)
                verdict = judge.see(looks.look(), self._clock())
                if verdict is not None:
                    return verdict
                share = min(1.0, judge.played_s / PLAYED_S)
                tell("working", f"On trial: it has played for {judge.played_s:.0f} of {PLAYED_S:.0f} s.", share)
        finally:
            looks.close()

    def _go_back(self, record: Record, words: str) -> Outcome:
        record = self._keep(record, phase="going back", words=words)
        versions.point(self._box.current, record.old)
        if record.before is not None and record.before != record.new and versions.is_whole(self._box, record.before):
            versions.point(self._box.previous, record.before)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._box.previous)  # noqa: PTH108
        try:
            self._set_up(record.old)
        except ApplianceError as error:
            log.error("the units of %s could not be laid down again: %s", record.old, error)
        self._restart()
        return self._end(record, "went back", f"Version {record.new} was taken out again: {words}. {record.old} plays.")

    def _end(self, record: Record, result: str, words: str) -> Outcome:
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        outcome = Outcome(result, words, record.new, when)
        storage.save_json(self._box.opt / "last-update.json", SCHEMA, asdict(outcome), mode=0o644)
        gone = self._box.opt / ".trial.gone"
        shutil.rmtree(gone, ignore_errors=True)
        os.rename(_folder(self._box), gone)  # noqa: PTH104
        storage.sync_folder(self._box.opt)
        shutil.rmtree(gone, ignore_errors=True)
        tell("done" if result == "stays" else "failed", words)
        log.info("%s", words)
        versions.tidy(self._box)
        return outcome

    def _set_up(self, version: str) -> None:
        """Have a version lay its units down: for now, and where the root is covered by memory, for the next start."""
        python = self._box.versions / version / "bin/python"
        command = [str(python), "-P", "-m", "appliance.box.setup", "--system-only", "--no-start", "--yes"]
        with readonly.writable_root(self._box.root, self._run) as own:
            if own != self._box.root:
                self._run([*command, "--root", str(own)], timeout_s=_SETUP_TIMEOUT_S)
            self._run(command, timeout_s=_SETUP_TIMEOUT_S)

    def _restart(self) -> None:
        self._try(["systemctl", "daemon-reload"])
        self._try(["systemctl", "reset-failed", *SERVICES])  # a crash before is no reason not to start
        self._try(["systemctl", "restart", "--no-block", *SERVICES])

    def _try(self, command: Sequence[str]) -> None:
        try:
            self._run(command)
        except ApplianceError as error:
            log.warning("%s", error)

    def _load(self) -> Record | None:
        folder = _folder(self._box)
        if not folder.exists():
            return None
        content = storage.load_json(folder / "record.json", SCHEMA).content or {}
        try:
            record = Record(**content)
            Look.from_json(record.was)
            return record
        except (KeyError, TypeError, ValueError):
            log.error("the record of the trial is damaged: what plays stays")
            shutil.rmtree(folder, ignore_errors=True)
            return None

    def _keep(self, record: Record, **changes: Any) -> Record:
        changed = replace(record, **changes)
        _save(_folder(self._box), changed)
        return changed


def tell(status: str, words: str, share: float | None = None) -> None:
    """Leave a word where the panel looks for it. A box that can't be told is no reason to stop."""
    with contextlib.suppress(ApplianceError):
        wishes.tell("update", Answer(status, words, {} if share is None else {"share": round(share, 3)}))


def _folder(box: Box) -> Path:
    return box.opt / "trial"


def _save(folder: Path, record: Record) -> None:
    storage.save_json(folder / "record.json", SCHEMA, asdict(record), mode=0o644)


def main() -> int:
    """Carry out the trial there is, if any. Returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        Trial(Box()).carry_out()
    except ApplianceError as error:
        log.error("%s", error)
        return error.exit_code
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
