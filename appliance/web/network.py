"""The network over HTTP: what the pedal is on, what is near, the hotspot, its card."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from appliance.bridge.commands import Status
from appliance.web.answers import RefusedError, ok
from appliance.web.control import ask_panel, bad, body_of, only

blueprint = Blueprint("network", __name__, url_prefix="/api")

_MAX_TEXT_CHARACTERS = 200  # what it means is the panel's to judge
# What may be asked for, and with which fields.
_DEEDS: dict[str, tuple[str, ...]] = {
    "hotspot": ("wish",),
    "passphrase": ("passphrase",),
    "wpa3": ("wpa3",),
    "country": ("country",),
    "look": (),
    "join": ("ssid", "passphrase"),
    "forget": ("ssid",),
}


@blueprint.get("/network")
def network() -> Response:
    """What the network service told last (`bridge/commands.py`); null where there is none."""
    return ok({"network": ask_panel("network")["report"]})


@blueprint.post("/network")
def change() -> Response:
    """Ask for something. It is done within seconds, and may take this phone's connection with it."""
    body = body_of()
    do = body.get("do")
    if do not in _DEEDS:
        raise bad(f"do must be one of {', '.join(_DEEDS)}.")
    only(body, "do", *_DEEDS[do])
    for name in _DEEDS[do]:
        value: Any = body.get(name)
        if name == "wpa3":
            if not isinstance(value, bool):
                raise bad("wpa3 must be true or false.")
            continue
        if not (isinstance(value, str) and len(value) <= _MAX_TEXT_CHARACTERS) and (do, name, value) != _OPEN:
            raise bad(f"{name} must be text.")
    return ok({"network": ask_panel("network", **body)["report"]})


_OPEN = ("join", "passphrase", None)  # a network without one


@blueprint.get("/network/card.svg")
def card() -> Response:
    """The card with both QR codes, for looking at and for printing."""
    from appliance import card as cards

    report = ask_panel("network")["report"]
    if report is None:
        raise RefusedError(Status.NOT_FOUND.value, "This pedal has no Wi-Fi of its own, so there is no card.")
    return Response(cards.svg(cards.from_report(report)), content_type="image/svg+xml")
