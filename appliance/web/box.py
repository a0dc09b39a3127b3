"""The box itself over HTTP: whether it is one, shut down, restart."""

from __future__ import annotations

from flask import Blueprint, Response

from appliance.web.answers import ok
from appliance.web.control import ask_panel, bad, body_of, only, without_lists

blueprint = Blueprint("box", __name__, url_prefix="/api")

_DEEDS = ("off", "restart")


@blueprint.get("/box")
def box() -> Response:
    """What the box can do here (`bridge/commands.py`)."""
    return ok(ask_panel("box"))


@blueprint.post("/power")
def power() -> Response:
    """Shut down or restart. Answers at once: the sound fades, everything is saved, then it happens."""
    body = body_of()
    only(body, "do")
    if body.get("do") not in _DEEDS:
        raise bad(f"do must be one of {', '.join(_DEEDS)}.")
    return ok(without_lists(ask_panel("power", do=body["do"])))
