"""saves.py ROUND: saves presets and takes in cabinets until the power goes; each is told on the console once the page
has confirmed it."""

from __future__ import annotations

import sys
import wave
from itertools import count

import numpy as np
import page

_SLOTS = 4
_FILE_EVERY = 10


def main(cut: int) -> None:
    """Names hold a count, so that what is found later can be told from what was before."""
    with open("/dev/console", "w", buffering=1) as console:  # noqa: PTH123
        for slot in range(_SLOTS):
            if not any(preset["name"].startswith(f"Slot-{slot} ") for preset in page.get()["presets"]):
                page.post("/api/preset_add", name=f"Slot-{slot} 0")
                console.write(f"SAVED Slot-{slot} 0\n")
        slots = [
            next(one for one in page.get()["presets"] if one["name"].startswith(f"Slot-{slot} "))
            for slot in range(_SLOTS)
        ]
        counts = [int(preset["name"].rsplit(" ", 1)[1]) for preset in slots]
        for number in count():
            slot = number % _SLOTS
            counts[slot] += 1
            page.post("/api/preset_rename", preset=slots[slot]["id"], name=f"Slot-{slot} {counts[slot]}")
            console.write(f"SAVED Slot-{slot} {counts[slot]}\n")
            if number % _FILE_EVERY == 0:
                name = f"cabinet-{cut}-{number}"
                page.upload(impulse_response(name, seed=1000 * cut + number))
                console.write(f"IMPORTED {name}\n")


def impulse_response(name: str, seed: int) -> str:
    """A file with noise that dies away, another one for each seed."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=2048) * np.exp(-np.arange(2048) / 300.0) * 8000
    path = f"/tmp/{name}.wav"
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(np.clip(samples, -32768, 32767).astype("<i2").tobytes())
    return path


if __name__ == "__main__":
    main(int(sys.argv[1]))
