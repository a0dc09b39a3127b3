"""Run `check.py` on a file in a child process and turn its line into a result or an error. Blocks for seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from appliance.errors import (
    ApplianceError,
    BadAudioFile,
    BadModelFile,
    StorageError,
    UnsupportedModel,
)
from appliance.library.items import Checked, Prepared
from appliance.paths import PACKAGE

TIMEOUT_S = 30.0
_ERRORS: dict[str, type[ApplianceError]] = {
    kind.__name__: kind for kind in (BadModelFile, UnsupportedModel, BadAudioFile, StorageError)
}
_LONGEST_REPORT = 1 << 20


def check_in_child(file: Path, kind: str, name: str, timeout_s: float = TIMEOUT_S) -> Checked:
    """Check and prepare `file` (what the engine is fed from appears beside it).

    Never parses the file in this process. kind: "model", "cabinet" or "auto". name: the file as the player knows it.
    Raises BadModelFile, UnsupportedModel, BadAudioFile or StorageError in words.
    """
    command = [sys.executable, "-P", "-m", "appliance.library.check", str(file), kind, name]
    try:
        # A session of its own: Ctrl-C in the pedal's terminal ends the pedal in order, not the child under its hands.
        done = subprocess.run(
            command,
            cwd=file.parent,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BadModelFile(
            f"{name} was not understood within {timeout_s:.0f} s: it is too big for this machine or not what it seems"
        ) from None
    except OSError as error:
        raise StorageError(f"{name} could not be checked, the system would not start the check: {error}") from error
    return _result(done, name)


def environment() -> dict[str, str]:
    """Of a child that reads files: this package on its path, one thread for numpy."""
    # Absolute, because a relative entry would mean the folder of the stranger's file.
    inherited = (str(Path(entry).resolve()) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry)
    search = os.pathsep.join((str(PACKAGE.parent), *inherited))
    # One thread each: the audio process needs the other cores, and thread pools count against the memory limit.
    single = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    return {**os.environ, "PYTHONPATH": search, **single}


def _result(done: subprocess.CompletedProcess[bytes], name: str) -> Checked:
    if done.returncode < 0:
        try:
            cause = signal.Signals(-done.returncode).name
        except ValueError:
            cause = f"signal {-done.returncode}"
        if cause in ("SIGXCPU", "SIGKILL"):
            raise BadModelFile(f"{name} takes too long to read: it is too big for this machine or not what it seems")
        raise BadModelFile(f"{name} crashed the check ({cause}): the file is damaged, or the pedal has a fault with it")
    report = _report(done.stdout)
    if report is None:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise BadModelFile(f"{name} could not be checked (exit code {done.returncode}: {last[0][:200]})")
    if not report["ok"]:
        raise _ERRORS.get(report["error"], BadModelFile)(report["message"])
    return Checked(report["kind"], report["about"], Prepared(**report["prepared"]))


def _report(output: bytes) -> dict[str, Any] | None:
    lines = output.splitlines()
    if not lines or len(output) > _LONGEST_REPORT:
        return None
    try:
        report = json.loads(lines[-1])
    except ValueError:
        return None
    return report if isinstance(report, dict) and "ok" in report else None
