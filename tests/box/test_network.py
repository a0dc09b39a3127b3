"""The network service against programs that answer as NetworkManager's do, with a clock that the test turns."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.box import network_settings, network_wishes
from appliance.box.hotspot_policy import LOOK_S, PATIENCE_S, Wish
from appliance.box.network import NetworkService
from appliance.box.network_manager import NetworkManager
from appliance.errors import BadRequest
from tests.box.network_world import World, world

__all__ = ["world"]

KEY = "correct horse"


class Clock:
    """Seconds, turned by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Running:
    """A service, round by round."""

    def __init__(self, world: World) -> None:
        self.clock = Clock()
        self.service = NetworkService(NetworkManager(world.root, world.run, scan_s=0.0), world.root, self.clock)
        self.service.start()
        self._world = world

    def rounds(self, seconds: float = 0.0) -> None:
        """Let so much time pass in the service's own steps; at least two rounds, so that what is done is told."""
        until_s = self.clock.now_s + seconds
        for _ in range(2):
            self.clock.now_s += self.service.tick()
        while self.clock.now_s < until_s:
            self.clock.now_s += max(self.service.tick(), seconds / 20)

    def ask(self, **wish: object) -> None:
        network_wishes.leave(self._world.root, network_wishes.checked(wish))
        self.rounds()


@pytest.fixture
def running(world: World) -> Callable[[], Running]:
    return lambda: Running(world)


def test_first_boot_makes_a_hotspot_of_its_own(world: World, running: Callable[[], Running]) -> None:
    world.write(near=[["Neighbour", 1, 90, "WPA2"], ["Other", 6, 40, "WPA2"]])
    service = running()
    service.rounds()
    assert world.on_air
    report = world.report
    assert report["hotspot"] is True
    assert (report["ssid"], report["address"], report["wish"]) == ("Pedal-BE1F", "10.20.30.1", "auto")
    assert f"psk={report['passphrase']}\n" in world.hotspot_profile
    assert "channel=11\n" in world.hotspot_profile
    assert "pmf=1\n" in world.hotspot_profile
    assert (world.root / "run/appliance/network.json").stat().st_mode & 0o007 == 0
    kept = network_settings.settings_path(world.root)
    assert kept.stat().st_mode & 0o777 == 0o600


def test_the_passphrase_stays_through_restarts(world: World, running: Callable[[], Running]) -> None:
    running().rounds()
    first = world.report["passphrase"]
    world.be_on()
    running().rounds()
    assert world.report["passphrase"] == first


def test_the_passphrase_can_be_read_on_the_memory_card_and_on_a_screen(
    world: World, running: Callable[[], Running]
) -> None:
    (world.root / "boot/firmware").mkdir(parents=True)
    running().rounds()
    assert world.report["passphrase"] in (world.root / "boot/firmware/pedal-wifi.txt").read_bytes().decode()
    assert world.report["passphrase"] in (world.root / "run/issue.d/appliance.issue").read_text()


def test_the_boot_partition_is_not_written_at_a_start_that_changes_nothing(
    world: World, running: Callable[[], Running]
) -> None:
    (world.root / "boot/firmware").mkdir(parents=True)
    running().rounds()
    card = world.root / "boot/firmware/pedal-wifi.txt"
    before = card.stat()
    running().rounds()
    after = card.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_card_that_takes_nothing_more_still_leaves_a_way_to_the_page(
    world: World, running: Callable[[], Running]
) -> None:
    """At the first start of all, too."""
    world.write(country="GB")  # which would be noted
    (world.root / network_settings.FOLDER / ".settings.json.tmp").mkdir(parents=True)  # no save gets past it
    service = running()
    service.rounds()
    assert world.on_air
    service.ask(do="hotspot", wish="off")
    assert not world.on_air
    assert "settings.json could not be saved" in world.report["told"]


def test_a_report_is_not_written_through_a_link_that_is_laid_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("root")

    os_open = os.open

    def lay_link(path: Path, **_: object) -> None:
        """One of the group is quick."""
        path.unlink(missing_ok=True)
        path.symlink_to(precious)

    def opened(path: Path, *rest: int) -> int:
        lay_link(path)
        return os_open(path, *rest)

    monkeypatch.setattr(Path, "touch", lay_link)
    monkeypatch.setattr(os, "open", opened)
    with contextlib.suppress(FileExistsError):
        network_settings.write_report(tmp_path / "network.json", {})
    assert precious.read_text() == "root"


