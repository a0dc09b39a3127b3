"""The real audio process, started and watched from outside as the panel and the supervisor do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.bridge.controls import ControlsWriter, payload
from appliance.bridge.layout import AudioState, Flag, StatusBlock
from appliance.engine.packing import pack_model, pack_patch
from appliance.formats.description import Description

NO_FLAGS = Flag(0)
Report = Callable[[str], None]


@dataclass
class AudioProcess:
    """A running process and its shared memory."""

    process: subprocess.Popen[str]
    runtime: Path

    def status(self) -> StatusBlock:
        """One whole copy of the status."""
        while True:
            found = StatusBlock.from_buffer_copy((self.runtime / "status").read_bytes())
            if found.sequence % 2 == 0:
                return found

    def wait_for(self, what: Callable[[StatusBlock], bool], seconds: float = 10.0) -> StatusBlock:
        """The first status that fits."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, f"the process ended: {self.process.stderr.read()}"  # type: ignore[union-attr]
            if (self.runtime / "status").exists() and what(found := self.status()):
                return found
            time.sleep(0.005)
        raise AssertionError(f"not within {seconds} s: {AudioState(self.status().state).name}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit code and what it said."""
        self.process.send_signal(number)
        _, words = self.process.communicate(timeout=10)
        return self.process.returncode, words

    def resident_kb(self) -> int:
        """Memory of the process."""
        return self._memory_kb("VmRSS")

    def mapped_bytes(self) -> int:
        """Addresses of the process, which RLIMIT_AS limits."""
        return 1024 * self._memory_kb("VmSize")

    def _memory_kb(self, name: str) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise AssertionError(f"no {name}")


@contextmanager
def audio_process(runtime: Path, *options: str, **environment: str) -> Iterator[AudioProcess]:
    """`python -m appliance.audio` with these options; killed at the end if it still lives."""
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance.audio", "--runtime", str(runtime), *options],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"APPLIANCE_DATA": str(runtime / "data")} | environment,
    )
    running = AudioProcess(process, runtime)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


class Panel:
    """Asks for models as the panel does: a patch file, then the controls."""

    def __init__(self, runtime: Path) -> None:
        self.runtime = runtime
        runtime.mkdir(parents=True, exist_ok=True)
        self.controls = ControlsWriter(runtime / "controls")
        self.generation = self.controls.generation

    def select(self, model: Description | None, flags: Flag = NO_FLAGS, sample_rate_hz: int = 48_000) -> int:
        """Ask for a model (None: no model). Returns the generation asked for."""
        return self.select_blob(pack_model(model) if model else b"", flags, sample_rate_hz)

    def select_blob(self, blob: bytes, flags: Flag = NO_FLAGS, sample_rate_hz: int = 48_000) -> int:
        """The same with a packed model."""
        self.generation += 1
        patch = self.runtime / f"patch-{self.generation % 4}"
        patch.write_bytes(pack_patch(generation=self.generation, sample_rate_hz=sample_rate_hz, model_blob=blob))
        self.controls.publish(
            payload(
                generation=self.generation,
                flags=flags,
                input_gain_db=0.0,
                gate_threshold_db=-120.0,
                level_db=0.0,
                knobs=(),
                patch_path=str(patch),
            )
        )
        return self.generation
