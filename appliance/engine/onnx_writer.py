"""The parts of a streaming ONNX graph while it is put together: nodes, initializers, states, metadata.

`onnx_graph.py` says what the nodes are. What the metadata hold is read back by `formats/own.py`.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from appliance.formats.description import Array

OPSET = 17
IR_VERSION = 8
FORMAT_KEY = "appliance.format"  # its value is FORMAT_VERSION
FORMAT_VERSION = "1"
DESCRIPTION_KEY = "appliance.description"  # formats/tree.py
ARRAYS_KEY = "appliance.arrays"  # arrays that the graph itself has no use for: {name: {shape, base64}}
INITIAL_STATE_KEY = "appliance.initial_state"  # {state input: name of the array it starts from}

_ALL = np.iinfo(np.int64).max


def pack_array(array: Array) -> dict[str, Any]:
    """An array as JSON: shape, and little-endian float32 in base64."""
    return {"shape": list(array.shape), "base64": base64.b64encode(array.astype("<f4").tobytes()).decode("ascii")}


def unpack_array(packed: dict[str, Any]) -> Array:
    """The array that `pack_array` packed. ValueError, KeyError or TypeError when it is something else."""
    data = base64.b64decode(packed["base64"], validate=True)
    return np.frombuffer(data, "<f4").astype(np.float32).reshape(packed["shape"])


class Graph:
    """Collects nodes, initializers and states. Values are passed about by name."""

    def __init__(self, arrays: dict[str, Array]) -> None:
        self._arrays = arrays
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self._states: list[onnx.ValueInfoProto] = []
        self._next_states: list[onnx.ValueInfoProto] = []
        self._initial: dict[str, str] = {}
        self._scope = ""  # path of a network inside the architecture

    @contextlib.contextmanager
    def inside(self, part: str) -> Iterator[None]:
        """Paths and states belong to this part of the architecture meanwhile."""
        outer = self._scope
        self._scope = f"{outer}{part}."
        yield
        self._scope = outer

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; returns its name."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def ops(self, kind: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Add a node with several outputs; returns their names."""
        number = len(self._nodes)
        names = [f"{kind.lower()}_{number}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, name=f"{kind.lower()}_{number}", **attributes))
        return names

    def weight(self, path: str) -> str:
        """An array of the architecture as an initializer."""
        name = f"architecture.{self._scope}{path}"
        self._initializers[name] = numpy_helper.from_array(self._arrays[name], name)
        return name

    def column(self, path: str) -> str:
        """A matrix [out, in] as the kernel [out, in, 1] of a 1x1 convolution."""
        return self.op("Unsqueeze", self.weight(path), self.integers(2))

    def row_values(self, path: str) -> str:
        """An array [channels] as one value for each row of [1, channels, frames]."""
        return self.op("Unsqueeze", self.weight(path), self.integers(1))

    def integers(self, *values: int) -> str:
        """Constant int64 [n]."""
        name = "int_" + "_".join(str(v).replace("-", "m") for v in values)
        self._initializers.setdefault(name, numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def number(self, value: float) -> str:
        """Constant float32 scalar."""
        name = f"float_{value!r}"
        self._initializers.setdefault(name, numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def numbers(self, values: Sequence[float]) -> str:
        """Constant float32 [n, 1]: one number a channel."""
        name = f"floats_{len(self._initializers)}"
        self._initializers[name] = numpy_helper.from_array(np.array(values, np.float32)[:, None], name)
        return name

    def scaled(self, x: str, factor: float) -> str:
        return self.op("Mul", x, self.number(factor))

    def gain_db(self, x: str, gain_db: float) -> str:
        return x if gain_db == 0.0 else self.op("Mul", x, self.number(10.0 ** (gain_db / 20.0)))

    def state(self, name: str, shape: Sequence[int], initial: str | None = None) -> str:
        """A state input; `initial` is the path of the array it starts from (else zeros)."""
        state = f"state_{self._scope}{name}"
        self._states.append(helper.make_tensor_value_info(state, TensorProto.FLOAT, shape))
        if initial is not None and self._arrays[f"architecture.{self._scope}{initial}"].any():
            self._initial[state] = f"architecture.{self._scope}{initial}"
        return state

    def next_state(self, state: str, value: str, shape: Sequence[int]) -> None:
        """What becomes of a state input after a block."""
        self._nodes.append(helper.make_node("Identity", [value], [f"next_{state}"], name=f"keep_{state}"))
        self._next_states.append(helper.make_tensor_value_info(f"next_{state}", TensorProto.FLOAT, shape))

    def with_past(self, name: str, x: str, channels: int, frames: int) -> str:
        """`x` [1, channels, n] behind the last `frames` frames of the blocks before it."""
        if frames == 0:
            return x
        shape = (1, channels, frames)
        state = self.state(name, shape)
        known = self.op("Concat", state, x, axis=2)
        past = self.op("Slice", known, self.integers(-frames), self.integers(_ALL), self.integers(2))
        self.next_state(state, past, shape)
        return known

    def conv(self, name: str, x: str, weight: str, shape: Sequence[int], bias: str | None, dilation: int) -> str:
        """A causal convolution; shape = (out, in, taps)."""
        _, channels, taps = shape
        known = self.with_past(name, x, channels, (taps - 1) * dilation)
        inputs = [known, weight] if bias is None else [known, weight, bias]
        return self.op("Conv", *inputs, kernel_shape=[taps], dilations=[dilation])

    def finish(self, output: str, tree: dict[str, Any]) -> onnx.ModelProto:
        self._nodes.append(helper.make_node("Identity", [output], ["output"], name="output"))
        graph = helper.make_graph(
            self._nodes,
            "model",
            [*self.inputs, *self._states],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, (1, 1, "frames")), *self._next_states],
            list(self._initializers.values()),
        )
        model = helper.make_model(
            graph,
            producer_name="appliance",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
            doc_string="Streaming audio model. Feed each next_state_X back as state_X with the next block of audio.",
        )
        unused = {name: array for name, array in self._arrays.items() if name not in self._initializers}
        packed = {name: pack_array(array) for name, array in unused.items()}
        entries = {
            FORMAT_KEY: FORMAT_VERSION,
            DESCRIPTION_KEY: json.dumps(tree, allow_nan=False),
            ARRAYS_KEY: json.dumps(packed),
            INITIAL_STATE_KEY: json.dumps(self._initial),
        }
        helper.set_model_props(model, entries)
        return model
