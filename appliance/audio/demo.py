"""A sound card that is not there: a clean guitar comes in, in a loop; what goes out is heard through the tap.

Its timing is a card's, on CLOCK_MONOTONIC: capture period k is there at t0 + (k+1) periods; playback holds `periods`
periods, starts filled with silence, and a program that comes too late gets an xrun. So the demo shows on a PC what a
card would show, lateness included.

The card itself is compiled (`engine/native/demo_card.hpp`): after the wait the processor's caches are cold, and every
instruction of the interpreter that is not there is time that a period does not lose (docs/loop.md).
"""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.audio.ports import Buffer, DeviceRefused, Xrun
from appliance.errors import BadAudioFile
from appliance.paths import assets

if TYPE_CHECKING:
    from appliance.engine._native import CardClock


class DemoPort:
    """See `ports.Port`."""

    capture_format = "S16_LE"
    capture_channels = 1
    capture_channel = 0
    playback_format = "S32_LE"
    playback_channels = 2

    # The card's own, so that a period takes no Python function on its way.
    read: Callable[[], bytes]
    write: Callable[[Buffer], None]

    def __init__(
        self,
        rate_hz: int = 48_000,
        period_frames: int = 64,
        periods: int = 2,
        guitar: Path | None = None,
        *,
        clock: CardClock | None = None,
    ) -> None:
        """guitar: a mono 16-bit WAV, played round and round; by default the one the pedal comes with.
        clock: another time than CLOCK_MONOTONIC (tests)."""
        from appliance.engine._native import DemoCard  # here: `--help` works before the engine is built

        self.rate_hz = rate_hz
        self.period_frames = period_frames
        self.periods = periods
        self._guitar = guitar or assets("models") / "demo-guitar.wav"
        self.compiled_card = DemoCard(rate_hz, period_frames, periods, Xrun, clock)
        self.read, self.write = self.compiled_card.read, self.compiled_card.write

    def open(self) -> None:
        """See `ports.Port.open`. Errors: BadAudioFile."""
        samples = _load(self._guitar, self.rate_hz)
        if len(samples) < 2 * self.period_frames:
            raise BadAudioFile(f"{self._guitar} is shorter than one period of {self.period_frames} frames")
        self.compiled_card.load(samples)
        self.compiled_card.start()

    def recover(self) -> None:
        """See `ports.Port.recover`."""
        self.compiled_card.start()

    def close(self) -> None:
        """See `ports.Port.close`."""
        self.compiled_card.unload()

    def describe(self) -> str:
        """See `ports.Port.describe`."""
        latency_ms = 1000 * self.periods * self.period_frames / self.rate_hz
        return (
            f"demo card: {self.rate_hz} Hz, {self.period_frames} frames a period, {self.periods} periods "
            f"({latency_ms:.2f} ms through the buffers); in: {self._guitar.name} in a loop; out: the Listen button"
        )


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
