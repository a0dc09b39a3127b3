"""`Stack` → nodes of a streaming ONNX graph (`onnx_graph.py`). Values are passed about by name."""

from __future__ import annotations

from appliance.engine.onnx_graph import _activate, _units
from appliance.engine.onnx_writer import Graph
from appliance.formats.stack import Activate, Convolution, Elu, Layer, PRelu, Scale, Softmax, Stack, Units


def stack_output(graph: Graph, network: Stack, audio: str, condition: str) -> str:
    """The output [1, 1, frames] of the layers, fed with `condition` [1, 1 + knobs, frames]."""
    x = condition
    for i, layer in enumerate(network.layers):
        x = _layer(graph, layer, f"layers.{i}", str(i), x)
    return graph.op("Add", x, audio) if network.skip else x


def _layer(graph: Graph, layer: Layer, path: str, name: str, x: str) -> str:
    """One layer on rows [1, channels, frames]."""
    if isinstance(layer, Convolution):
        return _convolution(graph, layer, path, name, x)
    if isinstance(layer, Units):
        samples = graph.op("Transpose", x, perm=[2, 0, 1])  # [frames, 1, channels]
        hidden = _units(graph, layer.cell, layer.layer, f"{path}.layer", name, samples)
        return graph.op("Transpose", hidden, perm=[1, 2, 0])
    if isinstance(layer, Scale):
        return graph.op("Add", graph.op("Mul", x, graph.row_values(f"{path}.scale")), graph.row_values(f"{path}.shift"))
    if isinstance(layer, PRelu):
        return graph.op("PRelu", x, graph.row_values(f"{path}.slopes"))
    if isinstance(layer, Elu):
        return graph.op("Elu", x, alpha=layer.alpha)
    if isinstance(layer, Softmax):
        return graph.op("Softmax", x, axis=1)
    if isinstance(layer, Activate):
        return _activate(graph, layer.activation, x)
    i, g, o = graph.ops("Split", [x], 3, axis=1)
    cell = graph.op("Mul", graph.op("Sigmoid", i), graph.op("Tanh", g))
    return graph.op("Mul", graph.op("Sigmoid", o), graph.op("Tanh", cell))


def _convolution(graph: Graph, layer: Convolution, path: str, name: str, x: str) -> str:
    _, channels, taps = layer.weight.shape
    known = graph.with_past(name, x, channels * layer.groups, (taps - 1) * layer.dilation)
    weight, bias = graph.weight(f"{path}.weight"), graph.weight(f"{path}.bias")
    return graph.op("Conv", known, weight, bias, kernel_shape=[taps], dilations=[layer.dilation], group=layer.groups)
