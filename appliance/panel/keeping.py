"""Keeps the sound that lasts where audio finds it after a power cut (`bridge/kept_sound.py`). May block (fsync).

A memory card wears by being written: only a sound that has rested is kept, its patch only if none of the last few
is the same, and what goes beside it is a kilobyte.
"""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance import storage
from appliance.bridge import kept_sound
from appliance.bridge.controls import payload
from appliance.bridge.kept_sound import KeptSound
from appliance.engine.patch_bytes import stamped
from appliance.errors import StorageError
from appliance.panel.sounds import Settings, Sound, Sounds

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
    """`wants` from any thread, the rest from the panel's main one. Where saving fails it is tried again."""

    def __init__(self, folder: Path, sounds: Sounds, say: Callable[[str], None]) -> None:
        """say: tells the player."""
        self._folder = folder
        self._sounds = sounds
        self._say = say
        self._guard = threading.Lock()
        self._wanted: Lasting | None = None
        self._kept: Lasting | None = None
        self._changed_s = self._since_s = 0.0
        self._retry_s = float("-inf")
        self._failed = False
        self._in_use: set[Path] = set()  # the controls may name it for as long as this panel lives

    def take_over(self, wanted: Sound, preset: str | None, *, audio_is_up: bool) -> float | None:
        """At the start: where the kept sound is the one wanted, have it ready; audio may have begun with it.

        Returns the match (see `Lasting`) that goes with it, None where there is none to take over.
        """
        found = kept_sound.find_kept(self._folder)
        if found.note:
            log.warning("the kept sound: %s", found.note)
        kept = found.sound
        if kept is None:
            return None
        file = kept_sound.patch_file(self._folder, kept.generation)
        self._in_use.add(file)
        if not audio_is_up:
            self._sounds.at_rate(kept.sample_rate_hz)  # the card's, most likely
        sound = Sound(kept.model, kept.cabinet, kept.oversample)
        if kept.sample_rate_hz != self._sounds.rate_hz or sound != wanted:
            return None
        self._sounds.adopt(sound, kept.generation, file)
        return float(kept.match_db) if kept.preset == preset else None

    def wants(self, lasting: Lasting, now_s: float) -> None:
        """This is what lasts from now on. Does not block."""
        with self._guard:
            if lasting == self._wanted:
                return
            if self._wanted == self._kept:
                self._since_s = now_s
            self._wanted = lasting
            self._changed_s = now_s

    def work(self, now_s: float) -> None:
        """Keep what has rested. Call a few times a second; now_s: monotonic."""
        with self._guard:
            rested = now_s - self._changed_s >= _RESTED_S or now_s - self._since_s >= _LONGEST_S
        if rested and now_s >= self._retry_s:
            self.keep(now_s)

    def keep(self, now_s: float) -> None:
        """Keep what was not kept yet, rested or not."""
        with self._guard:
            lasting = self._wanted
            if lasting is None or lasting == self._kept:
                return
        patch = self._sounds.patch_of(lasting.sound)
        if patch is None:
            return  # something else is heard for a moment
        try:
            self._write(lasting, patch.read_bytes(), self._sounds.rate_hz)
        except FileNotFoundError:
            return  # another sound was chosen meanwhile: that one is due soon
        except (OSError, StorageError) as error:
            self._retry_s = now_s + _RETRY_S
            if not self._failed:
                self._failed = True
                log.warning("the sound is not kept for the next start: %s", error)
                self._say(f"The sound is not kept for the next start: {error}")
            return
        self._failed = False
        with self._guard:
            self._kept = lasting

    def _write(self, lasting: Lasting, patch: bytes, sample_rate_hz: int) -> None:
        generation = kept_sound.kept_generation(patch)
        patch = stamped(patch, generation)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        file = kept_sound.patch_file(self._folder, generation)
        if _content(file) != patch:
            storage.save(file, patch, keep_previous=False)  # what is there is damaged
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
                file = kept_sound.patch_file(self._folder, sound.generation)
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
