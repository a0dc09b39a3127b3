"""A scripted sound card: the real `CardPort` over PCMs that say no on demand. For tests and for trying faults out.

The card has its own clock, counted in frames and moved on only by waiting, so a test of an hour takes as long as its
arithmetic. It records frame numbers (1, 2, 3 … since the card was made; they wrap below 32 bits); of every frame
that it plays it notes how much earlier that frame was recorded: the round trip in frames (`latencies_frames`).
"""

from __future__ import annotations

import enum
import errno
import os
import select
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.audio.card import CardPort, CardSettings, PollEvents
from appliance.audio.ports import SAMPLE_BYTES, Buffer, Side


class CardError(Exception):
    """Stands for the card library's own error: nothing but a text."""


class Fault(enum.Enum):
    """What the card does when its script says so."""

    XRUN_READ = "capture overruns"
    XRUN_WRITE = "playback runs dry while capture goes on"
    XRUN_BOTH = "the pedal comes three periods late"
    SUSPEND = "the card sleeps and wakes when restarted"
    SUSPEND_UNTIL_REOPENED = "the card sleeps and wakes only when opened again"
    UNPLUG = "the card is gone; `refused_opens` tries later it is back"
    SHORT_READ = "half a period is read"
    SHORT_WRITE = "half a period is taken, the rest when there is room"
    ZERO_READ = "a wake-up without frames, as some plugins have"
    STALL = "capture stops without an error until it is restarted"
    STALL_UNTIL_REOPENED = "capture stops without an error until it is opened again"
    STALL_WRITE = "playback takes nothing more without an error until it is restarted"


class _State(enum.Enum):
    SETUP = enum.auto()
    PREPARED = enum.auto()
    RUNNING = enum.auto()
    XRUN = enum.auto()
    SUSPENDED = enum.auto()
    GONE = enum.auto()


@dataclass
class FakeCard:
    """See `card.Backend`. `script`: fault at the n-th period read (from 0, counted over reopenings).

    gives: what the card settles on whatever is asked, by the names of `info` (for instance {"rate": 44100});
    gives_after_reopen: the same from the second opening on, for the first `refused_opens` tries after an UNPLUG.
    """

    script: Mapping[int, Fault] = field(default_factory=dict)
    refused_opens: int = 2
    gives: Mapping[str, Any] = field(default_factory=dict)
    gives_after_reopen: Mapping[str, Any] | None = None
    formats: tuple[str, ...] = ("S32_LE", "S16_LE")
    error: type[Exception] = CardError
    now_frames: int = 0
    periods_read: int = 0
    opens: int = 0
    latencies_frames: list[int] = field(default_factory=list)
    silent_frames: int = 0
    capture: FakePcm | None = None
    playback: FakePcm | None = None
    pending: dict[int, Fault] = field(default_factory=dict)
    away_for_opens: int = 0
    asleep: bool = False

    def __post_init__(self) -> None:
        self.pending = dict(self.script)

    def port(self, settings: CardSettings | None = None) -> CardPort:
        """The real port on this card."""
        return CardPort(self, settings or CardSettings("fake", "fake"))

    def sleep(self, seconds: float) -> None:
        """Let the card's time pass: stands for `time.sleep`."""
        self.advance(round(seconds * 48_000))

    def open(
        self, side: Side, device: str, sample_format: str, channels: int, rate_hz: int, period_frames: int, periods: int
    ) -> FakePcm:
        """See `card.Backend.open`."""
        self.opens += 1
        gives = dict(self.gives)
        if self.away_for_opens > 0:
            self.away_for_opens -= 1
            if self.gives_after_reopen is None:
                raise CardError(f"{os.strerror(errno.ENODEV)} [{device}]")
            gives |= self.gives_after_reopen
        self.asleep = False
        pcm = FakePcm(
            self,
            side,
            device,
            gives.get("format_name", sample_format if sample_format in self.formats else self.formats[0]),
            gives.get("channels", channels),
            gives.get("rate", rate_hz),
            gives.get("period_size", period_frames),
            gives.get("periods", periods),
        )
        if side is Side.CAPTURE:
            self.capture = pcm
        else:
            self.playback = pcm
        return pcm

    def waiter(self, pcm: Any) -> Callable[[int], PollEvents]:
        """See `card.Backend.waiter`: moves the card's clock instead of waiting."""
        fake: FakePcm = pcm
        return fake.wait

    def advance(self, frames: int) -> None:
        """Let the card's time pass."""
        self.now_frames += frames
        for pcm in (self.playback, self.capture):
            if pcm is not None:
                pcm.follow_clock(frames)

    def sides(self) -> list[FakePcm]:
        """The directions that were opened."""
        return [pcm for pcm in (self.capture, self.playback) if pcm is not None]