def test_a_known_network_is_waited_for_and_then_the_hotspot_comes(world: World, running: Callable[[], Running]) -> None:
    world.know("Home", KEY)
    service = running()
    service.rounds(PATIENCE_S - 5)
    assert not world.on_air
    service.rounds(10)
    assert world.on_air


def test_on_a_known_network_nothing_is_done(world: World, running: Callable[[], Running]) -> None:
    world.be_on("Home", world.know("Home", KEY))
    service = running()
    service.rounds(1000)
    assert not world.on_air
    assert world.report["wifi"] == "Home"
    assert not world.asked("connection up")
    assert not world.asked("device wifi list")  # no look around either: it would cost the page's connection


@pytest.mark.parametrize("quiet", [True, False])
def test_back_to_a_known_network_when_nobody_is_on_the_hotspot(
    world: World, running: Callable[[], Running], quiet: bool
) -> None:
    world.know("Home", KEY)
    world.write(quiet_scan=quiet, keys={"Home": KEY})
    service = running()
    service.rounds(PATIENCE_S + 5)
    assert world.on_air
    world.write(near=[["Home", 6, 60, "WPA2"]], guests=1)
    service.rounds(3 * LOOK_S)
    assert world.on_air
    assert not world.asked("connection down")
    world.write(guests=0)
    service.rounds(1.2 * LOOK_S)
    assert world.report["wifi"] == "Home"
    assert bool(world.asked("connection down")) is not quiet


def test_a_look_in_vain_brings_the_hotspot_back(world: World, running: Callable[[], Running]) -> None:
    world.know("Home", KEY)
    world.write(quiet_scan=False)
    service = running()
    service.rounds(PATIENCE_S + 5 + 2 * LOOK_S)
    assert world.asked("connection down")
    assert world.on_air


def test_uncounted_guests_are_not_thrown_off(world: World, running: Callable[[], Running]) -> None:
    world.know("Home", KEY)
    service = running()
    service.rounds(PATIENCE_S + 5)
    world.write(no_count=True)
    world.write(near=[["Home", 6, 60, "WPA2"]])
    service.rounds(5 * LOOK_S)
    assert world.on_air


def test_wpa3_is_had_where_it_is_wanted_and_works(world: World, running: Callable[[], Running]) -> None:
    world.write(wpa3=True)
    service = running()
    service.rounds()
    assert "pmf=1\n" in world.hotspot_profile  # every phone can join
    service.ask(do="wpa3", wpa3=True)
    assert "pmf=3\n" in world.hotspot_profile
    assert world.report["wpa3"] is True


def test_a_radio_that_fails_at_wpa3_gets_wpa2(world: World, running: Callable[[], Running]) -> None:
    world.write(wpa3=True, no_wpa3_ap=True)
    service = running()
    service.ask(do="wpa3", wpa3=True)
    service.rounds(60)
    assert world.on_air
    assert "pmf=1\n" in world.hotspot_profile


def test_a_radio_that_only_says_that_it_does_wpa3_is_not_asked(world: World, running: Callable[[], Running]) -> None:
    service = running()
    service.ask(do="wpa3", wpa3=True)
    assert world.on_air
    assert "pmf=1\n" in world.hotspot_profile


def test_a_hotspot_that_never_comes_up_is_told(world: World, running: Callable[[], Running]) -> None:
    world.write(no_ap=True)
    service = running()
    service.rounds(40)
    assert world.report["hotspot"] is False
    assert "took too long" in world.report["told"]


def test_wishes_are_done_and_lasting_ones_kept(world: World, running: Callable[[], Running]) -> None:
    world.be_on("Home", world.know("Home", KEY))
    service = running()
    service.ask(do="hotspot", wish="on", lasting=False)
    assert world.on_air
    assert world.report["wish"] == "on"
    kept = network_settings.load(world.root)
    assert kept is not None
    assert kept.wish is Wish.AUTO
    service.ask(do="hotspot", wish="off")
    assert not world.on_air
    kept = network_settings.load(world.root)
    assert kept is not None
    assert kept.wish is Wish.OFF


def test_another_passphrase_goes_on_the_air_at_once(world: World, running: Callable[[], Running]) -> None:
    service = running()
    service.rounds()
    service.ask(do="passphrase", passphrase="a better one 99")
    assert "psk=a better one 99\n" in world.hotspot_profile
    assert world.report["passphrase"] == "a better one 99"


