"""Patch files: what the audio process loads when the model or the cabinet changes (`engine/packing.py`)."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from appliance.engine.packing import pack_patch
from appliance.errors import StorageError
from appliance.library.cabinet import prepare_cabinet
from appliance.library.loudness import normalise_gain_db
from appliance.library.store import Library

_KEPT = 3  # the one that sounds, the one wanted, and one for an audio process that is just starting to read


class PatchWriter:
    """Makes patches in `folder` (in memory: the runtime folder). Takes a few milliseconds; not thread-safe."""

    def __init__(self, folder: Path, library: Library) -> None:
        self._folder = folder
        self._library = library
        self._ready: tuple[str, int, npt.NDArray[np.float32]] | None = None  # the cabinet used last, at its rate
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)

    def write(
        self, *, generation: int, sample_rate_hz: int, model: str | None, cabinet: str | None, oversample: int = 1
    ) -> Path:
        """Write the patch for these library items (None: no model, no cabinet) and remove old ones.

        Raises NotFound, StorageError.
        """
        loudness_db = self._library.model(model).loudness_db if model is not None else None
        data = pack_patch(
            generation=generation,
            sample_rate_hz=sample_rate_hz,
            model_blob=self._library.model_blob(model) if model is not None else b"",
            cabinet=self._cabinet(cabinet, sample_rate_hz) if cabinet is not None else None,
            normalise_gain_db=normalise_gain_db(loudness_db) if loudness_db is not None else 0.0,
            oversample=oversample,
        )
        path = self._folder / f"{generation}.patch"
        temporary = self._folder / f".{generation}.tmp"
        try:
            temporary.write_bytes(data)
            temporary.rename(path)
        except OSError as error:
            raise StorageError(f"the sound could not be handed to the audio process: {error}") from error
        self._forget_old(path)
        return path

    def _cabinet(self, identity: str, sample_rate_hz: int) -> npt.NDArray[np.float32]:
        if self._ready is None or self._ready[:2] != (identity, sample_rate_hz):
            samples, rate_hz = self._library.impulse_response(identity)
            self._ready = (identity, sample_rate_hz, prepare_cabinet(samples, rate_hz, sample_rate_hz))
        return self._ready[2]

    def _forget_old(self, newest: Path) -> None:
        """By age, not by number: generations wrap, and files of an earlier panel count from anywhere."""
        with contextlib.suppress(OSError):
            for path in self._folder.glob(".*.tmp"):
                path.unlink()
            others = [path for path in self._folder.glob("*.patch") if path != newest]
            others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
            for path in others[_KEPT - 1 :]:
                path.unlink()
