"""Updates in a booted system: a whole bundle of the project's own wheel, a version that does not play, power cuts.

Slow: an emulated processor installs all of the pedal's wheels once and a half.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import __version__
from appliance.box.bundle_make import make_bundle
from appliance.box.signing import load_private, make_key
from tests.system.conftest import MakeMachine, RecordFigure, start_and_play
from tests.system.layers import command
from tests.system.machine import Hardware, Machine
from tests.system.target import Target
from tests.system.wheels import wheels

NEWER = "99.0"
_DISK_BYTES = 768 << 20  # sparse
_UPDATE_S = 3000.0  # of the machine's time, to make a version
_TRIAL_S = 400.0
_ON_TRIAL = "test -e /opt/appliance/trial"

pytestmark = pytest.mark.timeout(7200)


def as_version(wheel: Path, version: str, folder: Path) -> Path:
    """The same wheel under another version, as its maker would have built it."""
    name = wheel.name.replace(f"-{__version__}-", f"-{version}-")
    old, new = f"appliance-{__version__}.dist-info/", f"appliance-{version}.dist-info/"
    record = io.StringIO()
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as made:
        for info in source.infolist():
            if info.is_dir() or info.filename == f"{old}RECORD":
                continue
            data = source.read(info)
            if info.filename == f"{old}METADATA":
                data = data.replace(f"\nVersion: {__version__}\n".encode(), f"\nVersion: {version}\n".encode())
            elif info.filename == "appliance/__init__.py":
                data = data.replace(f'"{__version__}"'.encode(), f'"{version}"'.encode())
            place = info.filename.replace(old, new)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.write(f"{place},sha256={digest},{len(data)}\n")
            made.writestr(place, data)
        made.writestr(f"{new}RECORD", f"{record.getvalue()}{new}RECORD,,\n")
    return folder / name


@pytest.fixture(scope="module")
def stick(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with a bundle of a newer version, one of a stranger's, and the maker's public key."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "wheels").mkdir()
    own, *others = wheels(target)
    for wheel in others:
        shutil.copy(wheel, folder / "wheels")
    as_version(own, NEWER, folder / "wheels")
    content = folder / "stick"
    content.mkdir()
    for who in ("maker", "stranger"):
        make_key(folder / who)
        make_bundle(content / f"{who}.whl-bundle", folder / "wheels", load_private(folder / who), notes="Newer.")
    shutil.copy(folder / "maker.pub", content)
    image = folder / "stick.ext4"
    command(["mkfs.ext4", "-q", "-L", "stick", "-d", content, image, str(_DISK_BYTES >> 10) + "k"])
    shutil.rmtree(folder / "wheels")
    return image


@pytest.fixture(scope="module")
def machine(new_machine: MakeMachine, target: Target, stick: Path) -> Machine:
    """A machine that plays, with the stick in it and its key trusted."""
    booted = new_machine(Hardware(target, other_disks=[stick]))
    start_and_play(booted)
    mount(booted)
    booted.run("mkdir -p /etc/appliance/update-keys && cp /stick/maker.pub /etc/appliance/update-keys/ && sync")
    return booted


@pytest.fixture(autouse=True)
def in_order(machine: Machine) -> Iterator[None]:
    """Nothing is on trial between tests."""
    yield
    assert machine.run(_ON_TRIAL, check=False).rc == 1


def mount(machine: Machine) -> None:
    machine.run("mkdir -p /stick && mount -o ro LABEL=stick /stick")


def current(machine: Machine) -> str:
    """The version that the units start."""
    return machine.run("basename $(readlink /opt/appliance/current)").stdout.strip()


def plays(machine: Machine) -> bool:
    """Frames move, of a process that runs the current version."""
    first = machine.python("status", 60, timeout_s=90)
    time.sleep(0.5)
    second = machine.python("status")
    running = machine.run(f"readlink -f /proc/{second['pid']}/cwd; tr '\\0' ' ' < /proc/{second['pid']}/cmdline").stdout
    assert "/opt/appliance/current/" in running
    return bool(second["frames"] > first["frames"] and second["pid"] == first["pid"])


def outcome(machine: Machine) -> str:
    """How the last trial ended."""
    return machine.run("cat /opt/appliance/last-update.json").stdout


def test_a_strangers_bundle_is_refused_and_the_makers_is_told(machine: Machine) -> None:
    refused = machine.run("appliance update /stick/stranger.whl-bundle", timeout_s=600, check=False)
    assert refused.rc == 3, refused
    assert "which this box doesn't trust" in refused.stderr
    offer = machine.run("appliance update --check /stick/maker.whl-bundle", timeout_s=600).stdout
    assert f"version {NEWER}" in offer
    assert "This box takes it." in offer


def test_power_cut_while_the_new_version_is_made_leaves_the_old_one_playing(machine: Machine) -> None:
    before = current(machine)
    machine.run("nohup appliance update /stick/maker.whl-bundle > /tmp/update.txt 2>&1 &")
    machine.wait_until(
        "ls -d /opt/appliance/versions/*/lib/python3*/site-packages/numpy | grep 99.0", timeout_s=_UPDATE_S
    )
    machine.kill()
    start_and_play(machine)
    assert current(machine) == before
    assert plays(machine)
    assert machine.run(_ON_TRIAL, check=False).rc == 1
    assert machine.run("ls /opt/appliance/versions/*/.complete | wc -l").stdout.strip() == "1"


def test_an_update_is_made_while_it_plays_tried_through_a_power_cut_and_stays(
    machine: Machine, record_figure: RecordFigure
) -> None:
    mount(machine)
    before = current(machine)
    xruns = machine.python("status")["xruns"]
    began = float(machine.run("cut -d' ' -f1 /proc/uptime").stdout)
    machine.run("appliance update --no-wait /stick/maker.whl-bundle", timeout_s=_UPDATE_S)
    took_s = float(machine.run("cut -d' ' -f1 /proc/uptime").stdout) - began
    heard = machine.python("status")
    record_figure(
        "an update", f"made in {took_s:.0f} s of the machine's time, {heard['xruns'] - xruns} xruns meanwhile"
    )
    machine.wait_until("readlink /opt/appliance/current | grep -q 99.0", timeout_s=60)
    machine.kill()  # in the middle of its trial
    start_and_play(machine)
    assert current(machine).startswith(NEWER)
    machine.wait_until(f"! {_ON_TRIAL}", timeout_s=_TRIAL_S)
    assert "stays" in outcome(machine)
    assert plays(machine)
    assert machine.run("appliance --version").stdout.split()[-1] == NEWER
    assert machine.run("basename $(readlink /opt/appliance/previous)").stdout.strip() == before
    standing = machine.python("page", timeout_s=60)
    assert standing["models"]


def test_a_version_whose_sound_crashes_at_its_start_gives_way_within_its_time(
    machine: Machine, record_figure: RecordFigure
) -> None:
    good = current(machine)
    broken = machine.run("readlink -f /opt/appliance/previous").stdout.strip()
    audio = f"{broken}/lib/python3*/site-packages/appliance/audio/__main__.py"
    machine.run(f"sed -i '1i raise SystemExit(1)' {audio}")
    began = float(machine.run("cut -d' ' -f1 /proc/uptime").stdout)
    machine.run("appliance update --back --no-wait", timeout_s=600)
    machine.wait_until(f"test $(readlink /opt/appliance/current) = versions/{Path(broken).name}", timeout_s=60)
    machine.wait_until(f"! {_ON_TRIAL}", timeout_s=_TRIAL_S)
    took_s = float(machine.run("cut -d' ' -f1 /proc/uptime").stdout) - began
    record_figure("a version that does not play", f"was taken out after {took_s:.0f} s")
    assert took_s < 300
    assert "went back" in outcome(machine)
    assert current(machine) == good
    assert plays(machine)
    machine.wait_until("systemctl is-active appliance-audio appliance-panel appliance-web", timeout_s=60)
