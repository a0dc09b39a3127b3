"""Listen: the pedal's output as an endless stream, for the demo sound card, where the browser is the loudspeaker.

Layout: 16 bytes `PCM1`, uint32 rate in Hz, uint16 channels (1), uint16 bits (16), uint32 0; then int16 frames without
end. All little-endian.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app

from appliance.web.answers import BUSY, PANEL_AWAY, RefusedError
from appliance.web.hub import Hub
from appliance.web.safety import settings
from appliance.web.settings import MAX_LISTENERS

if TYPE_CHECKING:  # numpy is a quarter of this process's memory, and a box with a sound card does not need it
    import numpy as np
    import numpy.typing as npt

    from appliance.bridge.tap import TapReader

blueprint = Blueprint("listen", __name__, url_prefix="/api")

LOOK_EVERY_S = 0.03
BEHIND_S = 0.5  # a listener further behind than this skips to now
SILENT_S = 5.0  # no new frame for so long: the stream ends, and the page asks again


def header(sample_rate_hz: int) -> bytes:
    """The first 16 bytes of a stream."""
    return struct.pack("<4sIHHI", b"PCM1", sample_rate_hz, 1, 16, 0)


def to_pcm(audio: npt.NDArray[np.float32]) -> bytes:
    """Float frames to int16, clipped; what isn't a number becomes silence."""
    import numpy as np

    return (np.clip(np.nan_to_num(audio), -1.0, 1.0) * 32767.0).astype("<i2").tobytes()


def frames_of(tap: TapReader, sample_rate_hz: int, hub: Hub) -> Iterator[bytes]:
    """The output from now on, in pieces, until it stays away for SILENT_S, changes its rate, or the hub closes. Blocks.

    A consumer that takes too long finds itself at "now" again: frames are skipped, never queued.
    """
    at = tap.position() or 0
    heard_at = time.monotonic()
    while (
        not hub.is_closed and time.monotonic() - heard_at < SILENT_S and tap.sample_rate_hz() in (sample_rate_hz, None)
    ):
        first, _, output = tap.read(at)
        at = first + len(output)
        if len(output):
            heard_at = time.monotonic()
            keep = int(BEHIND_S * sample_rate_hz)
            yield to_pcm(output if len(output) <= keep else output[-int(LOOK_EVERY_S * sample_rate_hz) :])
        time.sleep(LOOK_EVERY_S)


@blueprint.get("/listen")
def listen() -> Response:
    """Endless. 503 when the pedal makes no sound or MAX_LISTENERS listen already. One thread per listener."""
    from appliance.bridge.tap import TapReader

    tap = TapReader(settings().tap_file)
    rate = tap.sample_rate_hz()
    if not rate:
        tap.close()
        raise RefusedError(PANEL_AWAY, "The pedal makes no sound yet: its audio process isn't running.")
    places: threading.BoundedSemaphore = current_app.config["LISTENERS"]
    if not places.acquire(blocking=False):
        tap.close()
        raise RefusedError(BUSY, f"{MAX_LISTENERS} browsers listen already. Stop one of them first.")

    hub: Hub = current_app.config["HUB"]

    def stream() -> Iterator[bytes]:
        yield header(rate)
        yield from frames_of(tap, rate, hub)

    def done() -> None:
        tap.close()
        places.release()

    response = Response(stream(), mimetype="application/octet-stream")
    response.call_on_close(done)
    return response
