"""A duplex sound card as a port: negotiation, the period's read and write, and the one restart sequence.

Written against `Backend`, which `alsa.py` fills with real cards and `fake.py` with scripted ones, so that every fault
is tested through this very code.

Latency: playback is filled with `periods` periods of silence in one write, which starts it; then capture is started.
From then on each period read makes room for one period to write, so sound leaves `periods` periods after it came in
(less the microseconds between the two starts). Streams are non-blocking and waited for with a timeout, because a card
may stop without an error, and a blocking call would then never return.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from appliance.audio.error_texts import named_fault
from appliance.audio.ports import (
    SAMPLE_BYTES,
    Buffer,
    DeviceRefused,
    PortFault,
    ShortTransfer,
    Side,
    Stalled,
    Xrun,
    frame_bytes,
)

# Asked for in this order when the user names no format: most bits first, as a card has them natively.
FORMAT_PREFERENCE = ("S32_LE", "S24_3LE", "S24_LE", "S16_LE", "FLOAT_LE")

_STALL_PERIODS = 8
_STALL_MS_MIN = 200  # sound is lost after `periods` periods anyway; a USB card may need this long to start
_SPURIOUS_WAKES_MAX = 64  # some plugins wake early, once a period
_START_TRIES = 4

PollEvents = list[tuple[int, int]]


class Pcm(Protocol):
    """One direction of a card: the part of pyalsaaudio's PCM that is used here, non-blocking."""

    def read(self) -> tuple[int, bytes]: ...
    def write(self, data: Buffer, /) -> int: ...
    def avail(self) -> int: ...
    def drop(self) -> int: ...
    def close(self) -> None: ...
    def info(self) -> dict[str, Any]: ...
    def getformats(self) -> dict[str, int]: ...
    def polldescriptors_revents(self, events: PollEvents, /) -> int: ...


class Backend(Protocol):
    """Where PCMs come from."""

    error: type[Exception]

    def open(
        self, side: Side, device: str, sample_format: str, channels: int, rate_hz: int, period_frames: int, periods: int
    ) -> Pcm:
        """Open one direction, non-blocking. It may settle on other values: only `info` tells. Errors: `error`."""

    def waiter(self, pcm: Pcm) -> Callable[[int], PollEvents]:
        """A function that waits for a period's frames or room, at most so many milliseconds; empty when in vain."""


@dataclass(frozen=True)
class CardSettings:
    """What to ask a card for."""

    input_device: str
    output_device: str
    rate_hz: int = 48_000
    period_frames: int = 64
    periods: int = 2
    channel: int = 0  # of the input, from 0
    capture_format: str | None = None  # None: the best the card has
    playback_format: str | None = None


