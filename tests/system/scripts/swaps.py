"""swaps.py SECONDS NAME NAME…: one of these models after the other, chosen on the page every two seconds or so; what
the audio process counted meanwhile."""

from __future__ import annotations

import json
import sys
import time

import page
import status

_EVERY_S = 2.0
_COUNTED = ("periods", "swaps", "xruns", "late_periods", "recoveries", "bad_blocks")


def main(seconds: float, names: list[str]) -> None:
    """See above."""
    known = {model["name"]: model["id"] for model in page.get()["models"]}
    models = [known[name] for name in names]
    select(models[-1])
    before, began = status.read(), time.monotonic()
    asked = 0
    while time.monotonic() - began < seconds:
        select(models[asked % len(models)])
        asked += 1
        time.sleep(_EVERY_S)
    after, took = status.read(), time.monotonic() - began
    counted = {name: after[name] - before[name] for name in _COUNTED}
    print(json.dumps({**counted, "asked": asked, "seconds": took, "busy_us_max": after["busy_us_max"]}))  # noqa: T201


def select(model: str) -> None:
    """Tap a model and wait until it sounds."""
    wanted = page.post("/api/select", model=model)["generation"]
    while (found := status.read())["generation"] != wanted:
        if found["failed_generation"] == wanted:
            raise RuntimeError(f"the model was refused: {found}")
        time.sleep(0.05)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
