"""The heart of the pedal: read a period, process it, write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from appliance.audio.ports import Port, PortFault, StreamEnded, frame_bytes
from appliance.audio.recovery import Counters, Recovery
from appliance.bridge.layout import AudioState

_BEAT_S = 0.25


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


def run(
    port: Port,
    pedal: SoundEngine,
    should_stop: Callable[[], bool],
    *,
    beat: Callable[[], None] = lambda: None,
    recovery: Recovery | None = None,
) -> None:
    """Play until `should_stop` says so or the stream ends. The port must be open; it is closed at the end.

    beat: called about four times a second while frames move (the watchdog), and never while they don't.
    Real-time safe while no fault happens, but for the bytes object that `read` makes.
    """
    pedal.configure_io(
        port.capture_format, port.capture_channels, port.capture_channel, port.playback_format, port.playback_channels
    )
    out = bytearray(port.period_frames * frame_bytes(port.playback_format, port.playback_channels))
    recovery = recovery or Recovery(port, pedal, should_stop, on_sign_of_life=beat)
    read, process, write = port.read, pedal.process, port.write
    periods_per_beat = max(1, round(_BEAT_S * port.rate_hz / port.period_frames))
    pedal.set_state(AudioState.PLAYING)
    to_go = periods_per_beat
    try:
        while not should_stop():
            try:
                for moved in range(to_go):  # noqa: B007 – used when a fault ends the loop
                    data = read()
                    process(data, out)
                    write(out)
            except PortFault as fault:
                to_go -= moved  # what moved before the fault counts: the watchdog asks for frames, not for luck
                recovery.handle(fault)
            else:
                to_go = periods_per_beat
                recovery.sound_flows()
                beat()
    except StreamEnded:
        pass
    finally:
        port.close()
        pedal.set_state(AudioState.STOPPED)
