"""The JSON API: what the player does, passed on to the panel.

Values are checked here for their kind only (what may cross the border); what they mean is the panel's to judge.
"""

from __future__ import annotations

import math
from typing import Any

from flask import Blueprint, Response, request

from appliance.bridge.client import PanelClient
from appliance.bridge.commands import Status
from appliance.web.answers import RefusedError, ok
from appliance.web.safety import settings

blueprint = Blueprint("control", __name__, url_prefix="/api")

MAX_NAME_CHARACTERS = 80
MAX_ID_CHARACTERS = 128
MAX_KNOBS = 16
_SWITCHES = frozenset({"bypass", "mute", "normalise", "tuner_mutes"})
_AMOUNTS = frozenset(
    {"input_gain_db", "gate_threshold_db", "bass_db", "middle_db", "treble_db", "level_db", "boost_db"}
    | {"tuner_reference_hz"}
)
_LISTS = ("models", "cabinets", "presets", "setlists")


def bad(message: str) -> RefusedError:
    """A request that makes no sense, in words."""
    return RefusedError(Status.BAD_REQUEST.value, message)


def ask_panel(command: str, timeout_s: float = 5.0, **fields: Any) -> dict[str, Any]:
    """One request to the panel: the state, or whatever else it answers with. May block.

    Raises RefusedError with the panel's own words, NotRunning when it is away.
    """
    reply = PanelClient(settings().panel_socket, timeout_s).request(command, **fields)
    status = str(reply.get("status", Status.INTERNAL.value))
    if status != Status.OK.value:
        raise RefusedError(status, str(reply.get("message") or "The panel refused and did not say why."))
    answers = (found for name, found in reply.items() if name not in ("id", "status", "message"))
    answer: dict[str, Any] = next((found for found in answers if found), {})
    return answer


def without_lists(state: dict[str, Any]) -> dict[str, Any]:
    """The state less the lists, which are most of it: what goes back to the phone for each turn of a knob."""
    return {key: value for key, value in state.items() if key not in _LISTS}


def body_of() -> dict[str, Any]:
    """The JSON object of the request. Raises RefusedError (400)."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise bad('The request must be a JSON object, such as {"bypass": true}.')
    return body


def only(body: dict[str, Any], *names: str) -> None:
    """No other fields than these. Raises RefusedError (400)."""
    if unknown := sorted(set(body) - set(names)):
        raise bad(f"Unknown field {unknown[0][:40]!r}. Known here: {', '.join(sorted(names))}.")


def identifier(value: Any, name: str) -> str:
    """An id of the state. Raises RefusedError (400)."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_CHARACTERS:
        raise bad(f"{name} must be the id of an item, as in the state.")
    return value


def clean_name(value: Any) -> str:
    """A name as the player typed it: one line, no control characters, not empty, at most MAX_NAME_CHARACTERS."""
    if not isinstance(value, str):
        raise bad("name must be text.")
    name = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    if not name:
        raise bad("The name is empty. Type at least one letter.")
    if len(name) > MAX_NAME_CHARACTERS:
        raise bad(f"The name has {len(name)} characters; {MAX_NAME_CHARACTERS} is the most that fits.")
    return name


def finite(value: Any, name: str) -> float:
    """A number that is one. Raises RefusedError (400)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise bad(f"{name} must be a number.")
    return float(value)


def settings_from(body: dict[str, Any]) -> dict[str, Any]:
    """Fields of a `set` request, each of its right kind. Raises RefusedError (400) in words."""
    only(body, "knobs", "oversample", "tuner_tuning", *_SWITCHES, *_AMOUNTS)
    if not body:
        raise bad("Nothing to set.")
    wanted: dict[str, Any] = {}
    for name, value in body.items():
        if name in _SWITCHES:
            if not isinstance(value, bool):
                raise bad(f"{name} must be true or false.")
            wanted[name] = value
        elif name in _AMOUNTS:
            wanted[name] = finite(value, name)
        elif name == "oversample":
            if isinstance(value, bool) or not isinstance(value, int):
                raise bad("oversample must be 1, 2 or 4.")
            wanted[name] = value
        elif name == "tuner_tuning":
            wanted[name] = identifier(value, name)
        else:
            if not isinstance(value, dict) or len(value) > MAX_KNOBS:
                raise bad(f"knobs must be an object of at most {MAX_KNOBS} names with their values.")
            wanted["knobs"] = {knob: finite(amount, f"Knob {knob[:40]}") for knob, amount in value.items()}
    return wanted


@blueprint.get("/state")
def state() -> Response:
    """Everything the page shows but the meters."""
    return ok(ask_panel("state") | {"demo": settings().demo})


@blueprint.post("/select")
def select() -> Response:
    """Swap the model or the cabinet. Answers when the panel has it; the engine follows (compare generations)."""
    body = body_of()
    only(body, "model", "cabinet")
    if len(body) != 1:
        raise bad("Name either a model or a cabinet.")
    if "model" in body:
        return ok(without_lists(ask_panel("select", model=identifier(body["model"], "model"))))
    cabinet = body["cabinet"]
    chosen = None if cabinet is None else identifier(cabinet, "cabinet")
    return ok(without_lists(ask_panel("select", cabinet=chosen)))


@blueprint.post("/set")
def set_values() -> Response:
    """Switches, amounts in dB and knobs."""
    return ok(without_lists(ask_panel("set", **settings_from(body_of()))))


@blueprint.post("/rename")
def rename() -> Response:
    """Give an item another name."""
    body = body_of()
    only(body, "item", "name")
    item = identifier(body.get("item"), "item")
    return ok(without_lists(ask_panel("rename", item=item, name=clean_name(body.get("name")))))


@blueprint.post("/remove")
def remove() -> Response:
    """Take an item out of the library."""
    body = body_of()
    only(body, "item")
    return ok(without_lists(ask_panel("remove", item=identifier(body.get("item"), "item"))))
