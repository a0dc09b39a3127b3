"""A training on disk: everything that decides how it goes on, saved so that a power cut leaves the old or the new."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from appliance import storage
from appliance.errors import BadRequest, StorageError
from appliance.training.contract import DataSet

VERSION = 1


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Save, whole or not at all. May block (fsync). Raises StorageError."""
    memory = io.BytesIO()
    torch.save({"version": VERSION, **content}, memory)
    storage.save(path, memory.getvalue(), worth_keeping=lambda _: False)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What was saved; tensors on the CPU. Runs no code from the file.

    Raises BadRequest when there is nothing to go on from, StorageError when it is damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BadRequest(f"There is no training to resume at {path}: start it without --resume.") from None
    except OSError as error:
        raise StorageError(f"{path} can't be read ({error.strerror or error}).") from error
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        version = content["version"]
    except Exception as error:
        raise StorageError(f"{path} is damaged: delete it and train again.") from error
    if version != VERSION:
        raise BadRequest(f"{path} was written by another version of this program: finish it there, or train again.")
    return dict(content)


def fingerprint(data: DataSet) -> str:
    """Tells whether two data sets hold the same audio, knobs and spans."""
    checksum = zlib.crc32(repr((data.sample_rate_hz, data.knobs)).encode())
    for take in data.takes:
        about = (take.knobs, take.held_out, take.train, take.validation)
        checksum = zlib.crc32(repr(about).encode(), checksum)
        for audio in (take.dry, take.wet):
            checksum = zlib.crc32(np.ascontiguousarray(audio).tobytes(), checksum)
    return f"{checksum:08x}"
