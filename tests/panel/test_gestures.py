"""Debouncing and gestures, as a function of (time, level)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.panel.gestures import BOUNCE_S, CHORD_S, CONFIRM_S, DOUBLE_S, HOLD_S, Event, Feet, Gesture, Line, settle

LOOK_S = 0.002
PRESS, RELEASE, TAP, HOLD, DOUBLE = Gesture.PRESS, Gesture.RELEASE, Gesture.TAP, Gesture.HOLD, Gesture.DOUBLE


def watch(feet: Feet, changes: list[tuple[float, str, bool]], until_s: float, look_s: float = LOOK_S) -> list[Event]:
    """Look every `look_s` at lines that change at these times."""
    levels = dict.fromkeys(sorted({name for _, name, _ in changes} | {"a"}), False)
    left, events, look = sorted(changes), [], 0
    while look * look_s <= until_s:
        while left and left[0][0] <= look * look_s:
            _, name, level = left.pop(0)
            levels[name] = level
        events += feet.step(look * look_s, levels)
        look += 1
    return events


def words(events: list[Event]) -> list[tuple[Gesture, str]]:
    return [(event.gesture, event.switch) for event in events]


def pressed(at_s: float, for_s: float, name: str = "a") -> list[tuple[float, str, bool]]:
    return [(at_s, name, True), (at_s + for_s, name, False)]


bounces = st.lists(st.floats(1e-5, 5e-3), max_size=7).filter(lambda gaps: sum(gaps) + max(gaps, default=0) < 0.012)


def bouncing(at_s: float, to: bool, gaps: list[float]) -> list[tuple[float, str, bool]]:
    """A contact that goes to `to` after going back and forth."""
    train, level = [(at_s, "a", to)], to
    for gap in gaps + gaps[: len(gaps) % 2]:
        at_s, level = at_s + gap, not level
        train.append((at_s, "a", level))
    return train


@given(bounces, bounces, st.floats(0.04, 0.4), st.floats(0.02, 0.1))
def test_a_bouncing_press_is_one_press_and_one_release(
    closing: list[float], opening: list[float], down_s: float, at_s: float
) -> None:
    train = bouncing(at_s, True, closing) + bouncing(at_s + down_s, False, opening)
    events = watch(Feet(["a"]), train, 1.0)
    assert words(events) == [(PRESS, "a"), (RELEASE, "a"), (TAP, "a")]
    assert 0 <= events[0].at_s - at_s <= 0.012 + 3 * LOOK_S


@given(st.lists(st.tuples(st.floats(1e-4, 0.05), st.booleans()), max_size=200))
def test_whatever_the_line_does_presses_and_releases_take_turns_and_keep_apart(steps: list[tuple[float, bool]]) -> None:
    feet, now_s, events = Feet(["a"]), 0.0, []
    feet.step(0.0, {"a": False})
    for gap_s, level in steps:
        now_s += gap_s
        events += feet.step(now_s, {"a": level})
    edges = [event for event in events if event.gesture in (PRESS, RELEASE)]
    assert [event.gesture for event in edges] == [PRESS, RELEASE] * (len(edges) // 2) + [PRESS] * (len(edges) % 2)
    assert all(later.at_s - earlier.at_s >= BOUNCE_S for earlier, later in pairwise(edges))
    assert all(event.at_s <= now_s for event in events)


@given(st.lists(st.floats(0.02, 0.5), min_size=1, max_size=20))
def test_spikes_that_one_look_saw_are_nothing(gaps: list[float]) -> None:
    line, now_s = Line(), 0.0
    for gap in gaps:
        now_s += gap
        line = settle(line, now_s, True)
        line = settle(line, now_s + CONFIRM_S / 2, True)  # as good as the same look
        line = settle(line, now_s + LOOK_S, False)
        assert not line.down


def test_a_press_is_known_within_one_look_of_its_first_sign() -> None:
    assert watch(Feet(["a"]), pressed(0.1, 0.2), 0.11)[0].at_s == pytest.approx(0.1 + LOOK_S, abs=1e-9)


def test_a_hold_is_known_while_down_and_is_no_tap() -> None:
    events = watch(Feet(["a"]), pressed(0.1, HOLD_S + 0.2), 2.0)
    assert words(events) == [(PRESS, "a"), (HOLD, "a"), (RELEASE, "a")]
    assert events[1].at_s - events[0].at_s == pytest.approx(HOLD_S, abs=LOOK_S)
    assert [event.held for event in events] == [False, False, True]


def test_each_switch_has_a_hold_time_of_its_own() -> None:
    feet = Feet(["a", "b"], hold_s={"b": 1.0})
    events = watch(feet, [*pressed(0.1, 0.8), *pressed(0.3, 0.8, "b")], 2.0)
    assert (HOLD, "a") in words(events)
    assert (HOLD, "b") not in words(events)


def test_a_double_press_is_known_at_its_second_press_and_is_no_tap() -> None:
    feet = Feet(["a"], doubles=["a"])
    events = watch(feet, [*pressed(0.1, 0.1), *pressed(0.3, 0.1)], 2.0)
    assert words(events) == [(PRESS, "a"), (RELEASE, "a"), (PRESS, "a"), (DOUBLE, "a"), (RELEASE, "a")]


def test_where_doubles_are_listened_for_a_tap_waits_for_its_second_press() -> None:
    feet = Feet(["a"], doubles=["a"])
    events = watch(feet, [*pressed(0.1, 0.1), *pressed(0.2 + DOUBLE_S + 0.05, 0.1)], 2.0)
    assert [event.gesture for event in events].count(TAP) == 2
    assert words(events)[:3] == [(PRESS, "a"), (RELEASE, "a"), (TAP, "a")]
    assert events[2].at_s - events[1].at_s == pytest.approx(DOUBLE_S, abs=2 * LOOK_S)


def test_two_at_once_are_a_chord_and_nothing_else() -> None:
    feet = Feet(["a", "b"], chords=[("a", "b")])
    events = watch(feet, [*pressed(0.1, 0.9), *pressed(0.1 + CHORD_S - 0.01, 0.3, "b")], 2.0)
    assert words(events) == [
        (PRESS, "a"),
        (Gesture.CHORD, "a+b"),
        (RELEASE, "b"),
        (Gesture.CHORD_RELEASE, "a+b"),
        (RELEASE, "a"),
    ]


def test_one_after_the_other_is_no_chord() -> None:
    feet = Feet(["a", "b"], chords=[("a", "b")])
    events = watch(feet, [*pressed(0.1, 0.4), *pressed(0.1 + CHORD_S + 0.02, 0.1, "b")], 2.0)
    assert words(events) == [(PRESS, "a"), (PRESS, "b"), (RELEASE, "b"), (TAP, "b"), (RELEASE, "a"), (TAP, "a")]


def test_a_switch_that_is_down_at_the_first_look_means_nothing_until_it_was_let_go() -> None:
    feet = Feet(["a"])
    events = watch(feet, [(-1.0, "a", True)], 3.0)
    assert events == []
    assert feet.stuck == ("a",)
    assert feet.down == ()
    now_s = 3.0
    for level, looks in ((False, 20), (True, 20), (False, 20)):
        for _ in range(looks):
            now_s += LOOK_S
            events += feet.step(now_s, {"a": level})
        assert feet.stuck == ()
    assert words(events) == [(Gesture.LET_GO, "a"), (PRESS, "a"), (RELEASE, "a"), (TAP, "a")]
    assert events[0].down_s == pytest.approx(3.0, abs=2 * LOOK_S)


def test_the_same_looks_give_the_same_events() -> None:
    train = [*pressed(0.1, 0.1), *pressed(0.3, 0.7), *pressed(0.33, 0.1, "b")]
    first, second = (Feet(["a", "b"], doubles=["a"], chords=[("a", "b")]) for _ in range(2))
    assert watch(first, train, 2.0) == watch(second, train, 2.0)
