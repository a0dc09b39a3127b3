"""Description → streaming ONNX graph that any ONNX runtime can play.

Inputs   `audio` float32 [1, 1, frames]; `knobs` float32 [1, knobs, frames or 1] if the model has any; `state_…`.
Outputs  `output` [1, 1, frames]; `next_state_…`, to be fed back as `state_…` with the next block.
At first every state is zeros of its declared shape, but for those in the metadata entry `appliance.initial_state`.

Gains and skip are inside the graph. The weights are initializers in the layouts of `formats/description.py`, once each
and under their path there; what ONNX wants in another layout is rearranged by nodes, which a runtime folds when
it loads. Standard operators of opset 17 only. May block; never on the audio thread.
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

from appliance.formats.description import (
    Act,
    Activation,
    Architecture,
    Array,
    Cell,
    ConvNet,
    Description,
    Film,
    Films,
    Gating,
    Linear,
    Recurrent,
    RecurrentLayer,
    WaveNet,
    WaveNetLayer,
)
from appliance.formats.foreign_graph import ForeignGraph
from appliance.formats.stack import Stack
from appliance.formats.tree import to_tree

OPSET = 17
IR_VERSION = 8
FORMAT_KEY = "appliance.format"  # its value is FORMAT_VERSION
FORMAT_VERSION = "1"
DESCRIPTION_KEY = "appliance.description"  # formats/tree.py
ARRAYS_KEY = "appliance.arrays"  # arrays that the graph itself has no use for: {name: {shape, base64}}
INITIAL_STATE_KEY = "appliance.initial_state"  # {state input: name of the array it starts from}

_NEWEST_FIRST_END = np.iinfo(np.int64).min
_ALL = np.iinfo(np.int64).max


def build(description: Description) -> onnx.ModelProto:
    """The graph of a model, with its description in the metadata. The description must be consistent."""
    tree, arrays = to_tree(description)
    graph = _Graph(arrays)
    audio, condition = _inputs(graph, description)
    output = _network(graph, description.architecture, audio, condition)
    output = graph.gain_db(output, description.output_gain_db)
    return graph.finish(output, tree)


def _network(graph: _Graph, architecture: Architecture, audio: str, condition: str) -> str:
    if isinstance(architecture, WaveNet):
        return _wavenet(graph, architecture, audio, condition)
    if isinstance(architecture, Recurrent):
        return _recurrent(graph, architecture, audio, condition)
    if isinstance(architecture, ConvNet):
        return _convnet(graph, architecture, audio)
    if isinstance(architecture, Stack):
        from appliance.engine.onnx_stack import stack_output  # which is made of the parts below

        return stack_output(graph, architecture, audio, condition)
    assert not isinstance(architecture, ForeignGraph), "a graph already: engine/foreign_engine.py plays it"
    return _linear(graph, architecture, audio)


def initial_states(model: onnx.ModelProto) -> dict[str, Array]:
    """What each `state_…` input of a graph made by `build` starts from, in the shapes it declares."""
    props = {entry.key: entry.value for entry in model.metadata_props}
    sources, packed = json.loads(props[INITIAL_STATE_KEY]), json.loads(props[ARRAYS_KEY])
    states: dict[str, Array] = {}
    for value in model.graph.input:
        if value.name.startswith("state_"):
            shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            source = sources.get(value.name)
            states[value.name] = (
                np.zeros(shape, np.float32) if source is None else unpack_array(packed[source]).reshape(shape)
            )
    return states


def pack_array(array: Array) -> dict[str, Any]:
    """An array as JSON: shape, and little-endian float32 in base64."""
    return {"shape": list(array.shape), "base64": base64.b64encode(array.astype("<f4").tobytes()).decode("ascii")}


def unpack_array(packed: dict[str, Any]) -> Array:
    """The array that `pack_array` packed. ValueError, KeyError or TypeError when it is something else."""
    data = base64.b64decode(packed["base64"], validate=True)
    return np.frombuffer(data, "<f4").astype(np.float32).reshape(packed["shape"])


class _Graph:
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


def _inputs(graph: _Graph, description: Description) -> tuple[str, str]:
    """(audio after the input gain, condition signal [1, 1 + knobs, frames])."""
    graph.inputs.append(helper.make_tensor_value_info("audio", TensorProto.FLOAT, (1, 1, "frames")))
    audio = graph.gain_db("audio", description.input_gain_db)
    if not description.knobs:
        return audio, audio
    count = len(description.knobs)
    graph.inputs.append(helper.make_tensor_value_info("knobs", TensorProto.FLOAT, (1, count, "knob_frames")))
    frames = graph.op("Shape", "audio", start=2)
    shape = graph.op("Concat", graph.integers(1, count), frames, axis=0)
    return audio, graph.op("Concat", audio, graph.op("Expand", "knobs", shape), axis=1)


def _activate(graph: _Graph, activation: Activation, x: str) -> str:
    match activation.kind:
        case Act.LINEAR:
            return x
        case Act.HARDTANH:
            return graph.op("Clip", x, graph.number(-1.0), graph.number(1.0))
        case Act.LEAKY_RELU:
            return graph.op("LeakyRelu", x, alpha=activation.slope)
        case Act.SILU:
            return graph.op("Mul", x, graph.op("Sigmoid", x))
        case Act.TANH:
            return graph.op("Tanh", x)
        case Act.RELU:
            return graph.op("Relu", x)
        case Act.SIGMOID:
            return graph.op("Sigmoid", x)
        case Act.HARDSWISH:
            return graph.op("HardSwish", x)
        case Act.SOFTSIGN:
            return graph.op("Softsign", x)
        case Act.SOFTSIGMOID:
            half = graph.number(0.5)
            return graph.op("Add", graph.op("Mul", graph.op("Softsign", x), half), half)
        case Act.PRELU:
            return graph.op("PRelu", x, graph.numbers(activation.slopes))
        case Act.LEAKY_HARDTANH:
            low, high = graph.number(activation.minimum), graph.number(activation.maximum)
            below = graph.op("Min", graph.op("Sub", x, low), graph.number(0.0))
            above = graph.op("Max", graph.op("Sub", x, high), graph.number(0.0))
            outside = graph.op(
                "Add", graph.scaled(below, activation.minimum_slope), graph.scaled(above, activation.maximum_slope)
            )
            return graph.op("Add", graph.op("Clip", x, low, high), outside)


def _wavenet(graph: _Graph, network: WaveNet, audio: str, inputs: str) -> str:
    condition = inputs
    if network.condition is not None:
        with graph.inside("condition"):
            condition = _network(graph, network.condition, audio, audio)
    signal = audio if network.arrays[0].rechannel_weight.shape[1] == 1 else inputs
    head_sum = None
    for i, array in enumerate(network.arrays):
        bias = [] if array.rechannel_bias is None else [graph.weight(f"arrays.{i}.rechannel_bias")]
        h = graph.op("Conv", signal, graph.column(f"arrays.{i}.rechannel_weight"), *bias)
        for j, layer in enumerate(array.layers):
            is_heard = i + 1 < len(network.arrays) or j + 1 < len(array.layers)
            with graph.inside(f"arrays.{i}.layers.{j}"):
                a, h = _layer(graph, layer, f"{i}_{j}", h, condition, is_heard)
            head_sum = a if head_sum is None else graph.op("Add", head_sum, a)
        signal = h
        assert head_sum is not None, "an array without layers"
        bias_name = graph.weight(f"arrays.{i}.head_bias") if array.head_bias is not None else None
        weight = graph.weight(f"arrays.{i}.head_weight")
        head_sum = graph.conv(f"{i}_head", head_sum, weight, array.head_weight.shape, bias_name, array.head_dilation)
    assert head_sum is not None, "a WaveNet without arrays"
    output = graph.op("Mul", head_sum, graph.number(network.head_scale))
    for i, stage in enumerate(network.head_stages):
        weight, stage_bias = graph.weight(f"head_stages.{i}.weight"), graph.weight(f"head_stages.{i}.bias")
        shaped = _activate(graph, stage.activation, output)
        output = graph.conv(f"stage_{i}", shaped, weight, stage.weight.shape, stage_bias, 1)
    return output


def _layer(graph: _Graph, layer: WaveNetLayer, name: str, h: str, condition: str, is_heard: bool) -> tuple[str, str]:
    """(what the layer adds to the head sum, the residual after it)."""
    films = layer.films or Films()

    def modulate(place: str, x: str, channels: int) -> str:
        film: Film | None = getattr(films, place)
        if film is None:
            return x
        rows = graph.op("Conv", condition, graph.column(f"films.{place}.weight"), graph.weight(f"films.{place}.bias"))
        if film.weight.shape[0] == channels:
            return graph.op("Mul", x, rows)
        scale, shift = graph.ops("Split", [rows], 2, axis=1)
        return graph.op("Add", graph.op("Mul", x, scale), shift)

    z_rows, channels, _ = layer.conv_weight.shape
    weight, bias = graph.weight("conv_weight"), graph.weight("conv_bias")
    z = graph.conv(name, modulate("conv_pre", h, channels), weight, layer.conv_weight.shape, bias, layer.dilation)
    z = modulate("conv_post", z, z_rows)
    heard = modulate("mixin_pre", condition, layer.mixin_weight.shape[1])
    mixin = modulate("mixin_post", graph.op("Conv", heard, graph.column("mixin_weight")), z_rows)
    z = modulate("activation_pre", graph.op("Add", z, mixin), z_rows)
    a = modulate("activation_post", _gate(graph, layer, z), layer.out_weight.shape[1])
    if is_heard:
        out = graph.op("Conv", a, graph.column("out_weight"), graph.weight("out_bias"))
        h = graph.op("Add", h, modulate("out_post", out, channels))
    if layer.head_weight is not None:
        head = graph.op("Conv", a, graph.column("head_weight"), graph.weight("head_bias"))
        a = modulate("head_post", head, layer.head_weight.shape[0])
    return a, h


def _gate(graph: _Graph, layer: WaveNetLayer, z: str) -> str:
    if layer.gating is Gating.NONE:
        return _activate(graph, layer.activation, z)
    value, gate = graph.ops("Split", [z], 2, axis=1)
    active, share = _activate(graph, layer.activation, value), _activate(graph, layer.gate, gate)
    if layer.gating is Gating.GATED:
        return graph.op("Mul", active, share)
    # α·f(z) + (1-α)·z, with one multiplication less
    return graph.op("Add", value, graph.op("Mul", share, graph.op("Sub", active, value)))


# Row blocks of PyTorch's gates in the order ONNX keeps: LSTM i f g o → i o f c, GRU r z n → z r h.
_GATE_ORDER = {Cell.LSTM: (0, 3, 1, 2), Cell.GRU: (1, 0, 2)}


def _recurrent(graph: _Graph, network: Recurrent, audio: str, condition: str) -> str:
    x = graph.op("Transpose", condition, perm=[2, 0, 1])  # [frames, 1, inputs]
    for i, layer in enumerate(network.layers):
        x = _units(graph, network.cell, layer, f"layers.{i}", str(i), x)
    head = graph.op("Unsqueeze", graph.weight("head_weight"), graph.integers(1))
    out = graph.op("Add", graph.op("MatMul", x, head), graph.number(network.head_bias))
    out = graph.op("Transpose", out, perm=[1, 2, 0])
    return graph.op("Add", out, audio) if network.skip else out


def _units(graph: _Graph, cell: Cell, layer: RecurrentLayer, path: str, name: str, x: str) -> str:
    """One recurrent layer: [frames, 1, inputs] → [frames, 1, H]."""
    order = _GATE_ORDER[cell]
    is_lstm = cell is Cell.LSTM
    h = layer.weight_hh.shape[1]
    rows = graph.integers(*(gate * h + row for gate in order for row in range(h)))

    def rearranged(key: str) -> str:
        return graph.op("Gather", graph.weight(f"{path}.{key}"), rows, axis=0)

    w, r = (graph.op("Unsqueeze", rearranged(key), graph.integers(0)) for key in ("weight_ih", "weight_hh"))
    biases = graph.op("Concat", rearranged("bias_ih"), rearranged("bias_hh"), axis=0)
    b = graph.op("Unsqueeze", biases, graph.integers(0))
    shape = (1, 1, h)
    states = [graph.state(f"{name}_h", shape, f"{path}.h0")]
    if is_lstm:
        states.append(graph.state(f"{name}_c", shape, f"{path}.c0"))
    extra = {} if is_lstm else {"linear_before_reset": 1}
    y, *following = graph.ops(cell.name, [x, w, r, b, "", *states], 1 + len(states), hidden_size=h, **extra)
    for state, value in zip(states, following, strict=True):
        graph.next_state(state, value, shape)
    return graph.op("Squeeze", y, graph.integers(1))


def _convnet(graph: _Graph, network: ConvNet, audio: str) -> str:
    x = audio
    for i, block in enumerate(network.blocks):
        weight, bias = graph.weight(f"blocks.{i}.weight"), graph.weight(f"blocks.{i}.bias")
        x = graph.conv(str(i), x, weight, block.weight.shape, bias, block.dilation)
        x = _activate(graph, block.activation, x)
    head = graph.op("Unsqueeze", graph.weight("head_weight"), graph.integers(0, 2))
    return graph.op("Add", graph.op("Conv", x, head), graph.number(network.head_bias))


def _linear(graph: _Graph, network: Linear, audio: str) -> str:
    minus_one = graph.integers(-1)
    oldest_first = graph.op(
        "Slice", graph.weight("taps"), minus_one, graph.integers(_NEWEST_FIRST_END), graph.integers(0), minus_one
    )
    kernel = graph.op("Unsqueeze", oldest_first, graph.integers(0, 1))
    out = graph.conv("taps", audio, kernel, (1, 1, len(network.taps)), None, 1)
    return graph.op("Add", out, graph.number(network.bias))
