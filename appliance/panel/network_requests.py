"""Requests about the network (`bridge/commands.py` has the table): what the root service tells, what is asked of it.

Also the memory of the phones that stay on the hotspot, since the web itself keeps nothing.
"""

from __future__ import annotations

import contextlib
import ipaddress
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from appliance import storage
from appliance.box import network_settings, network_wishes, wishes
from appliance.box.hotspot_policy import Wish
from appliance.errors import BadRequest, NotInstalled

Fields = Mapping[str, Any]

SCHEMA = 1
_WISH = "network"
_MAX_PHONES = 64


class NetworkRequests:
    """The handlers, by the name of their request. Thread-safe."""

    def __init__(self, phones_file: Path) -> None:
        self._file = phones_file
        self._guard = threading.Lock()
        kept = storage.load_json(phones_file, SCHEMA).content
        self._phones = [phone for phone in kept if isinstance(phone, str)] if isinstance(kept, list) else []
        self.handlers: dict[str, Callable[[Fields], dict[str, Any]]] = {"network": self._network}

    def change_over(self) -> str:
        """What the action `hotspot` does: up until the next start, or back to how it was. Returns words for the player.

        Raises NotInstalled.
        """
        report = network_settings.read_report()
        if report is None:
            raise NotInstalled("there is no Wi-Fi that this pedal looks after: that takes it installed as a service")
        up = report["hotspot"] or report["wish"] == Wish.ON.value
        wishes.wish(_WISH, do="hotspot", wish=(Wish.AUTO if up else Wish.ON).value, lasting=False)
        return "Wi-Fi of its own: only where no known one is near" if up else f"Wi-Fi {report['ssid']} comes up"

    def _network(self, fields: Fields) -> dict[str, Any]:
        if fields.get("do") == "settle":
            self._settle(fields.get("address"))
        elif fields:
            wishes.wish(_WISH, **network_wishes.checked(fields))  # root checks it again: it trusts nobody
        report = network_settings.read_report()
        if report is not None:
            report["told"] = _refusal() or report["told"]
        with self._guard:
            return {"network": {"report": report, "settled": list(self._phones)}}

    def _settle(self, address: Any) -> None:
        try:
            phone = str(ipaddress.IPv4Address(address))
        except (ipaddress.AddressValueError, TypeError) as error:
            raise BadRequest("settle takes the address of a phone") from error
        with self._guard:
            if phone in self._phones:
                return
            self._phones = [*self._phones, phone][-_MAX_PHONES:]
            phones = list(self._phones)
        storage.save_json(self._file, SCHEMA, phones)


def _refusal() -> str | None:
    """Root's words where the last wish did not even reach the service."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        answer = wishes.answer(_WISH)
        return answer.words if answer is not None and answer.status in ("refused", "failed") else None
    return None
