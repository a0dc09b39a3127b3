"""moves.py SECONDS: waits so long at most until frames move through the audio process, steadily for half a second."""

from __future__ import annotations

import json
import sys
import time

import status


def main(seconds: float) -> None:
    """See above."""
    end = time.monotonic() + seconds
    while True:
        first = status.wait_until_playing(max(0.0, end - time.monotonic()))
        time.sleep(0.5)
        then = status.read()
        if then["pid"] == first["pid"] and then["state"] == "PLAYING" and then["frames"] - first["frames"] > 12_000:
            break
    print(json.dumps(then))  # noqa: T201


if __name__ == "__main__":
    main(float(sys.argv[1]))
