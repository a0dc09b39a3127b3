"""Presets, set lists and the tuner over HTTP: `control.py` for what is played with on stage.

One route for each request of the panel that a page may make; values are checked for their kind only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response

from appliance.web.answers import ok
from appliance.web.control import ask_panel, bad, body_of, clean_name, finite, identifier, only, without_lists

blueprint = Blueprint("performing", __name__, url_prefix="/api")

MAX_LIST = 100  # presets of a set list
MAX_PLACE = 10_000
_LONGEST_ACTION = 80
_SLOW_S = 120.0  # pre-flight plays every preset of the evening


def _place(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_PLACE:
        raise bad(f"{name} must be a whole number.")
    return value


def _ids(value: Any, name: str) -> list[str]:
    if not isinstance(value, list) or len(value) > MAX_LIST:
        raise bad(f"{name} must be a list of at most {MAX_LIST} presets.")
    return [identifier(entry, name) for entry in value]


def _switch(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise bad(f"{name} must be true or false.")
    return value


def _action(value: Any, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ACTION:
        raise bad(f"{name} must be the text of an action, such as next-preset.")
    return value


def _nullable(value: Any, name: str) -> str | None:
    return None if value is None else identifier(value, name)


def _name(value: Any, _name: str) -> str:
    return clean_name(value)


Check = Callable[[Any, str], Any]
# Request → its fields. A field whose name ends in ? may be left out.
_REQUESTS: Mapping[str, Mapping[str, Check]] = {
    "preset_recall": {"preset": identifier, "place?": _place},
    "preset_store": {"preset?": identifier},
    "preset_add": {"name": _name},
    "preset_rename": {"preset": identifier, "name": _name},
    "preset_move": {"preset": identifier, "to": _place},
    "preset_remove": {"preset": identifier},
    "bank_size": {"size": _place},
    "scene_store": {"number": _place, "name?": _name},
    "scene_remove": {"number": _place},
    "setlist_add": {"name": _name, "presets?": _ids},
    "setlist_put": {"setlist": identifier, "name?": _name, "presets?": _ids},
    "setlist_remove": {"setlist": identifier},
    "setlist_choose": {"setlist": _nullable},
    "tuner": {"on": _switch},
    "action": {"action": _action, "value?": finite},
    "riff": {"do": _action},
    "preflight": {"setlist?": _nullable},
}


def _fields(command: str) -> dict[str, Any]:
    body = body_of()
    checks = {name.rstrip("?"): check for name, check in _REQUESTS[command].items()}
    only(body, *checks)
    needed = [name for name in _REQUESTS[command] if not name.endswith("?")]
    if missing := [name for name in needed if name not in body]:
        raise bad(f"{missing[0]} is missing.")
    return {name: check(body[name], name) for name, check in checks.items() if name in body}


def _route(command: str) -> Callable[[], Response]:
    def answer() -> Response:
        if command == "preflight":
            return ok(ask_panel(command, _SLOW_S, **_fields(command)))
        return ok(without_lists(ask_panel(command, **_fields(command))))

    answer.__doc__ = f"The panel's request {command}."
    return answer


for _command in _REQUESTS:
    blueprint.add_url_rule(f"/{_command}", endpoint=_command, view_func=_route(_command), methods=["POST"])
