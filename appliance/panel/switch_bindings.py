"""What each gesture of a footswitch does: as the present sound binds it, else as the box does. For one thread."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import combinations
from typing import Any

from appliance.errors import BadRequest
from appliance.panel.actions import Action, Bindings, Stage, Style
from appliance.panel.deliberate import MEANT
from appliance.panel.gestures import Gesture
from appliance.panel.wiring import SwitchWiring, Wiring

_LISTED = (Gesture.PRESS, Gesture.TAP, Gesture.HOLD, Gesture.DOUBLE, Gesture.LET_GO)


class SwitchBindings:
    """`switches`: those the board has. Looks at the stage each time, so that another preset's bindings hold at once."""

    def __init__(self, wiring: Wiring, stage: Stage, switches: Collection[str]) -> None:
        self._wiring = wiring
        self._stage = stage
        self._names = tuple(switches)
        self._chords = {pair: action for pair, action in wiring.chords.items() if set(pair) <= set(switches)}

    def bound(self, name: str, gesture: Gesture) -> Action | None:
        """What a gesture of one switch does."""
        return self._own(name, gesture) or _wired(self._wiring.switches[name], gesture)

    def bound_together(self, first: str, second: str) -> Action | None:
        """What two switches at once do."""
        return self._own_chord(first, second) or self._chords.get((first, second)) or self._chords.get((second, first))

    def doubles(self) -> set[str]:
        """Switches whose second short press means something at present."""
        return {name for name in self._names if self.bound(name, Gesture.DOUBLE) is not None}

    def chords(self) -> list[tuple[str, str]]:
        """Pairs that mean something at present."""
        own = [
            pair
            for pair in combinations(self._names, 2)
            if not {pair, pair[::-1]} & self._chords.keys() and self._own_chord(*pair) is not None
        ]
        return [*self._chords, *own]

    def report(self) -> dict[str, list[dict[str, Any]]]:
        """By switch or chord: gesture, action as text, and whether the present preset's own."""
        shown: dict[str, list[dict[str, Any]]] = {}
        for name in self._names:
            for gesture in _LISTED:
                own = self._own(name, gesture)
                if (action := own or _wired(self._wiring.switches[name], gesture)) is not None:
                    shown.setdefault(name, []).append(_line(gesture, action, own is not None))
        for first, second in self.chords():
            if (action := self.bound_together(first, second)) is not None:
                own = self._own_chord(first, second)
                shown[f"{first}+{second}"] = [_line(Gesture.CHORD, action, own is not None)]
        return shown

    def _own(self, name: str, gesture: Gesture) -> Action | None:
        if gesture in (Gesture.HOLD, Gesture.DOUBLE):
            return self._of_the_sound(f"{name} {gesture.value}")
        short = Gesture.PRESS if self._wiring.switches[name].press is not None else Gesture.TAP
        own = self._of_the_sound(name) if gesture is short else None  # LET_GO: the box's alone
        if own is not None and gesture is Gesture.TAP:
            return replace(own, style=Style.LATCHED)  # a tap is over when it is known to be one
        return own

    def _own_chord(self, first: str, second: str) -> Action | None:
        return self._of_the_sound(f"{first}+{second}") or self._of_the_sound(f"{second}+{first}")

    def _of_the_sound(self, control: str) -> Action | None:
        if not isinstance(self._stage, Bindings):
            return None
        try:
            action = self._stage.binding(control)
        except BadRequest:
            return None
        return None if action is None or action.continuous or action.kind in MEANT else action


def _line(gesture: Gesture, action: Action, own: bool) -> dict[str, Any]:
    return {"gesture": gesture.value, "action": str(action), "own": own}


def _wired(switch: SwitchWiring, gesture: Gesture) -> Action | None:
    return {
        Gesture.PRESS: switch.press,
        Gesture.TAP: switch.tap,
        Gesture.HOLD: switch.hold,
        Gesture.DOUBLE: switch.double,
        Gesture.LET_GO: switch.boot,
    }.get(gesture)
