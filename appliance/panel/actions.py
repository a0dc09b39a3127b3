"""What a hand or a foot can ask for: the words of `appliance.toml`, MIDI bindings and presets. Pure.

| text                        | does                                                            | phases          |
|-----------------------------|-----------------------------------------------------------------|-----------------|
| next-preset previous-preset | the neighbours of the present one                               | press           |
| preset N                    | preset N of the bank, from 1                                    | press           |
| bank-up bank-down           | the next, the previous bank                                     | press           |
| bypass boost tuner compare  | a switch: on, off (compare: the preset as stored)               | press (release) |
| scene N                     | the knob values kept under N, from 1                            | press (release) |
| morph                       | between the preset's two scenes, for a pedal                    | value           |
| knob NAME                   | turns the knob of that name, or what stands for it              | value           |
| calibrate NAME              | the pot or pedal of that name learns its ends (the controls do it themselves) | press |
| hotspot                     | the pedal's own Wi-Fi: up until the next start, and back again  | press           |
| tap                         | tap tempo (reserved)                                            | press           |
| shutdown restart safe-mode  | the box itself; a switch is held for it (`deliberate.py`)       | press           |

A switch and a scene take a style behind them: `latched` (the default: each press changes it over), `momentary` (as long
as the foot is down), `tap-or-hold` (a tap latches, a held press is momentary). Who performs needs no styles: a PRESS
changes over, and a RELEASE, which only comes where the press is to be undone, changes back.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from appliance.errors import BadRequest
from appliance.spelling import did_you_mean


class Kind(enum.Enum):
    """What is asked for. The value is the first word of its text."""

    NEXT_PRESET = "next-preset"
    PREVIOUS_PRESET = "previous-preset"
    PRESET = "preset"
    BANK_UP = "bank-up"
    BANK_DOWN = "bank-down"
    BYPASS = "bypass"
    BOOST = "boost"
    TUNER = "tuner"
    COMPARE = "compare"
    SCENE = "scene"
    MORPH = "morph"
    KNOB = "knob"
    CALIBRATE = "calibrate"
    HOTSPOT = "hotspot"
    TAP = "tap"
    SHUTDOWN = "shutdown"
    RESTART = "restart"
    SAFE_MODE = "safe-mode"


class Condition(enum.Enum):
    """What the box as a whole does, for its LEDs."""

    PLAYING = "playing"
    UPDATING = "updating"  # a new version is being made or tried
    SAFE = "safe"  # the factory sound plays instead of what was saved
    LEAVING = "leaving"  # it is being switched off


class Style(enum.Enum):
    """How a footswitch works what it is bound to."""

    LATCHED = "latched"
    MOMENTARY = "momentary"
    TAP_OR_HOLD = "tap-or-hold"


class Phase(enum.Enum):
    """What happened to the control."""

    PRESS = "press"
    RELEASE = "release"  # undo what the press did; does not come where a press stays
    VALUE = "value"


NUMBERED = frozenset({Kind.PRESET, Kind.SCENE})
NAMED = {Kind.KNOB: "knob Gain", Kind.CALIBRATE: "calibrate expression"}  # with an example of each
CONTINUOUS = frozenset({Kind.MORPH, Kind.KNOB})
STYLED = frozenset({Kind.BYPASS, Kind.BOOST, Kind.TUNER, Kind.COMPARE, Kind.SCENE})
_LARGEST_NUMBER = 128  # what a MIDI program change can ask for


@dataclass(frozen=True)
class Action:
    """One action. `number`: of a preset or scene, from 1. `name`: of a knob or pot. `style`: of a switch or scene."""

    kind: Kind
    number: int = 0
    name: str = ""
    style: Style = Style.LATCHED

    @property
    def continuous(self) -> bool:
        """True where it takes a position (`Phase.VALUE`), False where it takes presses."""
        return self.kind in CONTINUOUS

    def __str__(self) -> str:
        """The text that `parse` reads back."""
        words = [self.kind.value]
        if self.kind in NUMBERED:
            words.append(str(self.number))
        if self.kind in NAMED:
            words.append(self.name)
        if self.style is not Style.LATCHED:
            words.append(self.style.value)
        return " ".join(words)


def knob(name: str) -> Action:
    """The action that turns the knob of this name."""
    return Action(Kind.KNOB, name=name)


class Performer(Protocol):
    """Who does what is asked for. Called by the thread that reads the controls, 200 times a second at most."""

    def perform(self, action: Action, phase: Phase, value: float | None = None) -> None:
        """Do it now. `value`: position 0…1 with `Phase.VALUE`, else None.

        Raises ApplianceError, in words for the player, where it can't be done; the control goes on working.
        """
        ...


@runtime_checkable
class Stage(Protocol):
    """What pots and LEDs look at, from the same thread. None of it blocks."""

    @property
    def sound(self) -> object:
        """Something that differs when another sound was chosen: pots then wait to be picked up."""
        ...

    def position(self, action: Action) -> float | None:
        """Where what the action turns stands, 0…1. None: the present sound has no such thing, nor a stand-in."""
        ...

    def lit(self, action: Action) -> bool | None:
        """Is it on (wanted), as an LED shows it? Of bypass: does the pedal play? None: it has no such state."""
        ...

    def confirmed(self) -> bool | None:
        """Does the engine play what is wanted? None: not yet, it is being prepared. False: it can't, or is gone."""
        ...