def test_a_network_is_joined_from_the_page_and_kept(world: World, running: Callable[[], Running]) -> None:
    world.write(near=[["Café: home", 6, 60, "WPA2"]], keys={"Café: home": KEY})
    service = running()
    service.rounds()
    assert world.on_air
    assert world.report["near"] == [{"ssid": "Café: home", "signal": 60, "security": "WPA2", "known": False}]
    service.ask(do="join", ssid="Café: home", passphrase=KEY)
    assert world.report["wifi"] == "Café: home"
    assert world.report["told"] is None
    assert list((world.root / "etc/NetworkManager/system-connections").glob("appliance-wifi-*.nmconnection"))
    service.ask(do="forget", ssid="Café: home")
    assert world.report["known"] == []
    assert not list((world.root / "etc/NetworkManager/system-connections").glob("appliance-wifi-*"))


def test_a_wrong_passphrase_is_told_and_the_hotspot_is_back_at_once(
    world: World, running: Callable[[], Running]
) -> None:
    world.know("Office", "unreachable!")
    world.write(near=[["Home", 6, 60, "WPA2"]], keys={"Home": KEY})
    service = running()
    service.rounds(PATIENCE_S + 5)
    before_s = service.clock.now_s
    service.ask(do="join", ssid="Home", passphrase="wrong wrong")
    assert world.on_air
    assert service.clock.now_s - before_s < 10
    assert world.report["told"] == "Home does not take this pass-phrase. Look again, capitals count."
    assert "Home" not in world.report["known"]


def test_a_wrong_passphrase_does_not_cost_the_right_one(world: World, running: Callable[[], Running]) -> None:
    world.write(near=[["Home", 6, 60, "WPA2"]], keys={"Home": KEY})
    service = running()
    service.ask(do="join", ssid="Home", passphrase=KEY)
    service.ask(do="join", ssid="Home", passphrase="wrong wrong")
    assert world.report["known"] == ["Home"]
    assert f"psk={KEY}\n" in next(world.root.glob("etc/NetworkManager/system-connections/*")).read_text()


def test_the_country_is_told_to_the_kernel_and_kept(world: World, running: Callable[[], Running]) -> None:
    running().ask(do="country", country="gb")
    assert world.read()["country"] == "GB"
    world.write(country="00")
    running().rounds()
    assert world.read()["country"] == "GB"
    assert world.report["country"] == "GB"


def test_the_soft_block_of_a_new_system_is_lifted(world: World, running: Callable[[], Running]) -> None:
    world.be_on(state="unavailable")
    running().rounds()
    assert world.on_air


def test_without_a_radio_it_waits_and_says_so(world: World, running: Callable[[], Running]) -> None:
    world.write(device=None)
    service = running()
    service.rounds(100)
    assert world.report["radio"] is False
    service.ask(do="look")
    assert "no Wi-Fi here" in world.report["told"]


def test_damaged_settings_are_made_anew(world: World, running: Callable[[], Running]) -> None:
    path = network_settings.settings_path(world.root)
    path.parent.mkdir(parents=True)
    path.write_text('{"content": {"ssid"')
    running().rounds()
    assert world.on_air


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"do": "format"},
        {"do": "hotspot", "wish": "maybe"},
        {"do": "passphrase", "passphrase": "short"},
        {"do": "join", "ssid": "", "passphrase": KEY},
        {"do": "join", "ssid": "Home", "passphrase": "short"},
        {"do": "country", "country": "Britain"},
        {"do": "wpa3", "wpa3": "yes"},
        {"do": "forget"},
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_left(wish: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        network_wishes.checked(wish)


def test_as_a_process_it_takes_a_wish_at_once_and_ends_when_told(world: World, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    code = (
        "import pathlib, sys; from appliance.box import network, network_manager as m, network_settings;"
        f"root = pathlib.Path({str(world.root)!r});"
        "made = network.NetworkService;"
        "network.NetworkService = lambda manager: made(m.NetworkManager(root, scan_s=0.0), root);"
        "sys.exit(network.main())"
    )
    environment = {**os.environ, "APPLIANCE_RUNTIME": str(tmp_path / "run")}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        path = world.root / "run/appliance/network.json"
        _until(lambda: path.exists() and json.loads(path.read_text())["hotspot"])
        network_wishes.leave(world.root, {"do": "hotspot", "wish": "off", "lasting": True})
        process.send_signal(signal.SIGHUP)
        _until(lambda: not json.loads(path.read_text())["hotspot"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def _until(there: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20.0
    while not there():
        assert time.monotonic() < end_s
        time.sleep(0.02)