class CardPort:
    """Capture and playback of one card or two. See `ports.Port`."""

    compiled_card = None  # every period goes through Python

    def __init__(self, backend: Backend, settings: CardSettings) -> None:
        self._backend = backend
        self._settings = settings
        self.rate_hz = settings.rate_hz
        self.period_frames = settings.period_frames
        self.periods = settings.periods
        self.capture_channel = settings.channel
        self.capture_format = self.playback_format = ""
        self.capture_channels = self.playback_channels = 0
        self._capture: Pcm | None = None
        self._playback: Pcm | None = None
        self._wait_capture: Callable[[int], PollEvents] = _never_ready
        self._wait_playback: Callable[[int], PollEvents] = _never_ready
        self._first_period: bytes | None = None
        self._silence = b""
        self._buffer_frames = {Side.CAPTURE: 0, Side.PLAYBACK: 0}
        self._start_backlog_frames: int | None = None
        self._stall_ms = max(_STALL_MS_MIN, 1000 * _STALL_PERIODS * settings.period_frames // settings.rate_hz)

    def open(self) -> None:
        """See `ports.Port.open`. A second `open` insists on the formats and channels of the first, for which the
        engine was set up."""
        self.close()
        try:
            self._playback, self.playback_format, self.playback_channels = self._negotiate(Side.PLAYBACK)
            self._capture, self.capture_format, self.capture_channels = self._negotiate(Side.CAPTURE)
            self._wait_capture = self._backend.waiter(self._capture)
            self._wait_playback = self._backend.waiter(self._playback)
            self._silence = bytes(
                self.periods * self.period_frames * frame_bytes(self.playback_format, self.playback_channels)
            )
            self._start(insist=False)
        except self._backend.error as error:
            self.close()
            raise named_fault(str(error), self._devices(), Side.CAPTURE) from error
        except PortFault:
            self.close()
            raise
        self._settings = replace(
            self._settings, capture_format=self.capture_format, playback_format=self.playback_format
        )

    def read(self) -> bytes:
        """See `ports.Port.read`."""
        if self._first_period is not None:
            data, self._first_period = self._first_period, None
            return data
        for _ in range(_SPURIOUS_WAKES_MAX):
            events = self._wait_capture(self._stall_ms)
            if not events:
                break
            try:
                frames, data = self._capture.read()  # type: ignore[union-attr]  # open() made it
                if frames == self.period_frames:
                    return data
                if frames == 0:
                    self._capture.polldescriptors_revents(events)  # type: ignore[union-attr]  # clears the early wake
                    continue
            except self._backend.error as error:
                raise named_fault(str(error), self._settings.input_device, Side.CAPTURE) from error
            raise self._transfer_fault(Side.CAPTURE, frames)
        raise self._stalled(Side.CAPTURE)

    def write(self, buffer: Buffer) -> None:
        """See `ports.Port.write`."""
        try:
            frames = self._playback.write(buffer)  # type: ignore[union-attr]  # open() made it
            if frames != self.period_frames:
                self._write_rest(frames, memoryview(buffer))
        except self._backend.error as error:
            raise named_fault(str(error), self._settings.output_device, Side.PLAYBACK) from error

    def recover(self) -> None:
        """See `ports.Port.recover`."""
        try:
            self._stop()
            self._start(insist=True)
        except self._backend.error as error:
            raise named_fault(str(error), self._devices(), Side.PLAYBACK) from error

    def close(self) -> None:
        """See `ports.Port.close`."""
        for pcm in (self._capture, self._playback):
            if pcm is not None:
                try:
                    pcm.close()
                except self._backend.error:
                    continue  # a card that is gone can't be closed either
        self._capture = self._playback = None
        self._wait_capture = self._wait_playback = _never_ready

    def describe(self) -> str:
        """See `ports.Port.describe`."""
        latency_ms = 1000 * self.periods * self.period_frames / self.rate_hz
        return (
            f"{self.rate_hz} Hz, {self.period_frames} frames a period, {self.periods} periods ({latency_ms:.2f} ms "
            f"through the buffers); in: {self._settings.input_device}, {self.capture_format}, channel "
            f"{self.capture_channel + 1} of {self.capture_channels}; out: {self._settings.output_device}, "
            f"{self.playback_format}, {_channels_in_words(self.playback_channels)}"
        )

    def backlog_frames(self) -> int | None:
        """Frames waiting in both buffers: what the latency is made of. None when a stream stands still."""
        if self._capture is None or self._playback is None:
            return None
        waiting, room = self._capture.avail(), self._playback.avail()
        if waiting < 0 or room < 0:
            return None
        return waiting + self._buffer_frames[Side.PLAYBACK] - room

    def _negotiate(self, side: Side) -> tuple[Pcm, str, int]:
        settings = self._settings
        is_capture = side is Side.CAPTURE
        device = settings.input_device if is_capture else settings.output_device
        wanted_format = settings.capture_format if is_capture else settings.playback_format
        channels = settings.channel + 1 if is_capture else 1
        asked = wanted_format or FORMAT_PREFERENCE[0]
        pcm = self._open_pcm(side, device, asked, channels)
        if wanted_format is None and pcm.info()["format_name"] != asked:
            has = pcm.getformats()
            pcm.close()
            usable = [name for name in FORMAT_PREFERENCE if name in has]
            if not usable:
                raise DeviceRefused(
                    f"{device} ({side.value}) has only the formats {', '.join(sorted(has)) or 'of another kind'}; one "
                    f"of {', '.join(SAMPLE_BYTES)} is needed: put ALSA's plughw: before the card's name"
                )
            asked = usable[0]
            pcm = self._open_pcm(side, device, asked, channels)
        try:
            self._check(side, device, asked, channels, pcm.info())
        except DeviceRefused:
            pcm.close()
            raise
        return pcm, asked, int(pcm.info()["channels"])

    def _open_pcm(self, side: Side, device: str, sample_format: str, channels: int) -> Pcm:
        settings = self._settings
        try:
            return self._backend.open(
                side, device, sample_format, channels, settings.rate_hz, settings.period_frames, settings.periods
            )
        except self._backend.error as error:
            raise named_fault(str(error), device, side) from error

    def _check(self, side: Side, device: str, sample_format: str, channels: int, got: dict[str, Any]) -> None:
        """Opening keeps quiet about what a card refused, so everything is compared."""
        settings, where = self._settings, f"{device} ({side.value})"
        if got["format_name"] != sample_format:
            raise DeviceRefused(
                f"{where} gives the format {got['format_name']} where {sample_format} was asked for: "
                "leave the format out to take what the card has"
            )
        if got["rate"] != settings.rate_hz:
            raise DeviceRefused(
                f"{where} runs at {got['rate']} Hz where {settings.rate_hz} Hz was asked for: "
                f"use --rate {got['rate']}, or set the card to {settings.rate_hz} Hz"
            )
        if got["channels"] < channels:
            raise DeviceRefused(
                f"{where} has {_channels_in_words(got['channels'])} where channel {channels} was asked for: "
                f"use --channel {got['channels']} or less"
            )
        had = self.capture_channels if side is Side.CAPTURE else self.playback_channels
        if had not in (0, got["channels"]):
            raise DeviceRefused(
                f"{where} came back with {got['channels']} channels where it had {had}: restart the pedal to use it so"
            )
        if got["period_size"] != settings.period_frames:
            raise DeviceRefused(
                f"{where} gives periods of {got['period_size']} frames where {settings.period_frames} were asked for: "
                f"use --period {got['period_size']}"
            )
        if got["buffer_size"] < settings.periods * settings.period_frames:
            raise DeviceRefused(
                f"{where} holds {got['buffer_size']} frames where {settings.periods} periods of "
                f"{settings.period_frames} were asked for: use --periods {got['buffer_size'] // got['period_size']}"
            )
        self._buffer_frames[side] = got["buffer_size"]

    def _start(self, *, insist: bool) -> None:
        """Both directions from standstill; again when this process was held up between the two starts, for that much
        of the playback buffer is lost. `insist`: an unequal latency is a fault, not taken as it is."""
        wanted_frames = self._start_backlog_frames or self.periods * self.period_frames
        for _ in range(_START_TRIES):
            backlog = self._start_once()
            if backlog is not None and abs(backlog - wanted_frames) <= self.period_frames // 2:
                break
            self._stop()
        else:
            backlog = None if insist else self._start_once()
        if backlog is None:
            raise Stalled(
                f"{self._devices()}: both directions could not be started within half a period of each other; "
                "use a longer period, or let the pedal run with real-time priority"
            )
        if not insist:
            self._start_backlog_frames = backlog

    def _start_once(self) -> int | None:
        """Fill and start playback, start capture. Returns the backlog, or None when a direction does not run."""
        self._first_period = None
        written = self._playback.write(self._silence)  # type: ignore[union-attr]
        frames, data = self._capture.read()  # type: ignore[union-attr]
        if frames == self.period_frames:
            self._first_period = data  # a device without a clock (null, file) has it at once
        return self.backlog_frames() if written == self.periods * self.period_frames and frames >= 0 else None

    def _stop(self) -> None:
        for pcm in (self._playback, self._capture):
            pcm.drop()  # type: ignore[union-attr]

    def _write_rest(self, frames: int, data: memoryview) -> None:
        """The rest of a period that did not fit at once, as happens when playback has its own clock."""
        done, size = 0, frame_bytes(self.playback_format, self.playback_channels)
        data = data.cast("B")
        for _ in range(_SPURIOUS_WAKES_MAX):
            if frames < 0:
                raise self._transfer_fault(Side.PLAYBACK, frames)
            done += frames
            if done == self.period_frames:
                return
            events = self._wait_playback(self._stall_ms)
            if not events:
                break
            frames = self._playback.write(data[done * size :])  # type: ignore[union-attr]
            if frames == 0:
                self._playback.polldescriptors_revents(events)  # type: ignore[union-attr]
        raise self._stalled(Side.PLAYBACK)

    def _transfer_fault(self, side: Side, frames: int) -> PortFault:
        device = self._settings.input_device if side is Side.CAPTURE else self._settings.output_device
        if frames == -errno.EPIPE:
            return Xrun(f"{device} ({side.value}): a deadline was missed")
        return ShortTransfer(f"{device} ({side.value}): moved {frames} frames where {self.period_frames} were due")

    def _stalled(self, side: Side) -> Stalled:
        device = self._settings.input_device if side is Side.CAPTURE else self._settings.output_device
        return Stalled(f"{device} ({side.value}): no frames moved for {self._stall_ms} ms; check its cable and power")

    def _devices(self) -> str:
        devices = dict.fromkeys((self._settings.input_device, self._settings.output_device))
        return " and ".join(devices)


def _never_ready(timeout_ms: int) -> PollEvents:
    return []


def _channels_in_words(channels: int) -> str:
    return {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
