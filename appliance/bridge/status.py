"""Audio → all: read what the audio process says of itself (`layout.StatusBlock`). Never makes audio wait."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from appliance import paths
from appliance.bridge import layout
from appliance.bridge.mapping import ReadOnlyMapping

_FLOOR_DB = -120.0
_ATTEMPTS = 50  # audio writes for about a microsecond a period: two odd looks in a row are rare
_RETRY_S = 0.0002


def to_db(linear: float) -> float:
    """Linear amplitude to dB, floored at -120 (silence, and anything that isn't a number)."""
    return max(_FLOOR_DB, 20.0 * math.log10(linear)) if linear > 0.0 and math.isfinite(linear) else _FLOOR_DB


@dataclass(frozen=True)
class StatusSnapshot:
    """One consistent copy of the status block. Units and meanings as in `layout.StatusBlock`."""

    pid: int
    periods: int
    frames: int
    state: layout.AudioState
    generation: int
    failed_generation: int
    sample_rate_hz: int
    period_frames: int
    xruns: int
    late_periods: int
    recoveries: int
    bad_blocks: int
    swaps: int
    input_peak: float
    input_rms: float
    output_peak: float
    output_rms: float
    gate_gain: float
    limiter_gain: float
    busy_us: float
    busy_us_max: float
    load: float
    message: str

    @property
    def input_peak_db(self) -> float:
        """dBFS, floored at -120 (so are the others)."""
        return to_db(self.input_peak)

    @property
    def input_rms_db(self) -> float:
        return to_db(self.input_rms)

    @property
    def output_peak_db(self) -> float:
        return to_db(self.output_peak)

    @property
    def output_rms_db(self) -> float:
        return to_db(self.output_rms)

    @property
    def gate_gain_db(self) -> float:
        """0 = open."""
        return to_db(self.gate_gain)

    @property
    def limiter_gain_db(self) -> float:
        """0 = not limiting."""
        return to_db(self.limiter_gain)


class StatusReader:
    """Reads the status file. May block for a few milliseconds; not thread-safe (one reader per thread)."""

    def __init__(self, path: Path | None = None) -> None:
        self._mapping = ReadOnlyMapping(path or paths.status_file(), layout.STATUS_BYTES)
        self._progress: tuple[int, int] | None = None  # pid, frames
        self._moved_at = -math.inf

    def read(self) -> StatusSnapshot | None:
        """A whole copy, or None: no file, another layout version, or its writer died in the middle of writing."""
        memory = self._mapping.get()
        if memory is None:
            return None
        sequence_at = layout.StatusBlock.sequence.offset
        for _ in range(_ATTEMPTS):
            before = memory[sequence_at : sequence_at + 4]
            data = memory[: layout.STATUS_BYTES]
            after = memory[sequence_at : sequence_at + 4]
            if before == after and before[0] % 2 == 0:
                return _snapshot(layout.StatusBlock.from_buffer_copy(data))
            time.sleep(_RETRY_S)
        return None

    def alive(self, now: float | None = None, within_s: float = 1.0) -> bool:
        """True when frames moved within the last `within_s` seconds.

        Progress is seen between two calls, so the first call answers False. `now`: time.monotonic() seconds.
        """
        now = time.monotonic() if now is None else now
        found = self.read()
        if found is None:
            return False
        progress = (found.pid, found.frames)
        if self._progress is not None and progress != self._progress:
            self._moved_at = now
        self._progress = progress
        return now - self._moved_at <= within_s

    def close(self) -> None:
        """Unmap the file."""
        self._mapping.close()


def _snapshot(block: layout.StatusBlock) -> StatusSnapshot | None:
    if block.magic != layout.STATUS_MAGIC or block.version != layout.LAYOUT_VERSION:
        return None
    try:
        state = layout.AudioState(block.state)
    except ValueError:
        return None
    return StatusSnapshot(
        pid=block.pid,
        periods=block.periods,
        frames=block.frames,
        state=state,
        generation=block.generation,
        failed_generation=block.failed_generation,
        sample_rate_hz=block.sample_rate_hz,
        period_frames=block.period_frames,
        xruns=block.xruns,
        late_periods=block.late_periods,
        recoveries=block.recoveries,
        bad_blocks=block.bad_blocks,
        swaps=block.swaps,
        input_peak=block.input_peak,
        input_rms=block.input_rms,
        output_peak=block.output_peak,
        output_rms=block.output_rms,
        gate_gain=block.gate_gain,
        limiter_gain=block.limiter_gain,
        busy_us=block.busy_us,
        busy_us_max=block.busy_us_max,
        load=block.load,
        message=block.message.decode(errors="replace"),
    )
