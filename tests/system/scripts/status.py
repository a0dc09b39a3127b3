"""What the audio process says of itself, as JSON. status.py [SECONDS]: waits so long at most until it plays."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from appliance.bridge.layout import AudioState, StatusBlock

FILE = Path("/run/appliance/status")


def read() -> dict[str, Any]:
    """One whole copy of the plain fields; `state` by its name."""
    while True:
        block = StatusBlock.from_buffer_copy(FILE.read_bytes())
        if block.sequence % 2 == 0:
            break
    numbers = {name: getattr(block, name) for name, *_ in StatusBlock._fields_}
    found = {name: value for name, value in numbers.items() if isinstance(value, int | float)}
    return {**found, "state": AudioState(block.state).name}


def wait_until_playing(seconds: float, frames: int = 0) -> dict[str, Any]:
    """The status once frames move and more than `frames` were moved. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while True:
        found = read() if FILE.exists() else {"state": "ABSENT", "frames": 0}
        if found["state"] == "PLAYING" and found["frames"] > frames:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"it does not play: {found}")
        time.sleep(0.02)


if __name__ == "__main__":
    print(json.dumps(wait_until_playing(float(sys.argv[1])) if len(sys.argv) > 1 else read()))  # noqa: T201
