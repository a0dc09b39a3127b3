"""Executed instructions of a model's process(), block of code by block of code, from the emulator's plugin."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.arm import building

Runs = dict[tuple[int, int], float]  # (address, instructions) of a block of code → times run

_WARM_UP_BLOCKS = 4
# The emulator takes far more time for arithmetic than a CPU: a few blocks are enough, for every one is alike.
_COUNTED_BLOCKS = 12


def build_counter(folder: Path) -> Path:
    """Compile insn_counter.cpp for the emulator that is installed."""
    version = building.run(["qemu-aarch64", "--version"])
    found = re.search(r"version (\d+)\.", version)
    assert found, f"qemu-aarch64 --version said {version!r}"
    interface = 1 if int(found.group(1)) < 9 else 2
    library = folder / "insn_counter.so"
    source = building.HERE / "insn_counter.cpp"
    flags = ["-std=c++17", "-O2", "-shared", "-fPIC", f"-DPLUGIN_API={interface}"]
    building.run(["g++", *flags, str(source), "-o", str(library)])
    return library


def count(cpu: str, programs: Path, counter: Path, blob: Path, block_frames: int) -> Runs:
    """How often each block of code runs for one block of audio: the difference of a long and a short run."""
    long, short = (
        _count_once(cpu, programs, counter, blob, block_frames, blocks)
        for blocks in (_WARM_UP_BLOCKS + _COUNTED_BLOCKS, _WARM_UP_BLOCKS)
    )
    return {place: (times - short[place]) / _COUNTED_BLOCKS for place, times in long.items() if times > short[place]}


def _count_once(
    cpu: str, programs: Path, counter: Path, blob: Path, block_frames: int, blocks: int
) -> Counter[tuple[int, int]]:
    written = blob.with_suffix(".counts")
    command = [programs / "play", blob, str(block_frames), str(blocks)]
    building.emulate(cpu, command, plugin=f"{counter},counts={written}")
    runs: Counter[tuple[int, int]] = Counter()
    for line in written.read_text().splitlines():
        address, instructions, times = line.split()
        runs[int(address, 16), int(instructions)] += int(times)
    return runs


@dataclass(frozen=True)
class Listing:
    """A program's instructions as an assembler takes them, by address; a jump's target is replaced by a label."""

    text: dict[int, str]
    targets: dict[int, int]

    @classmethod
    def of(cls, program: Path) -> Listing:
        """From objdump."""
        text: dict[int, str] = {}
        targets: dict[int, int] = {}
        command = ["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", str(program)]
        for line in building.run(command).splitlines():
            found = re.match(r"\s*([0-9a-f]+):\t(.*)", line)
            if not found:
                continue
            address = int(found.group(1), 16)
            instruction = re.sub(r"\s*//.*", "", found.group(2))
            jump = re.search(r"\b([0-9a-f]+) <[^>]*>", instruction)
            if jump:
                targets[address] = int(jump.group(1), 16)
                instruction = instruction[: jump.start()] + "there"
            text[address] = instruction
        return cls(text, targets)

    def block(self, address: int, instructions: int) -> list[str]:
        """The instructions of a block of code."""
        return [self.text[address + 4 * index] for index in range(instructions)]

    def loops(self, address: int, instructions: int) -> bool:
        """Whether it ends in a jump to its own start."""
        return self.targets.get(address + 4 * (instructions - 1)) == address
