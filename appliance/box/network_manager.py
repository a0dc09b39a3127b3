"""NetworkManager and the radio, asked and told through `nmcli` and `iw`: the thin part. Everything here may block."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from appliance import storage
from appliance.box import hotspot
from appliance.box.run import run as run_program
from appliance.errors import SystemRefused

# Below the root. NetworkManager reads both; a reboot empties the first.
_PASSING = Path("run/NetworkManager/system-connections")
_LASTING = Path("etc/NetworkManager/system-connections")
_DEVICE_FIELDS = "DEVICE,TYPE,STATE,CONNECTION,CON-UUID"
_SSID, _MODE = "802-11-wireless.ssid", "802-11-wireless.mode"
_WIFI_FIELDS = f"{_SSID},{_MODE}"
_JOIN_S = 45.0
_RAISE_S = 25.0
_SCAN_S = 5.0
_CHANNEL_OF_5MHZ = 2407
_CHANNEL_14_MHZ = 2484


class Run(Protocol):
    """`box.run.run`."""

    def __call__(self, command: Sequence[str], *, timeout_s: float = 30.0) -> str:
        """See `box.run.run`."""
        ...


@dataclass(frozen=True)
class Device:
    """A Wi-Fi radio. `state`: NetworkManager's word for it; `profile` and `uuid`: what is active on it."""

    interface: str
    state: str
    profile: str = ""
    uuid: str = ""

    @property
    def usable(self) -> bool:
        """False while it is switched off, or not NetworkManager's."""
        return not self.state.startswith(("unavailable", "unmanaged"))


@dataclass(frozen=True)
class Network:
    """A network in range. `security` as nmcli has it ("WPA2 WPA3", "" for none); `signal` 0…100."""

    ssid: str
    channel: int = 0
    signal: int = 0
    security: str = ""


@dataclass(frozen=True)
class Known:
    """A network that the owner's NetworkManager joins by itself."""

    uuid: str
    ssid: str


