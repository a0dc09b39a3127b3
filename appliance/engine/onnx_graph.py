"""Description → streaming ONNX graph that any ONNX runtime can play.

Inputs   `audio` float32 [1, 1, frames]; `knobs` float32 [1, knobs, frames or 1] if the model has any; `state_…`.
Outputs  `output` [1, 1, frames]; `next_state_…`, to be fed back as `state_…` with the next block.
At first every state is zeros of its declared shape, but for those in the metadata entry `appliance.initial_state`.

Gains and skip are inside the graph. The weights are initializers in the layouts of `formats/description.py`, once each
and under their path there; what ONNX wants in another layout is rearranged by nodes, which a runtime folds when
it loads. Standard operators of opset 17 only. May block; never on the audio thread.
"""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto, helper

from appliance.engine.onnx_writer import ARRAYS_KEY, INITIAL_STATE_KEY, Graph, unpack_array
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

_NEWEST_FIRST_END = np.iinfo(np.int64).min


def build(description: Description) -> onnx.ModelProto:
    """The graph of a model, with its description in the metadata. The description must be consistent."""
    tree, arrays = to_tree(description)
    graph = Graph(arrays)
    audio, condition = _inputs(graph, description)
    output = _network(graph, description.architecture, audio, condition)
    output = graph.gain_db(output, description.output_gain_db)
    return graph.finish(output, tree)


def _network(graph: Graph, architecture: Architecture, audio: str, condition: str) -> str:
    assert not isinstance(architecture, ForeignGraph), "a graph already: engine/foreign_engine.py plays it"
    if isinstance(architecture, WaveNet):
        return _wavenet(graph, architecture, audio, condition)
    if isinstance(architecture, Recurrent):
        return _recurrent(graph, architecture, audio, condition)
    if isinstance(architecture, ConvNet):
        return _convnet(graph, architecture, audio)
    if isinstance(architecture, Stack):
        from appliance.engine.onnx_stack import stack_output  # which is made of the parts below

        return stack_output(graph, architecture, audio, condition)
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


def _inputs(graph: Graph, description: Description) -> tuple[str, str]:
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


def _activate(graph: Graph, activation: Activation, x: str) -> str:
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


def _wavenet(graph: Graph, network: WaveNet, audio: str, inputs: str) -> str:
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


def _layer(graph: Graph, layer: WaveNetLayer, name: str, h: str, condition: str, is_heard: bool) -> tuple[str, str]:
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


def _gate(graph: Graph, layer: WaveNetLayer, z: str) -> str:
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


def _recurrent(graph: Graph, network: Recurrent, audio: str, condition: str) -> str:
    x = graph.op("Transpose", condition, perm=[2, 0, 1])  # [frames, 1, inputs]
    for i, layer in enumerate(network.layers):
        x = _units(graph, network.cell, layer, f"layers.{i}", str(i), x)
    head = graph.op("Unsqueeze", graph.weight("head_weight"), graph.integers(1))
    out = graph.op("Add", graph.op("MatMul", x, head), graph.number(network.head_bias))
    out = graph.op("Transpose", out, perm=[1, 2, 0])
    return graph.op("Add", out, audio) if network.skip else out


def _units(graph: Graph, cell: Cell, layer: RecurrentLayer, path: str, name: str, x: str) -> str:
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


def _convnet(graph: Graph, network: ConvNet, audio: str) -> str:
    x = audio
    for i, block in enumerate(network.blocks):
        weight, bias = graph.weight(f"blocks.{i}.weight"), graph.weight(f"blocks.{i}.bias")
        x = graph.conv(str(i), x, weight, block.weight.shape, bias, block.dilation)
        x = _activate(graph, block.activation, x)
    head = graph.op("Unsqueeze", graph.weight("head_weight"), graph.integers(0, 2))
    return graph.op("Add", graph.op("Conv", x, head), graph.number(network.head_bias))


def _linear(graph: Graph, network: Linear, audio: str) -> str:
    minus_one = graph.integers(-1)
    oldest_first = graph.op(
        "Slice", graph.weight("taps"), minus_one, graph.integers(_NEWEST_FIRST_END), graph.integers(0), minus_one
    )
    kernel = graph.op("Unsqueeze", oldest_first, graph.integers(0, 1))
    out = graph.conv("taps", audio, kernel, (1, 1, len(network.taps)), None, 1)
    return graph.op("Add", out, graph.number(network.bias))
