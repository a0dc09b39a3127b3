"""Pots, pedals, switches and MIDI over HTTP: look at them, teach a pot its ends, teach MIDI what it does.

The simulated box is not moved from here: that is for `appliance panel sim` on the machine itself.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from appliance.web.answers import ok
from appliance.web.control import ask_panel, bad, body_of, only

blueprint = Blueprint("controls", __name__, url_prefix="/api")

MAX_TEXT_CHARACTERS = 80
_STEPS = ("walk", "end", "cancel", "forget")


def _text(value: Any, name: str, example: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT_CHARACTERS or not value.isprintable():
        raise bad(f"{name} must be a short text, such as {example}.")
    return value


@blueprint.get("/controls")
def controls() -> Response:
    """Every control as it is now (`bridge/commands.py`). 404 with the reason where there are none."""
    return ok(ask_panel("controls"))


@blueprint.post("/calibrate")
def calibrate() -> Response:
    """One step of teaching a pot or pedal its ends."""
    body = body_of()
    only(body, "pot", "step")
    step = body.get("step")
    if step not in _STEPS:
        raise bad(f"step must be one of {', '.join(_STEPS)}.")
    return ok(ask_panel("calibrate", pot=_text(body.get("pot"), "pot", "gain"), step=step))


@blueprint.post("/learn")
def learn() -> Response:
    """Bind the next MIDI message to an action; null: don't."""
    body = body_of()
    only(body, "action")
    if "action" not in body:
        raise bad("action is missing: the text of one, or null to stop learning.")
    action = body["action"]
    return ok(ask_panel("learn", action=None if action is None else _text(action, "action", "bypass")))


@blueprint.post("/unlearn")
def unlearn() -> Response:
    """Forget what a MIDI message was taught."""
    body = body_of()
    only(body, "message")
    return ok(ask_panel("unlearn", message=_text(body.get("message"), "message", "cc 11")))
