"""Requests about updates, backup and restore (`bridge/commands.py` has the table).

The panel may not change the box: it asks root (`box/wishes.py`) and tells what root answers. A bundle is looked at by a
child process, so that nothing of its reading stays in this one.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import appliance
from appliance import paths
from appliance.box import wishes
from appliance.box.layout import Box
from appliance.errors import ApplianceError, BadBundle, BadRequest, NotAllowed
from appliance.library.sandbox import environment

if TYPE_CHECKING:
    from appliance.panel.panel import Panel

log = logging.getLogger(__name__)
Fields = Mapping[str, Any]

_CHECK_TIMEOUT_S = 110.0
_READER_TIMEOUT_S = 15.0
_LOOK_EVERY_S = 1.0


class UpdateRequests:
    """The handlers, by the name of their request. `look` tells the player what root did."""

    def __init__(self, panel: Panel, box: Box | None = None) -> None:
        self._panel = panel
        self._box = box or Box()
        self._answered_ns = _changed_ns(paths.answers_dir() / "update")
        self._looked_s = 0.0
        self._restoring: dict[str, Any] | None = None
        self._busy = threading.Lock()
        self.afresh = threading.Event()  # the panel is to be started anew: settings were restored under it
        self.working = False  # a new version is being made or tried
        self.handlers: dict[str, Callable[[Fields], dict[str, Any]]] = {"update": self._update, "backup": self._backup}

    def look(self, now_s: float) -> None:
        """Tell the player how an update that was begun anywhere went on. Cheap; call it as often as you like."""
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        changed_ns = _changed_ns(paths.answers_dir() / "update")
        if changed_ns == self._answered_ns:
            return
        self._answered_ns = changed_ns
        answer = wishes.answer("update")
        began = answer is not None and answer.status == "working" and not self.working
        self.working = answer is not None and answer.status == "working"
        if answer is not None and (began or not self.working):
            self._panel.say(answer.words)

    # ---- updates ----

    def _update(self, fields: Fields) -> dict[str, Any]:
        match dict(fields):
            case {"do": "check", "path": str(path), **rest} if not rest:
                return {"update": {"offer": _offer(path)}}
            case {"do": "install", "path": str(path), **rest} if not rest:
                wishes.wish("update", do="install", path=path)
            case {"do": "back", **rest} if not rest:
                wishes.wish("update", do="back")
            case {**rest} if rest:
                raise BadRequest('update takes nothing, or do: "check" or "install" with a path, or do: "back"')
        return {"update": self._standing()}

    def _standing(self) -> dict[str, Any]:
        from appliance.box import trial, versions

        answer = wishes.answer("update")
        outcome = trial.last_outcome(self._box)
        return {
            "installed": wishes.granted(),
            "running": appliance.__version__,
            "current": versions.name_of(self._box.current),
            "previous": versions.back(self._box),
            "on_trial": trial.is_on(self._box),
            "answer": None if answer is None else {"status": answer.status, "words": answer.words, **answer.more},
            "outcome": None if outcome is None else vars(outcome),
        }

    # ---- backup ----

    def _backup(self, fields: Fields) -> dict[str, Any]:
        match dict(fields):
            case {"do": "write", **rest} if not rest:
                return {"backup": self._begin_to_write()}
            case {"do": "check", "path": str(path), **rest} if not rest:
                from appliance.panel.restore import open_backup

                with open_backup(Path(path)) as backup:
                    return {"backup": backup.summary()}
            case {"do": "restore", "path": str(path), **rest} if set(rest) <= {"replace"}:
                self._begin_to_restore(Path(path), rest.get("replace") is True)
            case {**rest} if rest:
                raise BadRequest('backup takes nothing, do: "write", or do: "check" or "restore" with a path')
        return {"backup": {"restoring": self._restoring}}

    def _begin_to_write(self) -> dict[str, Any]:
        """A pipe from which the backup is read: it is never held in memory, nor on the card twice."""
        from appliance.panel import backup

        pipe = paths.runtime_dir() / f"backup-{secrets.token_hex(8)}"
        os.mkfifo(pipe, 0o660)
        threading.Thread(target=self._write, args=(pipe,), name="panel-backup", daemon=True).start()
        return {"pipe": str(pipe), "name": backup.file_name()}

    def _write(self, pipe: Path) -> None:
        from appliance.panel import backup

        try:
            with os.fdopen(_when_read(pipe), "wb") as stream:
                backup.write(stream, self._panel.library, paths.data_dir(), paths.settings_file())
        except OSError as error:
            log.info("a backup was not read to its end: %s", error)
        except Exception:
            log.exception("a backup could not be written")
        finally:
            pipe.unlink(missing_ok=True)

    def _begin_to_restore(self, path: Path, replace: bool) -> None:
        if not self._busy.acquire(blocking=False):
            raise NotAllowed("a backup is being restored already")
        self._restoring = {"status": "working", "words": "Looking through the backup", "share": 0.0}
        threading.Thread(target=self._restore, args=(path, replace), name="panel-restore", daemon=True).start()

    def _restore(self, path: Path, replace: bool) -> None:
        from appliance.panel import restore

        def tell(words: str, share: float) -> None:
            self._restoring = {"status": "working", "words": words, "share": round(share, 3)}

        try:
            with restore.open_backup(path) as backup:
                restore.restore(backup, self._panel.library, paths.data_dir(), replace=replace, tell=tell)
        except ApplianceError as error:
            self._restoring = {"status": "refused", "words": str(error)}
        except Exception:
            log.exception("the backup could not be restored")
            self._restoring = {
                "status": "failed",
                "words": "The backup could not be restored; the log has the details.",
            }
        else:
            self.afresh.set()  # whose start carries it out, before anything of it is open
        finally:
            self._busy.release()


def _offer(path: str) -> dict[str, Any]:
    """What `appliance update --check` says of a bundle. Raises BadBundle with its words."""
    command = [sys.executable, "-P", "-m", "appliance", "update", "--check", "--json", path]
    try:
        done = subprocess.run(
            command,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CHECK_TIMEOUT_S,
            check=False,
            text=True,
        )
    except (subprocess.TimeoutExpired, OSError, ValueError) as error:
        raise BadBundle(f"{Path(path).name} could not be looked at: {error}") from error
    try:
        offer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        words = done.stderr.strip().removeprefix("appliance: ") or f"exit code {done.returncode}"
        raise BadBundle(words[-1000:]) from None
    return offer


def _when_read(pipe: Path) -> int:
    """The pipe, open for writing as soon as somebody reads it. Raises OSError when nobody does."""
    deadline = time.monotonic() + _READER_TIMEOUT_S
    while True:
        try:
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            os.set_blocking(descriptor, True)
            return descriptor


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
