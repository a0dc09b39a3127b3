"""The sound that played last, kept over a power cut so that audio can play it before anybody else is up.

    kept/sound            which patch, with which controls (`KeptBlock`); about a kilobyte, written at every change
    kept/sound.prev       the one before: taken when a power cut or a worn card spoilt the newest (`storage.save`)
    kept/GENERATION.patch the patch itself (`engine/packing.py`), named after what is in it

The panel writes, audio only reads. With the standard library alone, because audio imports it. May block (files).
"""

from __future__ import annotations

import ctypes
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from appliance import __version__
from appliance.bridge import layout
from appliance.engine.patch_bytes import PATCH_VERSION, stamped

KEPT_MAGIC = int.from_bytes(b"KEPT", "little")
KEPT_VERSION = 1
NAMES = ("sound", "sound.prev")
_ID_BYTES = 64
_NAME_BYTES = 128
_MADE_FOR_BYTES = 128
_LARGEST_PATCH_BYTES = 64 << 20


class KeptBlock(ctypes.LittleEndianStructure):
    """The file `sound`."""

    _fields_ = (
        ("magic", ctypes.c_uint32),
        ("version", ctypes.c_uint32),
        ("checksum", ctypes.c_uint32),  # CRC-32 of all that follows
        ("controls_version", ctypes.c_uint32),  # layout.LAYOUT_VERSION
        ("patch_version", ctypes.c_uint32),
        ("patch_checksum", ctypes.c_uint32),  # CRC-32 of the whole patch file
        ("sample_rate_hz", ctypes.c_uint32),
        ("oversample", ctypes.c_uint32),
        ("match_db", ctypes.c_double),  # see `panel/keeping.py`
        ("made_for", ctypes.c_char * _MADE_FOR_BYTES),  # see `made_for`
        ("name", ctypes.c_char * _NAME_BYTES),  # for people: the preset's, else the model's
        ("preset", ctypes.c_char * _ID_BYTES),  # empty: none (so are the next two)
        ("model", ctypes.c_char * _ID_BYTES),
        ("cabinet", ctypes.c_char * _ID_BYTES),
        ("payload", layout.ControlsPayload),  # without a path; its generation names the patch
    )


_CHECKED_FROM = KeptBlock.checksum.offset + KeptBlock.checksum.size


@dataclass(frozen=True)
class KeptSound:
    """A kept sound without its patch. Ids are the library's; None for none."""

    name: str
    sample_rate_hz: int
    preset: str | None
    model: str | None
    cabinet: str | None
    oversample: int
    match_db: float
    patch_checksum: int
    payload: layout.ControlsPayload

    @property
    def generation(self) -> int:
        """Of the patch."""
        return int(self.payload.generation)


@dataclass(frozen=True)
class Found:
    """What `find_kept` found. `sound` and `patch` are None and empty when there is nothing usable; `note` says in words
    what was wrong with what there is."""

    sound: KeptSound | None = None
    patch: bytes = b""
    note: str | None = None


def made_for() -> str:
    """The software that a sound is kept by and the kind of processor it is kept for: any other leaves it alone.

    Nothing that a service's sandbox may hide from one of the two processes.
    """
    return f"{__version__} {os.uname().machine}"


def kept_generation(patch: bytes) -> int:
    """The generation of a patch once it is kept: the same for the same sound, whoever asks."""
    two_reserved = 2  # by native/loader.cpp, at the very top
    return layout.KEPT_GENERATION | zlib.crc32(stamped(patch, 0)) % (layout.KEPT_GENERATION - two_reserved)


def patch_file(folder: Path, generation: int) -> Path:
    """Where the patch of a kept generation is, or would be."""
    return folder / f"{generation:08x}.patch"


def to_bytes(sound: KeptSound) -> bytes:
    """The file `sound`."""
    block = KeptBlock(
        magic=KEPT_MAGIC,
        version=KEPT_VERSION,
        controls_version=layout.LAYOUT_VERSION,
        patch_version=PATCH_VERSION,
        patch_checksum=sound.patch_checksum,
        sample_rate_hz=sound.sample_rate_hz,
        oversample=sound.oversample,
        match_db=sound.match_db,
        made_for=made_for().encode(),
        name=_cut(sound.name, _NAME_BYTES),
        preset=(sound.preset or "").encode(),
        model=(sound.model or "").encode(),
        cabinet=(sound.cabinet or "").encode(),
        payload=sound.payload,
    )
    block.checksum = zlib.crc32(bytes(block)[_CHECKED_FROM:])
    return bytes(block)


def from_bytes(data: bytes) -> KeptSound | str:
    """The sound in a file `sound`, or what is wrong with it."""
    head_bytes = _CHECKED_FROM
    if len(data) < head_bytes:
        return "is damaged (it is too short)"
    magic, version, checksum = (int.from_bytes(data[at : at + 4], "little") for at in range(0, head_bytes, 4))
    if magic != KEPT_MAGIC:
        return "is damaged (it is no kept sound)"
    if version != KEPT_VERSION:
        return f"has format version {version}, this software reads version {KEPT_VERSION}"
    if len(data) != ctypes.sizeof(KeptBlock) or zlib.crc32(data[head_bytes:]) != checksum:
        return "is damaged (its checksum does not fit)"
    block = KeptBlock.from_buffer_copy(data)
    ours = (layout.LAYOUT_VERSION, PATCH_VERSION, made_for())
    theirs = (block.controls_version, block.patch_version, block.made_for.decode(errors="replace"))
    if ours != theirs:
        return f"was kept by {theirs[2]}, this is {ours[2]}" if theirs[2] != ours[2] else "is of another version"
    return KeptSound(
        name=block.name.decode(errors="replace"),
        sample_rate_hz=block.sample_rate_hz,
        preset=block.preset.decode(errors="replace") or None,
        model=block.model.decode(errors="replace") or None,
        cabinet=block.cabinet.decode(errors="replace") or None,
        oversample=block.oversample,
        match_db=block.match_db,
        patch_checksum=block.patch_checksum,
        payload=layout.ControlsPayload.from_buffer_copy(block.payload),
    )


def find_kept(folder: Path) -> Found:
    """The newest kept sound that is whole, patch included. Never raises: a note says what was wrong."""
    faults = []
    for name in NAMES:
        data = _read(folder / name)
        if data is None:
            continue
        sound = data if isinstance(data, str) else from_bytes(data)
        if isinstance(sound, str):
            faults.append(f"{name} {sound}")
            continue
        file = patch_file(folder, sound.generation)
        patch = _read(file)
        if isinstance(patch, bytes) and zlib.crc32(patch) == sound.patch_checksum:
            return Found(sound, patch, "; ".join(faults) or None)
        why = "is missing" if patch is None else patch if isinstance(patch, str) else "is damaged"
        faults.append(f"{file.name} {why}")
    return Found(note="; ".join(faults) or None)


def _read(file: Path) -> bytes | str | None:
    """Its bytes, None where there is no such file, or why it can't be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(_LARGEST_PATCH_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"can't be read ({error.strerror or error})"


def _cut(words: str, size: int) -> bytes:
    """In UTF-8 with a closing NUL, cut between characters."""
    return words.encode()[: size - 1].decode(errors="ignore").encode()
