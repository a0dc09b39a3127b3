"""What is wanted to sound → patches → controls; and the likely next sounds made ready ahead of being wanted.

A *sound* is what a patch is made for. Each patch file carries a generation of its own and is played once: a sound made
ready ahead waits in the audio process (`engine/native/loader.hpp`) until its generation is asked for, and starts within
a period. Settings and knobs cost nothing: they are in the controls beside the generation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from appliance.bridge import layout
from appliance.bridge.controls import ControlsWriter, payload
from appliance.errors import NotFound, StorageError
from appliance.panel.patches import PatchWriter

_NO_FLAGS = layout.Flag(0)
_PLAYED_KEPT = 3  # the one that sounds, the one wanted, and one for an audio process that is just starting to read


class Sound(NamedTuple):
    """What needs a patch of its own. None: no model, no cabinet."""

    model: str | None = None
    cabinet: str | None = None
    oversample: int = 1


@dataclass(frozen=True)
class Settings:
    """What goes beside a patch, in the units of `layout.ControlsPayload`."""

    flags: layout.Flag = _NO_FLAGS
    input_gain_db: float = 0.0
    gate_threshold_db: float = -120.0
    bass_db: float = 0.0
    middle_db: float = 0.0
    treble_db: float = 0.0
    level_db: float = 0.0
    knobs: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Patch:
    generation: int
    path: Path

    def payload(self, settings: Settings) -> layout.ControlsPayload:
        return payload(generation=self.generation, patch_path=str(self.path), **vars(settings))


class Sounds:
    """The only user of the controls and of the patch files. Thread-safe; making a patch takes milliseconds."""

    def __init__(self, controls: Path, patches: PatchWriter) -> None:
        self._controls = ControlsWriter(controls)
        self._writer = patches
        self._guard = threading.RLock()  # the fields below; held for microseconds
        self._making = threading.Lock()  # the writer
        self._last = self._controls.last_counted
        self._rate_hz = 48_000
        self._playing: tuple[Sound, _Patch] | None = None
        self._ready: dict[Sound, _Patch] = {}
        self._played: list[Path] = []
        self._unclaimed: set[Path] = set()  # being made, or made and not yet in one of the above

    @property
    def generation(self) -> int:
        """Of the patch last asked for; what audio plays is in its status."""
        with self._guard:
            return self._playing[1].generation if self._playing else self._last

    @property
    def rate_hz(self) -> int:
        """The rate that patches are made for."""
        return self._rate_hz

    def adopt(self, sound: Sound, generation: int, patch: Path) -> None:
        """Take a kept patch of the present rate as one that is ready: where audio began with it, it plays on.

        Only audio that was never asked for anything else can have it, or have it still: it plays a patch once.
        """
        with self._guard:
            if self._controls.generation in (0, generation):
                self._ready[sound] = _Patch(generation, patch)

    def patch_of(self, sound: Sound) -> Path | None:
        """The patch of a sound that is wanted at present."""
        with self._guard:
            return self._playing[1].path if self._playing is not None and self._playing[0] == sound else None

    def at_rate(self, rate_hz: int) -> None:
        """Make every patch for this rate from now on."""
        with self._guard:
            self._rate_hz = rate_hz
            self._playing = None
            self._ready.clear()

    def play(self, sound: Sound) -> None:
        """Want this sound; `publish` then asks for it. The one that plays already is left to play.

        Raises NotFound, StorageError; the sound before is then still the one wanted.
        """
        with self._guard:
            if self._playing is not None and self._playing[0] == sound:
                return
            patch = self._ready.pop(sound, None)
            if patch is not None:
                self._take(sound, patch)
                return
        patch = self._make(sound)
        with self._guard:
            self._take(sound, patch)

    def play_anew(self) -> None:
        """Forget that the wanted sound plays: it failed, or should be made again."""
        with self._guard:
            self._playing = None

    def publish(self, settings: Settings) -> None:
        """Put the wanted sound and its settings in force. The engine takes them at its next period."""
        with self._guard:
            if self._playing is not None:
                self._controls.publish(self._playing[1].payload(settings))

    def prepare(
        self, wanted: Sequence[tuple[Sound, Settings]], keep_going: Callable[[], bool] = lambda: True
    ) -> list[str]:
        """Have these sounds made ready, the likeliest first, in place of those before; what plays is left out.

        `keep_going` is asked before each: False when others are likelier by now. Returns what could not be had.
        """
        faults: list[str] = []
        chosen: dict[Sound, Settings] = {}
        for sound, settings in wanted:
            chosen.setdefault(sound, settings)
        for sound in chosen:
            with self._guard:
                needed = sound not in self._ready and not (self._playing and self._playing[0] == sound)
            if not needed:
                continue
            if not keep_going():
                return faults
            try:
                patch = self._make(sound)
            except (NotFound, StorageError) as error:
                faults.append(str(error))
                continue
            with self._guard:
                self._ready[sound] = patch
                self._unclaimed.discard(patch.path)
        with self._guard:
            self._ready = {sound: patch for sound, patch in self._ready.items() if sound in chosen}
            offered = [(sound, self._ready[sound]) for sound in chosen if sound in self._ready]
            self._controls.prepare(
                [patch.payload(chosen[sound]) for sound, patch in offered[: layout.PREPARED_PATCHES]]
            )
            self._forget_old()
        return faults

    def close(self) -> None:
        """Let go of the shared memory; the sound goes on as it is."""
        self._controls.close()

    def _take(self, sound: Sound, patch: _Patch) -> None:
        self._playing = (sound, patch)
        self._unclaimed.discard(patch.path)
        self._played = [*self._played, patch.path][-_PLAYED_KEPT:]
        self._forget_old()

    def _make(self, sound: Sound) -> _Patch:
        with self._making:
            with self._guard:
                generation = self._last = self._last % layout.COUNTED_GENERATIONS + 1  # never 0, which means none
                rate_hz = self._rate_hz
                path = self._writer.path_of(generation)
                self._unclaimed.add(path)
            try:
                self._writer.write(
                    generation=generation,
                    sample_rate_hz=rate_hz,
                    model=sound.model,
                    cabinet=sound.cabinet,
                    oversample=sound.oversample,
                )
            except BaseException:
                with self._guard:
                    self._unclaimed.discard(path)
                raise
        return _Patch(generation, path)

    def _forget_old(self) -> None:
        ready = (patch.path for patch in self._ready.values())
        self._writer.forget_all_but({*self._played, *ready, *self._unclaimed})
