"""Play a preset for trial in a process of its own: how loud it is, how long its periods take, whether it is sound.

`python -P -m appliance.library.trial` reads one JSON line {"patch", "settings", "guitar", "rate_hz", "period_frames"}
from its input and prints one: {"ok": true, "lufs", "peak_db", "period_us", "worst_us", "bad_blocks"} or {"ok": false,
"message"}. `try_out` is the parent's side. Never on the audio path; behind everything else in line.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.errors import BadRequest, StorageError
from appliance.library.sandbox import environment

TIMEOUT_S = 40.0
_HEADROOM_DB = 24.0  # played so much quieter, so that the limiter isn't what is measured
_LEAD_IN_S = 0.3  # of the guitar's start, played before anything is counted
_QUIETEST_LUFS = -120.0


@dataclass(frozen=True)
class Trial:
    """What was found. lufs: at the preset's own level before any matching; peak_db: re full scale, before the limiter.
    period_us, worst_us: compiled work of a period, the 95th percentile and the longest."""

    lufs: float
    peak_db: float
    period_us: float
    worst_us: float
    bad_blocks: int


def try_out(
    patch: Path, settings: Mapping[str, Any], guitar: Path, rate_hz: int, period_frames: int, name: str
) -> Trial:
    """Play the guitar (raw float32 mono at `rate_hz`) through a patch in a child process. Blocks for seconds.

    settings: fields of `layout.ControlsPayload`, `knobs` as a list. Raises BadRequest (it can't be played, in words),
    StorageError (no child).
    """
    request = {
        "patch": str(patch), "settings": dict(settings), "guitar": str(guitar), "rate_hz": rate_hz,
        "period_frames": period_frames,
    }  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "appliance.library.trial"],
            input=json.dumps(request).encode(),
            env=environment(),
            capture_output=True,
            timeout=TIMEOUT_S,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BadRequest(f"{name} took more than {TIMEOUT_S:.0f} s to play a few: it is too heavy here") from None
    except OSError as error:
        raise StorageError(f"{name} could not be tried, the system would not start the trial: {error}") from error
    try:
        report = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise BadRequest(f"{name} could not be tried (exit code {done.returncode}: {last[0][:200]})") from None
    if not report.pop("ok"):
        raise BadRequest(f"{name}: {report['message']}")
    return Trial(**report)


def run(request: Mapping[str, Any]) -> Trial:
    """The trial itself, in this process. Raises OSError, ValueError (in words)."""
    import numpy as np

    from appliance.bridge.layout import ControlsPayload, StatusBlock
    from appliance.engine._native import Pedal
    from appliance.library.loudness_bs1770 import loudness_lufs

    rate_hz, period_frames = int(request["rate_hz"]), int(request["period_frames"])
    settings = dict(request["settings"])
    knobs = settings.pop("knobs", ())
    payload = ControlsPayload(**settings)
    payload.level_db -= _HEADROOM_DB
    payload.knob_count = len(knobs)
    payload.knobs[: len(knobs)] = knobs
    status = StatusBlock()
    pedal = Pedal(rate_hz, period_frames, None, status)
    pedal.set_controls(bytes(payload))
    pedal.load_patch(Path(request["patch"]).read_bytes())
    guitar = np.fromfile(request["guitar"], "<f4").astype(np.float32)
    pedal.process_float(guitar[: int(_LEAD_IN_S * rate_hz)])
    made, times_ns = np.empty_like(guitar), []
    for start in range(0, len(guitar) - period_frames + 1, period_frames):
        stop = start + period_frames
        made[start:stop] = pedal.process_float(guitar[start:stop])
        times_ns.append(pedal.last_engine_ns)
    made = made[: len(times_ns) * period_frames]
    peak = float(np.abs(made).max(initial=0.0))
    return Trial(
        lufs=max(_QUIETEST_LUFS, loudness_lufs(made, rate_hz) + _HEADROOM_DB),
        peak_db=max(-120.0, 20.0 * math.log10(max(peak, 1e-9)) + _HEADROOM_DB),
        period_us=float(np.percentile(times_ns, 95.0)) / 1e3,
        worst_us=float(max(times_ns)) / 1e3,
        bad_blocks=int(status.bad_blocks),
    )


def main() -> int:
    """One request in, one line out."""
    os.nice(10)
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL: nobody waits for a trial whose panel is gone
    try:
        report = {"ok": True, **asdict(run(json.loads(sys.stdin.readline())))}
    except (OSError, ValueError) as error:
        report = {"ok": False, "message": str(error)}
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
