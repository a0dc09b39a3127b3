"""A sound card that is not there: a clean guitar comes in, in a loop; what goes out is heard through the tap.

Its timing is a card's, on CLOCK_MONOTONIC: capture period k is there at t0 + (k+1) periods; playback holds `periods`
periods, starts filled with silence, and a program that comes too late gets an xrun. So the demo shows on a PC what a
card would show, lateness included.

`read` and `write` are written out, without helpers on their way: after the wait the processor's caches are cold, and a
call then costs about a microsecond (bench.py measures it, a test counts the calls).
"""

from __future__ import annotations

import time
import wave
from pathlib import Path

from appliance.audio.ports import Buffer, DeviceRefused, Side, Xrun
from appliance.errors import BadAudioFile
from appliance.paths import assets

_NS = 1_000_000_000


class DemoPort:
    """See `ports.Port`."""

    capture_format = "S16_LE"
    capture_channels = 1
    capture_channel = 0
    playback_format = "S32_LE"
    playback_channels = 2

    def __init__(
        self, rate_hz: int = 48_000, period_frames: int = 64, periods: int = 2, guitar: Path | None = None
    ) -> None:
        """guitar: a mono 16-bit WAV, played round and round; by default the one the pedal comes with."""
        self.rate_hz = rate_hz
        self.period_frames = period_frames
        self.periods = periods
        self._guitar = guitar or assets("models") / "demo-guitar.wav"
        self._loop = b""
        self._loop_bytes = 0
        self._position = 0
        self._period_bytes = 2 * period_frames
        self._step = period_frames * _NS  # a period in units of 1/rate ns
        self._slack_ns = (periods - 1) * self._step // rate_hz  # so late a period may be taken
        self._dry_ns = 0  # when playback runs dry
        self._start_ns = 0
        self._taken = 0  # periods read since the start
        self._given = 0  # periods written since the start, the silence not counted
        # Of the last `read`, for bench.py: when its period was due, and when this process had woken for it.
        self.due_ns = self.woke_ns = 0

    def open(self) -> None:
        """See `ports.Port.open`. Errors: BadAudioFile."""
        samples = _load(self._guitar, self.rate_hz)
        if len(samples) < self._period_bytes:
            raise BadAudioFile(f"{self._guitar} is shorter than one period of {self.period_frames} frames")
        self._loop_bytes = len(samples)
        self._loop = samples + samples[: self._period_bytes]  # so that a period across the seam is one slice
        self.recover()

    def read(self) -> bytes:
        """See `ports.Port.read`."""
        # All that can be known beforehand is worked out before the wait.
        self._taken = taken = self._taken + 1
        self.due_ns = due_ns = self._start_ns + taken * self._step // self.rate_hz
        too_late_ns = due_ns + self._slack_ns
        self._dry_ns = self._start_ns + (self._given + self.periods) * self._step // self.rate_hz
        start = self._position
        end = start + self._period_bytes
        self._position = end if end < self._loop_bytes else end - self._loop_bytes
        data = self._loop[start:end]
        now_ns = time.monotonic_ns()
        if now_ns < due_ns:
            time.sleep((due_ns - now_ns) / _NS)  # may wake late, never early
            now_ns = time.monotonic_ns()
        self.woke_ns = now_ns
        if now_ns >= too_late_ns:
            raise Xrun(f"demo card ({Side.CAPTURE.value}): a deadline was missed")
        return data

    def write(self, buffer: Buffer) -> None:
        """See `ports.Port.write`."""
        if self._given >= self._taken:
            self._wait_for_room()  # ahead of capture
        if time.monotonic_ns() >= self._dry_ns:
            raise Xrun(f"demo card ({Side.PLAYBACK.value}): a deadline was missed")
        self._given += 1

    @property
    def recording(self) -> bytes:
        """What is played round and round, while open: the samples, and behind them the first period once more."""
        return self._loop

    def recover(self) -> None:
        """See `ports.Port.recover`."""
        self._start_ns = time.monotonic_ns()
        self._taken = self._given = 0

    def close(self) -> None:
        """See `ports.Port.close`."""
        self._loop = b""

    def describe(self) -> str:
        """See `ports.Port.describe`."""
        latency_ms = 1000 * self.periods * self.period_frames / self.rate_hz
        return (
            f"demo card: {self.rate_hz} Hz, {self.period_frames} frames a period, {self.periods} periods "
            f"({latency_ms:.2f} ms through the buffers); in: {self._guitar.name} in a loop; out: the Listen button"
        )

    def _ns(self, period: int) -> int:
        """When so many periods have passed since the start; exact, so that no rounding adds up."""
        return self._start_ns + period * self._step // self.rate_hz

    def _wait_for_room(self) -> None:
        self._dry_ns = self._ns(self._given + self.periods)
        delay_ns = self._ns(self._given + 1) - time.monotonic_ns()
        if delay_ns > 0:
            time.sleep(delay_ns / _NS)


def _load(path: Path, rate_hz: int) -> bytes:
    try:
        with wave.open(str(path), "rb") as file:
            found = (file.getsampwidth(), file.getnchannels())
            file_rate_hz, samples = file.getframerate(), file.readframes(file.getnframes())
    except FileNotFoundError as error:
        raise BadAudioFile(f"{path} does not exist: install the pedal again, or name another WAV file") from error
    except (OSError, wave.Error, EOFError) as error:
        raise BadAudioFile(f"{path} can't be read as a WAV file ({error}); a mono 16-bit WAV is needed") from error
    if found != (2, 1):
        raise BadAudioFile(f"{path} has {8 * found[0]} bit and {found[1]} channel(s); a mono 16-bit WAV is needed")
    return samples if file_rate_hz == rate_hz else _resampled(samples, file_rate_hz, rate_hz)


def _resampled(samples: bytes, from_hz: int, to_hz: int) -> bytes:
    """Only a demo at an unusual rate pays for these imports. The file is a loop, so it is resampled as one."""
    try:
        import numpy as np
        import soxr
    except ImportError as error:
        raise DeviceRefused(
            f"the demo card's guitar is at {from_hz} Hz and {to_hz} Hz was asked for, which needs numpy and soxr: "
            f"pip install soxr numpy, or use --rate {from_hz}"
        ) from error
    once = np.frombuffer(samples, dtype="<i2").astype(np.float64) / 32_768
    frames = round(len(once) * to_hz / from_hz)
    thrice = soxr.resample(np.tile(once, 3), from_hz, to_hz)
    middle = thrice[frames : 2 * frames]
    return bytes((np.clip(middle, -1, 1 - 2**-15) * 32_768).round().astype("<i2").tobytes())
