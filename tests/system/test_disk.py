"""The disk that forgets, written to by the emulator's own tool."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.disk import BLOCK_BYTES, ForgetfulDisk

_BLOCKS = 256


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A disk full of zeros."""
    path = tmp_path / "disk.raw"
    path.write_bytes(bytes(_BLOCKS * BLOCK_BYTES))
    return path


@pytest.fixture
def disk(image: Path, tmp_path: Path) -> Iterator[ForgetfulDisk]:
    made = ForgetfulDisk(image, tmp_path / "nbd.sock", seed=1)
    yield made
    made.close()


def write_and_die(disk: ForgetfulDisk, *commands: str) -> None:
    """Do it, then be killed before anything else is flushed."""
    words = ["stdbuf", "-oL", "qemu-io", "-t", "writeback", "-f", "raw", f"nbd+unix:///?socket={disk.path}"]
    process = subprocess.Popen(
        [*words, *(word for command in commands for word in ("-c", command)), "-c", "read 0 512", "-c", "sleep 60000"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    end = time.monotonic() + 20
    while "read 512/512" not in process.stdout.readline():
        assert time.monotonic() < end
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_was_flushed_is_kept_and_of_the_rest_some_is_lost(disk: ForgetfulDisk, image: Path) -> None:
    write_and_die(
        disk, f"write -P 1 0 {32 * BLOCK_BYTES}", "flush", f"write -P 2 {64 * BLOCK_BYTES} {64 * BLOCK_BYTES}"
    )
    waiting, lost = disk.cut()
    assert waiting == 64
    assert 16 < lost < 48
    data = image.read_bytes()
    assert data[: 32 * BLOCK_BYTES] == b"\1" * 32 * BLOCK_BYTES
    rest = data[64 * BLOCK_BYTES : 128 * BLOCK_BYTES]
    assert rest.count(2) == (64 - lost) * BLOCK_BYTES


def test_a_part_of_a_block_is_written_into_what_is_there(disk: ForgetfulDisk, image: Path) -> None:
    write_and_die(disk, f"write -P 1 0 {2 * BLOCK_BYTES}", "write -P 3 512 4096", "flush")
    assert disk.cut() == (0, 0)
    assert image.read_bytes()[: 2 * BLOCK_BYTES] == b"\1" * 512 + b"\3" * 4096 + b"\1" * (2 * BLOCK_BYTES - 4608)


def test_the_next_machine_finds_what_survived(disk: ForgetfulDisk, image: Path) -> None:
    write_and_die(disk, f"write -P 7 0 {4 * BLOCK_BYTES}", "flush")
    disk.cut()
    write_and_die(disk, f"read -P 7 0 {4 * BLOCK_BYTES}")
    assert image.read_bytes()[:4] == b"\7" * 4


def test_the_power_goes_with_a_write_and_nothing_comes_after_it(disk: ForgetfulDisk, image: Path) -> None:
    gone = disk.die_after(2)
    # Sent without waiting for answers: what follows the second is on its way when the power goes.
    writes = [f"aio_write -P {number} {number * BLOCK_BYTES} {BLOCK_BYTES}" for number in (1, 2, 3)]
    words = ["qemu-io", "-t", "writeback", "-f", "raw", f"nbd+unix:///?socket={disk.path}"]
    process = subprocess.Popen([*words, *(word for write in writes for word in ("-c", write)), "-c", "aio_flush"])
    assert gone.wait(20)
    time.sleep(0.2)
    process.kill()
    process.wait()
    waiting, lost = disk.cut()
    assert waiting == 2
    data = image.read_bytes()
    assert sum(block in data for block in (b"\1" * BLOCK_BYTES, b"\2" * BLOCK_BYTES)) == 2 - lost
    assert b"\3" not in data
    write_and_die(disk, f"write -P 4 0 {BLOCK_BYTES}", "flush")
    assert disk.cut() == (0, 0)
    assert b"\3" not in image.read_bytes()
    assert image.read_bytes()[:BLOCK_BYTES] == b"\4" * BLOCK_BYTES
