"""`python -m appliance.box.network`: the box's Wi-Fi, as root: known networks first, else a hotspot of its own.

It looks at what NetworkManager reports every few seconds, lets `hotspot_policy.decide` say what to do, does it, and
tells (`network_settings.write_report`). Wired networks are never touched; nothing waits for it, the sound least of all.
What is asked of it comes as files (`network_wishes.py`) and is taken at once on SIGHUP.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from appliance.addresses import local_addresses
from appliance.box import hotspot, network_announce, network_settings, network_wishes
from appliance.box.hotspot_policy import Memory, Seen, Step, Wish, decide
from appliance.box.network_manager import Device, Known, Network, NetworkManager
from appliance.box.wifi import Wifi
from appliance.errors import ApplianceError, ExitCode, StorageError, SystemRefused

log = logging.getLogger(__name__)

_TICK_S = 3.0
_CALM_TICK_S = 10.0  # while a network of the owner's is joined
_KNOWN_EVERY_S = 30.0
_NAME_EVERY_S = 60.0
_LONG_AGO_S = -1e9


class NetworkService:
    """The state of the service. `tick` does one round; its time is the clock's, in seconds."""

    def __init__(
        self, manager: NetworkManager, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._manager = manager
        self._wifi = Wifi(manager)
        self._root = root
        self._clock = clock
        self._settings = network_settings.load_or_make(root)
        self._kept_wish = self._settings.wish  # one for this evening only is not kept
        self._memory = Memory()
        self._near: bool | None = None  # what the look of the last round found
        self._known: list[Known] = []
        self._known_s = _LONG_AGO_S
        self._told: str | None = None
        self._name: str | None = None
        self._named_s = _LONG_AGO_S

    def start(self) -> None:
        """Once, before the first round: the country, the soft block, the places where the pass-phrase is read."""
        country = self._settings.country
        if country is None:
            self._note_country(self._manager.country())
        else:
            self._try(lambda: self._manager.set_country(country))
        if self._settings.wish is not Wish.OFF:
            self._try(self._manager.switch_on)
        network_announce.announce(self._root, self._settings)

    def tick(self) -> float:
        """One round; returns after how long the next is due, in seconds. Raises nothing. May block for a minute."""
        for asked in network_wishes.take(self._root):
            self._fulfil(asked)
        try:
            device, known = self._manager.device(), self._known_networks()
            seen = self._seen(device, known)
            step, self._memory = decide(self._clock(), seen, self._settings.wish, self._memory)
            if device is not None and step is not Step.WAIT:
                log.info("%s (%s)", step.value, seen)
                self._do(step, device.interface, known)
            elif device is not None and seen.hotspot and self._wifi.is_outdated(self._settings):
                self._wifi.raise_hotspot(device.interface, self._settings)
            else:
                self._tell(device, known, seen)
                return _CALM_TICK_S if seen.wifi else _TICK_S
        except SystemRefused as error:
            log.warning("%s", error)
            self._told = str(error)
        return 0.5  # something changed: look again, and tell

    def _known_networks(self) -> list[Known]:
        """Asked now and then: it takes a program call for each network."""
        if self._clock() - self._known_s > _KNOWN_EVERY_S:
            self._known, self._known_s = self._manager.known(), self._clock()
        return self._known

    def _seen(self, device: Device | None, known: list[Known]) -> Seen:
        if device is None or not device.usable:
            return Seen(radio=False)
        ours = device.profile == hotspot.PROFILE
        near, self._near = self._near, None
        return Seen(
            radio=True,
            hotspot=ours and device.state.startswith("conn"),
            wifi=not ours and device.state.startswith("connected"),
            joining=not ours and device.state.startswith("connecting"),
            known=bool(known),
            guests=self._guests(device.interface) if ours else 0,
            near=near,
        )

    def _guests(self, interface: str) -> int:
        try:
            return self._manager.guests(interface)
        except SystemRefused as error:
            log.warning("guests can't be counted, so the hotspot stays: %s", error)
            return 1

    def _do(self, step: Step, interface: str, known: list[Known]) -> None:
        if step is Step.RAISE:
            with contextlib.suppress(SystemRefused):  # it comes up all the same, on channel 1
                self._wifi.look(interface)
            self._wifi.raise_hotspot(interface, self._settings)
        elif step is Step.LOWER:
            self._manager.lower_hotspot()
        elif step is Step.LOOK:
            self._near = self._wifi.look_for(interface, known, self._settings)
        elif step is Step.RETURN:
            self._wifi.join_nearest(known)

    # ---- what is asked ----

    def _fulfil(self, asked: Mapping[str, Any]) -> None:
        """One wish, checked by `network_wishes`."""
        log.info("asked: %s", asked.get("do"))
        self._told = None
        self._known_s = _LONG_AGO_S
        deeds: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "hotspot": self._wish,
            "passphrase": lambda asked: self._keep(replace(self._settings, passphrase=asked["passphrase"])),
            "wpa3": lambda asked: self._keep(replace(self._settings, wpa3=asked["wpa3"])),
            "country": self._set_country,
            "look": lambda _: self._look(),
            "join": self._join,
            "forget": lambda asked: self._wifi.forget(asked["ssid"]),
        }
        try:
            deeds[asked["do"]](asked)
        except ApplianceError as error:
            log.warning("%s", error)
            self._told = str(error)

    def _wish(self, asked: Mapping[str, Any]) -> None:
        wish = Wish(asked["wish"])
        self._kept_wish = wish if asked["lasting"] else self._kept_wish
        self._keep(replace(self._settings, wish=wish))
        if wish is not Wish.OFF:
            self._manager.switch_on()

    def _keep(self, settings: network_settings.Settings) -> None:
        """What can't be saved holds until the next start: a full card is no reason to have no Wi-Fi."""
        try:
            network_settings.save(self._root, replace(settings, wish=self._kept_wish))
        except StorageError as error:
            log.warning("%s", error)
            self._told = str(error)
        if settings.passphrase != self._settings.passphrase:
            network_announce.announce(self._root, settings)
        self._settings = settings

    def _set_country(self, asked: Mapping[str, Any]) -> None:
        self._manager.set_country(asked["country"])
        self._note_country(asked["country"])

    def _note_country(self, code: str | None) -> None:
        if code is not None:
            self._keep(replace(self._settings, country=code))

    def _look(self) -> None:
        device = self._manager.device()
        if device is None or not device.usable:
            raise SystemRefused("there is no Wi-Fi here to look with")
        if device.profile != hotspot.PROFILE:
            self._wifi.look(device.interface)
            return
        try:
            self._wifi.look_quietly(device.interface)
        except SystemRefused as error:
            log.info("%s", error)
            self._told = "This Wi-Fi chip can't look around while the hotspot is up: the list is from before."

    def _join(self, asked: Mapping[str, Any]) -> None:
        self._say_busy(f"Joining {asked['ssid']} …")
        device = self._manager.device()
        if device is not None and device.profile == hotspot.PROFILE:
            self._memory = Memory(
                without_since_s=_LONG_AGO_S
            )  # if it fails, the phone waits for the hotspot: no patience
        self._wifi.join(asked["ssid"], asked["passphrase"])
        self._settings = replace(self._settings, wish=Wish.AUTO)

    # ---- what is told ----

    def _tell(self, device: Device | None, known: list[Known], seen: Seen) -> None:
        if self._clock() - self._named_s > _NAME_EVERY_S:
            self._name, self._named_s = self._manager.local_name(), self._clock()
        names = {one.uuid: one.ssid for one in known}
        joined = device if seen.wifi else None
        self._write(
            {
                "radio": seen.radio,
                "hotspot": seen.hotspot,
                "wish": self._settings.wish.value,
                "ssid": self._settings.ssid,
                "passphrase": self._settings.passphrase,
                "wpa3": self._settings.wpa3,
                "address": hotspot.ADDRESS,
                "guests": seen.guests,
                "wifi": None if joined is None else names.get(joined.uuid, joined.profile),
                "near": [
                    {
                        "ssid": one.ssid,
                        "signal": one.signal,
                        "security": one.security,
                        "known": one.ssid in names.values(),
                    }
                    for one in _strongest(self._wifi.near)
                    if one.ssid != self._settings.ssid
                ],
                "known": sorted(set(names.values())),
                "country": self._settings.country,
                "name": self._name,
                "addresses": local_addresses(),
                "told": self._told,
                "busy": None,
            }
        )

    def _say_busy(self, words: str) -> None:
        report = network_settings.read_report(network_settings.report_path(self._root))
        if report is not None:
            self._write({**report, "busy": words, "told": None})

    def _write(self, report: dict[str, Any]) -> None:
        path = network_settings.report_path(self._root)
        with contextlib.suppress(OSError):  # nobody to tell: no pedal is installed here
            if network_settings.read_report(path) != report:
                network_settings.write_report(path, report)

    def _try(self, deed: Callable[[], None]) -> None:
        try:
            deed()
        except SystemRefused as error:
            log.warning("%s", error)


def _strongest(networks: list[Network]) -> list[Network]:
    """One entry per name, the strongest first."""
    best: dict[str, Network] = {}
    for network in sorted(networks, key=lambda network: -network.signal):
        best.setdefault(network.ssid, network)
    return list(best.values())


def main() -> int:
    """Run until SIGTERM. Returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    news, tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    signal.signal(signal.SIGHUP, lambda _signal, _frame: None)  # a wish waits: the pipe says so
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    service = NetworkService(NetworkManager())
    service.start()
    while not stopping:
        pause_s = service.tick()
        if not stopping and select.select([news], [], [], pause_s)[0]:
            os.read(news, 4096)
    network_settings.report_path().unlink(missing_ok=True)
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
