"""Plays blocks of noise through a streaming ONNX graph: what count_onnxruntime.py counts. Runs in the emulated Python,
which has numpy and onnxruntime but nothing of the pedal.

play_onnxruntime.py GRAPH STATES FRAMES BLOCKS – STATES: an .npz of what each state input starts from.
"""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime as ort


def main(graph: str, states: str, frames: int, blocks: int) -> None:
    """One thread; buffers bound once, states handed on from block to block by two bindings that take turns."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    value = ort.OrtValue.ortvalue_from_numpy
    noise = np.random.default_rng(1).random((1, 1, frames)).astype(np.float32) - 0.5
    audio, output = value(noise), value(np.zeros_like(noise))
    first, second = ({name: value(state) for name, state in np.load(states).items()} for _ in range(2))
    bindings = []
    for before, after in ((first, second), (second, first)):
        binding = session.io_binding()
        binding.bind_ortvalue_input("audio", audio)
        binding.bind_ortvalue_output("output", output)
        for name in before:
            binding.bind_ortvalue_input(name, before[name])
            binding.bind_ortvalue_output(f"next_{name}", after[name])
        bindings.append(binding)
    for block in range(blocks):
        session.run_with_iobinding(bindings[block % 2])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
