"""Audio → all: the last seconds of input and output, for the tuner and for listening (`layout.TapHeader`)."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path

import numpy as np
import numpy.typing as npt

from appliance import paths
from appliance.bridge import layout
from appliance.bridge.mapping import ReadOnlyMapping

Float32 = npt.NDArray[np.float32]

# Audio stores a period before it counts it: this many of the oldest frames may be overwritten already.
_GUARD_FRAMES = 1024
_HEADER_BYTES = ctypes.sizeof(layout.TapHeader)


class TapReader:
    """Follows the tap ring. Never makes audio wait; not thread-safe (one reader per thread)."""

    def __init__(self, path: Path | None = None) -> None:
        self._mapping = ReadOnlyMapping(path or paths.tap_file(), layout.TAP_BYTES)

    def position(self) -> int | None:
        """Frames written since audio started, or None while there is no tap. Begin here to hear from now on."""
        memory = self._mapping.get()
        head = _head(memory) if memory is not None else None
        return head.written_frames if head else None

    def sample_rate_hz(self) -> int | None:
        """Rate of the frames in the tap, or None while there is no tap."""
        memory = self._mapping.get()
        head = _head(memory) if memory is not None else None
        return head.sample_rate_hz if head else None

    def read(self, since_frame: int) -> tuple[int, Float32, Float32]:
        """Everything from `since_frame` that is still there: (first frame, input, output), two arrays of one length.

        The next call goes on at `first + len(input)`. `first > since_frame`: the reader came too late and lost the
        frames between. `first < since_frame` (with nothing in the arrays): audio has started anew and counts from 0.
        No tap: (since_frame, nothing, nothing). The arrays are copies that the caller owns.
        """
        nothing = np.zeros(0, np.float32)
        memory = self._mapping.get()
        head = _head(memory) if memory is not None else None
        if memory is None or head is None:
            return since_frame, nothing, nothing
        end = head.written_frames
        if since_frame >= end:
            return end, nothing, nothing
        first = max(since_frame, 0, _oldest(end))
        indices = np.arange(first, end, dtype=np.int64) % layout.TAP_FRAMES
        rings = np.frombuffer(memory, np.float32, 2 * layout.TAP_FRAMES, _HEADER_BYTES)
        heard = rings[indices]
        made = rings[indices + layout.TAP_FRAMES]
        del rings  # an exported buffer would keep the mapping from being closed
        later = _head(memory)
        spoilt = max(0, _oldest(later.written_frames) - first) if later else len(heard)
        return first + min(spoilt, len(heard)), heard[spoilt:], made[spoilt:]

    def close(self) -> None:
        """Unmap the file."""
        self._mapping.close()


def _oldest(written_frames: int) -> int:
    return written_frames - layout.TAP_FRAMES + _GUARD_FRAMES


def _head(memory: mmap.mmap) -> layout.TapHeader | None:
    head = layout.TapHeader.from_buffer_copy(memory[:_HEADER_BYTES])
    known = head.magic == layout.TAP_MAGIC and head.version == layout.LAYOUT_VERSION
    return head if known and head.capacity_frames == layout.TAP_FRAMES else None
