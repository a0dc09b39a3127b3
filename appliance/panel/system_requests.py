"""Requests about the box itself: off, restart, what it is (`bridge/commands.py` has the table)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from appliance.errors import BadRequest

if TYPE_CHECKING:
    from appliance.panel.panel import Panel

Fields = Mapping[str, Any]


class SystemRequests:
    """The handlers, by the name of their request."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self.handlers: dict[str, Callable[[Fields], dict[str, Any]]] = {"box": self._box, "power": self._power}

    def _box(self, fields: Fields) -> dict[str, Any]:
        if fields:
            raise BadRequest("box takes nothing more")
        missing = self._panel.leaving.why_not
        return {"box": {"installed": missing is None, "missing": missing}}

    def _power(self, fields: Fields) -> dict[str, Any]:
        if set(fields) != {"do"}:
            raise BadRequest("power takes do: 'off' or 'restart'")
        self._panel.leave(fields["do"])
        return {}
