"""Instructions per sample that ONNX Runtime's aarch64 wheel executes: `python -m tests.arm.count_onnxruntime FOLDER`.

FOLDER holds an arm64 system with a Python of 3.11 (usr/bin/python3.11 and its libraries) and, in FOLDER/site, the
wheels of numpy and onnxruntime unpacked; docs/arm.md says how to make it. Needs `system/packages.sh arm` and root: the
runtime reads the processor's features from /sys and stumbles over those of another kind, so it gets a /sys of its own.
Counts of an emulator, with the same plugin as the engine's (`counting.py`).
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from appliance.engine.onnx_graph import build, initial_states
from appliance.engine.packing import pack_model
from appliance.formats.description import Description
from tests.arm import building, shapes
from tests.arm.counting import build_counter, count

CPU = "cortex-a72"
MODELS = ("WaveNet A1 standard", "WaveNet A2 full", "LSTM 1×40")
_FEW, _MANY = 6, 406  # blocks; the difference leaves out start, warm-up and most of how unlike two starts are
_FRAMES = (16, 64)
# Four processors, as on a Pi; the rest of /sys is not there.
_HIDE_SYS = (
    "mount -t tmpfs none /sys && mkdir -p /sys/devices/system/cpu && "
    "echo 0-3 | tee /sys/devices/system/cpu/possible > /sys/devices/system/cpu/present && "
    'exec "$@"'
)


def per_block(system: Path, counter: Path, graph: Path, states: Path, frames: int) -> float:
    """Instructions for one block."""
    few, many = (_count(system, counter, graph, states, frames, blocks) for blocks in (_FEW, _MANY))
    return (many - few) / (_MANY - _FEW)


def _count(system: Path, counter: Path, graph: Path, states: Path, frames: int, blocks: int) -> int:
    written = graph.with_suffix(".counts")
    emulator = ["qemu-aarch64", "-plugin", f"{counter},counts={written}", "-cpu", CPU, "-L", str(system)]
    played = [str(building.HERE / "play_onnxruntime.py"), str(graph), str(states), str(frames), str(blocks)]
    building.run(["unshare", "-m", "sh", "-c", _HIDE_SYS, "sh", *emulator, f"{system}/usr/bin/python3.11", *played])
    rows = (line.split() for line in written.read_text().splitlines())
    return sum(int(instructions) * int(times) for _, instructions, times in rows)


def main(system: Path, models: dict[str, Description]) -> None:
    """Prints instructions per sample in blocks of 16 and 64 frames, ONNX Runtime's and the engine's. Some minutes."""
    of_emulated_python = {
        "PYTHONHOME": f"{system}/usr",
        "PYTHONPATH": f"{system}/site",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",  # starts as alike as can be
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        counter = build_counter(folder)
        programs = building.build(folder / CPU, CPU)
        graph, states, blob = folder / "model.onnx", folder / "states.npz", folder / "model.blob"
        os.environ |= of_emulated_python
        for title, description in models.items():
            model = build(description)
            graph.write_bytes(model.SerializeToString())
            np.savez(states, **initial_states(model))
            blob.write_bytes(pack_model(description))
            for frames in _FRAMES:
                runtime = per_block(system, counter, graph, states, frames) / frames
                runs = count(CPU, programs, counter, blob, frames)
                engine = sum(size * times for (_, size), times in runs.items()) / frames
                sys.stdout.write(
                    f"{title:<22} blocks of {frames:>2}: ONNX Runtime {runtime:>7.0f} instructions a sample, "
                    f"the engine {engine:>6.0f}, {runtime / engine:.1f} times fewer\n"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    counted = shapes.counted()
    main(Path(sys.argv[1]).resolve(), {name: counted[name] for name in MODELS})
