"""Presets equally loud: each is measured once (`library/trial.py`), in the background, and corrected when recalled.

Measured with the player's own riff where one was recorded, else with the demo guitar; the preset's own level and boost
stand on top. What was measured is kept under a fingerprint of everything that matters to it, so that nothing is
measured twice and nothing old is believed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance import storage
from appliance.bridge import layout
from appliance.errors import ApplianceError
from appliance.library.loudness import loudness_clip
from appliance.library.presets import Preset
from appliance.library.store import Library
from appliance.library.trial import Trial, try_out
from appliance.panel.patches import PatchWriter

log = logging.getLogger(__name__)

LEVELS_SCHEMA = 1
TARGET_LUFS = -18.0
MOST_DB = 20.0  # of correction: a preset that is silent by intention stays so
_CLIP_RATE_HZ = 48_000
_REMEMBERED = 1000
_SOUND = (
    "model", "cabinet", "input_gain_db", "gate_threshold_db", "bass_db", "middle_db", "treble_db", "oversample",
)  # fmt: skip


@dataclass(frozen=True)
class Guitar:
    """What presets are measured with. `id` differs for another recording."""

    id: str
    audio: npt.NDArray[np.float32]  # mono
    rate_hz: int


class Levelling:
    """Measures presets and knows by how much each is to be corrected. Thread-safe; `measure` and `work` block."""

    def __init__(self, folder: Path, patches: Path, library: Library, status: Callable[[], tuple[int, int]]) -> None:
        """folder: where levels and the riff are kept. patches: a folder in memory, of its own. status: tells the rate
        in Hz and the frames of a period that audio runs at."""
        self._file = folder / "levels.json"
        self._riff_file = folder / "riff.f32"
        self._library = library
        self._status = status
        self._writer = PatchWriter(patches, library)
        self._patches = patches
        self._guard = threading.Lock()
        self._measuring = threading.Lock()
        self._due = threading.Event()
        self._failed: set[str] = set()
        self._levels = _levels_from(storage.load_json(self._file, LEVELS_SCHEMA).content)
        self._riff = _riff_from(self._riff_file)

    @property
    def has_riff(self) -> bool:
        """Whether the player has recorded a riff."""
        return self._riff is not None

    def match_db(self, preset: Preset | None) -> float:
        """What brings the preset to the common loudness; 0 while it was not measured."""
        if preset is None:
            return 0.0
        with self._guard:
            lufs = self._levels.get(self._fingerprint(preset))
        return 0.0 if lufs is None else max(-MOST_DB, min(MOST_DB, TARGET_LUFS - lufs))

    def keep_riff(self, audio: npt.NDArray[np.float32], rate_hz: int) -> None:
        """Measure with this from now on (dry input, float32 mono). Raises StorageError."""
        storage.save(self._riff_file, np.array([rate_hz], "<u4").tobytes() + audio.astype("<f4").tobytes())
        self._riff = _riff_from(self._riff_file)
        self.wake()

    def wake(self) -> None:
        """Presets were changed: look whether one is to be measured."""
        self._due.set()

    def work(self, presets: Callable[[], tuple[Preset, ...]], timeout_s: float, go_on: Callable[[], bool]) -> None:
        """Wait until presets were changed, then measure those that never were. For a thread of its own."""
        if not self._due.wait(timeout_s):
            return
        self._due.clear()
        for preset in presets():
            if not go_on() or self._due.is_set():
                return
            key = self._fingerprint(preset)
            with self._guard:
                known = key in self._levels or key in self._failed
            if known or not self._is_whole(preset):
                continue
            try:
                self.measure(preset)
            except ApplianceError as error:
                log.warning("%s keeps its own loudness: %s", preset.name, error)
                self._failed.add(key)

    def measure(self, preset: Preset) -> Trial:
        """Play a preset for trial and keep how loud it is. Blocks for seconds.

        Raises NotFound, StorageError, BadRequest (it can't be played, in words).
        """
        with self._measuring:
            rate_hz, period_frames = self._status()
            key = self._fingerprint(preset)
            patch = self._writer.write(
                generation=1,
                sample_rate_hz=rate_hz,
                model=preset.model,
                cabinet=preset.cabinet,
                oversample=preset.oversample,
            )
            guitar = self._guitar_file(rate_hz)
            found = try_out(patch, self._settings(preset), guitar, rate_hz, period_frames, preset.name)
            patch.unlink(missing_ok=True)
            with self._guard:
                self._levels[key] = found.lufs
                while len(self._levels) > _REMEMBERED:
                    del self._levels[next(iter(self._levels))]
                content = dict(self._levels)
            storage.save_json(self._file, LEVELS_SCHEMA, content)
            return found

    def _settings(self, preset: Preset) -> dict[str, Any]:
        knobs = self._library.model(preset.model).knobs if preset.model else ()
        names = ("input_gain_db", "gate_threshold_db", "bass_db", "middle_db", "treble_db")
        return {
            **{name: getattr(preset, name) for name in names},
            "generation": 1,
            "flags": int(layout.Flag.NORMALISE),
            "level_db": 0.0,
            "knobs": [preset.knobs.get(knob.name, knob.default) for knob in knobs],
        }

    def _guitar_file(self, rate_hz: int) -> Path:
        guitar = self._guitar()
        file = self._patches / f"guitar-{guitar.id}-{rate_hz}.f32"
        if not file.exists():
            audio = guitar.audio
            if guitar.rate_hz != rate_hz:
                import soxr

                audio = soxr.resample(audio, guitar.rate_hz, rate_hz)
            for old in self._patches.glob("guitar-*"):
                old.unlink(missing_ok=True)
            file.write_bytes(audio.astype("<f4").tobytes())
        return file

    def _guitar(self) -> Guitar:
        return self._riff or Guitar("demo", loudness_clip(), _CLIP_RATE_HZ)

    def _is_whole(self, preset: Preset) -> bool:
        return all(item is None or self._library.has(item) for item in (preset.model, preset.cabinet))

    def _fingerprint(self, preset: Preset) -> str:
        riff = self._riff
        content = {name: getattr(preset, name) for name in _SOUND} | {
            "knobs": dict(preset.knobs), "guitar": riff.id if riff else "demo"
        }  # fmt: skip
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _levels_from(content: Any) -> dict[str, float]:
    if not isinstance(content, Mapping):
        return {}
    return {str(key): float(lufs) for key, lufs in content.items() if isinstance(lufs, int | float)}


def _riff_from(file: Path) -> Guitar | None:
    try:
        data = file.read_bytes()
    except OSError:
        return None
    if len(data) < 8 or len(data) % 4:
        return None
    rate_hz = int(np.frombuffer(data[:4], "<u4")[0])
    audio = np.frombuffer(data[4:], "<f4").astype(np.float32)
    if not 8_000 <= rate_hz <= 384_000 or not np.isfinite(audio).all():
        return None
    return Guitar(hashlib.sha256(data).hexdigest()[:12], audio, rate_hz)
