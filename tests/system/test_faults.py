"""What goes wrong on a stage: processes die or hang, the card goes; the sound comes back by itself."""

from __future__ import annotations

import pytest

from tests.system.conftest import MakeMachine, RecordFigure, start_and_play
from tests.system.installed import INPUT
from tests.system.machine import Hardware, Machine
from tests.system.target import Target
from tests.system.test_services import SERVICES, main_pid

pytestmark = pytest.mark.timeout(900)


def sounds(machine: Machine, seconds: float = 30.0) -> None:
    """Wait until frames move, and hear that what comes out is the model's sound."""
    machine.python("moves", seconds, timeout_s=seconds + 60)


@pytest.mark.parametrize("service", SERVICES)
def test_killed_it_is_back_and_the_others_noticed_nothing(machine: Machine, service: str) -> None:
    before = {name: main_pid(machine, name) for name in SERVICES}
    machine.run(f"kill -9 {before[service]}")
    is_new = f'pid=$(systemctl show -P MainPID {service}); [ "$pid" != 0 ] && [ "$pid" != {before[service]} ]'
    machine.wait_until(f"{is_new} && systemctl is-active {service}", timeout_s=60)
    sounds(machine)
    machine.wait_until(
        "python3 -c \"import urllib.request as u; u.urlopen('http://127.0.0.1/api/state')\"", timeout_s=60
    )
    after = {name: main_pid(machine, name) for name in SERVICES}
    assert {name for name in SERVICES if before[name] != after[name]} == {service}


def test_a_storm_of_restarts_ends_in_sound(machine: Machine) -> None:
    for _ in range(10):
        machine.run(f"systemctl restart --no-block {' '.join(SERVICES)}; sleep 0.3")
    machine.wait_until(f"systemctl is-active {' '.join(SERVICES)}", timeout_s=120)
    sounds(machine, 60)
    assert not machine.run("systemctl --failed --plain --no-legend").stdout


def test_a_hung_audio_process_is_killed_by_the_watchdog_and_sounds_again(
    machine: Machine, record_figure: RecordFigure
) -> None:
    pid = main_pid(machine, "appliance-audio")
    told = machine.python("hang", pid, timeout_s=120)
    record_figure(
        "audio stopped for good (SIGSTOP)", f"sounds again after {told['silent_s']:.1f} s of the machine's time"
    )
    assert main_pid(machine, "appliance-audio") != pid
    assert "watchdog" in machine.run("journalctl -b -u appliance-audio --no-pager | tail -30").stdout.lower()
    assert told["silent_s"] < 12


def test_the_card_is_pulled_and_put_back(machine: Machine) -> None:
    """As with a USB card: the device goes away while it plays, with the same process waiting for it."""
    pid = main_pid(machine, "appliance-audio")
    driver = "/sys/bus/platform/drivers/snd_aloop"
    machine.run(f"timeout 20 sh -c 'echo snd_aloop.0 > {driver}/unbind'")
    machine.run("! grep -q Loopback /proc/asound/cards; sleep 3; ! grep -q Loopback /proc/asound/cards")
    machine.run("systemctl is-active appliance-audio")
    machine.run(f"echo snd_aloop.0 > {driver}/bind; cat /proc/asound/cards")
    sounds(machine)
    assert main_pid(machine, "appliance-audio") == pid


def test_the_module_of_the_card_is_unloaded_and_loaded_again(machine: Machine) -> None:
    machine.run("systemctl stop appliance-audio && modprobe -r snd-aloop")
    machine.run("systemctl start appliance-audio && sleep 2 && systemctl is-active appliance-audio")
    machine.run("modprobe snd-aloop index=0 id=Loopback pcm_substreams=2 timer_source=hw:1,0,0")
    sounds(machine)


def test_a_usb_card_is_unplugged_and_plugged_in_again(new_machine: MakeMachine, target: Target) -> None:
    """The pedal plays into a USB card; it only plays, so the guitar still comes from the other one."""
    plug = {"id": "card", "audiodev": "sound", "bus": "usb.0"}
    device = ",".join(["usb-audio", *(f"{name}={value}" for name, value in plug.items())])
    machine = new_machine(Hardware(target, usb=True, more=["-audiodev", "none,id=sound", "-device", device]))
    start_and_play(machine)
    arguments = f"--input {INPUT} --output hw:CARD=Audio --period 64"
    machine.put("/etc/appliance/audio.conf", f'APPLIANCE_AUDIO_ARGUMENTS="{arguments}"\n'.encode())
    machine.run("systemctl restart appliance-audio")
    sounds(machine)
    pid = main_pid(machine, "appliance-audio")
    machine.monitor("device_del", id="card")
    machine.wait_until("! grep -q USB /proc/asound/cards")
    machine.run("sleep 3; systemctl is-active appliance-audio")
    assert machine.python("status")["state"] != "PLAYING"
    machine.monitor("device_add", driver="usb-audio", **plug)
    machine.wait_until("grep -q USB /proc/asound/cards")
    sounds(machine)
    assert main_pid(machine, "appliance-audio") == pid