@runtime_checkable
class Names(Protocol):
    """A stage that can say what an action turns at present."""

    def turns(self, action: Action) -> str | None:
        """Its name, for people; None: nothing."""
        ...


@runtime_checkable
class Whole(Protocol):
    """A stage that knows what the box as a whole does."""

    def condition(self) -> Condition:
        """Does not block."""
        ...


@runtime_checkable
class Bindings(Protocol):
    """A stage whose present sound binds switches otherwise than the box does."""

    def binding(self, control: str) -> Action | None:
        """What a control does for this sound; None: what the box binds it to.

        `control`: a switch's name (its press, or its tap where the box binds that), `NAME hold`, `NAME double`, or both
        names of a chord, `left+middle`.
        """
        ...


def parse(text: str) -> Action:
    """The action that a text names. Raises BadRequest: a sentence with what was found and what there is."""
    if not isinstance(text, str) or not text.split():
        raise BadRequest(f"an action is text such as 'bypass' or 'preset 3', not {text!r:.40}")
    first, *rest = text.split()
    try:
        kind = Kind(first.casefold().replace("_", "-"))
    except ValueError:
        words = [kind.value for kind in Kind]
        raise BadRequest(f"there is no action {first!r:.40}{did_you_mean(first, words)}") from None
    if kind in NAMED:
        if not rest:
            raise BadRequest(f"{kind.value} takes a name, such as {NAMED[kind]!r}")
        return Action(kind, name=" ".join(rest))
    number = _number(kind, rest) if kind in NUMBERED else 0
    style = _style(kind, rest) if rest and kind in STYLED else Style.LATCHED
    if rest:
        raise BadRequest(f"{kind.value} takes nothing more, and {' '.join(rest)!r:.40} follows it")
    return Action(kind, number=number, style=style)


def _number(kind: Kind, rest: list[str]) -> int:
    word = rest.pop(0) if rest else ""
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= _LARGEST_NUMBER):
        found = f", not {word!r:.40}" if word else ""
        raise BadRequest(f"{kind.value} takes a number from 1 to {_LARGEST_NUMBER}, such as '{kind.value} 3'{found}")
    return int(word)


def _style(kind: Kind, rest: list[str]) -> Style:
    word = rest.pop(0)
    styles: Mapping[str, Style] = {style.value: style for style in Style}
    try:
        return styles[word.casefold()]
    except KeyError:
        raise BadRequest(f"{kind.value} is not worked {word!r:.40}{did_you_mean(word, list(styles))}") from None
