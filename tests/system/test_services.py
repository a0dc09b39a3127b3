"""The installed services in a booted system: where they listen, what they may do, what they take."""

from __future__ import annotations

import re

import pytest

from tests.system.conftest import RecordFigure
from tests.system.machine import Machine

pytestmark = pytest.mark.timeout(900)

SERVICES = ("appliance-audio", "appliance-panel", "appliance-web")
_EXPOSURE = {"appliance-audio": 2.0, "appliance-web": 2.0, "appliance-panel": 3.0}
_MEMORY_MB, _AUDIO_MEMORY_MB = 160, 60


def main_pid(machine: Machine, service: str) -> int:
    """The process of a service; 0 when it has none."""
    return int(machine.run(f"systemctl show -P MainPID {service}").stdout)


def test_every_unit_came_up(machine: Machine) -> None:
    machine.wait_until("systemctl is-system-running", timeout_s=120)
    assert machine.run("systemctl is-active appliance.target", check=False).stdout == "active\n"
    assert not machine.run("systemctl --failed --plain --no-legend", check=False).stdout


def test_nothing_listens_but_the_page_and_what_finds_it(machine: Machine) -> None:
    listening = machine.run("ss -Htulnp").stdout.splitlines()
    # Avahi answers to pedal.local on 5353, and asks from ports of its own choice.
    ours = [line for line in listening if '"avahi-daemon"' not in line]
    assert [(line.split()[0], line.split()[4]) for line in ours] == [("tcp", "0.0.0.0:80")], listening


@pytest.mark.parametrize("service", ["appliance-audio", "appliance-panel"])
def test_it_has_no_network(machine: Machine, service: str) -> None:
    pid = main_pid(machine, service)
    links = machine.run(f"nsenter -t {pid} -n ip -brief link").stdout.split()
    assert links[0] == "lo", links
    assert "eth0" not in links
    sockets = machine.run(f"nsenter -t {pid} -n ss -Htuan").stdout
    assert not sockets


@pytest.mark.parametrize("service", SERVICES)
def test_it_holds_no_rights_of_root(machine: Machine, service: str) -> None:
    status = machine.run(f"cat /proc/{main_pid(machine, service)}/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
        assert int(fields[kind], 16) == 0, (kind, fields[kind])
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Seccomp"].strip() == "2"


@pytest.mark.parametrize("service", SERVICES)
def test_systemd_finds_little_exposed(machine: Machine, service: str, record_figure: RecordFigure) -> None:
    told = machine.run(f"systemd-analyze security --no-pager {service} | tail -1", check=False).stdout
    exposure = float(re.search(r"(\d+\.\d)", told).group(1))  # type: ignore[union-attr]
    record_figure(f"exposure of {service}", f"{exposure}")
    assert exposure <= _EXPOSURE[service], told


def test_the_audio_process_plays_in_real_time_on_locked_memory(machine: Machine) -> None:
    pid = main_pid(machine, "appliance-audio")
    policy = machine.run(f"chrt -p {pid}").stdout
    assert "SCHED_FIFO" in policy, policy
    assert re.search(r"priority: 80\b", policy), policy
    locked = re.search(r"VmLck:\s+(\d+)", machine.run(f"cat /proc/{pid}/status").stdout)
    assert locked is not None
    assert int(locked.group(1)) > 1000


def test_memory_of_the_three(machine: Machine, record_figure: RecordFigure) -> None:
    used = {}
    for service in SERVICES:
        rollup = machine.run(
            f"cat /proc/{main_pid(machine, service)}/smaps_rollup /proc/{main_pid(machine, service)}/status"
        ).stdout
        fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", rollup, re.MULTILINE))
        used[service] = int(fields["VmRSS"]) / 1024
        record_figure(
            f"memory of {service}", f"{used[service]:.0f} MB resident, {int(fields['Pss']) / 1024:.0f} MB its share"
        )
    assert used["appliance-audio"] <= _AUDIO_MEMORY_MB, used
    assert sum(used.values()) <= _MEMORY_MB, used


def test_from_power_on_to_sound(machine: Machine, record_figure: RecordFigure) -> None:
    """In the emulator's time, which is no Pi's: what is judged is that sound waits for neither page nor network."""
    said = machine.run("journalctl -b -u appliance-audio --no-pager -o short-monotonic | grep 'first period'").stdout
    found = re.search(r"\[ *([\d.]+)\].* first period (\d+) ms", said)
    assert found is not None, said
    sounded_s = float(found.group(1))
    ready_s = {
        unit: int(machine.run(f"systemctl show -P ActiveEnterTimestampMonotonic {unit}").stdout) / 1e6
        for unit in ("appliance-panel", "appliance-web", "NetworkManager", "multi-user.target")
    }
    others = ", ".join(f"{unit} {seconds:.1f} s" for unit, seconds in ready_s.items())
    record_figure("power-on to sound", f"{sounded_s:.1f} s, {found.group(2)} ms of it the audio process ({others})")
    assert sounded_s < ready_s["appliance-web"], ready_s
    assert sounded_s < ready_s["multi-user.target"], ready_s
