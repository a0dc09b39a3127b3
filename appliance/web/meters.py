"""What the meters show: numbers from the audio process's status, in the units of the page."""

from __future__ import annotations

import math
from typing import Any

from appliance.bridge.status import StatusSnapshot

# Engines publish every period; one that has moved no frame for this long isn't playing, whatever its last state says.
STALE_S = 1.0


class Meters:
    """Reads of the status in a row; remembers when frames last moved."""

    def __init__(self) -> None:
        self._frames = -1
        self._moved_at_s = -math.inf

    def read(self, status: StatusSnapshot | None, now_s: float) -> dict[str, Any]:
        """The `meters` event. `audio` is the AudioState by name, or `absent` when nobody moves frames."""
        if status is None:
            return {"audio": "absent"}
        if status.frames != self._frames:
            self._frames, self._moved_at_s = status.frames, now_s
        state = status.state.name.lower()
        if now_s - self._moved_at_s > STALE_S and state in ("playing", "starting"):
            state = "absent"
        return {
            "audio": state,
            "input_peak_db": round(status.input_peak_db, 1),
            "input_rms_db": round(status.input_rms_db, 1),
            "output_peak_db": round(status.output_peak_db, 1),
            "output_rms_db": round(status.output_rms_db, 1),
            "gate_db": round(status.gate_gain_db, 1),
            "limiter_db": round(status.limiter_gain_db, 1),
            "load_percent": round(100 * status.load, 1) if math.isfinite(status.load) else None,
            "xruns": status.xruns,
            "late_periods": status.late_periods,
            "recoveries": status.recoveries,
            "bad_blocks": status.bad_blocks,
            "generation": status.generation,
            "failed_generation": status.failed_generation,
            "message": status.message,
            "sample_rate_hz": status.sample_rate_hz,
            "period_frames": status.period_frames,
        }
