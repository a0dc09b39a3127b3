"""How long a model takes from its blob to being ready to sound: the patch file, then the slot with its warm-up.

The same steps as in the pedal: the panel packs and writes the patch (`panel/patches.py`), the audio process reads it,
builds the slot and runs silence through the whole receptive field (`native/loader.cpp`).
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from appliance.engine._native import Pedal
from appliance.engine.packing import pack_model, pack_patch
from appliance.formats.description import Description

_REPEATS = 9
_IN_MEMORY = Path("/dev/shm")  # the pedal's runtime folder is in memory too


@dataclass(frozen=True)
class LoadTimes:
    """Milliseconds, of several tries."""

    patch_ms: float  # median: packing, writing and reading the patch file
    load_ms: float  # median: building and warming up
    load_ms_max: float


def load_times(description: Description, block_frames: int) -> LoadTimes:
    """Time it for periods of `block_frames`. Blocks. Errors: UnsupportedModel (only ONNX Runtime plays it)."""
    blob = pack_model(description)
    rate_hz = description.sample_rate_hz
    patch_ms, load_ms = [], []
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as folder:
        path, temporary = Path(folder) / "1.patch", Path(folder) / ".1.tmp"
        pedal = Pedal(rate_hz, block_frames)
        for _ in range(_REPEATS):
            begun = time.perf_counter()
            temporary.write_bytes(pack_patch(generation=1, sample_rate_hz=rate_hz, model_blob=blob))
            temporary.rename(path)
            patch = path.read_bytes()
            read = time.perf_counter()
            pedal.load_patch(patch)
            patch_ms.append(1000 * (read - begun))
            load_ms.append(1000 * (time.perf_counter() - read))
    return LoadTimes(round(median(patch_ms), 3), round(median(load_ms), 3), round(max(load_ms), 3))
