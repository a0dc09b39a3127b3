"""Off, safe and unspoilt, in a booted machine: real systemd, real switches' lines, a real overlay over the root."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import MakeMachine, ask, await_playing, start_and_play
from tests.system.kernel import kernel
from tests.system.machine import Hardware, Machine
from tests.system.overlay import kernel_with_overlay
from tests.system.target import Target

pytestmark = pytest.mark.timeout(1800)

LEFT, RIGHT = 5, 13
PINS = "/run/appliance-test-pins"
PLAN = """
[switch.left]
pin = 5
tap = "previous-preset"
boot = "safe-mode"

[switch.right]
pin = 13
press = "bypass"

[chord]
"left+right" = "shutdown"
"""

# A line of gpio-sim is let go when a program claims it with a pull-up, so the foot has to press again and again.
FOOT = f"""
[Unit]
DefaultDependencies=no
After=appliance-test-hardware.service
Before=appliance-panel.service

[Service]
ExecStart=/bin/sh -c 'while sleep 0.005; do echo pull-down > {PINS}/sim_gpio{LEFT}/pull; done'
"""


def pull(*lines: int, down: bool) -> str:
    """The command that presses switches (each connects its line to ground) or lets them go."""
    return "; ".join(f"echo pull-{'down' if down else 'up'} > {PINS}/sim_gpio{n}/pull" for n in lines)


@pytest.fixture(scope="module")
def wired(new_machine: MakeMachine, target: Target) -> Machine:
    """A pedal with two switches and a preset of its own."""
    machine = start_and_play(new_machine(Hardware(target)))
    machine.put("/etc/appliance/appliance.toml", PLAN.encode())
    ask(machine, "set", level_db=-9.0)
    ask(machine, "preset_add", name="Mine")
    return machine


def test_off_from_the_page_is_off_and_keeps_the_last_change(wired: Machine) -> None:
    ask(wired, "set", level_db=-7.5)
    wired.shut_down(by=wired.python_words("page", "/api/power", json.dumps({"do": "off"})))
    start_and_play(wired)
    state = ask(wired)
    assert (state["level_db"], state["leaving"], state["mute"]) == (-7.5, None, False)
    said = wired.run("systemctl --failed --no-legend --no-pager").stdout
    assert "appliance" not in said, said


def test_two_switches_held_for_three_seconds_are_off_and_less_is_not(wired: Machine) -> None:
    wired.run(f"{pull(LEFT, RIGHT, down=True)}; sleep 1.5; {pull(LEFT, RIGHT, down=False)}; sleep 3")
    assert ask(wired)["leaving"] is None
    wired.shut_down(by=pull(LEFT, RIGHT, down=True))
    start_and_play(wired)


def test_a_switch_held_at_power_on_is_safe_mode_and_nothing_is_lost(wired: Machine) -> None:
    before = ask(wired)
    wired.put("/etc/systemd/system/foot.service", FOOT.encode())
    wired.run("systemctl add-wants appliance-panel.service foot.service; sync")
    wired.reboot()
    wired.wait_until("journalctl -b -u appliance-panel --no-pager | grep 'Let go of switch left now'", timeout_s=60)
    wired.run(f"systemctl stop foot; {pull(LEFT, down=False)}")
    page = wired.python_words("page")
    wired.wait_until(f'{page} | grep \'"safe": "a switch was held"\'', timeout_s=60)
    state = ask(wired)
    factory = {model["id"] for model in state["models"] if model["factory"]}
    assert state["model"] in factory
    assert (state["preset"], state["level_db"]) == (None, 0.0)
    wired.run("rm /etc/systemd/system/appliance-panel.service.wants/foot.service; sync")
    wired.reboot()
    start_again = start_and_play_on(wired)
    assert {name: start_again[name] for name in ("preset", "level_db", "model")} == {
        name: before[name] for name in ("preset", "level_db", "model")
    }


def start_and_play_on(machine: Machine) -> dict[str, Any]:
    """The state of a machine that was just switched on, once it plays."""
    await_playing(machine)
    return ask(machine)


def test_under_the_overlay_what_is_the_players_stays_and_all_else_is_gone(
    target: Target, image: Path, tmp_path: Path
) -> None:
    keep = tmp_path / "keep.img"
    subprocess.run(["mkfs.ext4", "-q", "-L", "appliance-data", keep, "128M"], check=True, capture_output=True)
    disk = ["-drive", f"if=none,id=keep,file={keep},format=raw", "-device", "virtio-blk-pci,drive=keep"]
    with Machine(
        image, kernel_with_overlay(kernel(target), tmp_path / "kernel"), tmp_path / "m", Hardware(target, more=disk)
    ) as machine:
        machine.run("systemctl add-wants local-fs.target appliance-data.service")
        machine.run("echo on > /etc/appliance-read-only; sync")
        machine.reboot()
        start_and_play_on(machine)
        assert machine.run("findmnt -no FSTYPE /").stdout.strip() == "overlay"
        assert machine.run("findmnt -no OPTIONS /run/overlay/lower").stdout.startswith("ro")
        assert "read-only, with memory above it" in machine.run("appliance readonly status").stdout
        assert machine.run("systemctl --failed --no-legend --no-pager").stdout.strip() == ""
        ask(machine, "set", level_db=-5.0)
        preset = ask(machine, "preset_add", name="Kept")["preset"]
        machine.run("echo spoilt > /etc/hostname; touch /etc/appliance/mine.toml; mkdir /opt/appliance/versions/next")
        machine.run("ln -s versions/next /opt/appliance/new && mv -T /opt/appliance/new /opt/appliance/previous")
        machine.run("sleep 2; sync")
        machine.kill()
        machine.start()
        state = start_and_play_on(machine)
        assert (state["level_db"], state["preset"]) == (-5.0, preset)
        assert machine.run("cat /etc/hostname").stdout.strip() != "spoilt"
        assert machine.run("readlink /opt/appliance/previous; ls /etc/appliance/mine.toml").rc == 0
        machine.run("appliance readonly off")
        machine.reboot()
        start_and_play_on(machine)
        assert machine.run("findmnt -no FSTYPE /").stdout.strip() == "ext4"
        assert ask(machine)["preset"] == preset
