"""The hotspot with real radios (mac80211_hwsim), NetworkManager, wpa_supplicant and dnsmasq: a phone joins it, a known
network comes and goes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.system.conftest import MakeMachine, RecordFigure, start_and_play
from tests.system.machine import Hardware, Machine
from tests.system.target import Target

pytestmark = pytest.mark.timeout(1500)

HOME, HOME_KEY = "Café: home", "correct horse"
PEDAL = "10.20.30.1"
_REPORT = "/run/appliance/network.json"


def report(machine: Machine) -> dict[str, Any]:
    """What the network service told last."""
    found: dict[str, Any] = json.loads(machine.get(_REPORT))
    return found


def wait_for(machine: Machine, words: str, timeout_s: float = 120.0) -> None:
    """Until the report has this in it."""
    machine.wait_until(f"grep -q {words!r} {_REPORT}", timeout_s=timeout_s)


def ask(machine: Machine, **wish: object) -> None:
    """What the page asks for, by the page's own way."""
    machine.python("page", "/api/network", json.dumps(wish))


def phone(machine: Machine, *words: str, timeout_s: float = 60.0) -> Any:
    """What the phone sees."""
    script = machine.python_words("phone", *words)
    return json.loads(machine.run(f"ip netns exec phone {script}", timeout_s=timeout_s).stdout)


def join(machine: Machine, ssid: str, key: str, security: str) -> None:
    """Let the phone join a network."""
    machine.run("ip netns exec phone wpa_cli -p /tmp/phone terminate; sleep 1", check=False)
    protected = "ieee80211w=2" if security == "SAE" else ""
    text = (
        "ctrl_interface=/tmp/phone\nsae_pwe=2\n"
        f'network={{\nssid="{ssid}"\npsk="{key}"\nkey_mgmt={security}\n{protected}\n}}\n'
    )
    machine.put("/tmp/phone.conf", text.encode())
    machine.run("ip netns exec phone wpa_supplicant -B -i wlan1 -c /tmp/phone.conf")
    machine.wait_until("ip netns exec phone wpa_cli -p /tmp/phone status | grep -q COMPLETED", timeout_s=120)


@pytest.fixture(scope="module")
def machine(new_machine: MakeMachine, target: Target) -> Machine:
    """A pedal with a radio, and in rooms of their own a phone's and a home router's."""
    machine = start_and_play(new_machine(Hardware(target, exact_time=True)))
    others = "[keyfile]\nunmanaged-devices=interface-name:wlan1;interface-name:wlan2\n"
    machine.put("/etc/NetworkManager/conf.d/others.conf", others.encode())
    machine.run("nmcli general reload conf; modprobe mac80211_hwsim radios=3; ip netns add phone; ip netns add home")
    for room, number in (("phone", 1), ("home", 2)):
        machine.run(f"iw phy $(cat /sys/class/net/wlan{number}/phy80211/name) set netns name {room}")
        machine.run(f"ip -n {room} link set lo up")
    home = (
        f'ap_scan=2\nctrl_interface=/tmp/home\nnetwork={{\nmode=2\nfrequency=2462\nssid="{HOME}"\npsk="{HOME_KEY}"\n'
        "key_mgmt=WPA-PSK\nproto=RSN\npairwise=CCMP\ndisabled=1\n}\n"
    )
    machine.put("/tmp/home.conf", home.encode())
    machine.run(
        "ip netns exec home wpa_supplicant -B -i wlan2 -c /tmp/home.conf; ip -n home addr add 192.168.5.1/24 dev wlan2"
    )
    machine.run(
        "ip netns exec home dnsmasq --conf-file=/dev/null --port=0 --interface=wlan2 --bind-dynamic "
        "--dhcp-range=192.168.5.10,192.168.5.50 --dhcp-leasefile=/tmp/leases --pid-file=/tmp/home-dhcp.pid"
    )
    return machine


def test_with_no_known_network_a_hotspot_comes_up_by_itself(machine: Machine, record_figure: RecordFigure) -> None:
    wait_for(machine, '"hotspot": true')
    told = report(machine)
    assert re.fullmatch(r"Pedal-[0-9A-F]{4}", told["ssid"])
    assert re.fullmatch(r"[a-z]{12}", told["passphrase"])
    log = machine.run("journalctl -u appliance-network -o short-unix --no-pager").stdout
    raised = [float(line.split()[0]) for line in log.splitlines() if "raise (" in line or "on channel" in line]
    record_figure("hotspot up after the decision", f"{raised[1] - raised[0]:.1f} s of the machine's time")
    assert told["passphrase"] in machine.run("cat /run/issue.d/appliance.issue").stdout


