"""What a sound card, a demo card, a file or a scripted card promises to the loop, and how each can fail.

The loop knows nothing else of sound hardware. A period is `period_frames` frames of interleaved samples as the card
has them; decoding is the engine's work.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

from appliance.errors import DeviceError

if TYPE_CHECKING:
    from appliance.engine._native import DemoCard

Buffer = bytes | bytearray | memoryview

# Bytes per sample of every format the engine decodes and encodes (names are ALSA's).
SAMPLE_BYTES = {"S16_LE": 2, "S24_3LE": 3, "S24_LE": 4, "S32_LE": 4, "FLOAT_LE": 4}

PERIOD_FRAMES_MIN = 16
PERIOD_FRAMES_MAX = 1024


class Side(enum.Enum):
    """Direction of a stream, seen from the pedal."""

    CAPTURE = "capture"
    PLAYBACK = "playback"


class PortFault(DeviceError):
    """Base of everything a port can raise. `recovery.py` says what follows which."""


class Xrun(PortFault):
    """A deadline was missed: capture ran over or playback ran dry. Both directions must be restarted."""


class ShortTransfer(PortFault):
    """Part of a period came. What followed would be shifted, so both directions must be restarted."""


class Suspended(PortFault):
    """The card sleeps (power management)."""


class Stalled(PortFault):
    """No error, but no frames move either: the worst fault, for nothing reports it."""


class DeviceGone(PortFault):
    """The card is not there (any more)."""


class DeviceBusy(PortFault):
    """Another program uses the card."""


class DeviceRefused(PortFault):
    """The card answered with another rate, period, format or channel count than was asked for."""


class StreamEnded(Exception):
    """A port with an end (a file) has reached it. The loop stops."""


class Port(Protocol):
    """One capture and one playback stream that move in step. Made closed; may be opened again after `close`.

    `read`, `write` and `compiled_card` stay the same for as long as the port lives: the loop looks them up once.
    """

    rate_hz: int
    period_frames: int
    periods: int  # of the playback buffer: what was heard into the port is played this many periods later
    capture_format: str
    capture_channels: int
    capture_channel: int  # which one carries the guitar, from 0
    playback_format: str
    playback_channels: int

    @property
    def compiled_card(self) -> DemoCard | None:
        """Does what `read` and `write` do, for the compiled loop; None: there is none."""

    def open(self) -> None:
        """Open both directions, check what was negotiated, fill playback with silence and start. May block.

        Errors: any PortFault; the port is closed then.
        """

    def read(self) -> bytes:
        """Wait for the next period and return it. Real-time safe but for the bytes object it makes.

        Errors: Xrun, ShortTransfer, Suspended, Stalled, DeviceGone; StreamEnded at the end of a file.
        """

    def write(self, buffer: Buffer) -> None:
        """Hand over one period, which there is room for after each `read`. Real-time safe. Errors: as `read`."""

    def recover(self) -> None:
        """Restart both directions together, with the latency of the first start. May block for some periods.

        Errors: any PortFault; then only `close` and `open` help.
        """

    def close(self) -> None:
        """Let the device go. Never raises, may be called twice."""

    def describe(self) -> str:
        """What was negotiated, in words."""


def frame_bytes(sample_format: str, channels: int) -> int:
    """Bytes of one frame."""
    return SAMPLE_BYTES[sample_format] * channels
