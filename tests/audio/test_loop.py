"""The loop itself: set-up, beats, stop. What it does after faults is in tests/faults."""

from __future__ import annotations

import pytest

from appliance.audio import loop
from appliance.audio.fake import FakeCard, Fault
from appliance.audio.ports import Xrun
from appliance.audio.recovery import Recovery
from appliance.bridge.layout import AudioState
from tests.audio.copy_pedal import CopyPedal


def test_the_engine_is_told_what_was_negotiated() -> None:
    card = FakeCard(gives={"channels": 2}, formats=("S16_LE",))
    port, pedal = card.port(), CopyPedal()
    port.open()
    loop.run(port, pedal, lambda: True)
    assert pedal.io == ("S16_LE", 2, 0, "S16_LE", 2)
    assert pedal.states == [AudioState.PLAYING, AudioState.STOPPED]


def test_it_fades_out_before_it_ends_and_not_where_the_card_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    card, pedal = FakeCard(), CopyPedal()
    port = card.port()
    port.open()
    loop.run(port, pedal, lambda: pedal.periods >= 1_000)
    assert pedal.faded_at_period is not None
    faded_s = (pedal.periods - pedal.faded_at_period) * port.period_frames / port.rate_hz
    assert 0.05 <= faded_s <= 0.1
    port = card.port()
    port.open()

    def lost(*_: object) -> bytes:
        raise Xrun("the card goes just then")

    monkeypatch.setattr(pedal, "fade_out", lambda: monkeypatch.setattr(port, "read", lost))
    loop.run(port, pedal, lambda: True)
    assert pedal.states[-1] is AudioState.STOPPED


def test_it_beats_four_times_a_second_while_frames_move() -> None:
    card, pedal, beats = FakeCard(), CopyPedal(), []
    port = card.port()
    port.open()
    loop.run(port, pedal, lambda: card.now_frames > 10 * 48_000, beat=lambda: beats.append(card.now_frames))
    assert 38 <= len(beats) <= 42


def test_it_does_not_beat_while_every_period_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    card, pedal, beats, tries = FakeCard(), CopyPedal(), [], []
    port = card.port()
    port.open()

    def lost() -> bytes:
        tries.append(None)
        raise Xrun("every period is late")

    monkeypatch.setattr(port, "read", lost)
    loop.run(
        port,
        pedal,
        lambda: len(tries) > 1_000,
        beat=lambda: beats.append(card.now_frames),
        recovery=Recovery(port, pedal, lambda: False, sleep=card.sleep),
    )
    assert pedal.xruns > 1_000
    assert beats == []


def test_it_beats_while_frames_move_however_many_xruns_there_are() -> None:
    card, pedal, beats = FakeCard(dict.fromkeys(range(0, 4_000, 150), Fault.XRUN_BOTH)), CopyPedal(), []
    port = card.port()
    port.open()
    loop.run(
        port,
        pedal,
        lambda: card.periods_read > 3_000,
        beat=lambda: beats.append(card.now_frames),
        recovery=Recovery(port, pedal, lambda: False, sleep=card.sleep),
    )
    assert pedal.xruns >= 20
    assert len(beats) >= 14  # 3,000 periods of 64 frames are four seconds


def test_the_port_is_closed_at_the_end_also_after_a_bug() -> None:
    class Broken(CopyPedal):
        def process(self, capture: bytes, playback: bytearray) -> None:
            raise RuntimeError("a bug")

    port, pedal = FakeCard().port(), Broken()
    port.open()
    with pytest.raises(RuntimeError, match="a bug"):
        loop.run(port, pedal, lambda: False)
    assert port.backlog_frames() is None
    assert pedal.states[-1] is AudioState.STOPPED
