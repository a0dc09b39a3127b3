"""The installed layer: a machine booted from the root layer, and in it `system/install.sh` run with the wheels."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.system import root
from tests.system.kernel import kernel
from tests.system.layers import command, layer
from tests.system.machine import Hardware, Machine
from tests.system.target import Target
from tests.system.wheels import REPOSITORY, wheels

# The sound card of the tests: what is played into one side of the loopback comes out at the other.
INPUT, OUTPUT = "hw:Loopback,1,0", "hw:Loopback,0,1"
_DISK_BYTES = 512 << 20  # sparse


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
    """Run the installer in the machine; what it said. AssertionError when it fails."""
    booted.run("mkdir -p /delivery && mount -o ro /dev/vdc /delivery")
    booted.wait_until("systemctl is-system-running | grep -qE 'running|degraded'", timeout_s=120)
    devices = f"--input {INPUT} --output {OUTPUT}"
    options = f"--wheels /delivery/wheels --hat none {devices} --period 64 --yes"
    told = booted.run(f"/delivery/pedal/system/install.sh {options}", timeout_s=900).stdout
    # The factory's models are taken in after the first start, which is slow here: every test finds them there.
    count = len(list((REPOSITORY / "models").glob("*.onnx"))) + len(
        list((REPOSITORY / "models" / "cabinets").glob("*.wav"))
    )
    there = "find /var/lib/appliance/models /var/lib/appliance/cabinets -mindepth 1 -maxdepth 1 ! -name '.*' | wc -l"
    booted.wait_until(f'[ "$({there})" -ge {count} ]', timeout_s=300)
    booted.run("umount /delivery")
    return told


def _delivery(files: list[Path], image: Path) -> Path:
    """A disk with what a person would have copied to the Pi: the checkout's scripts, and the wheels."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "wheels").mkdir()
        for file in files:
            shutil.copy(file, folder / "wheels")
        leave_out = shutil.ignore_patterns("__pycache__", "*.so", "*.cpp", "*.hpp")
        for part in ("system", "appliance"):
            shutil.copytree(REPOSITORY / part, folder / "pedal" / part, ignore=leave_out)
        command(["mkfs.ext4", "-q", "-d", folder, image, str(_DISK_BYTES >> 10) + "k"])
    return image


if __name__ == "__main__":
    sys.stdout.write(f"{installed_image(Target.of_environment())}\n")
