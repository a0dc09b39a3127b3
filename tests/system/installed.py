"""The layers on top: a machine booted from the root layer with `system/install.sh` run in it, and its first start."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from appliance.formats.nam_export import write_nam
from appliance.library.store import Library
from appliance.panel.panel import Panel
from tests.models import random_recurrent
from tests.system import root
from tests.system.kernel import kernel
from tests.system.layers import command, layer
from tests.system.machine import SCRIPTS, Hardware, Machine
from tests.system.target import Target
from tests.system.wheels import REPOSITORY, wheels

# The sound card of the tests: what is played into one side of the loopback comes out at the other.
INPUT, OUTPUT = "hw:Loopback,1,0", "hw:Loopback,0,1"
# What plays while nothing else is asked for: arithmetic is what the emulator is slowest at.
SMALL_MODELS = ("Small 1", "Small 2")
# No pots: without an SPI bus they would be read bit by bit over the kernel's lines, two hundred times a second.
_PLAN = '[switch.left]\npin = 5\ntap = "previous-preset"\n'
_TAKEN_IN_THERE = "green-drive.onnx"
_DISK_BYTES = 512 << 20  # sparse


def ready_image(target: Target) -> Path:
    """A disk (qcow2) with the pedal installed and started once: the factory's models are there, a small one plays."""
    installed = installed_image(target)
    ingredients = [str(installed), Path(__file__), SCRIPTS / "take_in.py", SCRIPTS / "page.py"]
    return _layer("ready", target, ingredients, installed, _for_the_first_start, take_in)


def installed_image(target: Target) -> Path:
    """A disk (qcow2, on the root layer) on which the pedal was installed by its own installer. Blocks for minutes the
    first time, and when the code has changed."""
    files, base = wheels(target), root.root_image(target)
    sources = [REPOSITORY / "system", REPOSITORY / "appliance" / "box", *files]
    ingredients = ["installed 2", str(base), INPUT, OUTPUT, *sources]
    return _layer("installed", target, ingredients, base, lambda folder: _delivery(files, folder), install)


def install(booted: Machine) -> str:
    """Run the installer in the machine, as a person would; what it said. AssertionError when it fails."""
    options = f"--wheels /delivery/wheels --hat none --input {INPUT} --output {OUTPUT} --period 64 --yes"
    told = booted.run(f"/delivery/pedal/system/install.sh {options} | tee /dev/console", timeout_s=1800).stdout
    assert "Done." in told, told
    return told


def take_in(booted: Machine) -> str:
    """Wait for the factory's models, then send the small ones as a phone would; what the page said."""
    library = "/var/lib/appliance"
    booted.run(f"systemctl stop appliance-panel && rm -rf {library}/models {library}/cabinets")
    booted.run(f"cp -r /delivery/data/. {library}/ && chown -R --reference={library} {library}/*")
    booted.run("systemctl start appliance-panel")
    models = REPOSITORY / "models"
    count = len([*models.glob("*.onnx"), *(models / "cabinets").glob("*.wav")])
    there = f"find {library}/models {library}/cabinets -mindepth 1 -maxdepth 1 ! -name '.*' | wc -l"
    booted.wait_until(f'[ "$({there})" -ge {count} ]', timeout_s=300)
    booted.wait_until("systemctl is-active appliance.target", timeout_s=120)
    files = (f"/delivery/{name}.nam" for name in SMALL_MODELS)
    told = str(booted.python("take_in", *files, timeout_s=120))
    booted.put("/etc/appliance/appliance.toml", _PLAN.encode())
    booted.run("systemctl start appliance-audio")
    booted.python("status", 120, timeout_s=180)
    return told


def _layer(
    name: str,
    target: Target,
    ingredients: list[str | Path],
    base: Path,
    fill: Callable[[Path], None],
    work: Callable[[Machine], str],
) -> Path:
    """A layer made by `work` in a machine that finds what `fill` wrote under /delivery."""

    def make(made: Path) -> None:
        (made / "delivery").mkdir()
        fill(made / "delivery")
        disk = made / "delivery.ext4"
        command(["mkfs.ext4", "-q", "-d", made / "delivery", disk, str(_DISK_BYTES >> 10) + "k"])
        shutil.rmtree(made / "delivery")
        hardware = Hardware(target, other_disks=[disk])
        with Machine(base, kernel(replace(target, kernel="standard")), made / "machine", hardware) as booted:
            try:
                # A multiplication is a hundred times as slow here as on a processor.
                booted.run("systemctl stop appliance-audio", check=False)
                booted.wait_until("systemctl is-system-running | grep -qE 'running|degraded'", timeout_s=300)
                booted.run("mkdir -p /delivery && mount -o ro /dev/vdc /delivery")
                (made / "said.txt").write_text(work(booted))
                booted.run("umount /delivery")
            except AssertionError as error:
                raise AssertionError(f"{error}\n{booted.report()}") from error
            booted.shut_down()
        booted.disk.rename(made / "disk.qcow2")
        shutil.rmtree(made / "machine")
        disk.unlink()

    return layer(f"{name}-{target.suite}-{target.arch}", ingredients, make) / "disk.qcow2"


def _delivery(files: list[Path], folder: Path) -> None:
    """What a person would have copied to the Pi: the checkout's scripts, and the wheels."""
    (folder / "wheels").mkdir()
    for file in files:
        shutil.copy(file, folder / "wheels")
    leave_out = shutil.ignore_patterns("__pycache__", "*.so", "*.cpp", "*.hpp")
    for part in ("system", "appliance"):
        shutil.copytree(REPOSITORY / part, folder / "pedal" / part, ignore=leave_out)


def _small_models(folder: Path) -> None:
    for seed, name in enumerate(SMALL_MODELS):
        small = random_recurrent(np.random.default_rng(seed), hidden=2)
        write_nam([replace(small, name=name)], folder / f"{name}.nam", {})


def _for_the_first_start(folder: Path) -> None:
    """The small models, and what the pedal makes of the factory's at its first start, made here: the machine would
    measure for a quarter of an hour how loud they are. One is left to it."""
    _small_models(folder)
    with TemporaryDirectory() as scratch:
        data, memory = Path(scratch) / "data", Path(scratch)
        in_memory = {name: memory / name for name in ("controls", "status", "patches", "tap")}
        panel = Panel(library=Library(data), state_file=data / "state.json", kept=data / "kept", **in_memory)
        panel.add_factory_items(REPOSITORY / "models")
        for preset in panel.presets.presets:
            panel.levelling.measure(preset)
        panel.close()
        taken_in_there = next(item.id for item in panel.library.models() if item.file_name == _TAKEN_IN_THERE)
        leave_out = shutil.ignore_patterns(taken_in_there)
        for part in ("models", "cabinets"):
            shutil.copytree(data / part, folder / "data" / part, ignore=leave_out)
        shutil.copy(data / "levels.json", folder / "data")


if __name__ == "__main__":
    sys.stdout.write(f"{ready_image(Target.of_environment())}\n")
