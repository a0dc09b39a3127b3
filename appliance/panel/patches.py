"""Patch files: what the audio process loads when the model or the cabinet changes (`engine/packing.py`)."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from appliance.engine.packing import pack_patch
from appliance.errors import StorageError
from appliance.library.cabinet import prepare_cabinet
from appliance.library.loudness import normalise_gain_db
from appliance.library.store import Library

_CABINETS_KEPT = 6  # at the rate that plays: as many as sounds are made ready, and one


class PatchWriter:
    """Makes patches in `folder` (in memory: the runtime folder). Takes a few milliseconds; not thread-safe."""

    def __init__(self, folder: Path, library: Library) -> None:
        self._folder = folder
        self._library = library
        self._cabinets: dict[tuple[str, int], npt.NDArray[np.float32]] = {}  # those used last, at their rate
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        for left in folder.glob(".*.tmp"):  # by an earlier panel
            left.unlink(missing_ok=True)

    def write(
        self, *, generation: int, sample_rate_hz: int, model: str | None, cabinet: str | None, oversample: int = 1
    ) -> Path:
        """Write the patch for these library items (None: no model, no cabinet).

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
        path = self.path_of(generation)
        temporary = self._folder / f".{generation}.tmp"
        try:
            temporary.write_bytes(data)
            temporary.rename(path)
        except OSError as error:
            raise StorageError(f"the sound could not be handed to the audio process: {error}") from error
        return path

    def _cabinet(self, identity: str, sample_rate_hz: int) -> npt.NDArray[np.float32]:
        key = (identity, sample_rate_hz)
        found = self._cabinets.pop(key, None)
        if found is None:
            samples, rate_hz = self._library.impulse_response(identity)
            found = prepare_cabinet(samples, rate_hz, sample_rate_hz)
        self._cabinets[key] = found  # at the end: used last
        while len(self._cabinets) > _CABINETS_KEPT:
            del self._cabinets[next(iter(self._cabinets))]
        return found

    def path_of(self, generation: int) -> Path:
        """Where the patch of this generation is, or will be."""
        return self._folder / f"{generation}.patch"

    def forget_all_but(self, kept: Collection[Path]) -> None:
        """Remove every other patch file."""
        with contextlib.suppress(OSError):
            for path in self._folder.glob("*.patch"):
                if path not in kept:
                    path.unlink()
