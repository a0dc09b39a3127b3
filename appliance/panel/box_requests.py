"""Requests about the library, tuner, riff and pre-flight (`bridge/commands.py` has the table). May block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import BadRequest, NotAllowed
from appliance.panel.preflight import fly

if TYPE_CHECKING:
    from appliance.panel.panel import Panel

Fields = Mapping[str, Any]


class BoxRequests:
    """The handlers, by the name of their request."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self.handlers: dict[str, Callable[[Fields], dict[str, Any]]] = {
            "import": self._import,
            "rename": self._rename,
            "remove": self._remove,
            "tuner": self._tuner,
            "riff": self._record_riff,
            "preflight": self._preflight,
        }

    def _import(self, fields: Fields) -> dict[str, Any]:
        path, name = fields.get("path"), fields.get("name")
        if not isinstance(path, str) or not path or "\0" in path:
            raise BadRequest("import takes the path of a file")
        if name is not None and not isinstance(name, str):
            raise BadRequest("a name is text")
        item = self._panel.library.import_file(Path(path), name=name)  # seconds: without the lock
        self._panel.presets_changed()
        return {"item": item.to_state()}

    def _rename(self, fields: Fields) -> dict[str, Any]:
        name = fields.get("name")
        if not isinstance(name, str) or not name.strip():
            raise BadRequest("rename takes an item and its new name")
        self._panel.library.rename(identity(fields.get("item")), name)
        self._panel.tell()
        return {}

    def _remove(self, fields: Fields) -> dict[str, Any]:
        wanted = identity(fields.get("item"))
        with self._panel.held():
            if wanted in (self._panel.live.model, self._panel.live.cabinet):
                raise NotAllowed("it is in use: choose another one first, then remove it")
            self._panel.library.remove(wanted)
        self._panel.tell()
        return {}

    def _tuner(self, fields: Fields) -> dict[str, Any]:
        if not set(fields) <= {"on"} or not isinstance(fields.get("on", True), bool):
            raise BadRequest("tuner takes on, true or false, or nothing: then it tells what is played")
        if "on" in fields:
            self._panel.hold(replace(self._panel.moment, tuner=fields["on"]))
            return {}
        return {"reading": self._panel.reading.to_json()}

    def _record_riff(self, fields: Fields) -> dict[str, Any]:
        if fields != {"do": "record"}:
            raise BadRequest('riff takes "do": "record"')
        self._panel.riff.start()
        return {}

    def _preflight(self, fields: Fields) -> dict[str, Any]:
        if not set(fields) <= {"setlist"}:
            raise BadRequest("preflight takes a set list by its id, null for every preset, or nothing for tonight's")
        panel = self._panel
        chosen = panel.setlists.tonight
        if "setlist" in fields:
            chosen = panel.setlists.get(identity(fields["setlist"])) if fields["setlist"] is not None else None
        listed = chosen.presets if chosen else [preset.id for preset in panel.presets.presets]
        found = [preset for preset in map(panel.presets.find, listed) if preset is not None]
        what = chosen.name if chosen else "the banks"
        return {"preflight": fly(found, what, panel.library, panel.levelling, *panel.runs_at())}


def identity(value: Any) -> str:
    """An id, checked for its kind. Raises BadRequest."""
    if not isinstance(value, str):
        raise BadRequest(f"an id is text, not {value!r:.40}")
    return value
