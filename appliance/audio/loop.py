"""The heart of the pedal: read a period, process it, write it.

Two ways, one contract (`ports.Port`): a loop in Python for every port, and the same loop compiled for ports whose card
is compiled (the demo card). From beat to beat the compiled one runs without the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from appliance.audio.ports import Port, PortFault, StreamEnded, frame_bytes
from appliance.audio.recovery import Counters, Recovery
from appliance.bridge.layout import AudioState

_BEAT_S = 0.25
_FADE_S = 0.06  # the end of a stream is silent, so that stopping it makes no click


class SoundEngine(Counters, Protocol):
    """What the loop asks of the engine (`appliance.engine._native.Pedal`)."""

    def configure_io(
        self,
        capture_format: str,
        capture_channels: int,
        capture_channel: int,
        playback_format: str,
        playback_channels: int,
    ) -> None: ...

    def process(self, capture: bytes, playback: bytearray) -> None: ...

    def fade_out(self) -> None: ...


class Turns(Protocol):
    """Periods played in a row: `port.read`, `pedal.process`, `port.write`, and again."""

    @property
    def moved(self) -> int:
        """Periods that went well in the last `play`."""

    def play(self, periods: int) -> None:
        """Play so many. Real-time safe but for what `read` allocates. Errors: those of the port, which end it early."""


class PythonTurns:
    """See `Turns`: for every port."""

    def __init__(self, port: Port, pedal: SoundEngine, out: bytearray) -> None:
        self.moved = 0
        self._read, self._process, self._write = port.read, pedal.process, port.write
        self._out = out

    def play(self, periods: int) -> None:
        """See `Turns.play`."""
        read, process, write, out = self._read, self._process, self._write, self._out
        moved = 0
        try:
            for moved in range(periods):  # noqa: B007 – used when a fault ends the loop
                data = read()
                process(data, out)
                write(out)
        except BaseException:
            self.moved = moved
            raise
        self.moved = periods


def turns_of(port: Port, pedal: SoundEngine, out: bytearray) -> Turns:
    """The compiled loop where the port's card is compiled too, else the one in Python."""
    if port.compiled_card is not None:
        from appliance.engine._native import CardLoop, Pedal  # here: the port has loaded it

        if isinstance(pedal, Pedal):
            return CardLoop(port.compiled_card, pedal, out)
    return PythonTurns(port, pedal, out)


def run(
    port: Port,
    pedal: SoundEngine,
    should_stop: Callable[[], bool],
    *,
    beat: Callable[[], None] = lambda: None,
    beats_at_first: bool = False,
    recovery: Recovery | None = None,
    turns_of: Callable[[Port, SoundEngine, bytearray], Turns] = turns_of,
) -> None:
    """Play until `should_stop` says so, then fade out; or until the stream ends.

    The port must be open; it is closed at the end.

    beat: called about four times a second while frames move (the watchdog), and never while they don't.
    beats_at_first: call it with the first period too.
    turns_of: how periods are played (bench.py compares the ways).
    Real-time safe while no fault happens, but for the bytes object that `read` makes.
    """
    pedal.configure_io(
        port.capture_format, port.capture_channels, port.capture_channel, port.playback_format, port.playback_channels
    )
    out = bytearray(port.period_frames * frame_bytes(port.playback_format, port.playback_channels))
    recovery = recovery or Recovery(port, pedal, should_stop, on_sign_of_life=beat)
    turns = turns_of(port, pedal, out)
    play = turns.play
    periods_per_beat = max(1, round(_BEAT_S * port.rate_hz / port.period_frames))
    pedal.set_state(AudioState.PLAYING)
    to_go = 1 if beats_at_first else periods_per_beat
    had_faults = False
    try:
        while not should_stop():
            try:
                play(to_go)
            except PortFault as fault:
                to_go -= turns.moved  # what moved before the fault counts: the watchdog asks for frames, not for luck
                had_faults = True
                recovery.handle(fault)
            else:
                to_go = periods_per_beat
                if had_faults:
                    had_faults = False
                    recovery.sound_flows()
                beat()
        pedal.fade_out()
        play(round(_FADE_S * port.rate_hz / port.period_frames))
    except (StreamEnded, PortFault):
        pass
    finally:
        port.close()
        pedal.set_state(AudioState.STOPPED)
