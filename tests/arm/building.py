"""The engine's test programs, cross-compiled for a Pi's CPU and run under QEMU's user-mode emulator."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
CPUS = {"cortex-a53": "Pi Zero 2 W", "cortex-a72": "Pi 4", "cortex-a76": "Pi 5"}
_LIBRARIES = "/usr/aarch64-linux-gnu"
_NEEDED = ("cmake", "aarch64-linux-gnu-g++", "qemu-aarch64")


def missing_tools(*more: str) -> list[str]:
    """What has to be installed first (`system/packages.sh arm`)."""
    return [tool for tool in (*_NEEDED, *more) if shutil.which(tool) is None]


def build(folder: Path, cpu: str, *options: str) -> Path:
    """Configure and build this folder's programs for a CPU by GCC's name; the folder with the programs. Blocks."""
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={HERE / 'aarch64.cmake'}"
    configure = ["cmake", "-S", str(HERE), "-B", str(folder), *generator, toolchain, f"-DAPPLIANCE_ARCH={cpu}"]
    run([*configure, "-DCMAKE_BUILD_TYPE=Release", *options])
    run(["cmake", "--build", str(folder)])
    return folder


def emulate(cpu: str, command: Sequence[str | Path], *, plugin: str = "") -> str:
    """Run a program under the emulator as that CPU; what it printed. AssertionError when it fails."""
    emulator = ["qemu-aarch64", "-cpu", cpu, "-L", _LIBRARIES]
    return run([*emulator, *(["-plugin", plugin] if plugin else []), *map(str, command)])


def run(command: Sequence[str], *, stdin: str | None = None) -> str:
    """Run a command; what it printed. AssertionError with the end of what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, input=stdin)
    assert done.returncode == 0, f"{command[0]}: exit {done.returncode}\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
    return done.stdout
