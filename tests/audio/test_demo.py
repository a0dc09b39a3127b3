"""The demo card keeps a card's time on the machine's own clock."""

from __future__ import annotations

import math
import struct
import time
import wave
from pathlib import Path

import pytest

from appliance.audio.demo import DemoPort
from appliance.audio.ports import Xrun
from appliance.errors import BadAudioFile


@pytest.fixture
def guitar(tmp_path: Path) -> Path:
    """A decaying pluck of 1,000 frames at 48 kHz."""
    return write_wav(tmp_path / "pluck.wav", pluck(1_000))


def pluck(frames: int) -> bytes:
    samples = (20_000 * math.exp(-n / 400) * math.sin(2 * math.pi * 196 * n / 48_000) for n in range(frames))
    return struct.pack(f"<{frames}h", *(round(sample) for sample in samples))


def write_wav(path: Path, samples: bytes, *, width: int = 2, channels: int = 1, rate_hz: int = 48_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(samples)
    return path


class Clock:
    """Time that only the test moves; sleeping is exact."""

    def __init__(self) -> None:
        self.time_ns = 5_000_000_000

    def now_ns(self) -> int:
        return self.time_ns

    def sleep_until_ns(self, due_ns: int, /) -> None:
        assert due_ns > self.time_ns
        self.time_ns = due_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


def output(port: DemoPort) -> bytearray:
    return bytearray(port.period_frames * 8)


def test_periods_come_at_exact_multiples_of_the_period_with_no_rounding_added_up(guitar: Path, clock: Clock) -> None:
    port = DemoPort(44_100, 64, guitar=write_wav(guitar, pluck(1_000), rate_hz=44_100), clock=clock)
    port.open()
    start_ns = clock.time_ns
    for period in range(1, 5_001):
        port.read()
        exact_ns = period * 64 * 1e9 / 44_100
        assert -1 <= clock.time_ns - start_ns - exact_ns <= 1
        port.write(output(port))


def test_the_loop_goes_round_without_a_seam(guitar: Path, clock: Clock) -> None:
    port = DemoPort(guitar=guitar, clock=clock)
    port.open()
    heard = bytearray()
    for _ in range(40):
        heard += port.read()
        port.write(output(port))
    assert heard == (pluck(1_000) * 3)[: len(heard)]


def test_work_of_almost_one_period_is_in_time(guitar: Path, clock: Clock) -> None:
    port = DemoPort(guitar=guitar, clock=clock)
    port.open()
    for _ in range(10):
        port.read()
        clock.time_ns += 1_333_000  # a period is 1,333,333 ns
        port.write(output(port))


def test_work_of_more_than_the_buffer_is_an_xrun_on_write(guitar: Path, clock: Clock) -> None:
    port = DemoPort(guitar=guitar, clock=clock)
    port.open()
    port.read()
    clock.time_ns += 1_334_000
    with pytest.raises(Xrun, match="playback"):
        port.write(output(port))


def test_coming_too_late_for_capture_is_an_xrun_on_read(guitar: Path, clock: Clock) -> None:
    port = DemoPort(guitar=guitar, periods=3, clock=clock)
    port.open()
    clock.time_ns += 4_100_000
    with pytest.raises(Xrun, match="capture"):
        port.read()


def test_one_more_period_of_buffer_allows_one_more_period_of_lateness(guitar: Path, clock: Clock) -> None:
    port = DemoPort(guitar=guitar, periods=3, clock=clock)
    port.open()
    port.read()
    clock.time_ns += 2_600_000
    port.write(output(port))


def test_after_an_xrun_recovery_starts_the_clock_anew(guitar: Path, clock: Clock) -> None:
    port = DemoPort(guitar=guitar, clock=clock)
    port.open()
    clock.time_ns += 1_000_000_000
    with pytest.raises(Xrun):
        port.read()
    port.recover()
    for _ in range(100):
        port.read()
        port.write(output(port))


def test_writing_ahead_of_time_waits_for_room(guitar: Path, clock: Clock) -> None:
    port = DemoPort(guitar=guitar, clock=clock)
    port.open()
    start_ns = clock.time_ns
    port.write(output(port))
    assert clock.time_ns - start_ns == pytest.approx(64 * 1e9 / 48_000, abs=1_000)


def test_on_the_real_clock_a_second_of_periods_takes_a_second(guitar: Path) -> None:
    port = DemoPort(guitar=guitar, period_frames=256, periods=8)
    port.open()
    start = time.monotonic()
    for _ in range(93):
        port.read()
        port.write(output(port))
    assert -0.03 < time.monotonic() - start - 93 * 256 / 48_000 < 1.0  # a busy machine may be late, never early


def test_the_guitar_is_resampled_when_another_rate_is_asked_for(guitar: Path, clock: Clock) -> None:
    port = DemoPort(96_000, 64, guitar=guitar, clock=clock)
    port.open()
    frames = [sample for _ in range(30) for (sample,) in struct.iter_unpack("<h", self_paced(port))]
    original = [sample for (sample,) in struct.iter_unpack("<h", pluck(1_000))]
    assert max(abs(frames[2 * n] - original[n]) for n in range(100, 900)) < 150


def self_paced(port: DemoPort) -> bytes:
    data = port.read()
    port.write(output(port))
    return data


def test_the_pedals_own_guitar_is_there_and_loads() -> None:
    port = DemoPort(period_frames=1024, periods=8)  # a deadline that a busy machine meets too
    port.open()
    assert "demo-guitar.wav" in port.describe()
    assert any(port.read() for _ in range(1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"width": 3}, "24 bit and 1 channel"), ({"channels": 2}, "16 bit and 2 channel")],
    ids=["24 bit", "stereo"],
)
def test_a_guitar_of_another_kind_is_refused_in_words(tmp_path: Path, changes: dict[str, int], words: str) -> None:
    path = write_wav(tmp_path / "x.wav", bytes(1_200), **changes)
    with pytest.raises(BadAudioFile, match=words):
        DemoPort(guitar=path).open()


def test_an_absent_guitar_and_one_that_is_no_sound_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadAudioFile, match="does not exist"):
        DemoPort(guitar=tmp_path / "none.wav").open()
    (tmp_path / "page.wav").write_text("<html>")
    with pytest.raises(BadAudioFile, match="can't be read as a WAV file"):
        DemoPort(guitar=tmp_path / "page.wav").open()


def test_a_guitar_shorter_than_a_period_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadAudioFile, match="shorter than one period of 64"):
        DemoPort(guitar=write_wav(tmp_path / "x.wav", bytes(126))).open()
