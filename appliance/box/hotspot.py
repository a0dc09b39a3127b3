"""The pedal's own Wi-Fi: its name, pass-phrase, channel and NetworkManager profile. Pure, but for the random letters.

What is chosen here and why, with sources: docs/network.md.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable

from appliance.errors import BadRequest

ADDRESS = "10.20.30.1"
PREFIX_BITS = 24
PROFILE = "appliance-hotspot"
MIN_PASSPHRASE = 12
_WPA_MIN, _WPA_MAX = 8, 63  # IEEE 802.11i: what any network may have
_MADE_CHARACTERS = 12
_MAX_SSID_BYTES = 32
# One keyboard page of a phone, nothing that looks like something else, and no vowels but a, e and u: 54 bits in twelve.
_LETTERS = "abcdefghjkmnpqrstuvwxyz"
# Allowed for everybody in every regulatory domain, and none of them disturbs another.
CHANNELS = (1, 6, 11)
_OVERLAP_CHANNELS = 5
_SPACE = uuid.UUID("5c0a5b8e-3f0e-4f0b-9d4e-8c1a6e1f7b21")  # ours, so that a profile keeps its UUID


def make_passphrase() -> str:
    """A pass-phrase nobody knows: twelve letters for a phone's keyboard."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_MADE_CHARACTERS))


def make_ssid(serial: str) -> str:
    """`Pedal-XXXX` of a serial number: the same after every installation, unlike its neighbour's."""
    digits = "".join(character for character in serial.upper() if character in "0123456789ABCDEF")
    return f"Pedal-{digits[-4:]:0>4}"


def check_passphrase(text: object) -> str:
    """A pass-phrase for the hotspot. Raises BadRequest: nothing that was typed is dropped silently."""
    found = _check_printable(text)
    if len(found) < MIN_PASSPHRASE:
        raise BadRequest(f"the pass-phrase has {len(found)} characters: take at least {MIN_PASSPHRASE}")
    if len(found) > _WPA_MAX:
        raise BadRequest(f"the pass-phrase has {len(found)} characters: {_WPA_MAX} is the most Wi-Fi takes")
    return found


def check_joining(text: object) -> str:
    """The pass-phrase of somebody else's network. Raises BadRequest."""
    found = _check_printable(text)
    if not _WPA_MIN <= len(found) <= _WPA_MAX:
        raise BadRequest(
            f"a Wi-Fi pass-phrase has {_WPA_MIN} to {_WPA_MAX} characters, and this has {len(found)}: look again"
        )
    return found


def check_ssid(text: object) -> str:
    """A network's name. Raises BadRequest."""
    if not isinstance(text, str) or not 0 < len(text.encode(errors="replace")) <= _MAX_SSID_BYTES:
        raise BadRequest(f"a network's name has 1 to {_MAX_SSID_BYTES} bytes")
    return text


def quietest_channel(heard: Iterable[tuple[int, int]]) -> int:
    """The best of channels 1, 6 and 11. `heard`: channel and strength (0…100) of each network in range."""
    noise = dict.fromkeys(CHANNELS, 0)
    for channel, strength in heard:
        for own in CHANNELS:
            if abs(channel - own) < _OVERLAP_CHANNELS:
                noise[own] += strength
    return min(CHANNELS, key=lambda own: (noise[own], own))


def wifi_code(ssid: str, passphrase: str) -> str:
    """What a QR code says so that a phone joins (the MECARD-like form that cameras of Android and iOS read)."""
    return f"WIFI:T:WPA;S:{_escaped(ssid)};P:{_escaped(passphrase)};;"


def hotspot_profile(interface: str, ssid: str, passphrase: str, channel: int, *, wpa3: bool) -> str:
    """The keyfile of the hotspot. `wpa3`: for phones that do WPA3, or WPA2 with its later hash, and for no others."""
    return _keyfile(
        {
            "connection": {
                "id": PROFILE,
                "uuid": uuid.uuid5(_SPACE, PROFILE),
                "type": "wifi",
                "autoconnect": "false",
                "interface-name": interface,
            },
            "wifi": {
                "mode": "ap",
                "band": "bg",
                "channel": channel,
                "ssid": _bytes_of(ssid),
                "powersave": 2,
            },
            "wifi-security": {
                "key-mgmt": "wpa-psk",
                "proto": "rsn;",
                "pairwise": "ccmp;",
                "group": "ccmp;",
                "pmf": 3 if wpa3 else 1,  # 3: required, with SAE and PSK-SHA256; 1: off, with PSK alone
                "psk": _value(passphrase),
            },
            "ipv4": {
                "method": "shared",
                "address1": f"{ADDRESS}/{PREFIX_BITS}",
                # A room with one door: guests reach the pedal, and are told at once that there is nothing behind it.
                "routing-rule1": f"priority 5000 from 0.0.0.0/0 iif {interface} type unreachable",
            },
            "ipv6": {"method": "disabled"},
        }
    )


def joined_profile(ssid: str, passphrase: str | None, *, wpa3_only: bool, hidden: bool) -> str:
    """The keyfile of a network of the owner's. `passphrase`: None for an open one."""
    sections: dict[str, dict[str, object]] = {
        "connection": {
            "id": profile_name(ssid),
            "uuid": joined_uuid(ssid),
            "type": "wifi",
            "autoconnect": "true",
        },
        "wifi": {"mode": "infrastructure", "ssid": _bytes_of(ssid), **({"hidden": "true"} if hidden else {})},
    }
    if passphrase is not None:
        sections["wifi-security"] = {"key-mgmt": "sae" if wpa3_only else "wpa-psk", "psk": _value(passphrase)}
    sections["ipv4"] = {"method": "auto"}
    sections["ipv6"] = {"method": "auto"}
    return _keyfile(sections)


def profile_name(ssid: str) -> str:
    """Name of the profile that we keep for a network: safe as a file's name, whatever the network is called."""
    return f"appliance-wifi-{hashlib.sha256(ssid.encode()).hexdigest()[:12]}"


def joined_uuid(ssid: str) -> str:
    """UUID of that profile."""
    return str(uuid.uuid5(_SPACE, f"wifi {ssid}"))


def _check_printable(text: object) -> str:
    if not isinstance(text, str):
        raise BadRequest("a pass-phrase is text")
    if not (text.isascii() and text.isprintable()):
        raise BadRequest("the pass-phrase may have letters a to z, digits and signs of an English keyboard, no others")
    if text != text.strip():
        raise BadRequest("the pass-phrase begins or ends with a space, which nobody sees on a card: leave it out")
    return text


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in '\\;,:"' else character for character in text)


def _bytes_of(ssid: str) -> str:
    return "".join(f"{byte};" for byte in ssid.encode())  # a list of bytes: no name needs escaping


def _value(text: str) -> str:
    return text.replace("\\", "\\\\")  # the one character that GLib's key files read as more than itself


def _keyfile(sections: dict[str, dict[str, object]]) -> str:
    blocks = [
        "\n".join([f"[{name}]", *(f"{key}={value}" for key, value in of.items())]) for name, of in sections.items()
    ]
    return "\n\n".join(blocks) + "\n"
