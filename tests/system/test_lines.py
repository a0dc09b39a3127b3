"""The hands' own tests (tests/panel), in the machine, on GPIO lines of the kernel instead of mock pins."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.system.conftest import MakeMachine, RecordFigure, stop_the_pedal
from tests.system.layers import command
from tests.system.machine import Hardware
from tests.system.target import Target
from tests.system.wheels import REPOSITORY, packages_for_tests

pytestmark = pytest.mark.timeout(3600)

# Those that play a whole pedal (`tests/panel/simulated_rig.py`), and the one that is about lines alone.
_FILES = ("test_gpio_sim", "test_hands", "test_leaving", "test_safe_mode")
_DISK_BYTES = 64 << 20


@pytest.fixture(scope="module")
def tests_disk(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout's tests, and pytest."""
    folder = tmp_path_factory.mktemp("tests")
    content = folder / "content"
    leave_out = shutil.ignore_patterns("__pycache__", "browser", "system")
    shutil.copytree(REPOSITORY / "tests", content / "tests", ignore=leave_out)
    shutil.copytree(packages_for_tests(target), content / "packages", ignore=leave_out)
    shutil.copy(REPOSITORY / "pyproject.toml", content)
    image = folder / "tests.ext4"
    command(["mkfs.ext4", "-q", "-L", "tests", "-d", content, image, str(_DISK_BYTES >> 10) + "k"])
    return image


def test_the_hands_pass_their_own_tests_on_the_kernels_lines(
    new_machine: MakeMachine, target: Target, tests_disk: Path, record_figure: RecordFigure
) -> None:
    machine = new_machine(Hardware(target, other_disks=[tests_disk]))
    machine.start()
    machine.wait_until("systemctl is-active appliance.target", timeout_s=120)
    stop_the_pedal(machine)
    machine.run("mkdir /tests && mount -o ro LABEL=tests /tests")
    files = " ".join(f"/tests/tests/panel/{name}.py" for name in _FILES)
    python = "LINES=gpio-sim PYTHONPATH=/tests:/tests/packages /opt/appliance/current/bin/python -B"
    words = f"-m pytest -q -p no:cacheprovider --timeout 900 --rootdir /tests -c /tests/pyproject.toml {files}"
    # lgpio wants to write where it is started, and the disk of the tests cannot be written to.
    said = machine.run(f"cd /run && {python} {words} 2>&1", timeout_s=1500, check=False).stdout
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None, said
    assert "failed" not in said, said
    assert "skipped" not in said, said
    record_figure("the hands' own tests on the kernel's GPIO lines", f"{passed.group(1)} passed")
