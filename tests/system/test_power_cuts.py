"""The plug is pulled while things are saved. CUTS=30 for a long run; 3 are cut otherwise.

The data partition is on a disk that forgets what was not flushed (disk.py). What the pedal has confirmed must be there
after the next boot; what it was about to save may be there or not, but nothing half. A cut comes with a random write of
the disk: at most moments a disk is at rest, and a cut by the clock would mostly find nothing half done.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import MakeMachine, RecordFigure, start_and_play, stop_the_pedal
from tests.system.disk import ForgetfulDisk
from tests.system.kernel import kernel
from tests.system.layers import command
from tests.system.machine import Hardware, Machine
from tests.system.target import Target

CUTS = int(os.environ.get("CUTS", "3"))
SEED = int(os.environ.get("SEED", "1"))
_DISK_BYTES = 96 << 20
_MOST_SAVES = 6  # waited for before a cut
_MOST_WRITES = 40  # of the disk from then on until the cut: what some saves and a cabinet write
_WRITES_TAKE_S = 180.0

pytestmark = pytest.mark.timeout(240 * (CUTS + 2))


@pytest.fixture(scope="module")
def disk(target: Target, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgetfulDisk]:
    """A data partition with what a machine has after its first start."""
    folder = tmp_path_factory.mktemp("disk")
    partition = folder / "data.ext4"
    command(["mkfs.ext4", "-q", "-L", "data", partition, str(_DISK_BYTES >> 10) + "k"])
    more = ["-drive", f"if=none,id=new,file={partition},format=raw", "-device", "virtio-blk-pci,drive=new"]
    with Machine(image, kernel(target), folder / "machine", Hardware(target, more=more)) as first:
        stop_the_pedal(first)
        first.run("mount LABEL=data /mnt && cp -a /var/lib/appliance/. /mnt/ && umount /mnt")
        first.shut_down()
    made = ForgetfulDisk(partition, folder / "nbd.sock", SEED)
    yield made
    made.close()


def test_what_was_saved_is_there_after_every_cut(
    new_machine: MakeMachine, target: Target, disk: ForgetfulDisk, record_figure: RecordFigure
) -> None:
    moments = random.Random(SEED)
    machine = new_machine(Hardware(target, data_disk=disk.path))
    saved: dict[str, int] = {}  # what → the count that was confirmed last
    files: set[str] = set()
    waiting = lost = confirmed = 0
    for cut in range(CUTS):
        start_and_play(machine)
        check(machine, saved, files)
        words = machine.python_words("saves", cut)
        machine.run(f"nohup {words} > /tmp/saves.txt 2>&1 &")
        wait_for_saves(machine, moments.randint(1, _MOST_SAVES))
        written = disk.die_after(moments.randint(1, _MOST_WRITES)).wait(_WRITES_TAKE_S)
        machine.kill()
        assert written, "nothing was written"
        unflushed, gone = disk.cut()
        waiting, lost = waiting + unflushed, lost + gone
        for name, count in re.findall(r"SAVED (\S+) (\d+)\r?\n", of_this_boot(machine)):
            confirmed += 1
            saved[name] = int(count)
        files |= set(re.findall(r"IMPORTED (\S+)\r?\n", of_this_boot(machine)))
    start_and_play(machine)
    check(machine, saved, files)
    record_figure(
        f"{CUTS} power cuts",
        f"{confirmed} saves confirmed, {len(files)} files taken in, none lost; of {waiting} blocks that were not "
        f"flushed {lost} were thrown away",
    )
    assert confirmed > CUTS
    assert waiting > 0, "every cut found the disk at rest: nothing was tested"


def check(machine: Machine, saved: dict[str, int], files: set[str]) -> None:
    """All that was confirmed is there. A save that was cut off may have been done too."""
    state = machine.python("page")
    found = dict(preset["name"].rsplit(" ", 1) for preset in state["presets"] if preset["name"].startswith("Slot-"))
    for name, count in saved.items():
        assert name in found, (name, found)
        assert int(found[name]) in (count, count + 1), (name, count, found[name])
    saved |= {name: int(count) for name, count in found.items()}  # what was found is on the disk from now on
    assert files <= {cabinet["name"] for cabinet in state["cabinets"]}, files
    damaged = machine.run("find /var/lib/appliance -name '*damaged*' -o -name '*.bad'").stdout
    assert not damaged, damaged


def of_this_boot(machine: Machine) -> str:
    """The console since the last start."""
    return machine.console.read_text(errors="replace").rsplit("--- boot", 1)[1]


def wait_for_saves(machine: Machine, count: int) -> None:
    """Until so much was saved."""
    end = time.monotonic() + 300
    while of_this_boot(machine).count("SAVED") < count:
        assert time.monotonic() < end, machine.run("cat /tmp/saves.txt").stdout
        time.sleep(0.05)
