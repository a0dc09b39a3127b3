"""The radio in the service's hands: looking around, the hotspot on the quietest channel, joining and forgetting."""

from __future__ import annotations

import contextlib
import logging

from appliance.box import hotspot
from appliance.box.network_manager import Known, Network, NetworkManager
from appliance.box.network_settings import Settings
from appliance.errors import SystemRefused

log = logging.getLogger(__name__)


class Wifi:
    """`near`: what was in range when somebody looked last. Methods may block for up to a minute."""

    def __init__(self, manager: NetworkManager) -> None:
        self.manager = manager
        self.near: list[Network] = []
        self._on_air: tuple[str, str, bool] | None = None  # what the hotspot was made of, if by us
        self._plain_only = False  # this radio would not do WPA3

    def look(self, interface: str) -> None:
        """Look around, where the radio is not the hotspot's. Raises SystemRefused."""
        self.near = self.manager.scan(interface)

    def look_quietly(self, interface: str) -> None:
        """Look around with the hotspot up. Raises SystemRefused where the radio can't."""
        self.near = self.manager.scan_quietly(interface)

    def look_for(self, interface: str, known: list[Known], settings: Settings) -> bool:
        """Is one of these near? With the hotspot up where the radio can; else it is away for some seconds.

        Raises SystemRefused.
        """
        try:
            self.look_quietly(interface)
        except SystemRefused as error:
            log.info("the hotspot is away for a look: %s", error)
            self.manager.lower_hotspot()
            with contextlib.suppress(SystemRefused):
                self.look(interface)
            if not self.nearest(known):
                self.raise_hotspot(interface, settings)
        return bool(self.nearest(known))

    def nearest(self, known: list[Known]) -> list[Known]:
        """Those of them that are near, the strongest first."""
        strength = {network.ssid: network.signal for network in self.near}
        return sorted((one for one in known if one.ssid in strength), key=lambda one: -strength[one.ssid])

    def raise_hotspot(self, interface: str, settings: Settings) -> None:
        """Bring the hotspot up. Raises SystemRefused; the next attempt then asks less of the radio."""
        channel = hotspot.quietest_channel((network.channel, network.signal) for network in self.near)
        wpa3 = settings.wpa3 and not self._plain_only and self.manager.real_wpa3(interface)
        profile = hotspot.hotspot_profile(interface, settings.ssid, settings.passphrase, channel, wpa3=wpa3)
        try:
            self.manager.raise_hotspot(interface, profile)
        except SystemRefused:
            self._plain_only = True
            raise
        self._on_air = settings.ssid, settings.passphrase, settings.wpa3
        log.info("hotspot %s on channel %d, %s", settings.ssid, channel, "WPA3" if wpa3 else "WPA2")

    def is_outdated(self, settings: Settings) -> bool:
        """Whether the hotspot that is up has another name, pass-phrase or security than is kept."""
        return self._on_air not in (None, (settings.ssid, settings.passphrase, settings.wpa3))

    def join_nearest(self, known: list[Known]) -> None:
        """Join the strongest of them that lets us in; the hotspot gives way."""
        for one in self.nearest(known):
            with contextlib.suppress(SystemRefused):
                self.manager.join(one.uuid)
                return

    def join(self, ssid: str, passphrase: str | None) -> None:
        """Join a network now and keep it. Raises SystemRefused; a network that was new is then not kept."""
        found = next((network for network in self.near if network.ssid == ssid), None)
        if found is not None and "802.1X" in found.security:
            raise SystemRefused(f"{ssid} wants a user name besides a pass-phrase: set it up with nmtui on the box")
        wpa3_only = found is not None and "WPA3" in found.security and "WPA2" not in found.security
        text = hotspot.joined_profile(ssid, passphrase, wpa3_only=wpa3_only, hidden=found is None)
        name, uuid = hotspot.profile_name(ssid), hotspot.joined_uuid(ssid)
        before = self.manager.kept_profile(name)
        try:
            self.manager.keep_profile(name, text)
            self.manager.join(uuid)
        except (SystemRefused, OSError) as error:
            with contextlib.suppress(SystemRefused, OSError):
                if before is None:
                    self.manager.forget(uuid)
                else:
                    self.manager.keep_profile(name, before)  # the pass-phrase that worked
            log.warning("%s", error)
            raise SystemRefused(_why_not(ssid, str(error))) from error

    def forget(self, ssid: str) -> None:
        """Never join that network by itself again. Raises SystemRefused."""
        for one in self.manager.known():
            if one.ssid == ssid:
                self.manager.forget(one.uuid)


def _why_not(ssid: str, words: str) -> str:
    """NetworkManager's reason, for a player."""
    if "ecrets were required" in words:
        return f"{ssid} does not take this pass-phrase. Look again, capitals count."
    if "could not be found" in words:
        return f"{ssid} is not in range. Is its name written exactly so?"
    return f"{ssid} could not be joined: is the pass-phrase right, and the network near?"
