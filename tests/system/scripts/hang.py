"""hang.py PID: stops the audio process as a hang would, and waits until another moves frames; how long that took."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import status


def main(pid: int) -> None:
    """See above."""
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    frames = status.read()["frames"]
    while (found := status.read())["pid"] == pid or found["state"] != "PLAYING" or not found["frames"]:
        time.sleep(0.02)
        if time.monotonic() - began > 60:
            raise TimeoutError(f"no sound again; stopped at {frames} frames, now {found}")
    print(json.dumps({"silent_s": time.monotonic() - began}))  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))
