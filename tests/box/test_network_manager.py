"""What is read out of nmcli and iw: the awkward names, the modes, the radios."""

from __future__ import annotations

import pytest

from appliance.box.network_manager import Device, Known, Network, NetworkManager, parse_iw_scan
from appliance.errors import SystemRefused
from tests.box.network_world import World, world

__all__ = ["world"]

AWKWARD = "Café: back\\slash"


@pytest.fixture
def manager(world: World) -> NetworkManager:
    return NetworkManager(world.root, scan_s=0.0)


def test_the_radio_is_found_among_other_devices(world: World, manager: NetworkManager) -> None:
    assert manager.device() == Device("wlan0", "disconnected")
    identity = world.know(AWKWARD, "correct horse")
    world.be_on(AWKWARD, identity)
    assert manager.device() == Device("wlan0", "connected", AWKWARD, identity)
    world.be_on(state="unavailable")
    device = manager.device()
    assert device is not None
    assert not device.usable
    world.write(device=None)
    assert manager.device() is None


def test_known_networks_are_those_that_are_joined_by_themselves(world: World, manager: NetworkManager) -> None:
    identity = world.know(AWKWARD, "correct horse")
    profiles = world.read()["profiles"]
    other = {"name": "x", "ssid": "x", "psk": None}
    profiles["a"] = {**other, "mode": "ap", "autoconnect": "yes"}
    profiles["b"] = {**other, "mode": "infrastructure", "autoconnect": "no"}
    world.write(profiles=profiles)
    assert manager.known() == [Known(identity, AWKWARD)]


def test_what_is_near_comes_with_its_strength(world: World, manager: NetworkManager) -> None:
    world.write(near=[[AWKWARD, 6, 70, "WPA2 WPA3"], ["", 1, 90, ""], ["Venue", 40, 20, ""]])
    assert manager.scan("wlan0") == [Network(AWKWARD, 6, 70, "WPA2 WPA3"), Network("Venue", 40, 20, "")]


def test_a_look_with_the_hotspot_up_finds_the_same_or_is_refused_in_words(
    world: World, manager: NetworkManager
) -> None:
    world.write(near=[[AWKWARD, 6, 70, "WPA2"], ["Venue", 11, 20, ""]])
    assert manager.scan_quietly("wlan0") == [Network(AWKWARD, 6, 70, "WPA2"), Network("Venue", 11, 20, "")]
    world.write(quiet_scan=False)
    with pytest.raises(SystemRefused, match="not supported"):
        manager.scan_quietly("wlan0")


def test_channels_of_five_gigahertz_do_not_disturb_ours() -> None:
    text = "BSS 02:00:00:00:02:00(on wlan0)\n\tfreq: 5180.0\n\tsignal: -40.00 dBm\n\tSSID: Five\n"
    assert parse_iw_scan(text) == [Network("Five", 0, 100, "")]
    assert parse_iw_scan(text.replace("5180.0", "2484"))[0].channel == 14
    assert parse_iw_scan("BSS x\n\tfreq: 2412\n\tsignal: -60.00 dBm\n\tSSID: \\x00\\x00\n") == []


def test_only_a_radio_that_does_the_handshake_in_the_system_may_offer_wpa3(
    world: World, manager: NetworkManager
) -> None:
    assert not manager.real_wpa3("wlan0")  # although its firmware announces SAE_OFFLOAD_AP
    world.write(wpa3=True)
    assert manager.real_wpa3("wlan0")


def test_a_kept_profile_is_for_roots_eyes_only(world: World, manager: NetworkManager) -> None:
    from appliance.box import hotspot

    text = hotspot.joined_profile(AWKWARD, "correct horse", wpa3_only=False, hidden=False)
    assert manager.kept_profile("appliance-wifi-1") is None
    manager.keep_profile("appliance-wifi-1", text)
    kept = world.root / "etc/NetworkManager/system-connections/appliance-wifi-1.nmconnection"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert manager.kept_profile("appliance-wifi-1") == text
    assert manager.known() == [Known(hotspot.joined_uuid(AWKWARD), AWKWARD)]


def test_country_and_name_or_none(world: World, manager: NetworkManager) -> None:
    assert (manager.country(), manager.local_name()) == (None, "pedal.local")
    manager.set_country("DE")
    world.write(name=None)
    assert (manager.country(), manager.local_name()) == ("DE", None)
