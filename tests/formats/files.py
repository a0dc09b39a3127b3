"""Writes descriptions as the files that other programs make, independently of the readers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from appliance.formats.description import (
    Act,
    Activation,
    Array,
    Cell,
    ConvNet,
    Description,
    Linear,
    Recurrent,
    WaveNet,
    WaveNetArray,
)

NAM_NAMES = {
    Act.TANH: "Tanh",
    Act.HARDTANH: "Hardtanh",
    Act.RELU: "ReLU",
    Act.LEAKY_RELU: "LeakyReLU",
    Act.SIGMOID: "Sigmoid",
    Act.SILU: "SiLU",
    Act.HARDSWISH: "Hardswish",
    Act.SOFTSIGN: "Softsign",
}


def nam_activation(activation: Activation) -> Any:
    name = NAM_NAMES[activation.kind]
    if activation.slope == Activation(Act.LEAKY_RELU).slope:
        return name
    return {"type": name, "negative_slope": activation.slope}


def nam_file(description: Description, **envelope: Any) -> dict[str, Any]:
    """The `.nam` object of a model without knobs."""
    writers = {WaveNet: _wavenet, Recurrent: _lstm, ConvNet: _convnet, Linear: _linear}
    kind, config, arrays = writers[type(description.architecture)](description.architecture)  # type: ignore[operator]
    weights = [float(w) for array in arrays for w in np.ravel(array)]
    return {"version": "0.7.0", "architecture": kind, "config": config, "weights": weights, **envelope}


def container(*submodels: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """A SlimmableContainer with the submodels at equal distances, the last at 1."""
    entries = [{"max_value": (i + 1) / len(submodels), "model": model} for i, model in enumerate(submodels)]
    return {
        "version": "0.7.0",
        "architecture": "SlimmableContainer",
        "config": {"submodels": entries},
        "weights": [],
        **envelope,
    }


def _wavenet(network: WaveNet) -> tuple[str, dict[str, Any], list[Any]]:
    arrays: list[Any] = []
    for array in network.arrays:
        arrays.append(array.rechannel_weight)
        for layer in array.layers:
            arrays += [layer.conv_weight, layer.conv_bias, layer.mixin_weight, layer.out_weight, layer.out_bias]
        arrays.append(array.head_weight)
        if array.head_bias is not None:
            arrays.append(array.head_bias)
    config = {"layers": [_wavenet_array(a) for a in network.arrays], "head": None, "head_scale": network.head_scale}
    return "WaveNet", config, [*arrays, network.head_scale]


def _wavenet_array(array: WaveNetArray) -> dict[str, Any]:
    channels, inputs = array.rechannel_weight.shape
    head_size, bottleneck, head_taps = array.head_weight.shape
    return {
        "input_size": inputs,
        "condition_size": 1,
        "channels": channels,
        "bottleneck": bottleneck,
        "head": {"out_channels": head_size, "kernel_size": head_taps, "bias": array.head_bias is not None},
        "kernel_sizes": [layer.conv_weight.shape[2] for layer in array.layers],
        "dilations": [layer.dilation for layer in array.layers],
        "activation": [nam_activation(layer.activation) for layer in array.layers],
        "gating_mode": [layer.gating.value for layer in array.layers],
        "secondary_activation": [nam_activation(layer.gate) for layer in array.layers],
    }


def _lstm(network: Recurrent) -> tuple[str, dict[str, Any], list[Any]]:
    arrays: list[Any] = []
    for layer in network.layers:
        both = np.concatenate([layer.weight_ih, layer.weight_hh], axis=1)
        arrays += [both, layer.bias_ih + layer.bias_hh, layer.h0, layer.c0]
    hidden = network.layers[0].weight_hh.shape[1]
    config = {"input_size": 1, "hidden_size": hidden, "num_layers": len(network.layers)}
    return "LSTM", config, [*arrays, network.head_weight, network.head_bias]


def _convnet(network: ConvNet) -> tuple[str, dict[str, Any], list[Any]]:
    config = {
        "channels": network.blocks[0].weight.shape[0],
        "dilations": [block.dilation for block in network.blocks],
        "batchnorm": False,
        "activation": nam_activation(network.blocks[0].activation),
    }
    arrays = [array for block in network.blocks for array in (block.weight, block.bias)]
    return "ConvNet", config, [*arrays, network.head_weight, network.head_bias]


def _linear(network: Linear) -> tuple[str, dict[str, Any], list[Any]]:
    return "Linear", {"receptive_field": len(network.taps), "bias": True}, [network.taps, network.bias]


def guitarml_file(description: Description) -> dict[str, Any]:
    """The GuitarML object of a recurrent model."""
    network = description.architecture
    assert isinstance(network, Recurrent)
    state: dict[str, Any] = {}
    for i, layer in enumerate(network.layers):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            state[f"rec.{name}_l{i}"] = getattr(layer, name).tolist()
    state["lin.weight"] = [network.head_weight.tolist()]
    state["lin.bias"] = [network.head_bias]
    return {
        "model_data": {
            "model": "SimpleRNN",
            "input_size": network.layers[0].weight_ih.shape[1],
            "skip": int(network.skip),
            "output_size": 1,
            "unit_type": network.cell.name,
            "num_layers": len(network.layers),
            "hidden_size": network.layers[0].weight_hh.shape[1],
            "bias_fl": True,
        },
        "state_dict": state,
    }


def keras_file(description: Description, **more: Any) -> dict[str, Any]:
    """The keras-JSON object (AIDA-X) of a recurrent model."""
    network = description.architecture
    assert isinstance(network, Recurrent)
    layers: list[dict[str, Any]] = []
    for layer in network.layers:
        if network.cell is Cell.LSTM:
            weights = [layer.weight_ih.T, layer.weight_hh.T, layer.bias_ih + layer.bias_hh]
        else:
            bias = np.stack([_update_first(layer.bias_ih), _update_first(layer.bias_hh)])
            weights = [_update_first(layer.weight_ih).T, _update_first(layer.weight_hh).T, bias]
        shape = [None, None, layer.weight_hh.shape[1]]
        entry = {"type": network.cell.value, "activation": "", "shape": shape, "weights": [w.tolist() for w in weights]}
        layers.append(entry)
    dense = [network.head_weight[:, None].tolist(), [network.head_bias]]
    layers.append({"type": "dense", "activation": "", "shape": [None, None, 1], "weights": dense})
    inputs = network.layers[0].weight_ih.shape[1]
    return {"in_shape": [None, None, inputs], "in_skip": int(network.skip), "layers": layers, **more}


def _update_first(gates: Array) -> Array:
    """Gate rows r, z, n → z, r, n, as keras keeps them."""
    size = len(gates) // 3
    return np.concatenate([gates[size : 2 * size], gates[:size], gates[2 * size :]])


def as_bytes(value: Any) -> bytes:
    """JSON as other programs write it (NaN included)."""
    return json.dumps(value).encode()
