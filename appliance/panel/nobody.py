"""Hands on a box that plays nothing: every action is taken, every knob is there."""

from __future__ import annotations

from appliance.panel.actions import STYLED, Action, Phase


class Nobody:
    """A `Performer` and `Stage` that only remember, for `appliance panel test`."""

    def __init__(self) -> None:
        self._positions: dict[Action, float] = {}
        self._on: set[Action] = set()

    def perform(self, action: Action, phase: Phase, value: float | None = None) -> None:
        """See `actions.Performer`."""
        if value is not None:
            self._positions[action] = value
        elif action.kind in STYLED:
            self._on ^= {Action(action.kind, action.number)}

    @property
    def sound(self) -> object:
        """See `actions.Stage`."""
        return None

    def position(self, action: Action) -> float | None:
        """See `actions.Stage`."""
        return self._positions.get(action, 0.5)

    def lit(self, action: Action) -> bool | None:
        """See `actions.Stage`."""
        return Action(action.kind, action.number) in self._on if action.kind in STYLED else None

    def confirmed(self) -> bool | None:
        """See `actions.Stage`."""
        return True