@pytest.mark.parametrize("security", ["SAE", "WPA-PSK"])
def test_a_phone_joins_with_the_passphrase(machine: Machine, security: str) -> None:
    if security == "SAE" or report(machine)["wpa3"]:
        ask(machine, do="wpa3", wpa3=security == "SAE")
        words = "WPA3" if security == "SAE" else "WPA2"
        machine.wait_until(f"journalctl -u appliance-network --no-pager | grep 'on channel' | tail -1 | grep {words}")
    told = report(machine)
    join(machine, told["ssid"], told["passphrase"], security)
    used = machine.run("ip netns exec phone wpa_cli -p /tmp/phone status").stdout
    assert ("key_mgmt=SAE" if security == "SAE" else "key_mgmt=WPA2-PSK") in used
    assert "pairwise_cipher=CCMP" in used
    wait_for(machine, '"guests": 1')


def test_it_gets_an_address_and_every_name_leads_to_the_pedal(machine: Machine) -> None:
    lease = phone(machine, "lease", "wlan1")
    assert lease["address"].startswith("10.20.30.")
    assert (lease["router"], lease["dns"]) == (PEDAL, PEDAL)
    assert lease["portal"] is False
    for name in ("captive.apple.com", "www.google.com", "pedal.local"):
        found = phone(machine, "look", PEDAL, name, "1")
        assert (found["code"], found["last"]) == (0, PEDAL)
        assert found["ttl_s"] <= 5
        assert phone(machine, "look", PEDAL, name, "28") == {"code": 0, "answers": 0, "ttl_s": None, "last": None}
    assert phone(machine, "look", PEDAL, "mask.icloud.com", "1")["code"] == 3


def test_the_phone_is_welcomed_and_then_stays(machine: Machine) -> None:
    probes = {
        "http://captive.apple.com/hotspot-detect.html": (200, "Success"),
        "http://connectivitycheck.gstatic.com/generate_204": (204, ""),
        "http://www.msftconnecttest.com/connecttest.txt": (200, "Microsoft Connect Test"),
    }
    for url in probes:
        first = phone(machine, "get", PEDAL, url)
        assert (first["status"], first["headers"]["Location"]) == (302, f"http://{PEDAL}/welcome")
    assert "Stay on this Wi-Fi" in phone(machine, "get", PEDAL, f"http://{PEDAL}/welcome")["body"]
    assert phone(machine, "get", PEDAL, f"http://{PEDAL}/welcome/stay")["status"] == 200
    for url, (status, words) in probes.items():
        then = phone(machine, "get", PEDAL, url)
        assert then["status"] == status
        assert words in then["body"]
    for host in (PEDAL, "pedal.local"):
        assert "<title>Pedal</title>" in phone(machine, "get", PEDAL, f"http://{host}/")["body"]


def test_there_is_no_way_through_and_a_phone_is_told_at_once(machine: Machine) -> None:
    for address, url in ((PEDAL, "https://www.google.com/generate_204"), ("8.8.8.8", "http://8.8.8.8/")):
        found = phone(machine, "get", address, url)
        assert found["after_s"] < 2, found


def test_the_page_joins_a_network_and_a_wrong_passphrase_costs_nothing(machine: Machine) -> None:
    machine.run("ip netns exec home wpa_cli -p /tmp/home enable_network 0; sleep 3")
    ask(machine, do="join", ssid=HOME, passphrase="wrong wrong")
    wait_for(machine, "does not take this pass-phrase", 180)
    wait_for(machine, '"hotspot": true')
    ask(machine, do="join", ssid=HOME, passphrase=HOME_KEY)
    wait_for(machine, '"wifi": "Caf', 180)
    assert any(address.startswith("192.168.5.") for address in report(machine)["addresses"])


def test_a_lost_network_brings_the_hotspot_and_a_found_one_ends_it(
    machine: Machine, record_figure: RecordFigure
) -> None:
    machine.run(
        "ip netns exec phone wpa_cli -p /tmp/phone terminate; ip netns exec home wpa_cli -p /tmp/home disable_network 0"
    )
    wait_for(machine, '"hotspot": true', 240)
    begun_s = float(machine.run("cut -d' ' -f1 /proc/uptime").stdout)
    machine.run("ip netns exec home wpa_cli -p /tmp/home enable_network 0")
    wait_for(machine, '"wifi": "Caf', 600)
    ended_s = float(machine.run("cut -d' ' -f1 /proc/uptime").stdout)
    record_figure("back on a known network that is near again", f"{ended_s - begun_s:.0f} s")


def test_what_was_joined_and_the_passphrase_survive_a_restart(machine: Machine) -> None:
    kept = machine.run(
        "cat /var/lib/appliance-network/settings.json; ls -l /etc/NetworkManager/system-connections"
    ).stdout
    assert report(machine)["passphrase"] in kept
    assert re.search(r"-rw------- 1 root root .* appliance-wifi-[0-9a-f]{12}\.nmconnection", kept)


def test_the_sound_went_on(machine: Machine) -> None:
    status = machine.python("status")
    assert status["state"] == "PLAYING", status
