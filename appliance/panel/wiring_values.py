"""Single values of `appliance.toml`: each function takes what the file has and gives what it means.

All raise BadRequest with what was found and what was wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from appliance.errors import BadRequest
from appliance.panel.actions import Action, parse
from appliance.panel.deliberate import MEANT, WHY_HELD
from appliance.panel.wiring import Colour
from appliance.spelling import did_you_mean

_T = TypeVar("_T")
_COLOURS: Mapping[str, Colour] = {
    "white": (1.0, 1.0, 1.0),
    "red": (1.0, 0.0, 0.0),
    "orange": (1.0, 0.4, 0.0),
    "yellow": (1.0, 0.8, 0.0),
    "green": (0.0, 1.0, 0.0),
    "cyan": (0.0, 1.0, 1.0),
    "blue": (0.0, 0.0, 1.0),
    "purple": (0.6, 0.0, 1.0),
}


def whole(low: int, high: int) -> Callable[[Any], int]:
    """A whole number in a range."""

    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise BadRequest(f"should be a whole number from {low} to {high}, not {value!r:.40}")
        return value

    return convert


def number(low: float, high: float) -> Callable[[Any], float]:
    """A number in a range."""

    def convert(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise BadRequest(f"should be a number from {low:g} to {high:g}, not {value!r:.40}")
        return float(value)

    return convert


share = number(0.0, 1.0)
pin = whole(0, 27)  # the GPIO numbers of the 40-pin header


def pins(count: int) -> Callable[[Any], tuple[int, ...]]:
    """So many GPIO numbers."""

    def convert(value: Any) -> tuple[int, ...]:
        if not isinstance(value, list) or len(value) != count:
            raise BadRequest(f"should be {count} GPIO numbers such as {list(range(22, 22 + count))}, not {value!r:.40}")
        return tuple(pin(one) for one in value)

    return convert


def flag(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise BadRequest(f"should be true or false, not {value!r:.40}")
    return value


def text(value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(f"should be text, not {value!r:.40}")
    return value


def one_of(words: Mapping[str, _T]) -> Callable[[Any], _T]:
    """One of some words."""

    def convert(value: Any) -> _T:
        if not isinstance(value, str) or value.casefold() not in words:
            raise BadRequest(f"is not {value!r:.40}{did_you_mean(str(value), list(words))}")
        return words[value.casefold()]

    return convert


def colour(value: Any) -> Colour:
    """A name or #rrggbb."""
    named = one_of(_COLOURS)
    if isinstance(value, str) and value.startswith("#") and len(value) == 7:
        try:
            red, green, blue = bytes.fromhex(value[1:])
        except ValueError:
            raise BadRequest(f"should be a colour such as '#ff8000', not {value!r}") from None
        return red / 255.0, green / 255.0, blue / 255.0
    return named(value)


def pressed(value: Any) -> Action:
    """An action for a switch."""
    action = parse(value)
    if action.continuous:
        raise BadRequest(f"{str(action)!r} takes a pot or a pedal, and a switch can only be pressed")
    return action


def from_afar(value: Any) -> Action:
    """An action for MIDI."""
    action = parse(value)
    if action.kind in MEANT:
        raise BadRequest(f"{str(action)!r} is for a switch of the box: {WHY_HELD}")
    return action


def turned(value: Any) -> tuple[Action, ...]:
    """One or more actions for a pot, the first that the present sound has counts."""
    actions = tuple(parse(one) for one in (value if isinstance(value, list) else [value]))
    for action in actions:
        if not action.continuous:
            raise BadRequest(f"{str(action)!r} takes a switch, and a pot turns 'knob NAME' or 'morph'")
    if not actions:
        raise BadRequest("should name at least one knob, such as 'knob Gain'")
    return actions
