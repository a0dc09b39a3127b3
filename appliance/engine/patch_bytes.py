"""The frame of a patch (`native/slot.cpp`): its head and checksum, with nothing but the standard library.

Apart from `packing.py` because the audio process reads kept patches and may not import numpy.
"""

from __future__ import annotations

import struct
import zlib

PATCH_MAGIC = int.from_bytes(b"PTCH", "little")
PATCH_VERSION = 2

_SEAL = struct.Struct("<3I")  # magic, version, CRC-32 of all that follows
_HEAD = struct.Struct("<2If4I")
_GENERATION = struct.Struct("<I")  # the first field behind the seal


def seal_patch(
    *,
    generation: int,
    sample_rate_hz: int,
    normalise_gain: float = 1.0,
    model_blob: bytes = b"",
    cabinet: bytes = b"",
    knob_count: int = 0,
    oversample: int = 1,
) -> bytes:
    """A patch of what was packed already. cabinet: float32 little-endian; normalise_gain: linear. Pure.

    With the defaults: a patch that plays the guitar as it is.
    """
    head = _HEAD.pack(
        generation, sample_rate_hz, normalise_gain, len(model_blob), len(cabinet) // 4, knob_count, oversample
    )
    return _sealed(b"".join((head, model_blob, cabinet)))


def stamped(patch: bytes, generation: int) -> bytes:
    """The same patch for another generation. Pure."""
    return _sealed(_GENERATION.pack(generation) + patch[_SEAL.size + _GENERATION.size :])


def _sealed(body: bytes) -> bytes:
    return _SEAL.pack(PATCH_MAGIC, PATCH_VERSION, zlib.crc32(body)) + body
