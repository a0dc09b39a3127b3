"""Shared memory between the processes, field by field. The C++ twin is `engine/native/shared_memory.hpp`;
`tests/bridge/test_layout.py` compares the two.

One writer per block. All little-endian, naturally aligned, fixed size.

- **controls** (panel → audio): the writer fills the payload, then the checksum, then bumps `sequence`. The reader
  looks only when `sequence` changed, and takes the payload only if the CRC-32 fits: a torn write leaves the last
  good copy in force.
- **prepared** (panel → audio's loader, behind the controls in the same file): patches likely to be wanted next, each
  with the settings it would sound with. Written and read in the same way.
- **status** (audio → all): `sequence` is odd while audio writes. Readers copy and retry.
- **tap** (audio → all): rings of the last input and output frames, float32, for the tuner and for listening.
  `written_frames` counts since start and is stored after the samples.
"""

from __future__ import annotations

import ctypes
import enum
import zlib

MAX_KNOBS = 16
PREPARED_PATCHES = 4
PATCH_PATH_BYTES = 512
MESSAGE_BYTES = 256
TAP_FRAMES = 1 << 17  # 2.7 s at 48 kHz; a power of two

# Generations with this bit are of kept sounds (`kept_sound.py`) and follow from what is in the patch: audio and the
# panel mean the same sound by them before they ever met. Those below are counted by the panel.
KEPT_GENERATION = 1 << 31
COUNTED_GENERATIONS = KEPT_GENERATION - 1

LAYOUT_VERSION = 2
CONTROLS_MAGIC = int.from_bytes(b"PCTL", "little")
STATUS_MAGIC = int.from_bytes(b"PSTA", "little")
TAP_MAGIC = int.from_bytes(b"PTAP", "little")


class Flag(enum.IntFlag):
    """Switches in the controls."""

    BYPASS = 1  # output = input, at input level
    MUTE = 2
    NORMALISE = 4  # bring every model to the same loudness


class AudioState(enum.IntEnum):
    """What the audio process is doing. Also the table in the README."""

    STARTING = 0
    PLAYING = 1
    RECOVERING = 2  # an xrun or a suspended card: both directions are being restarted
    NO_DEVICE = 3  # the card is gone; trying to open it again
    STOPPED = 4


class ControlsPayload(ctypes.LittleEndianStructure):
    """Targets the engine smooths towards, and the patch that is wanted."""

    _fields_ = (
        ("generation", ctypes.c_uint32),  # of the wanted patch; 0 = none yet. Settings below belong to it
        ("flags", ctypes.c_uint32),
        ("input_gain_db", ctypes.c_float),
        ("gate_threshold_db", ctypes.c_float),  # at or below -120: gate off
        ("level_db", ctypes.c_float),
        ("bass_db", ctypes.c_float),  # tone, −12 … 12
        ("middle_db", ctypes.c_float),
        ("treble_db", ctypes.c_float),
        ("knob_count", ctypes.c_uint32),
        ("knobs", ctypes.c_float * MAX_KNOBS),  # in the model's own units
        ("patch_path", ctypes.c_char * PATCH_PATH_BYTES),  # UTF-8, NUL padded; see engine/packing.py
    )


class ControlsBlock(ctypes.LittleEndianStructure):
    """The controls proper."""

    _fields_ = (
        ("magic", ctypes.c_uint32),
        ("version", ctypes.c_uint32),
        ("sequence", ctypes.c_uint32),
        ("checksum", ctypes.c_uint32),  # CRC-32 (zlib) of sequence and payload
        ("payload", ControlsPayload),
    )


class PreparedBlock(ctypes.LittleEndianStructure):
    """Patches to be made ready ahead; those of generation 0 are empty places."""

    _fields_ = (
        ("sequence", ctypes.c_uint32),
        ("checksum", ctypes.c_uint32),  # CRC-32 (zlib) of sequence and patches
        ("patches", ControlsPayload * PREPARED_PATCHES),
    )


class ControlsMemory(ctypes.LittleEndianStructure):
    """The controls file."""

    _fields_ = (
        ("controls", ControlsBlock),
        ("prepared", PreparedBlock),
    )


def controls_checksum(sequence: int, payload: bytes) -> int:
    """Of the sequence and what belongs to it (a payload, or the prepared patches) together: a processor may show
    another core the new sequence before what belongs to it, and then the two must not fit.
    """
    return zlib.crc32(payload, zlib.crc32(sequence.to_bytes(4, "little")))


class StatusBlock(ctypes.LittleEndianStructure):
    """The status file."""

    _fields_ = (
        ("magic", ctypes.c_uint32),
        ("version", ctypes.c_uint32),
        ("sequence", ctypes.c_uint32),
        ("pid", ctypes.c_uint32),
        ("periods", ctypes.c_uint64),
        ("frames", ctypes.c_uint64),
        ("state", ctypes.c_uint32),  # AudioState
        ("generation", ctypes.c_uint32),  # of the patch that sounds (set when its fade-in begins)
        ("failed_generation", ctypes.c_uint32),  # the last one that could not be loaded; see message
        ("sample_rate_hz", ctypes.c_uint32),
        ("period_frames", ctypes.c_uint32),
        ("xruns", ctypes.c_uint32),
        ("late_periods", ctypes.c_uint32),  # periods whose work took longer than the period
        ("recoveries", ctypes.c_uint32),
        ("bad_blocks", ctypes.c_uint32),  # blocks in which the model gave NaN or infinity and was silenced
        ("swaps", ctypes.c_uint32),
        ("input_peak", ctypes.c_float),  # linear, instant attack, decaying 20 dB/s
        ("input_rms", ctypes.c_float),  # linear, 300 ms window
        ("output_peak", ctypes.c_float),
        ("output_rms", ctypes.c_float),
        ("gate_gain", ctypes.c_float),  # linear 0…1
        ("limiter_gain", ctypes.c_float),  # linear 0…1
        ("busy_us", ctypes.c_float),  # compiled work in the last period
        ("busy_us_max", ctypes.c_float),  # largest since start
        ("load", ctypes.c_float),  # busy / period, smoothed over about a second
        ("reserved", ctypes.c_uint32),
        ("message", ctypes.c_char * MESSAGE_BYTES),  # why failed_generation failed, in words
    )


class TapHeader(ctypes.LittleEndianStructure):
    """Head of the tap file; float32 input[TAP_FRAMES], then float32 output[TAP_FRAMES] follow."""

    _fields_ = (
        ("magic", ctypes.c_uint32),
        ("version", ctypes.c_uint32),
        ("capacity_frames", ctypes.c_uint32),
        ("sample_rate_hz", ctypes.c_uint32),
        ("written_frames", ctypes.c_uint64),
    )


CONTROLS_BYTES = ctypes.sizeof(ControlsMemory)
STATUS_BYTES = ctypes.sizeof(StatusBlock)
TAP_BYTES = ctypes.sizeof(TapHeader) + 2 * 4 * TAP_FRAMES
