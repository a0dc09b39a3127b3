"""Streaming ONNX graphs as other programs might export them, built with nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str | None]


def port(name: str, shape: Shape | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """An input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, values: Any, dtype: type = np.float32) -> onnx.TensorProto:
    """An initializer."""
    return numpy_helper.from_array(np.array(values, dtype), name)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Sequence[onnx.TensorProto] = (),
    *,
    opset: int = 17,
    **metadata: str,
) -> onnx.ModelProto:
    """A whole file."""
    graph = helper.make_graph(nodes, "graph", inputs, outputs, constants)
    made = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])
    helper.set_model_props(made, metadata)
    return made


def as_bytes(made: onnx.ModelProto) -> bytes:
    """As it lies on a disk."""
    return bytes(made.SerializeToString())


def gain(audio: Shape = (1, 1, "T"), amount: float = 0.5, **metadata: str) -> onnx.ModelProto:
    """y = amount · x."""
    nodes = [helper.make_node("Mul", ["input", "amount"], ["output"])]
    return model(nodes, [port("input", audio)], [port("output", audio)], [constant("amount", amount)], **metadata)


def one_pole(coefficient: float = 0.9, frames: int = 4, **metadata: str) -> onnx.ModelProto:
    """y[n] = (1 - a)·x[n] + a·y[n-1] for blocks of `frames`, as a matrix."""
    powers = coefficient ** np.arange(frames + 1)
    matrix = np.zeros((frames, frames))
    for n in range(frames):
        matrix[n, : n + 1] = (1 - coefficient) * powers[: n + 1][::-1]
    constants = [
        constant("matrix", matrix.T),
        constant("decay", powers[1:][None, :]),
        constant("last", [frames - 1], np.int64),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "matrix"], ["driven"]),
        helper.make_node("Mul", ["z_in", "decay"], ["ringing"]),
        helper.make_node("Add", ["driven", "ringing"], ["y"]),
        helper.make_node("Gather", ["y", "last"], ["z_out"], axis=1),
    ]
    ports = [port("x", (1, frames)), port("z_in", (1, 1))]
    return model(nodes, ports, [port("y", (1, frames)), port("z_out", (1, 1))], constants, **metadata)


TAPS = (0.5, -0.25, 0.125, 1.0)  # the newest last


def convolution(**metadata: str) -> onnx.ModelProto:
    """A FIR of `TAPS` that keeps the last three samples itself; any block."""
    constants = [
        constant("taps", [[TAPS]]),
        constant("three", [-3], np.int64),
        constant("end", [2**62], np.int64),
        constant("time", [2], np.int64),
    ]
    nodes = [
        helper.make_node("Concat", ["past", "audio"], ["known"], axis=2),
        helper.make_node("Conv", ["known", "taps"], ["output"]),
        helper.make_node("Slice", ["known", "three", "end", "time"], ["present"]),
    ]
    ports = [port("past", (1, 1, 3)), port("audio", (1, 1, "frames"))]
    outputs = [port("present", (1, 1, 3)), port("output", (1, 1, "frames"))]
    return model(nodes, ports, outputs, constants, **metadata)


def drive(shape: Shape = (1, 2, "T"), **metadata: str) -> onnx.ModelProto:
    """y = tanh(x · (1 + knob 1)) · knob 2; the knobs run with the audio if their shape has T."""
    constants = [constant("one", 1.0), constant("first", [0], np.int64), constant("second", [1], np.int64)]
    axis = 0 if len(shape) == 1 else 1
    nodes = [
        helper.make_node("Gather", ["knobs", "first"], ["drive"], axis=axis),
        helper.make_node("Gather", ["knobs", "second"], ["level"], axis=axis),
        helper.make_node("Add", ["drive", "one"], ["more"]),
        helper.make_node("Mul", ["audio", "more"], ["hot"]),
        helper.make_node("Tanh", ["hot"], ["bent"]),
        helper.make_node("Mul", ["bent", "level"], ["output"]),
    ]
    ports = [port("audio", (1, 1, "T")), port("knobs", shape)]
    return model(nodes, ports, [port("output", (1, 1, "T"))], constants, **metadata)
