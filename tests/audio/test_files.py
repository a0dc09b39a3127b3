"""File ports: the whole loop over WAV files, frame for frame."""

from __future__ import annotations

import random
import wave
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.audio import loop
from appliance.audio.files import FilePort
from appliance.errors import BadAudioFile
from tests.audio.copy_pedal import CopyPedal


def write_wav(path: Path, frames: int, width: int = 2, channels: int = 1, rate_hz: int = 48_000) -> bytes:
    samples = random.Random(frames).randbytes(frames * width * channels)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(samples)
    return samples


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frames=st.integers(1, 400),
    width=st.sampled_from((2, 3, 4)),
    period=st.integers(16, 128),
    channels=st.integers(1, 3),
)
def test_the_output_of_a_copying_engine_is_the_input(
    tmp_path: Path, frames: int, width: int, period: int, channels: int
) -> None:
    samples = write_wav(tmp_path / "in.wav", frames, width, channels, 44_100)
    port = FilePort(tmp_path / "in.wav", tmp_path / "out.wav", period_frames=period, playback_channels=channels)
    port.open()
    pedal = CopyPedal()
    loop.run(port, pedal, lambda: False)
    with wave.open(str(tmp_path / "out.wav"), "rb") as out:
        assert out.getframerate() == 44_100
        assert out.readframes(frames + 1) == samples
    assert pedal.periods == -(-frames // period)


def test_an_absent_and_a_broken_source_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadAudioFile, match="does not exist"):
        FilePort(tmp_path / "none.wav", tmp_path / "out.wav")
    (tmp_path / "in.wav").write_text("not a sound")
    with pytest.raises(BadAudioFile, match="16, 24 or 32-bit PCM is needed"):
        FilePort(tmp_path / "in.wav", tmp_path / "out.wav")


def test_eight_bit_and_absent_channels_and_unwritable_formats_are_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "8.wav", 10, width=1)
    with pytest.raises(BadAudioFile, match="8-bit"):
        FilePort(tmp_path / "8.wav", tmp_path / "out.wav")
    write_wav(tmp_path / "16.wav", 10)
    with pytest.raises(BadAudioFile, match=r"1 channel.* and channel 1 was asked for"):
        FilePort(tmp_path / "16.wav", tmp_path / "out.wav", channel=1)
    with pytest.raises(BadAudioFile, match="can't hold FLOAT_LE"):
        FilePort(tmp_path / "16.wav", tmp_path / "out.wav", playback_format="FLOAT_LE")


def test_a_target_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", 10)
    with pytest.raises(BadAudioFile, match="can't be written"):
        FilePort(tmp_path / "in.wav", tmp_path / "none" / "out.wav").open()