class NetworkManager:
    """What the service needs of the system. Methods raise SystemRefused with the programs' own words."""

    def __init__(self, root: Path = Path("/"), run: Run = run_program, scan_s: float = _SCAN_S) -> None:
        self._root = root
        self._run = run
        self._scan_s = scan_s

    def device(self) -> Device | None:
        """The first Wi-Fi radio; None: there is none."""
        found = [
            Device(interface, state, profile, uuid)
            for interface, kind, state, profile, uuid in _rows(self._nmcli("device", fields=_DEVICE_FIELDS))
            if kind == "wifi"
        ]
        return min(found, key=lambda device: (not device.usable, device.interface), default=None)

    def known(self) -> list[Known]:
        """Every network that would be joined by itself, the hotspot not among them."""
        found = []
        for uuid, kind, autoconnect in _rows(self._nmcli("connection", "show", fields="UUID,TYPE,AUTOCONNECT")):
            if kind != "802-11-wireless" or autoconnect != "yes":
                continue
            lines = self._nmcli("connection", "show", "uuid", uuid, fields=_WIFI_FIELDS).splitlines()
            of = {line.partition(":")[0]: line.partition(":")[2] for line in lines}  # nothing is escaped here
            if of.get(_MODE) != "ap":
                found.append(Known(uuid, of.get(_SSID, "")))
        return found

    def guests(self, interface: str) -> int:
        """How many phones are on the hotspot."""
        return len(re.findall(r"^Station ", self._run(["iw", "dev", interface, "station", "dump"]), re.MULTILINE))

    def scan(self, interface: str) -> list[Network]:
        """What is in range; takes some seconds. Not while the hotspot is up: `scan_quietly`."""
        text = self._nmcli(
            *("device", "wifi", "list", "ifname", interface, "--rescan", "yes"), fields="SSID,CHAN,SIGNAL,SECURITY"
        )
        return [
            Network(ssid, _number(channel), _number(signal), "" if security == "--" else security)
            for ssid, channel, signal, security in _rows(text)
            if ssid
        ]

    def scan_quietly(self, interface: str) -> list[Network]:
        """What is in range, with the hotspot up. Takes some seconds. Not every radio does that: SystemRefused."""
        self._run(["iw", "dev", interface, "scan", "trigger", "ap-force"])
        time.sleep(self._scan_s)
        return parse_iw_scan(self._run(["iw", "dev", interface, "scan", "dump"]))

    def real_wpa3(self, interface: str) -> bool:
        """Whether a hotspot on this radio may be WPA3.

        Only where the system itself does the handshake (mac80211's radios). Radios that do it in their firmware, such
        as the Pi's own, announce it and then lose the phones (docs/network.md has the reports).
        """
        with contextlib.suppress(SystemRefused):
            number = re.search(r"^\s*wiphy (\d+)", self._run(["iw", "dev", interface, "info"]), re.MULTILINE)
            if number is not None:
                return "SAE with AUTHENTICATE command" in self._run(["iw", "phy", f"phy{number[1]}", "info"])
        return False

    def raise_hotspot(self, interface: str, profile: str) -> None:
        """Bring the hotspot up."""
        self._put(self._path(_PASSING, hotspot.PROFILE), profile)
        self._activate("id", hotspot.PROFILE, "ifname", interface, timeout_s=_RAISE_S)

    def lower_hotspot(self) -> None:
        """Take the hotspot down."""
        self._run(["nmcli", "--wait", "10", "connection", "down", "id", hotspot.PROFILE])

    def join(self, uuid: str) -> None:
        """Join a known network. Raises SystemRefused when it can't be done within 45 s."""
        self._activate("uuid", uuid, timeout_s=_JOIN_S)

    def kept_profile(self, name: str) -> str | None:
        """The text of a profile that is kept; None: there is none of that name."""
        try:
            return self._path(_LASTING, name).read_text()
        except FileNotFoundError:
            return None

    def keep_profile(self, name: str, text: str) -> None:
        """Give NetworkManager a profile for good, for root's eyes only. Raises OSError too."""
        self._put(self._path(_LASTING, name), text)

    def _put(self, path: Path, text: str) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")  # hidden: NetworkManager does not look at those
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600, exist_ok=False)
        temporary.write_text(text)
        storage.sync_file(temporary)
        temporary.replace(path)
        storage.sync_folder(path.parent)
        self._run(["nmcli", "connection", "load", str(path)])

    def _path(self, folder: Path, name: str) -> Path:
        return self._root / folder / f"{name}.nmconnection"

    def forget(self, uuid: str) -> None:
        """Delete a profile."""
        self._run(["nmcli", "connection", "delete", "uuid", uuid])

    def switch_on(self) -> None:
        """Lift the soft block that Raspberry Pi OS holds on Wi-Fi until somebody has set the country."""
        self._run(["nmcli", "radio", "wifi", "on"])

    def set_country(self, code: str) -> None:
        """Tell the kernel whose radio rules hold."""
        self._run(["iw", "reg", "set", code])

    def country(self) -> str | None:
        """The country the kernel goes by; None: the world's common rules."""
        with contextlib.suppress(SystemRefused):
            found = re.search(r"^country ([A-Z]{2}):", self._run(["iw", "reg", "get"]), re.MULTILINE)
            return found[1] if found else None
        return None

    def local_name(self) -> str | None:
        """The name that Avahi won, such as pedal-2.local where there are two; None: no Avahi."""
        call = ("org.freedesktop.Avahi", "/", "org.freedesktop.Avahi.Server", "GetHostNameFqdn")
        with contextlib.suppress(SystemRefused):
            found = re.search(r'"(.+)"', self._run(["busctl", "call", *call], timeout_s=5.0))
            return found[1] if found else None
        return None

    def _activate(self, *what: str, timeout_s: float) -> None:
        self._run(["nmcli", "--wait", f"{timeout_s:.0f}", "connection", "up", *what], timeout_s=timeout_s + 10)

    def _nmcli(self, *command: str, fields: str) -> str:
        return self._run(["nmcli", "--terse", "--escape", "yes", "--fields", fields, *command])


def parse_iw_scan(text: str) -> list[Network]:
    """The networks that `iw dev X scan` found."""
    found = []
    for block in re.split(r"^BSS ", text, flags=re.MULTILINE)[1:]:
        of = dict(re.findall(r"^\s*(freq|signal|SSID): (.*)$", block, re.MULTILINE))
        ssid = _plain(of.get("SSID", ""))
        if ssid:
            secured = (("RSN:", "WPA2"), ("WPA:", "WPA1"))
            security = " ".join(word for mark, word in secured if f"\t{mark}" in block)
            dbm = float(of.get("signal", "-100").split()[0])
            strength = round(min(max(2 * (dbm + 100), 0), 100))
            found.append(Network(ssid, _channel(float(of.get("freq", "0"))), strength, security))
    return found


def _channel(frequency_mhz: float) -> int:
    if frequency_mhz == _CHANNEL_14_MHZ:
        return 14
    channel = (frequency_mhz - _CHANNEL_OF_5MHZ) / 5
    return int(channel) if 1 <= channel <= 13 else 0


def _plain(text: str) -> str:
    """A name as iw prints it: UTF-8 and blanks at its ends are \\xNN."""
    raw = re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), text.encode())
    return raw.decode(errors="replace").strip("\0")


def _rows(text: str) -> list[list[str]]:
    """Lines of `nmcli --terse`: fields between colons; a colon or backslash of the text has a backslash before it."""
    cells = re.compile(r"(?:^|:)((?:\\.|[^:\\])*)")
    return [[re.sub(r"\\(.)", r"\1", cell) for cell in cells.findall(line)] for line in text.splitlines() if line]


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
