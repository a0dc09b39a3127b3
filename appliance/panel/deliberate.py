"""What has to be meant: shutting down and its like count only once their switches were held long enough. Pure."""

from __future__ import annotations

from collections.abc import Collection

from appliance.panel.actions import Action, Kind

MEANT = frozenset({Kind.SHUTDOWN, Kind.RESTART, Kind.SAFE_MODE})
HELD_S = 3.0
BOOT_HELD_S = 3.0  # of a switch that is down when the box starts …
BOOT_LATEST_S = 60.0  # … and who holds it longer has a shorted wire
WHY_HELD = "it is held for 3 s: bind it to press, hold, boot or a chord of the box"


class Deliberate:
    """The one action that waits for its switches to be held on."""

    def __init__(self) -> None:
        self._waiting: tuple[str, Action, frozenset[str], float] | None = None

    @property
    def action(self) -> Action | None:
        """What is being held for."""
        return self._waiting[1] if self._waiting is not None else None

    def begin(self, control: str, action: Action, now_s: float) -> None:
        """A gesture of `control` (a switch, or both of a chord, `left+right`) asks for it."""
        self._waiting = (control, action, frozenset(control.split("+")), now_s + HELD_S)

    def step(self, now_s: float, down: Collection[str]) -> tuple[str, Action] | None:
        """What to do now and for which control: it was held long enough. One that is let go before is forgotten."""
        if self._waiting is None:
            return None
        control, action, switches, due_s = self._waiting
        if not switches <= set(down):
            self._waiting = None
        elif now_s >= due_s:
            self._waiting = None
            return control, action
        return None
