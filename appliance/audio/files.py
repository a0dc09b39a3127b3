"""A WAV file in, a WAV file out, as fast as it goes: for golden comparisons and tests of the whole audio process."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import BinaryIO

from appliance.audio.ports import SAMPLE_BYTES, Buffer, StreamEnded, frame_bytes
from appliance.errors import BadAudioFile

_FORMAT_OF_BYTES = {2: "S16_LE", 3: "S24_3LE", 4: "S32_LE"}


class FilePort:
    """See `ports.Port`. The output has the frames of the input, no more; the last period is filled up with silence."""

    compiled_card = None  # every period goes through Python

    def __init__(
        self,
        source: Path,
        target: Path,
        *,
        period_frames: int = 64,
        channel: int = 0,
        playback_format: str | None = None,
        playback_channels: int = 1,
    ) -> None:
        """playback_format: "S16_LE", "S24_3LE" or "S32_LE"; by default the source's. Errors: BadAudioFile."""
        self._source, self._target = source, target
        self.period_frames = period_frames
        self.periods = 1
        with self._open_source() as file:
            self.rate_hz = file.getframerate()
            self.capture_channels = file.getnchannels()
            self.capture_format = _FORMAT_OF_BYTES.get(file.getsampwidth(), "")
        if not self.capture_format:
            raise BadAudioFile(f"{source} has 8-bit samples; 16, 24 or 32-bit PCM is needed")
        self.capture_channel = channel
        self.playback_format = playback_format or self.capture_format
        self.playback_channels = playback_channels
        if self.playback_format not in _FORMAT_OF_BYTES.values():
            raise BadAudioFile(f"a WAV file can't hold {self.playback_format}; use {sorted(_FORMAT_OF_BYTES.values())}")
        if channel >= self.capture_channels:
            raise BadAudioFile(
                f"{source} has {self.capture_channels} channel(s) and channel {channel} was asked for (they count "
                "from 0)"
            )
        self._reader: wave.Wave_read | None = None
        self._writer: wave.Wave_write | None = None
        self._file: BinaryIO | None = None
        self._frames_due = 0

    def open(self) -> None:
        """See `ports.Port.open`."""
        self._reader = self._open_source()
        try:
            self._file = self._target.open("wb")  # here, for the wave module trips over a file it can't make
        except OSError as error:
            raise BadAudioFile(f"{self._target} can't be written ({error.strerror}); choose another place") from error
        self._writer = wave.open(self._file, "wb")  # noqa: SIM115 – open until `close`
        self._writer.setnchannels(self.playback_channels)
        self._writer.setsampwidth(SAMPLE_BYTES[self.playback_format])
        self._writer.setframerate(self.rate_hz)
        self._frames_due = 0

    def read(self) -> bytes:
        """See `ports.Port.read`. Errors: StreamEnded."""
        data = self._reader.readframes(self.period_frames) if self._reader else b""
        if not data:
            raise StreamEnded
        size = frame_bytes(self.capture_format, self.capture_channels)
        self._frames_due = len(data) // size
        return data.ljust(self.period_frames * size, b"\0")

    def write(self, buffer: Buffer) -> None:
        """See `ports.Port.write`."""
        wanted = self._frames_due * frame_bytes(self.playback_format, self.playback_channels)
        if self._writer is not None:
            self._writer.writeframesraw(memoryview(buffer).cast("B")[:wanted])

    def recover(self) -> None:
        """A file never misses a deadline."""

    def close(self) -> None:
        """See `ports.Port.close`: the output is complete then."""
        for file in (self._reader, self._writer, self._file):
            if file is not None:
                file.close()
        self._reader = self._writer = self._file = None

    def describe(self) -> str:
        """See `ports.Port.describe`."""
        return (
            f"file {self._source} to file {self._target}: {self.rate_hz} Hz, {self.period_frames} frames a period; "
            f"in: {self.capture_format}, channel {self.capture_channel + 1} of {self.capture_channels}; "
            f"out: {self.playback_format}, {self.playback_channels} channel(s)"
        )

    def _open_source(self) -> wave.Wave_read:
        try:
            return wave.open(str(self._source), "rb")
        except FileNotFoundError as error:
            raise BadAudioFile(f"{self._source} does not exist: check its name") from error
        except (OSError, wave.Error, EOFError) as error:
            raise BadAudioFile(
                f"{self._source} can't be read as a WAV file ({error}); 16, 24 or 32-bit PCM is needed"
            ) from error
