"""Play the demo guitar through the running pedal and compare with what `appliance render` makes of it.

hear.py MODEL OTHER SECONDS: MODEL is a name in the library. OTHER is played before it, so that MODEL begins from its
own rest: what it has played leaves it at another one, some last bits beside it. Prints JSON: how many samples were
compared, how many differ, how far the phase of the periods was.
"""

from __future__ import annotations

import json
import sys
import time

import card
import numpy as np
import page
from swaps import select

from appliance import paths
from appliance.formats.read import read_model
from appliance.render import RenderSettings, read_audio, render

_PERIOD_FRAMES = 64
_LEAD_FRAMES = card.RATE_HZ // 4
_SEARCHED_FRAMES = 1024
# What the filter against direct current remembers of the model before, and of a model that comes to rest to and fro
# between two neighbouring numbers.
_DECAYED_S = 5.0
_REST_FRAMES = card.RATE_HZ


def main(model: str, other: str, seconds: float) -> None:
    """See above."""
    before = page.get()
    known = {item["name"]: item["id"] for item in before["models"]}
    identity = known[model]
    (file,) = (paths.data_dir() / "models" / identity).glob("source.*")
    description = read_model(file)
    page.post("/api/select", cabinet=None)
    # Levels are not matched on either side: the library rounds what it measured, and measuring takes minutes here.
    flat = {"gate_threshold_db": -120.0, "input_gain_db": 0.0, "level_db": 0.0, "normalise": False}
    page.post("/api/set", bass_db=0.0, middle_db=0.0, treble_db=0.0, bypass=False, mute=False, **flat)
    for chosen in (known[other], identity):
        select(chosen)
    time.sleep(_DECAYED_S)
    guitar, _, _ = read_audio(paths.assets("models") / "demo-guitar.wav")
    played = np.rint(guitar[: int(seconds * card.RATE_HZ)] * 2.0**31).astype(np.int32)
    lead = np.zeros(_LEAD_FRAMES, np.int32)
    heard = card.play_and_record(np.concatenate([lead, played]), _LEAD_FRAMES + len(played) + card.RATE_HZ // 2)
    page.post("/api/select", model=before["model"])  # a small one: this machine has other things to do
    page.post("/api/set", normalise=before["normalise"])
    print(json.dumps(compare(description, played, heard)))  # noqa: T201


def compare(description, played, heard) -> dict[str, object]:  # type: ignore[no-untyped-def]
    """Where the sound begins among the periods is not known, and rounding depends on it: every place is tried."""
    for phase in range(_PERIOD_FRAMES):
        lead = _REST_FRAMES + phase
        short = rendered(description, played[:_SEARCHED_FRAMES], lead)
        at = find(short, heard)
        if at is not None:
            whole = rendered(description, played, lead)
            other = heard[at : at + len(whole)]
            different = int((whole[: len(other)] != other).sum())
            return {"compared": len(other), "different": different, "phase": phase, "peak": int(abs(whole).max())}
    return {"compared": 0, "different": -1, "peak_heard": int(abs(heard).max()), "heard": len(heard)}


def rendered(description, played, lead: int):  # type: ignore[no-untyped-def]
    """As the card would get it, from the first sample that is played on."""
    audio = np.concatenate([np.zeros(lead, np.float32), (played / 2.0**31).astype(np.float32)])
    settings = RenderSettings(block_frames=_PERIOD_FRAMES, normalise=False)
    made = render(description, audio, card.RATE_HZ, settings)[lead:]
    return np.rint(np.clip(made.astype(np.float64) * 2.0**31, -(2.0**31), 2147483520.0)).astype(np.int32)


def find(wanted, heard) -> int | None:  # type: ignore[no-untyped-def]
    """Where `wanted` stands in `heard`, exactly."""
    key = int(np.argmax(np.abs(wanted)))
    for place in np.flatnonzero(heard == wanted[key]):
        start = int(place) - key
        if start >= 0 and start + len(wanted) <= len(heard) and (heard[start : start + len(wanted)] == wanted).all():
            return start
    return None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
