"""What may be asked of the network service: checked here by root's side of a wish, then left for the service as a file.

    panel ── wish "network" ──► python -m appliance.box ── /run/appliance-network/N.json, SIGHUP ──► the service

| do         | with                            |                                                              |
|------------|---------------------------------|--------------------------------------------------------------|
| hotspot    | wish (on, off, auto), lasting   | lasting: false: until the next start only                    |
| passphrase | passphrase                      | of the hotspot: 12 characters at least                       |
| wpa3       | wpa3 (bool)                     | the hotspot for newer phones alone, where the radio does it  |
| country    | country                         | two letters                                                  |
| look       |                                 | which networks are near                                      |
| join       | ssid, passphrase (null: open)   | now and from now on                                          |
| forget     | ssid                            |                                                              |
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from appliance.box import hotspot
from appliance.box.hotspot_policy import Wish
from appliance.box.network_settings import check_country
from appliance.box.run import run
from appliance.box.wishes import Answer
from appliance.errors import BadRequest

_ASKED = Path("run/appliance-network")  # below the root; root's own
_SERVICE = "appliance-network.service"
_ROOT = Path("/")


def checked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A wish as the service takes it. Raises BadRequest, in words for the player."""
    do = arguments.get("do")
    if do == "hotspot":
        wishes = [wish.value for wish in Wish]
        if arguments.get("wish") not in wishes:
            raise BadRequest(f"hotspot takes a wish: {', '.join(wishes)}")
        return {"do": do, "wish": arguments["wish"], "lasting": arguments.get("lasting") is not False}
    if do == "passphrase":
        return {"do": do, "passphrase": hotspot.check_passphrase(arguments.get("passphrase"))}
    if do == "wpa3":
        if not isinstance(arguments.get("wpa3"), bool):
            raise BadRequest("wpa3 is true or false")
        return {"do": do, "wpa3": arguments["wpa3"]}
    if do == "country":
        return {"do": do, "country": check_country(arguments.get("country"))}
    if do == "look":
        return {"do": do}
    if do == "join":
        passphrase = arguments.get("passphrase")
        joining = None if passphrase is None else hotspot.check_joining(passphrase)
        return {"do": do, "ssid": hotspot.check_ssid(arguments.get("ssid")), "passphrase": joining}
    if do == "forget":
        return {"do": do, "ssid": hotspot.check_ssid(arguments.get("ssid"))}
    raise BadRequest("network takes do: hotspot, passphrase, wpa3, country, look, join or forget")


def fulfil(arguments: Mapping[str, Any]) -> Answer:
    """Root's handler of the wish "network": leave it for the service and wake that up. May block for a moment.

    Raises BadRequest, SystemRefused where no such service runs.
    """
    asked = checked(arguments)
    leave(_ROOT, asked)
    run(["systemctl", "reload", _SERVICE])
    return Answer("done", "")


def leave(root: Path, asked: Mapping[str, Any]) -> None:
    """Put a checked wish where the service finds it."""
    folder = root / _ASKED
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{time.monotonic_ns():020d}.json"
    temporary = path.with_suffix(".part")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(asked))
    temporary.replace(path)


def take(root: Path) -> Iterator[dict[str, Any]]:
    """The service's side: what was asked since, oldest first, each removed before it is handed out."""
    for path in sorted((root / _ASKED).glob("*.json")):
        with contextlib.suppress(OSError, ValueError):
            text = path.read_text()
            path.unlink()
            yield json.loads(text)
