"""Does what hands ask for, on the live panel: turns knobs, switches over, and shows what stands where.

What it does not know itself (presets, scenes, the tuner) goes to `others`, where there is one; else it is refused in
words. One instance belongs to one thread.
"""

from __future__ import annotations

import time
from pathlib import Path

from appliance.bridge.layout import AudioState
from appliance.bridge.status import StatusReader
from appliance.errors import NotFound
from appliance.panel.actions import Action, Kind, Performer, Phase, Stage
from appliance.panel.panel import Live, Panel
from appliance.panel.targets import Target, target

_HEARD_PERIODS = 2  # audio takes the controls at the start of a period: after two it surely has
_STALE_S = 0.5


class PanelPerformer:
    """A `Performer` and the `Stage` beside it. `others` gets first call on every action but knobs and bypass."""

    def __init__(self, panel: Panel, status: Path, others: Performer | None = None) -> None:
        self._panel = panel
        self._others = others
        self._stage = others if isinstance(others, Stage) else None
        self._status = StatusReader(status)
        self._asked_at_period: int | None = None
        self._seen: tuple[int, int, float] = (0, 0, 0.0)  # pid, periods, when they were last seen to move

    def perform(self, action: Action, phase: Phase, value: float | None = None) -> None:
        """See `actions.Performer`. Raises NotFound where the present sound has nothing of that name."""
        if action.kind is Kind.KNOB and value is not None:
            found = self._target(action, self._panel.live())
            if found is None:
                raise NotFound(f"this sound has no {action.name}")
            self._panel.apply(found.request(value))
        elif action.kind is Kind.BYPASS:
            self._panel.apply({"bypass": not self._panel.live().state.bypass})
        elif self._others is not None:
            self._others.perform(action, phase, value)
        else:
            raise NotFound(f"this pedal can't do {str(action)!r} yet")
        self._note_period()

    @property
    def sound(self) -> object:
        """See `actions.Stage`."""
        model = self._panel.live().state.model
        return model if self._stage is None else (model, self._stage.sound)

    def position(self, action: Action) -> float | None:
        """See `actions.Stage`."""
        if action.kind is not Kind.KNOB:
            return None if self._stage is None else self._stage.position(action)
        live = self._panel.live()
        found = self._target(action, live)
        if found is None:
            return None
        value = live.positions[found.name] if found.setting == "knobs" else getattr(live.state, found.setting)
        return found.scale.to_position(value)

    def lit(self, action: Action) -> bool | None:
        """See `actions.Stage`."""
        if action.kind is Kind.BYPASS:
            return self._panel.live().state.bypass
        return None if self._stage is None else self._stage.lit(action)

    def confirmed(self) -> bool | None:
        """See `actions.Stage`."""
        found = self._status.read()
        now = time.monotonic()
        if found is None:
            return False
        if (found.pid, found.periods) != self._seen[:2]:
            self._seen = (found.pid, found.periods, now)
        wanted = self._panel.live().generation
        if found.state is not AudioState.PLAYING or now - self._seen[2] > _STALE_S:
            return False
        if found.generation != wanted:
            return False if found.failed_generation == wanted else None
        if self._asked_at_period is not None and abs(found.periods - self._asked_at_period) < _HEARD_PERIODS:
            return None
        return True

    def turns(self, action: Action) -> str | None:
        """What a knob action turns at present, by name, for people; None: nothing."""
        found = self._target(action, self._panel.live())
        return None if found is None else found.name or found.setting.removesuffix("_db").replace("_", " ")

    def close(self) -> None:
        """Let go of the shared memory."""
        self._status.close()

    def _note_period(self) -> None:
        found = self._status.read()
        self._asked_at_period = None if found is None else found.periods

    @staticmethod
    def _target(action: Action, live: Live) -> Target | None:
        return target(action.name, live.knobs) if action.kind is Kind.KNOB else None
