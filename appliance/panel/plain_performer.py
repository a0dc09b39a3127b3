"""Does what hands ask for on a panel without presets: turns knobs by name and switches bypass over."""

from __future__ import annotations

import time
from pathlib import Path

from appliance.bridge.layout import AudioState
from appliance.bridge.status import StatusReader
from appliance.errors import NotFound
from appliance.panel.actions import Action, Kind, Phase
from appliance.panel.panel import Panel
from appliance.panel.state import knob_positions
from appliance.panel.targets import Target, target

_HEARD_PERIODS = 2  # audio takes the controls at the start of a period: after two it surely has
_STALE_S = 0.5


class PlainPerformer:
    """A `Performer`, the `Stage` beside it, and `Names`. For one thread, but for `turns`."""

    def __init__(self, panel: Panel, status: Path) -> None:
        self._panel = panel
        self._status = StatusReader(status)
        self._asked_at_period = -_HEARD_PERIODS
        self._seen: tuple[int, int] = (0, 0)  # pid, periods …
        self._moved_s = float("-inf")  # … and when they last moved

    def perform(self, action: Action, phase: Phase, value: float | None = None) -> None:
        """See `actions.Performer`. Raises NotFound where the present sound has nothing of that name."""
        if action.kind is Kind.KNOB and value is not None:
            found = self._target(action)
            if found is None:
                raise NotFound(f"this sound has no {action.name}, and nothing on the pedal stands for it")
            self._panel.set(found.request(value))
        elif action.kind is Kind.BYPASS and phase is not Phase.VALUE:
            self._panel.set({"bypass": not self._panel.live.bypass})
        else:
            raise NotFound(f"this pedal can't do {str(action)!r} yet")
        status = self._status.read()
        self._asked_at_period = status.periods if status is not None else -_HEARD_PERIODS

    @property
    def sound(self) -> object:
        """See `actions.Stage`."""
        return self._panel.live.model

    def position(self, action: Action) -> float | None:
        """See `actions.Stage`."""
        found = self._target(action)
        if found is None:
            return None
        live = self._panel.live
        if found.setting == "knobs":
            return found.scale.to_position(knob_positions(live, self._panel.knobs_of(live.model))[found.name])
        return found.scale.to_position(getattr(live, found.setting))

    def lit(self, action: Action) -> bool | None:
        """See `actions.Stage`."""
        return not self._panel.live.bypass if action.kind is Kind.BYPASS else None

    def confirmed(self) -> bool | None:
        """See `actions.Stage`."""
        found = self._status.read()
        if found is None:
            return False
        now_s = time.monotonic()
        if (found.pid, found.periods) != self._seen:
            self._seen, self._moved_s = (found.pid, found.periods), now_s
        if found.state is not AudioState.PLAYING or now_s - self._moved_s > _STALE_S:
            return False
        wanted = self._panel.generation
        if found.generation != wanted:
            return False if found.failed_generation == wanted else None
        return None if 0 <= found.periods - self._asked_at_period < _HEARD_PERIODS else True

    def turns(self, action: Action) -> str | None:
        """See `actions.Names`."""
        found = self._target(action)
        return None if found is None else found.name or found.setting.removesuffix("_db").replace("_", " ")

    def close(self) -> None:
        """Let go of the shared memory."""
        self._status.close()

    def _target(self, action: Action) -> Target | None:
        if action.kind is not Kind.KNOB:
            return None
        return target(action.name, self._panel.knobs_of(self._panel.live.model))
