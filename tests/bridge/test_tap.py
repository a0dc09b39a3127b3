"""The tap reader follows the ring, says what it lost and never hands out overwritten frames."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.bridge import layout
from appliance.bridge.shared_memory import open_shared
from appliance.bridge.tap import TapReader

N = layout.TAP_FRAMES


class Audio:
    """The writing side: frame k has input k mod 99991 and output its negative."""

    def __init__(self, path: Path, written: int = 0) -> None:
        self.memory = open_shared(path, layout.TAP_BYTES, writable=True)
        self.head = layout.TapHeader()
        self.head.magic = layout.TAP_MAGIC
        self.head.version = layout.LAYOUT_VERSION
        self.head.capacity_frames = N
        self.head.sample_rate_hz = 48000
        self.rings = np.frombuffer(self.memory, np.float32, 2 * N, ctypes.sizeof(layout.TapHeader))
        self.head.written_frames = max(0, written - N)
        self.write(written - self.head.written_frames)

    def write(self, frames: int) -> None:
        numbers = np.arange(self.head.written_frames, self.head.written_frames + frames)
        self.rings[numbers % N] = numbers % 99991
        self.rings[N + numbers % N] = -(numbers % 99991)
        self.head.written_frames += frames
        self.memory[: ctypes.sizeof(layout.TapHeader)] = bytes(self.head)


def test_following_gets_every_frame_once(tmp_path: Path) -> None:
    path = tmp_path / "tap"
    audio = Audio(path)
    reader = TapReader(path)
    at = reader.position()
    assert at == 0
    assert reader.sample_rate_hz() == 48000
    for frames in (64, 1000, N - 5000, 64, 7):
        audio.write(frames)
        first, heard, made = reader.read(at)
        assert first == at
        assert len(heard) == len(made) == frames
        np.testing.assert_array_equal(heard, np.arange(at, at + frames) % 99991)
        np.testing.assert_array_equal(made, -heard)
        at += frames


def test_a_late_reader_is_told_where_the_frames_begin(tmp_path: Path) -> None:
    path = tmp_path / "tap"
    Audio(path, written=3 * N)
    first, heard, _ = TapReader(path).read(10)
    assert first > 2 * N
    assert first + len(heard) == 3 * N
    np.testing.assert_array_equal(heard, np.arange(first, 3 * N) % 99991)


def test_after_audio_started_anew_the_reader_goes_on_from_its_count(tmp_path: Path) -> None:
    path = tmp_path / "tap"
    Audio(path, written=500)
    first, heard, made = TapReader(path).read(90_000)
    assert (first, len(heard), len(made)) == (500, 0, 0)


def test_no_tap_is_no_frames(tmp_path: Path) -> None:
    reader = TapReader(tmp_path / "tap")
    assert reader.position() is None
    assert reader.sample_rate_hz() is None
    first, heard, made = reader.read(123)
    assert (first, len(heard), len(made)) == (123, 0, 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(written=st.integers(0, 4 * N), since=st.integers(-10, 4 * N))
def test_what_is_read_is_contiguous_and_right(tmp_path: Path, written: int, since: int) -> None:
    path = tmp_path / "tap"
    path.unlink(missing_ok=True)
    Audio(path, written)
    first, heard, made = TapReader(path).read(since)
    assert first + len(heard) == written
    np.testing.assert_array_equal(heard, np.arange(first, written) % 99991)
    np.testing.assert_array_equal(made, -heard)
