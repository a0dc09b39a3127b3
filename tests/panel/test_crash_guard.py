"""Crash loops are told from everything else that ends a process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.bridge.layout import AudioState
from appliance.panel.crash_guard import CRASHES, SHORT_LIFE_S, AudioCrashes, PanelStarts


def test_the_start_after_three_that_ended_within_seconds_is_told(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{}")
    found = [PanelStarts(tmp_path / "starts.json").begin(state) for _ in range(CRASHES + 2)]
    assert found == [False] * CRASHES + [True] * 2


def test_a_start_that_settled_or_a_changed_state_counts_anew(tmp_path: Path) -> None:
    state, file = tmp_path / "state.json", tmp_path / "starts.json"
    for _ in range(CRASHES - 1):
        PanelStarts(file).begin(state)
    good = PanelStarts(file)
    good.begin(state)
    good.settled()
    for _ in range(CRASHES):
        assert not PanelStarts(file).begin(state)
    state.write_text("{}")  # the player's next choice was saved
    assert not PanelStarts(file).begin(state)
    os.utime(state, ns=(1, 1))
    assert not PanelStarts(file).begin(state)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"count": "3"}', "null"])
def test_a_spoilt_count_is_no_reason_not_to_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "starts.json").write_text(content)
    assert not PanelStarts(tmp_path / "starts.json").begin(tmp_path / "state.json")
    assert not PanelStarts(tmp_path / "absent" / "starts.json").begin(tmp_path / "state.json")


def lives(*ends: tuple[float, AudioState], sound: object = "loud") -> list[bool]:
    """What is told of audio processes that live so long and end in this state, looked at five times a second."""
    crashes, now_s, told = AudioCrashes(), 0.0, []
    for pid, (life_s, end) in enumerate([*ends, (0.2, AudioState.STARTING)], 1):
        begun_s = now_s
        while now_s - begun_s < life_s:
            playing = now_s - begun_s > 0.3
            told.append(crashes.look(now_s, pid, AudioState.PLAYING if playing else AudioState.STARTING, sound))
            now_s += 0.2
        told.append(crashes.look(now_s, pid, end, sound))
    return told


def test_three_crashes_in_a_row_are_told_once() -> None:
    assert sum(lives(*[(1.0, AudioState.PLAYING)] * CRASHES)) == 1
    assert sum(lives(*[(0.0, AudioState.STARTING)] * CRASHES)) == 1
    assert sum(lives(*[(1.0, AudioState.PLAYING)] * (CRASHES - 1))) == 0


@pytest.mark.parametrize("end", [AudioState.STOPPED, AudioState.NO_DEVICE])
def test_an_end_in_order_or_for_want_of_a_card_is_no_crash(end: AudioState) -> None:
    assert not any(lives(*[(1.0, end)] * 10))


def test_a_process_that_plays_for_a_while_is_forgiven() -> None:
    short, long = (1.0, AudioState.PLAYING), (SHORT_LIFE_S + 1.0, AudioState.PLAYING)
    assert not any(lives(*[*[short] * (CRASHES - 1), long] * 3))


@given(st.lists(st.booleans(), max_size=12))
def test_another_sound_counts_anew(changes: list[bool]) -> None:
    crashes, sound, told, run = AudioCrashes(), 0, [], 0
    wanted = []
    crashes.look(0.0, 1, AudioState.PLAYING, sound)
    for step, change in enumerate(changes):
        sound += change
        run = 1 if change else run + 1
        told.append(crashes.look(1.0 + step, step + 2, AudioState.PLAYING, sound))
        wanted.append(run == CRASHES)
        run = 0 if run == CRASHES else run
    assert told == wanted
