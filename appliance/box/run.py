"""Calling a program of the system: the one way root's code does it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from appliance.errors import SystemRefused

_LONGEST_WORDS = 500


def run(command: Sequence[str], *, timeout_s: float = 30.0) -> str:
    """Run a program to its end and return what it printed. Blocks for at most `timeout_s`; never through a shell.

    It reads nothing, and speaks plain English (LC_ALL=C.UTF-8), so that its output can be parsed.
    Raises SystemRefused with the program's own words when it is missing, ends with another code than 0 or takes longer.
    """
    said = " ".join(command)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired:
        raise SystemRefused(f"{said} did not end within {timeout_s:g} s, so it was stopped") from None
    except FileNotFoundError:
        raise SystemRefused(f"{said} can't be run: there is no program {command[0]} on this system") from None
    except OSError as error:
        raise SystemRefused(f"{said} can't be run: {error.strerror or error}") from None
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace") or "it gave no reason"
        raise SystemRefused(f"{said} failed (exit code {done.returncode}): {words[-_LONGEST_WORDS:]}")
    return done.stdout.decode(errors="replace")
