"""The table of docs/tuner.md: `python -m tests.panel.compare_tuners [FOLDER WITH RECORDINGS]`.

Compares the tuner with the pitch libraries that are installed (aubio, praat-parselmouth, librosa); none is needed.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from appliance.panel.pitch_names import note_hz
from appliance.panel.tuner import Follower
from tests.panel.strings import SILENCE_S, first_partial_hz, pluck

RATE_HZ = 48_000
LOWEST_HZ, HIGHEST_HZ = 28.0, 1450.0
Audio = npt.NDArray[np.float32]
Looks = list[tuple[float, float]]  # seconds, hertz
KINDS: tuple[dict[str, float], ...] = (
    {},
    {"tilt": 0.5},
    {"fundamental": 0.1},
    {"fundamental": 0.1, "second": 4.0},
    {"second": 6.0},
    {"tilt": 1.5, "picked_at": 0.5},
)


def this_tuner(audio: Audio) -> Looks:
    follower, hop = Follower(RATE_HZ), RATE_HZ // 50
    looks = [((at + hop) / RATE_HZ, follower.hear(audio[at : at + hop])) for at in range(0, len(audio) - hop, hop)]
    return [(seconds, found) for seconds, found in looks if found is not None]


def aubio(audio: Audio) -> Looks:
    library: Any = importlib.import_module("aubio")
    pitch, hop = library.pitch("yinfft", 4096, 512, RATE_HZ), 512
    pitch.set_unit("Hz")
    pitch.set_silence(-70)
    looks = [((at + hop) / RATE_HZ, float(pitch(audio[at : at + hop])[0])) for at in range(0, len(audio) - hop, hop)]
    return [(seconds, found) for seconds, found in looks if found > 20.0]


def praat(audio: Audio) -> Looks:
    library: Any = importlib.import_module("parselmouth")
    sound = library.Sound(audio.astype(float), RATE_HZ)
    found = sound.to_pitch_ac(time_step=0.02, pitch_floor=LOWEST_HZ, pitch_ceiling=HIGHEST_HZ)
    looks = zip(found.xs(), found.selected_array["frequency"], strict=True)
    return [(seconds, hertz) for seconds, hertz in looks if hertz > 0]


def pyin(audio: Audio) -> Looks:
    library: Any = importlib.import_module("librosa")
    found, voiced, _ = library.pyin(
        audio, sr=RATE_HZ, fmin=LOWEST_HZ, fmax=HIGHEST_HZ, frame_length=8192, hop_length=1024
    )
    return [(at * 1024 / RATE_HZ, hertz) for at, hertz in enumerate(found) if voiced[at] and np.isfinite(hertz)]


def sounds(recordings: Path) -> list[tuple[str, Audio, float, float]]:
    """(kind, audio, right frequency, second of the pluck)."""
    made: list[tuple[str, Audio, float, float]] = []
    for name, note in (("Guitar-E2", 40), ("Guitar-E2-2", 40), ("Guitar-B4", 71)):
        path = recordings / f"{name}.flac"
        if path.exists():
            audio, _ = soundfile.read(path, dtype="float32")
            made.append(("recording", audio, note_hz(note), float(np.argmax(np.abs(audio) > 0.02)) / RATE_HZ))
    for kind in KINDS:
        for note in range(23, 89, 6):
            stiffness, f0_hz = 2e-5 * 1.15 ** (note % 19), note_hz(note + (note % 7 - 3) / 10)
            audio = pluck(f0_hz, stiffness=stiffness, seed=note, seconds=0.6, **kind)
            made.append(("string", audio, first_partial_hz(f0_hz, stiffness), SILENCE_S))
    at = np.arange(RATE_HZ) / RATE_HZ
    for hertz in (30.0, 41.2, 82.41, 246.94, 659.26, 1400.0):
        tone = sum(0.1 / n * np.sin(2 * np.pi * n * hertz * at + n) for n in range(1, 25) if n * hertz < 20_000)
        made.append(("steady", np.concatenate([np.zeros(4800), tone]).astype(np.float32), hertz, 0.1))
    return made


def main(recordings: Path) -> None:
    """Print a line for each."""
    others = (("aubio", "aubio", aubio), ("parselmouth", "Praat", praat), ("librosa", "pyin", pyin))
    methods: dict[str, Callable[[Audio], Looks]] = {"this tuner": this_tuner}
    methods.update({name: method for module, name, method in others if importlib.util.find_spec(module)})
    for name, method in methods.items():
        looks = off = real = real_off = 0
        steady, first, busy_s, played_s = 0.0, 0.0, 0.0, 0.0
        for kind, audio, right_hz, begins_s in sounds(recordings):
            started = time.process_time()
            found = [look for look in method(audio) if look[0] > begins_s]
            busy_s += time.process_time() - started
            played_s += len(audio) / RATE_HZ
            cents = [abs(1200 * np.log2(hertz / right_hz)) for _, hertz in found]
            if kind == "steady":
                steady = max([steady, *(c for c, (s, _) in zip(cents, found, strict=True) if 0.5 < s < 1.0)])
                continue
            looks, off = looks + len(cents), off + sum(c > 100 for c in cents)
            if kind == "recording":
                real, real_off = real + len(cents), real_off + sum(c > 100 for c in cents)
            if found and right_hz > 82.0:
                first = max(first, found[0][0] - begins_s)
        sys.stdout.write(
            f"{name}: {off} of {looks} readings off ({real_off} of {real} on recordings), steady tones {steady:.2f} "
            f"cents, first reading {1000 * first:.0f} ms, {100 * busy_s / played_s:.1f} % of a core\n"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/data/audio"))
