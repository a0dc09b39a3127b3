"""Panel → audio: the one writer of the controls block (`layout.py`).

Order matters: payload, then checksum, then sequence. A reader that looks in between sees a checksum that does not fit
and keeps its last good copy.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from appliance.bridge import layout
from appliance.bridge.shared_memory import open_shared

_SEQUENCE_MASK = 0xFFFF_FFFF


class ControlsWriter:
    """Writes the controls file, going on from what an earlier writer left there. Does not block after opening.

    The audio process outlives the panel: a new panel that began again at generation 1 would ask for patches that audio
    believes it has seen. So `generation` is what the last valid payload held (0 when there was none), and
    `last_counted` the highest one that was counted, for the wanted patch or for one to be made ready.
    Raises OSError when the file can't be made. Not thread-safe: the caller serialises.
    """

    def __init__(self, path: Path) -> None:
        self._memory = open_shared(path, layout.CONTROLS_BYTES, writable=True)
        memory = layout.ControlsMemory.from_buffer_copy(self._memory)
        found = memory.controls
        known = found.magic == layout.CONTROLS_MAGIC and found.version == layout.LAYOUT_VERSION
        # Even of a torn write: what matters is only that the next generation is one that audio has not seen.
        self.generation: int = found.payload.generation if known else 0
        asked_for = [self.generation, *(patch.generation for patch in memory.prepared.patches if known)]
        self.last_counted: int = max((each for each in asked_for if each < layout.KEPT_GENERATION), default=0)
        self.sequence: int = found.sequence
        self._prepared_sequence: int = memory.prepared.sequence
        if not known:
            self._memory[:] = bytes(layout.CONTROLS_BYTES)

    def publish(self, payload: layout.ControlsPayload) -> None:
        """Put a payload in force. The engine takes it at its next period."""
        data = bytes(payload)
        block = layout.ControlsBlock
        start = block.payload.offset
        self.sequence = (self.sequence + 1) & _SEQUENCE_MASK
        self._memory[start : start + len(data)] = data
        self._put_u32(block.checksum.offset, layout.controls_checksum(self.sequence, data))
        self._put_u32(block.magic.offset, layout.CONTROLS_MAGIC)
        self._put_u32(block.version.offset, layout.LAYOUT_VERSION)
        self._put_u32(block.sequence.offset, self.sequence)
        self.generation = payload.generation

    def prepare(self, payloads: Sequence[layout.ControlsPayload]) -> None:
        """Name the patches to be made ready ahead, the most likely first, in place of those named before.

        Raises ValueError when there are more than `PREPARED_PATCHES`.
        """
        if len(payloads) > layout.PREPARED_PATCHES:
            raise ValueError(f"{len(payloads)} patches to prepare, the controls hold {layout.PREPARED_PATCHES}")
        empty = layout.ControlsPayload()
        rest = layout.PREPARED_PATCHES - len(payloads)
        data = b"".join(bytes(payload) for payload in (*payloads, *[empty] * rest))
        block = layout.PreparedBlock
        base = layout.ControlsMemory.prepared.offset
        start = base + block.patches.offset
        self._prepared_sequence = (self._prepared_sequence + 1) & _SEQUENCE_MASK
        self._memory[start : start + len(data)] = data
        self._put_u32(base + block.checksum.offset, layout.controls_checksum(self._prepared_sequence, data))
        self._put_u32(base + block.sequence.offset, self._prepared_sequence)

    def _put_u32(self, offset: int, value: int) -> None:
        # Through ctypes, because that is one aligned 4-byte store; slice assignment may go byte by byte.
        field = ctypes.c_uint32.from_buffer(self._memory, offset)
        field.value = value
        del field  # an exported pointer would keep the mapping from being closed

    def close(self) -> None:
        """Unmap the file. What was published stays in force."""
        self._memory.close()

    def __enter__(self) -> ControlsWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def payload(
    *,
    generation: int,
    flags: layout.Flag,
    input_gain_db: float,
    gate_threshold_db: float,
    level_db: float,
    knobs: tuple[float, ...],
    patch_path: str,
    bass_db: float = 0.0,
    middle_db: float = 0.0,
    treble_db: float = 0.0,
) -> layout.ControlsPayload:
    """A payload from plain values.

    Raises ValueError when there are more knobs than `MAX_KNOBS`, or when the path in UTF-8 (with its closing NUL)
    does not fit.
    """
    path = patch_path.encode()
    if len(path) >= layout.PATCH_PATH_BYTES:
        raise ValueError(
            f"the patch path is {len(path)} bytes, the controls hold {layout.PATCH_PATH_BYTES - 1}: "
            "use a runtime folder with a shorter name"
        )
    if len(knobs) > layout.MAX_KNOBS:
        raise ValueError(f"the model has {len(knobs)} knobs, the controls hold {layout.MAX_KNOBS}")
    result = layout.ControlsPayload()
    result.generation = generation
    result.flags = int(flags)
    result.input_gain_db = input_gain_db
    result.gate_threshold_db = gate_threshold_db
    result.level_db = level_db
    result.bass_db = bass_db
    result.middle_db = middle_db
    result.treble_db = treble_db
    result.knob_count = len(knobs)
    for index, value in enumerate(knobs):
        result.knobs[index] = value
    result.patch_path = path
    return result
