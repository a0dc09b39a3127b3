"""The status reader takes whole copies or nothing."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from appliance.bridge import layout
from appliance.bridge.shared_memory import open_shared
from appliance.bridge.status import StatusReader, to_db


class Audio:
    """The writing side, as `layout.py` describes it."""

    def __init__(self, path: Path) -> None:
        self.memory = open_shared(path, layout.STATUS_BYTES, writable=True)
        self.block = layout.StatusBlock()
        self.block.magic = layout.STATUS_MAGIC
        self.block.version = layout.LAYOUT_VERSION

    def write(self, **fields: object) -> None:
        self.block.sequence += 1
        self.memory[: layout.STATUS_BYTES] = bytes(self.block)
        for name, value in fields.items():
            setattr(self.block, name, value)
        self.block.sequence += 1
        self.memory[: layout.STATUS_BYTES] = bytes(self.block)


def test_every_field_arrives(tmp_path: Path) -> None:
    path = tmp_path / "status"
    Audio(path).write(
        pid=12,
        frames=1 << 40,
        state=int(layout.AudioState.RECOVERING),
        input_peak=0.5,
        output_rms=0.1,
        limiter_gain=1.0,
        message="the patch is damaged: é".encode(),
    )
    found = StatusReader(path).read()
    assert found is not None
    assert (found.pid, found.frames, found.state) == (12, 1 << 40, layout.AudioState.RECOVERING)
    assert found.input_peak_db == pytest.approx(-6.02, abs=0.01)
    assert found.output_rms_db == pytest.approx(-20.0, abs=0.01)
    assert found.limiter_gain_db == 0.0
    assert found.input_rms_db == found.output_peak_db == found.gate_gain_db == -120.0
    assert found.message == "the patch is damaged: é"


def test_silence_and_nonsense_are_the_floor() -> None:
    assert [to_db(value) for value in (0.0, -1.0, float("nan"), float("inf"), 1e-9)] == [-120.0] * 5


def test_absent_short_or_foreign_files_are_none(tmp_path: Path) -> None:
    path = tmp_path / "status"
    reader = StatusReader(path)
    assert reader.read() is None
    path.write_bytes(b"")
    assert reader.read() is None
    path.write_bytes(bytes(layout.STATUS_BYTES))
    assert reader.read() is None
    path.unlink()
    audio = Audio(path)
    audio.write(version=layout.LAYOUT_VERSION + 1)
    assert reader.read() is None
    audio.write(version=layout.LAYOUT_VERSION, state=99)
    assert reader.read() is None


def test_a_writer_that_died_while_writing_is_none_and_soon(tmp_path: Path) -> None:
    path = tmp_path / "status"
    audio = Audio(path)
    audio.write(frames=64)
    audio.block.sequence += 1
    audio.memory[: layout.STATUS_BYTES] = bytes(audio.block)
    began = time.monotonic()
    assert StatusReader(path).read() is None
    assert time.monotonic() - began < 3.0


def test_a_reader_never_sees_half_of_a_write(tmp_path: Path) -> None:
    path = tmp_path / "status"
    audio = Audio(path)
    audio.write(frames=0, periods=0, xruns=0)
    stop = threading.Event()

    def play() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            audio.write(frames=number, periods=number, xruns=number)
            if number % 50 == 0:
                time.sleep(0.001)

    thread = threading.Thread(target=play)
    thread.start()
    reader = StatusReader(path)
    seen = set()
    try:
        for _ in range(2000):
            found = reader.read()
            if found is not None:
                assert found.frames == found.periods == found.xruns
                seen.add(found.frames)
    finally:
        stop.set()
        thread.join()
    assert len(seen) > 3


def test_alive_means_that_frames_move(tmp_path: Path) -> None:
    path = tmp_path / "status"
    audio = Audio(path)
    reader = StatusReader(path)
    audio.write(frames=64)
    assert not reader.alive(now=100.0)  # one look can't tell
    audio.write(frames=128)
    assert reader.alive(now=100.5)
    assert reader.alive(now=101.4)
    assert not reader.alive(now=101.6)
    audio.write(frames=192)
    assert reader.alive(now=102.0)
    path.unlink()
    assert not reader.alive(now=102.1)


def test_a_file_made_anew_is_found(tmp_path: Path) -> None:
    path = tmp_path / "status"
    Audio(path).write(pid=1)
    reader = StatusReader(path)
    first = reader.read()
    path.unlink()
    assert reader.read() is None
    Audio(path).write(pid=2)
    second = reader.read()
    assert first is not None
    assert second is not None
    assert (first.pid, second.pid) == (1, 2)
