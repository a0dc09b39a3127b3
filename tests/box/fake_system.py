#!/usr/bin/python3 -IS
# mypy: ignore-errors
# ruff: noqa: T201
"""nmcli, iw, busctl, systemctl and hostnamectl as programs on the PATH, with a world in a file (`World` writes it).

Called by its links' names; answers in the formats of NetworkManager 1.42 and iw 5.19, as seen on Debian bookworm.
"""

import contextlib
import io
import json
import os
import re
import sys
from pathlib import Path


def escaped(text):
    return re.sub(r"([:\\])", r"\\\1", text)


class Refused(Exception):
    """A program ends with a code and its words."""

    def __init__(self, words, code=10):
        super().__init__(words)
        self.code = code


def refuse(words, code=10):
    raise Refused(f"Error: {words}", code)


def nmcli(world, words):
    while words and words[0].startswith("--"):
        option = words.pop(0)
        if option in ("--escape", "--fields", "--wait"):
            words.pop(0)
    device = world["device"]
    if words == ["device"]:
        print("lo:loopback:connected (externally):lo:6f1b3b2e-0000-0000-0000-000000000000")
        if device:
            print(":".join(["wlan0", "wifi", device["state"], escaped(device["profile"]), device["uuid"]]))
    elif words[:3] == ["device", "wifi", "list"]:
        if device["profile"] == "appliance-hotspot":
            refuse("Scanning not allowed while in AP mode")
        for ssid, channel, signal, security in world["near"]:
            print(":".join([escaped(ssid), str(channel), str(signal), security]))
    elif words == ["connection", "show"]:
        for uuid, profile in world["profiles"].items():
            print(f"{uuid}:802-11-wireless:{profile['autoconnect']}")
        print("11111111-0000-0000-0000-000000000000:802-3-ethernet:yes")
    elif words[:3] == ["connection", "show", "uuid"]:
        profile = world["profiles"][words[3]]
        print(f"802-11-wireless.ssid:{profile['ssid']}\n802-11-wireless.mode:{profile['mode']}")
    elif words[:2] == ["connection", "load"]:
        text = Path(words[2]).read_text()
        if Path(words[2]).stat().st_mode & 0o77:
            refuse("the file is readable by others")
        of = dict(re.findall(r"^(id|uuid|mode|autoconnect|psk)=(.*)$", text, re.MULTILINE))
        raw = re.search(r"^ssid=([\d;]+)$", text, re.MULTILINE)[1]
        world["profiles"][of["uuid"]] = {
            "name": of["id"],
            "ssid": bytes(int(number) for number in raw.strip(";").split(";")).decode(),
            "mode": of["mode"],
            "autoconnect": "yes" if of["autoconnect"] == "true" else "no",
            "psk": of.get("psk"),
            "file": words[2],
            "text": text,
        }
    elif words[:2] == ["connection", "up"]:
        key = {"id": "name", "uuid": "uuid"}[words[2]]
        found = [(uuid, one) for uuid, one in world["profiles"].items() if {**one, "uuid": uuid}[key] == words[3]]
        if not found:
            refuse(f"unknown connection '{words[3]}'.")
        uuid, profile = found[0]
        if profile["mode"] == "ap":
            if world["no_ap"] or (world["no_wpa3_ap"] and "pmf=3" in profile["text"]):
                refuse("Connection activation failed: 802.1X supplicant took too long to authenticate", 4)
        else:
            right = world["keys"].get(profile["ssid"])
            if profile["ssid"] not in [one[0] for one in world["near"]]:
                refuse("Connection activation failed: The Wi-Fi network could not be found", 4)
            if right is not None and profile["psk"] != right:
                device.update(state="disconnected", profile="", uuid="")
                refuse("Connection activation failed: Secrets were required, but not provided", 4)
        device.update(state="connected", profile=profile["name"], uuid=uuid)
    elif words[:3] == ["connection", "down", "id"]:
        if device["profile"] != words[3]:
            refuse(f"'{words[3]}' is not an active connection.")
        device.update(state="disconnected", profile="", uuid="")
    elif words[:3] == ["connection", "delete", "uuid"]:
        profile = world["profiles"].pop(words[3])
        if device["uuid"] == words[3]:
            device.update(state="disconnected", profile="", uuid="")
        if profile.get("file"):
            Path(profile["file"]).unlink()
    elif words == ["radio", "wifi", "on"]:
        if device and device["state"] == "unavailable":
            device["state"] = "disconnected"
    else:
        refuse(f"argument {words} not understood", 2)


def iw(world, words):
    up = world["device"] and world["device"]["profile"] == "appliance-hotspot"
    if words[2:] == ["station", "dump"] and world["no_count"]:
        refuse("Operation not supported (-95)")
    elif words[2:] == ["station", "dump"]:
        for number in range(world["guests"] if up else 0):
            print(f"Station 02:00:00:00:01:{number:02x} (on wlan0)\n\tinactive time:\t292 ms")
    elif words[2:] == ["scan", "trigger", "ap-force"]:
        if not world["quiet_scan"]:
            raise Refused("command failed: Operation not supported (-95)", 161)
    elif words[2:] == ["scan", "dump"]:
        for ssid, channel, signal, security in world["near"]:
            shown = "".join(chr(b) if 32 < b < 127 and b != 92 else f"\\x{b:02x}" for b in ssid.encode())
            print(
                f"BSS 02:00:00:00:02:00(on wlan0)\n\tfreq: {2407 + 5 * channel}\n\tsignal: {signal / 2 - 100:.2f} dBm"
            )
            print(f"\tSSID: {shown}\n" + ("\tRSN:\t * Version: 1" if security else ""))
    elif words[0] == "dev" and words[2:] == ["info"]:
        print("Interface wlan0\n\tifindex 3\n\twdev 0x1\n\taddr 02:00:00:00:00:00\n\ttype managed\n\twiphy 0")
    elif words == ["phy", "phy0", "info"]:
        print("Wiphy phy0\n" + ("\tDevice supports SAE with AUTHENTICATE command\n" if world["wpa3"] else ""))
        print("\tSupported extended features:\n\t\t* [ SAE_OFFLOAD_AP ]: AP mode SAE authentication offload support")
    elif words[:2] == ["reg", "set"]:
        world["country"] = words[2]
    elif words == ["reg", "get"]:
        print(f"global\ncountry {world['country']}: DFS-UNSET\n\t(2402 - 2472 @ 40), (N/A, 20), (N/A)")
    else:
        refuse("usage")


def busctl(world, words):
    if world["name"] is None:
        refuse("Call failed: The name org.freedesktop.Avahi was not provided by any .service files", 1)
    print(f's "{world["name"]}"')


def answer(path, name, words):
    """What the program prints, in the world of that file. Raises Refused."""
    world = json.loads(Path(path).read_text())
    world["log"].append(" ".join([name, *words]))
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            {"nmcli": nmcli, "iw": iw, "busctl": busctl}.get(name, lambda *_: None)(world, list(words))
    finally:
        Path(path).write_text(json.dumps(world))
    return printed.getvalue()


if __name__ == "__main__":
    try:
        sys.stdout.write(answer(os.environ["FAKE_WORLD"], Path(sys.argv[0]).name, sys.argv[1:]))
    except Refused as refused:
        print(refused, file=sys.stderr)
        sys.exit(refused.code)
