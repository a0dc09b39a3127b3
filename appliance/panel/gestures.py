"""Footswitches: from the level of a line to what a foot meant. Everything follows from (time, level).

A contact bounces for some milliseconds when it closes and when it opens. A change counts when two looks in a row agree
on it, and for `BOUNCE_S` after it the line is not believed. So a press is known one look after its first sign, a spike
that only one look saw is nothing, and no bounce makes a second press.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

BOUNCE_S = 0.015
CONFIRM_S = 0.0005  # two looks are at least so far apart; else they are one
HOLD_S = 0.5
DOUBLE_S = 0.3  # from the release to the next press
CHORD_S = 0.08  # between the two presses


class Gesture(enum.Enum):
    """What a foot did. PRESS and RELEASE come for every press, what it was besides comes beside them; only of a chord's
    second press CHORD comes in place of PRESS.
    """

    PRESS = "press"
    RELEASE = "release"
    TAP = "tap"  # a short press, known when it ends (where doubles are listened for: when none followed)
    HOLD = "hold"  # known while still down
    DOUBLE = "double"  # two short presses, known at the second one
    CHORD = "chord"  # two switches at once
    CHORD_RELEASE = "chord-release"  # the first of the two came up
    LET_GO = "let-go"  # a switch that was down at the first look came up; the only thing that such a press can mean


@dataclass(frozen=True)
class Event:
    """`switch`: its name; of a chord both, as in `left+right`. `held`: RELEASE came after a HOLD. `down_s`: of LET_GO,
    since the first look."""

    gesture: Gesture
    switch: str
    at_s: float
    held: bool = False
    down_s: float = 0.0


@dataclass(frozen=True)
class Line:
    """A line and what is believed of it."""

    down: bool = False
    changed_s: float = float("-inf")
    doubted_s: float | None = None  # the first look that disagreed


def settle(line: Line, now_s: float, down: bool) -> Line:
    """What to believe after a look at `now_s` that found the contact closed (`down`) or open."""
    if down == line.down:
        return line if line.doubted_s is None else replace(line, doubted_s=None)
    if now_s - line.changed_s < BOUNCE_S:
        return line
    if line.doubted_s is None:
        return replace(line, doubted_s=now_s)
    if now_s - line.doubted_s < CONFIRM_S:
        return line
    return Line(down, now_s)


@dataclass
class _Foot:
    """One switch while it is being worked."""

    line: Line
    stuck: bool
    held: bool = False
    second: bool = False  # this press is the second of a double
    chord: str | None = None
    tapped_s: float | None = None  # a tap that may still become a double


class Feet:
    """All switches of the box. `step` is called with each look at the lines; it never looks at a clock itself."""

    def __init__(
        self,
        names: Collection[str],
        *,
        doubles: Collection[str] = (),
        chords: Collection[tuple[str, str]] = (),
        hold_s: Mapping[str, float] | None = None,
    ) -> None:
        self._names = tuple(names)
        self._hold_s = dict(hold_s or {})
        self._feet: dict[str, _Foot] = {}
        self.listen(doubles, chords)

    def listen(self, doubles: Collection[str], chords: Collection[tuple[str, str]]) -> None:
        """From now on these switches may be pressed twice, and these pairs at once."""
        self._doubles = frozenset(doubles)
        self._partners = {
            pair: f"{first}+{second}" for first, second in chords for pair in ((first, second), (second, first))
        }

    @property
    def stuck(self) -> tuple[str, ...]:
        """Switches that were down at the first look and have not come up since: they mean nothing until they do."""
        return tuple(name for name, foot in self._feet.items() if foot.stuck)

    def stuck_for_s(self, name: str, now_s: float) -> float:
        """How long one of `stuck` has been down, since the first look."""
        return now_s - self._feet[name].line.changed_s

    @property
    def down(self) -> tuple[str, ...]:
        """Switches that are down and count."""
        return tuple(name for name, foot in self._feet.items() if foot.line.down and not foot.stuck)

    @property
    def in_doubt(self) -> bool:
        """A line disagreed with what is believed of it: look again soon."""
        return any(foot.line.doubted_s is not None for foot in self._feet.values())

    def step(self, now_s: float, levels: Mapping[str, bool]) -> list[Event]:
        """Take one look at the lines (True: contact closed). `now_s` never goes back."""
        events: list[Event] = []
        for name in self._names:
            level = levels[name]
            foot = self._feet.get(name)
            if foot is None:
                self._feet[name] = _Foot(Line(level, now_s if level else float("-inf")), stuck=level)
                continue
            (before, since_s), foot.line = (foot.line.down, foot.line.changed_s), settle(foot.line, now_s, level)
            if foot.stuck:
                foot.stuck = foot.line.down
                if not foot.stuck:
                    events.append(Event(Gesture.LET_GO, name, now_s, down_s=now_s - since_s))
            elif foot.line.down and not before:
                self._press(name, foot, now_s, events)
            elif before and not foot.line.down:
                self._release(name, foot, now_s, events)
            else:
                self._wait(name, foot, now_s, events)
        return events

    def _press(self, name: str, foot: _Foot, now_s: float, events: list[Event]) -> None:
        foot.held, foot.chord = False, None
        foot.second = foot.tapped_s is not None and now_s - foot.tapped_s <= DOUBLE_S
        if foot.tapped_s is not None and not foot.second:
            events.append(Event(Gesture.TAP, name, now_s))  # the line's looks were far apart
        foot.tapped_s = None
        for other, chord in self._chords_of(name):
            partner = self._feet[other]
            free = partner.line.down and not (partner.stuck or partner.held or partner.chord)
            if free and now_s - partner.line.changed_s <= CHORD_S:
                foot.chord = partner.chord = chord
                events.append(Event(Gesture.CHORD, chord, now_s))
                return
        events.append(Event(Gesture.PRESS, name, now_s))
        if foot.second:
            events.append(Event(Gesture.DOUBLE, name, now_s))

    def _release(self, name: str, foot: _Foot, now_s: float, events: list[Event]) -> None:
        events.append(Event(Gesture.RELEASE, name, now_s, foot.held))
        if foot.chord is not None:
            for other, chord in self._chords_of(name):
                if chord == foot.chord and self._feet[other].line.down:
                    events.append(Event(Gesture.CHORD_RELEASE, chord, now_s))
        elif not foot.held and not foot.second:
            if name in self._doubles:
                foot.tapped_s = now_s
            else:
                events.append(Event(Gesture.TAP, name, now_s))

    def _wait(self, name: str, foot: _Foot, now_s: float, events: list[Event]) -> None:
        if foot.line.down:
            long_enough = now_s - foot.line.changed_s >= self._hold_s.get(name, HOLD_S)
            if long_enough and not (foot.held or foot.chord or foot.second):
                foot.held = True
                events.append(Event(Gesture.HOLD, name, now_s))
        elif foot.tapped_s is not None and now_s - foot.tapped_s > DOUBLE_S:
            foot.tapped_s = None
            events.append(Event(Gesture.TAP, name, now_s))

    def _chords_of(self, name: str) -> list[tuple[str, str]]:
        return [
            (second, chord)
            for (first, second), chord in self._partners.items()
            if first == name and second in self._feet
        ]
