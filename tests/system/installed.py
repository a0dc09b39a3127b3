"""The installed layer: a machine booted from the root layer, and in it `system/install.sh` run with the wheels."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from appliance.formats.nam_export import write_nam
from tests.models import random_recurrent
from tests.system import root
from tests.system.kernel import kernel
from tests.system.layers import command, layer
from tests.system.machine import Hardware, Machine
from tests.system.target import Target
from tests.system.wheels import REPOSITORY, wheels

# The sound card of the tests: what is played into one side of the loopback comes out at the other.
INPUT, OUTPUT = "hw:Loopback,1,0", "hw:Loopback,0,1"
_DISK_BYTES = 512 << 20  # sparse
# What plays while nothing else is asked for: arithmetic is what the emulator is slowest at.
SMALL_MODELS = ("Small 1", "Small 2")


def installed_image(target: Target) -> Path:
    """A disk (qcow2, on the root layer) on which the pedal was installed by its own installer. Blocks for minutes the
    first time, and when the code has changed."""
    root_image, kernel_layer, files = (
        root.root_image(target),
        kernel(Target(target.arch, suite=target.suite)),
        wheels(target),
    )
    sources = [REPOSITORY / "system", REPOSITORY / "appliance" / "box", *files]
    ingredients = ["installed 1", str(root_image), *sources, Path(__file__)]
    name = f"installed-{target.suite}-{target.arch}"

    def make(made: Path) -> None:
        delivery = _delivery(files, made / "delivery")
        with Machine(root_image, kernel_layer, made / "machine", Hardware(target, other_disks=[delivery])) as booted:
            try:
                (made / "install.txt").write_text(install(booted))
            except AssertionError as error:
                raise AssertionError(f"{error}\n{booted.report()}") from error
            booted.shut_down()
        shutil.move(booted.disk, made / "installed.qcow2")
        (made / "machine" / "serial.txt").rename(made / "serial.txt")
        shutil.rmtree(made / "machine")
        delivery.unlink()

    return layer(name, ingredients, make) / "installed.qcow2"


def install(booted: Machine) -> str:
    """Run the installer in the machine, as a person would, and take two small models in; what it said.

    AssertionError when it fails.
    """
    booted.run("mkdir -p /delivery && mount -o ro /dev/vdc /delivery")
    booted.wait_until("systemctl is-system-running | grep -qE 'running|degraded'", timeout_s=300)
    devices = f"--input {INPUT} --output {OUTPUT}"
    options = f"--wheels /delivery/wheels --hat none {devices} --period 64 --yes"
    told = booted.run(f"/delivery/pedal/system/install.sh {options} | tee /dev/console", timeout_s=1800).stdout
    assert "Done." in told, told
    # The factory's models are taken in after the first start, which is slow here: every test finds them there.
    models = REPOSITORY / "models"
    count = len([*models.glob("*.onnx"), *(models / "cabinets").glob("*.wav")])
    there = "find /var/lib/appliance/models /var/lib/appliance/cabinets -mindepth 1 -maxdepth 1 ! -name '.*' | wc -l"
    booted.wait_until(f'[ "$({there})" -ge {count} ]', timeout_s=300)
    booted.python("take_in", *(f"/delivery/models/{name}.nam" for name in SMALL_MODELS), timeout_s=120)
    booted.run("umount /delivery")
    return told


def _delivery(files: list[Path], image: Path) -> Path:
    """A disk with what a person would have copied to the Pi: the checkout's scripts, and the wheels."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "wheels").mkdir()
        for file in files:
            shutil.copy(file, folder / "wheels")
        (folder / "models").mkdir()
        for seed, name in enumerate(SMALL_MODELS):
            small = random_recurrent(np.random.default_rng(seed), hidden=2)
            write_nam([replace(small, name=name)], folder / "models" / f"{name}.nam", {})
        leave_out = shutil.ignore_patterns("__pycache__", "*.so", "*.cpp", "*.hpp")
        for part in ("system", "appliance"):
            shutil.copytree(REPOSITORY / part, folder / "pedal" / part, ignore=leave_out)
        command(["mkfs.ext4", "-q", "-d", folder, image, str(_DISK_BYTES >> 10) + "k"])
    return image


if __name__ == "__main__":
    sys.stdout.write(f"{installed_image(Target.of_environment())}\n")