class FakePcm:
    """One direction. Behaves as pyalsaaudio 0.11 in its non-blocking mode: see `card.Pcm`."""

    def __init__(
        self,
        card: FakeCard,
        side: Side,
        device: str,
        sample_format: str,
        channels: int,
        rate_hz: int,
        period_frames: int,
        periods: int,
    ) -> None:
        self._card = card
        self._side = side
        self._device = device
        self._info = {
            "format_name": sample_format,
            "channels": channels,
            "rate": rate_hz,
            "period_size": period_frames,
            "periods": periods,
            "buffer_size": period_frames * periods,
        }
        self._sample_bytes = SAMPLE_BYTES.get(sample_format, 1)
        self._frame_bytes = channels * self._sample_bytes
        self._period = period_frames
        self._size = period_frames * periods
        self._channels = channels
        self.state = _State.PREPARED
        self._taken_until = 0
        self._queue: deque[int] = deque()
        self.stalled = False
        self._stuck_until_reopened = False
        self._half_next = False
        self._nothing_next = False

    def info(self) -> dict[str, Any]:
        """What was negotiated."""
        return dict(self._info)

    def getformats(self) -> dict[str, int]:
        """The formats that the card has."""
        return {name: number for number, name in enumerate(self._card.formats)}

    def polldescriptors_revents(self, events: PollEvents, /) -> int:
        """Nothing to clear here."""
        return select.POLLIN

    def wait(self, timeout_ms: int) -> PollEvents:
        """Move the clock to when a period is there (or room for one); in vain after the timeout."""
        if self.state is not _State.RUNNING:
            return [(0, select.POLLERR)]
        timeout_frames = timeout_ms * 48
        if self.stalled:
            self._card.advance(timeout_frames)
            return []
        missing = max(0, self._period - self._ready())
        self._card.advance(min(missing, timeout_frames))
        return [(0, select.POLLIN)]

    def read(self) -> tuple[int, bytes]:
        """One period, or (0, b"") when it is not there yet, or (-EPIPE, b"") after an overrun."""
        self._answer_for_state()
        if self.state is _State.RUNNING and self._ready() >= self._period:
            self._obey_script()
            self._answer_for_state()
        if self.state is _State.XRUN:
            self.state = _State.PREPARED
            return -errno.EPIPE, b""
        if self.state is _State.PREPARED:
            self.state = _State.RUNNING
            self._taken_until = self._card.now_frames
        if self._nothing_next:
            self._nothing_next = False
            return 0, b""
        ready = 0 if self.stalled else min(self._ready(), self._period)
        if ready < self._period and not self._half_next:
            return 0, b""
        if self._half_next:
            self._half_next, ready = False, ready // 2
        first = self._taken_until + 1
        self._taken_until += ready
        self._card.periods_read += 1
        return ready, b"".join(self._frame(number) for number in range(first, first + ready))

    def write(self, data: Buffer, /) -> int:
        """Frames taken (as many as there is room for), or -EPIPE after an underrun."""
        self._answer_for_state()
        if self.state is _State.XRUN:
            self.state = _State.PREPARED
            self._queue.clear()
            return -errno.EPIPE
        self.state = _State.RUNNING
        frames = min(len(data) // self._frame_bytes, 0 if self.stalled else self._ready())
        if self._half_next:
            self._half_next, frames = False, frames // 2
        for index in range(frames):
            self._queue.append(self._number(bytes(data[index * self._frame_bytes : (index + 1) * self._frame_bytes])))
        return frames

    def avail(self) -> int:
        """Frames to read or room to write; negative after an xrun."""
        return -errno.EPIPE if self.state is _State.XRUN else self._ready()

    def drop(self) -> int:
        """Stop at once. Wakes a card that sleeps, unless it sleeps for good."""
        if self.state is _State.GONE:
            raise CardError(f"{os.strerror(errno.EBADFD)} [{self._device}]")
        self.state = _State.SETUP
        self._queue.clear()
        if not self._stuck_until_reopened:
            self.stalled = False
        return 0

    def close(self) -> None:
        """Let go."""
        self.state = _State.GONE

    def follow_clock(self, frames: int) -> None:
        """Play or record as much as the time that passed."""
        if self.state is not _State.RUNNING or self.stalled:
            return
        if self._side is Side.CAPTURE:
            if self._ready() >= self._size:
                self.state = _State.XRUN
            return
        heard_at = self._card.now_frames - frames
        for _ in range(frames):
            heard_at += 1
            if not self._queue:
                self.state = _State.XRUN
                return
            number = self._queue.popleft()
            if number:
                self._card.latencies_frames.append(heard_at - number)
            else:
                self._card.silent_frames += 1
        if not self._queue:
            self.state = _State.XRUN

    def stop_for_good(self) -> None:
        """Stall, also after a restart."""
        self.stalled = self._stuck_until_reopened = True

    def _ready(self) -> int:
        if self._side is Side.PLAYBACK:
            return self._size - len(self._queue)
        return self._card.now_frames - self._taken_until if self.state is _State.RUNNING else 0

    def _answer_for_state(self) -> None:
        if self.state is _State.GONE:
            raise CardError(f"{os.strerror(errno.ENODEV)} [{self._device}]")
        if self.state is _State.SUSPENDED or self._card.asleep:
            raise CardError(f"{os.strerror(errno.ESTRPIPE)} [{self._device}]")
        if self.state is _State.SETUP:
            self.state = _State.PREPARED

    def _frame(self, number: int) -> bytes:
        width = self._sample_bytes
        return (number % (1 << 8 * width - 1)).to_bytes(width, "little") * self._channels

    def _number(self, frame: bytes) -> int:
        return int.from_bytes(frame[: self._sample_bytes], "little")

    def _obey_script(self) -> None:
        card = self._card
        fault = card.pending.pop(card.periods_read, None)
        if fault is None:
            return
        playback = card.playback
        assert playback is not None  # opened first
        match fault:
            case Fault.XRUN_READ:
                self.state = _State.XRUN
            case Fault.XRUN_WRITE:
                playback.state = _State.XRUN
            case Fault.XRUN_BOTH:
                card.advance(3 * self._period)
            case Fault.SUSPEND | Fault.SUSPEND_UNTIL_REOPENED:
                card.asleep = fault is Fault.SUSPEND_UNTIL_REOPENED
                for pcm in card.sides():
                    pcm.state = _State.SUSPENDED
            case Fault.UNPLUG:
                card.away_for_opens = card.refused_opens
                for pcm in card.sides():
                    pcm.state = _State.GONE
            case Fault.SHORT_READ:
                self._half_next = True
            case Fault.SHORT_WRITE:
                playback._half_next = True
            case Fault.ZERO_READ:
                self._nothing_next = True
            case Fault.STALL:
                self.stalled = True
            case Fault.STALL_UNTIL_REOPENED:
                self.stop_for_good()
            case Fault.STALL_WRITE:
                playback.stalled = True
