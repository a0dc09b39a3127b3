"""The least engine: what comes in goes out. It counts what the audio process publishes."""

from __future__ import annotations

from appliance.bridge.layout import AudioState


class CopyPedal:
    """Copies periods of one format and channel count to the same."""

    def __init__(self) -> None:
        self.states: list[AudioState] = []
        self.xruns = 0
        self.recoveries = 0
        self.periods = 0
        self.faded_at_period: int | None = None
        self.io: tuple[object, ...] = ()

    def configure_io(
        self,
        capture_format: str,
        capture_channels: int,
        capture_channel: int,
        playback_format: str,
        playback_channels: int,
    ) -> None:
        self.io = (capture_format, capture_channels, capture_channel, playback_format, playback_channels)

    def process(self, capture: bytes, playback: bytearray) -> None:
        playback[:] = capture
        self.periods += 1

    def set_state(self, state: int) -> None:
        self.states.append(AudioState(state))

    def fade_out(self) -> None:
        self.faded_at_period = self.periods

    def count_xrun(self) -> None:
        self.xruns += 1

    def count_recovery(self) -> None:
        self.recoveries += 1
