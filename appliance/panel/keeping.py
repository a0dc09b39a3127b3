"""Keeps the sound that lasts where audio finds it after a power cut (`bridge/kept_sound.py`). May block (fsync).

A memory card wears by being written: only a sound that has rested is kept, its patch only if none of the last few
is the same, and what goes beside it is a kilobyte.
"""

from __future__ import annotations

import logging
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path

from appliance import storage
from appliance.bridge import kept_sound
from appliance.bridge.controls import payload
from appliance.bridge.kept_sound import KeptSound
from appliance.engine.patch_bytes import stamped
from appliance.errors import StorageError
from appliance.panel.sounds import Settings, Sound

log = logging.getLogger(__name__)

_RESTED_S = 2.0
_LONGEST_S = 30.0  # a pedal under a foot may never rest
_RETRY_S = 10.0
_PATCHES_KEPT = 8  # those used last: going round the presets of an evening writes each patch once


@dataclass(frozen=True)
class Lasting:
    """What is to sound after a power cut: nothing of it is only for the moment."""

    name: str
    preset: str | None
    sound: Sound
    settings: Settings
    match_db: float  # in the settings' level while presets are brought to one loudness


class SoundKeeper:
    """`wants` from any thread, the rest from one. Where saving fails it is tried again, and `fault` says why."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._wanted: Lasting | None = None
        self._kept: Lasting | None = None
        self._changed_s = self._since_s = 0.0
        self._retry_s = float("-inf")
        self._in_use: set[Path] = set()  # the controls may name it for as long as this panel lives
        self.fault: str | None = None

    def find(self) -> KeptSound | None:
        """What was kept last, with its patch, if this pedal can play it. It is then held fast."""
        found = kept_sound.find_kept(self._folder)
        if found.note:
            log.warning("the kept sound: %s", found.note)
        if found.sound is not None:
            self._in_use.add(self.patch_of(found.sound))
        return found.sound

    def patch_of(self, kept: KeptSound) -> Path:
        """Its patch file."""
        return kept_sound.patch_file(self._folder, kept.generation)

    def wants(self, lasting: Lasting, now_s: float) -> None:
        """This is what lasts from now on. Does not block."""
        with self._guard:
            if lasting == self._wanted:
                return
            if self._wanted == self._kept:
                self._since_s = now_s
            self._wanted = lasting
            self._changed_s = now_s

    def due(self, now_s: float) -> Lasting | None:
        """What is to be kept now, if anything is."""
        with self._guard:
            rested = now_s - self._changed_s >= _RESTED_S or now_s - self._since_s >= _LONGEST_S
            return self._wanted if self._wanted != self._kept and rested and now_s >= self._retry_s else None

    @property
    def unkept(self) -> Lasting | None:
        """What was not kept yet."""
        with self._guard:
            return self._wanted if self._wanted != self._kept else None

    def keep(self, lasting: Lasting, patch: Path, sample_rate_hz: int, now_s: float) -> None:
        """Keep it, with the patch that plays it."""
        try:
            self._write(lasting, patch.read_bytes(), sample_rate_hz)
        except FileNotFoundError:
            return  # another sound was chosen meanwhile: that one is due soon
        except (OSError, StorageError) as error:
            self._retry_s = now_s + _RETRY_S
            if self.fault is None:
                log.warning("the sound is not kept for the next start: %s", error)
            self.fault = str(error)
            return
        self.fault = None
        with self._guard:
            self._kept = lasting

    def _write(self, lasting: Lasting, patch: bytes, sample_rate_hz: int) -> None:
        generation = kept_sound.kept_generation(patch)
        patch = stamped(patch, generation)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        file = kept_sound.patch_file(self._folder, generation)
        if _content(file) != patch:
            storage.save(file, patch)
            storage.previous_copy(file).unlink(missing_ok=True)  # of a damaged one
        sound = lasting.sound
        kept = KeptSound(
            name=lasting.name,
            sample_rate_hz=sample_rate_hz,
            preset=lasting.preset,
            model=sound.model,
            cabinet=sound.cabinet,
            oversample=sound.oversample,
            match_db=lasting.match_db,
            patch_checksum=zlib.crc32(patch),
            payload=payload(generation=generation, patch_path="", **vars(lasting.settings)),
        )
        newest = self._folder / kept_sound.NAMES[0]
        data = kept_sound.to_bytes(kept)
        if _content(newest) != data:
            storage.save(newest, data, worth_keeping=_is_whole)
            self._forget_old()

    def _forget_old(self) -> None:
        """But for the patches used last."""
        in_use = set(self._in_use)
        for name in kept_sound.NAMES:
            sound = kept_sound.from_bytes(_content(self._folder / name) or b"")
            if isinstance(sound, KeptSound):
                file = self.patch_of(sound)
                in_use.add(file)
                if name == kept_sound.NAMES[0]:
                    file.touch()
        others = [file for file in self._folder.glob("*.patch") if file not in in_use]
        others.sort(key=lambda file: file.stat().st_mtime)
        for file in others[: max(0, len(others) + len(in_use) - _PATCHES_KEPT)]:
            file.unlink(missing_ok=True)


def _is_whole(data: bytes) -> bool:
    return isinstance(kept_sound.from_bytes(data), KeptSound)


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
