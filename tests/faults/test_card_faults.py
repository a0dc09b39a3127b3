"""Every fault a sound card can have, by name: the sound comes back, and with the latency that it had.

The port is the real one (`CardPort`), the loop and the recovery are the real ones; only the card is scripted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from appliance.audio import loop
from appliance.audio.card import CardSettings
from appliance.audio.fake import FakeCard, Fault
from appliance.audio.ports import DeviceGone, DeviceRefused, Stalled
from appliance.audio.recovery import REOPEN_DELAY_S, Recovery
from appliance.bridge.layout import AudioState
from tests.audio.copy_pedal import CopyPedal

FAULT_AT = 40
PERIODS = 120
LATENCY_FRAMES = 2 * 64


@dataclass
class Played:
    """What a run left behind."""

    card: FakeCard
    pedal: CopyPedal
    said: list[str] = field(default_factory=list)
    slept_s: list[float] = field(default_factory=list)
    beats: int = 0


def play(script: Mapping[int, Fault], periods: int = PERIODS, card: FakeCard | None = None) -> Played:
    card = card or FakeCard(script)
    played = Played(card, CopyPedal())
    tries = 0

    def should_stop() -> bool:
        nonlocal tries
        tries += 1
        return card.periods_read >= periods or tries > 100_000

    def sleep(seconds: float) -> None:
        played.slept_s.append(seconds)
        card.sleep(seconds)

    def beat() -> None:
        played.beats += 1

    port = card.port()
    port.open()
    recovery = Recovery(port, played.pedal, should_stop, on_sign_of_life=beat, sleep=sleep, say=played.said.append)
    loop.run(port, played.pedal, should_stop, recovery=recovery, beat=beat)
    assert tries < 100_000, "the loop went round without moving periods"
    return played


def check_latency(played: Played) -> None:
    """Before and after: equal for each frame that was heard."""
    latencies = played.card.latencies_frames
    assert len(latencies) > (PERIODS - 20) * 64
    assert set(latencies) == {LATENCY_FRAMES}


def test_without_a_fault_nothing_is_counted_and_every_frame_is_heard_once() -> None:
    played = play({})
    assert (played.pedal.xruns, played.pedal.recoveries) == (0, 0)
    assert played.pedal.states == [AudioState.PLAYING, AudioState.STOPPED]
    assert played.card.silent_frames == LATENCY_FRAMES
    check_latency(played)


RESTARTED = (Fault.XRUN_READ, Fault.XRUN_WRITE, Fault.XRUN_BOTH, Fault.SHORT_READ)


@pytest.mark.parametrize("fault", RESTARTED, ids=lambda fault: fault.name.lower())
def test_missed_deadline_restarts_both_directions_with_equal_latency(fault: Fault) -> None:
    played = play({FAULT_AT: fault})
    assert (played.pedal.xruns, played.pedal.recoveries) == (1, 1)
    assert played.pedal.states == [
        AudioState.PLAYING,
        AudioState.RECOVERING,
        AudioState.PLAYING,
        AudioState.STOPPED,
    ]
    assert played.card.opens == 2  # one card, two directions: never opened again
    assert played.card.silent_frames >= 2 * LATENCY_FRAMES  # playback was filled up again
    check_latency(played)


@pytest.mark.parametrize("fault", RESTARTED, ids=lambda fault: fault.name.lower())
def test_a_hundred_missed_deadlines_in_a_row_are_survived(fault: Fault) -> None:
    played = play(dict.fromkeys(range(FAULT_AT, FAULT_AT + 200, 2), fault), periods=FAULT_AT + 320)
    assert (played.pedal.xruns, played.pedal.recoveries) == (100, 100)
    assert played.card.opens == 2
    check_latency(played)


def test_part_of_a_period_taken_by_playback_is_completed_not_lost() -> None:
    played = play({FAULT_AT: Fault.SHORT_WRITE})
    assert played.pedal.xruns == 0
    check_latency(played)


def test_a_wake_up_without_frames_is_waited_out() -> None:
    played = play({FAULT_AT: Fault.ZERO_READ})
    assert (played.pedal.xruns, played.pedal.recoveries) == (0, 0)
    check_latency(played)


def test_a_suspended_card_that_wakes_is_restarted() -> None:
    played = play({FAULT_AT: Fault.SUSPEND})
    assert (played.pedal.xruns, played.pedal.recoveries, played.card.opens) == (0, 1, 2)
    check_latency(played)


def test_a_suspended_card_that_does_not_wake_is_opened_again() -> None:
    played = play({FAULT_AT: Fault.SUSPEND_UNTIL_REOPENED})
    assert (played.pedal.recoveries, played.card.opens) == (1, 4)
    assert AudioState.NO_DEVICE in played.pedal.states
    check_latency(played)


def test_a_silent_stall_is_noticed_and_restarted() -> None:
    played = play({FAULT_AT: Fault.STALL})
    assert (played.pedal.xruns, played.pedal.recoveries, played.card.opens) == (0, 1, 2)
    check_latency(played)


def test_a_stall_that_a_restart_does_not_end_opens_the_card_again() -> None:
    played = play({FAULT_AT: Fault.STALL_UNTIL_REOPENED})
    assert played.card.opens == 4
    assert "no frames moved" in played.said[0]
    assert played.pedal.states[-2:] == [AudioState.PLAYING, AudioState.STOPPED]
    check_latency(played)


def test_a_stall_of_playback_is_noticed() -> None:
    played = play({FAULT_AT: Fault.STALL_WRITE})
    assert played.pedal.recoveries >= 1
    check_latency(played)


def test_a_card_pulled_out_and_put_back_plays_on_after_some_tries() -> None:
    card = FakeCard({FAULT_AT: Fault.UNPLUG}, refused_opens=6)
    played = play({}, card=card)
    assert card.opens == 2 + 6 + 2
    assert (played.pedal.xruns, played.pedal.recoveries) == (0, 1)
    assert "No such device" in played.said[0]
    assert "plug it in" in played.said[0]
    assert "48000 Hz" in played.said[-1]
    assert len(played.said) == 3  # gone · gone, trying again · back: not a line per try
    check_latency(played)


def test_the_tries_back_off_to_two_seconds_and_are_signs_of_life() -> None:
    card = FakeCard({FAULT_AT: Fault.UNPLUG}, refused_opens=6)
    played = play({}, card=card)
    # the first open of each try is refused, so six tries fail and the seventh works
    assert sum(played.slept_s) == pytest.approx(sum(REOPEN_DELAY_S) + 3 * REOPEN_DELAY_S[-1])
    assert max(played.slept_s) <= 0.05  # a wish to stop is seen soon
    assert played.beats >= 6


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        ({"rate": 44_100}, "runs at 44100 Hz where 48000 Hz was asked for"),
        ({"period_size": 192}, "periods of 192 frames where 64 were asked for"),
    ],
    ids=["rate", "period"],
)
def test_a_card_that_comes_back_different_is_refused_in_words_until_it_is_as_it_was(
    gives: dict[str, int], words: str
) -> None:
    card = FakeCard({FAULT_AT: Fault.UNPLUG}, refused_opens=3, gives_after_reopen=gives)
    played = play({}, card=card)
    assert any(words in said for said in played.said)
    assert played.pedal.states[-2:] == [AudioState.PLAYING, AudioState.STOPPED]
    check_latency(played)


def test_a_card_that_never_comes_back_is_tried_until_the_pedal_stops() -> None:
    card = FakeCard({FAULT_AT: Fault.UNPLUG}, refused_opens=1_000_000)
    port, pedal = card.port(), CopyPedal()
    port.open()
    stop_at = card.now_frames + 48_000 * 3600

    def should_stop() -> bool:
        return card.now_frames > stop_at

    recovery = Recovery(port, pedal, should_stop, sleep=card.sleep, say=lambda words: None)
    loop.run(port, pedal, should_stop, recovery=recovery)
    assert pedal.states[-2:] == [AudioState.NO_DEVICE, AudioState.STOPPED]
    assert card.opens > 1_700  # an hour at a try every two seconds


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        ({"rate": 44_100}, "44100 Hz where 48000 Hz was asked for: use --rate 44100"),
        ({"period_size": 192}, "192 frames where 64 were asked for: use --period 192"),
        ({"periods": 1}, "holds 64 frames where 2 periods of 64 were asked for"),
    ],
    ids=["rate", "period", "buffer"],
)
def test_a_card_that_silently_gives_something_else_is_refused_at_open(gives: dict[str, int], words: str) -> None:
    with pytest.raises(DeviceRefused, match=words):
        FakeCard(gives=gives).port().open()


def test_an_absent_card_is_named_at_open() -> None:
    with pytest.raises(DeviceGone, match=r"fake .playback.: No such device"):
        FakeCard(away_for_opens=1).port().open()


def test_a_pedal_kept_from_running_between_the_two_starts_starts_again() -> None:
    class SlowStart(FakeCard):
        starts = 0

        def advance_between_starts(self) -> None:
            self.starts += 1
            if self.starts <= 2:
                self.advance(60)

    card = SlowStart()
    port = card.port()
    real_open = card.open

    def open_with_hiccup(*arguments: object) -> object:
        pcm = real_open(*arguments)  # type: ignore[arg-type]
        if card.playback is pcm:
            real_write = pcm.write

            def write(data: bytes, /) -> int:
                frames = real_write(data)
                if frames == LATENCY_FRAMES:
                    card.advance_between_starts()
                return frames

            pcm.write = write  # type: ignore[method-assign]
        return pcm

    card.open = open_with_hiccup  # type: ignore[method-assign,assignment]
    port.open()
    assert card.starts == 3
    assert port.backlog_frames() == LATENCY_FRAMES


def test_a_card_that_can_not_be_started_in_step_is_a_stall_at_recovery() -> None:
    card = FakeCard()
    port = card.port(CardSettings("fake", "fake"))
    port.open()
    assert card.playback is not None
    playback = card.playback
    real_write = playback.write

    def late_write(data: bytes, /) -> int:
        frames = real_write(data)
        card.advance(60)
        return frames

    playback.write = late_write  # type: ignore[method-assign,assignment]
    with pytest.raises(Stalled, match="within half a period"):
        port.recover()
