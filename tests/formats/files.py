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
    Film,
    Films,
    HeadStage,
    Linear,
    Recurrent,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from appliance.formats.stack import Activate, Convolution, Elu, Layer, PRelu, Scale, Softmax, Stack, Units

NAM_NAMES = {
    Act.TANH: "Tanh",
    Act.HARDTANH: "Hardtanh",
    Act.RELU: "ReLU",
    Act.LEAKY_RELU: "LeakyReLU",
    Act.SIGMOID: "Sigmoid",
    Act.SILU: "SiLU",
    Act.HARDSWISH: "Hardswish",
    Act.SOFTSIGN: "Softsign",
    Act.SOFTSIGMOID: "Softsigmoid",
    Act.PRELU: "PReLU",
    Act.LEAKY_HARDTANH: "LeakyHardtanh",
}
FILM_KEYS = {
    "conv_pre": "conv_pre_film",
    "conv_post": "conv_post_film",
    "mixin_pre": "input_mixin_pre_film",
    "mixin_post": "input_mixin_post_film",
    "activation_pre": "activation_pre_film",
    "activation_post": "activation_post_film",
    "out_post": "layer1x1_post_film",
    "head_post": "head1x1_post_film",
}


def nam_activation(activation: Activation) -> Any:
    name = NAM_NAMES[activation.kind]
    if activation.kind is Act.PRELU:
        return {"type": name, "negative_slopes": list(activation.slopes)}
    if activation.kind is Act.LEAKY_HARDTANH:
        return {
            "type": name,
            "min_val": activation.minimum,
            "max_val": activation.maximum,
            "min_slope": activation.minimum_slope,
            "max_slope": activation.maximum_slope,
        }
    if activation.slope == Activation(Act.LEAKY_RELU).slope:
        return name
    return {"type": name, "negative_slope": activation.slope}


def nam_file(description: Description, **envelope: Any) -> dict[str, Any]:
    """The `.nam` object of a model; the file has no names for its knobs."""
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
            if layer.head_weight is not None:
                arrays += [layer.head_weight, layer.head_bias]
            for _, film in active_films(layer):
                arrays += [film.weight, film.bias]
        arrays.append(array.head_weight)
        if array.head_bias is not None:
            arrays.append(array.head_bias)
    for stage in network.head_stages:
        arrays += [stage.weight, stage.bias]
    config = {
        "layers": [_wavenet_array(a) for a in network.arrays],
        "head": _head_stages(network.head_stages),
        "head_scale": network.head_scale,
        "in_channels": network.arrays[0].rechannel_weight.shape[1],
    }
    if network.condition is not None:
        config["condition_dsp"] = nam_file(Description("", "", network.condition, 48_000))
    return "WaveNet", config, [*arrays, network.head_scale]


def active_films(layer: WaveNetLayer) -> list[tuple[str, Film]]:
    """(key in the file, modulation) in the order of the weights."""
    films = layer.films or Films()
    return [(key, film) for name, key in FILM_KEYS.items() if (film := getattr(films, name)) is not None]


def _head_stages(stages: tuple[HeadStage, ...]) -> dict[str, Any] | None:
    if not stages:
        return None
    return {
        "channels": stages[0].weight.shape[0],
        "out_channels": stages[-1].weight.shape[0],
        "kernel_sizes": [stage.weight.shape[2] for stage in stages],
        "activation": nam_activation(stages[0].activation),
    }


def _wavenet_array(array: WaveNetArray) -> dict[str, Any]:
    channels, inputs = array.rechannel_weight.shape
    head_size, head_width, head_taps = array.head_weight.shape
    first = array.layers[0]
    bottleneck = first.out_weight.shape[1]
    extras: dict[str, Any] = {
        key: {"active": True, "shift": len(film.bias) != _channels(first, key), "groups": 1}
        for key, film in active_films(first)
    }
    if first.head_weight is not None:
        extras["head1x1"] = {"active": True, "out_channels": head_width, "groups": 1}
    return {
        **extras,
        "input_size": inputs,
        "condition_size": first.mixin_weight.shape[1],
        "channels": channels,
        "bottleneck": bottleneck,
        "head": {
            "out_channels": head_size,
            "kernel_size": head_taps,
            "bias": array.head_bias is not None,
            "head_dilation": array.head_dilation,
        },
        "kernel_sizes": [layer.conv_weight.shape[2] for layer in array.layers],
        "dilations": [layer.dilation for layer in array.layers],
        "activation": [nam_activation(layer.activation) for layer in array.layers],
        "gating_mode": [layer.gating.value for layer in array.layers],
        "secondary_activation": [nam_activation(layer.gate) for layer in array.layers],
    }


def _channels(layer: WaveNetLayer, key: str) -> int:
    """What a modulation of this name works on."""
    z, c, _ = layer.conv_weight.shape
    b = layer.out_weight.shape[1]
    if key == "head1x1_post_film":
        assert layer.head_weight is not None
        return int(layer.head_weight.shape[0])
    return {
        "conv_pre_film": c,
        "input_mixin_pre_film": int(layer.mixin_weight.shape[1]),
        "activation_post_film": b,
        "layer1x1_post_film": c,
    }.get(key, z)


def _lstm(network: Recurrent) -> tuple[str, dict[str, Any], list[Any]]:
    arrays: list[Any] = []
    for layer in network.layers:
        both = np.concatenate([layer.weight_ih, layer.weight_hh], axis=1)
        arrays += [both, layer.bias_ih + layer.bias_hh, layer.h0, layer.c0]
    hidden = network.layers[0].weight_hh.shape[1]
    inputs = network.layers[0].weight_ih.shape[1]
    config = {"input_size": inputs, "hidden_size": hidden, "num_layers": len(network.layers)}
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


def smartamp_file(description: Description, activation: str, **more: Any) -> dict[str, Any]:
    """The SmartAmp/SmartPedal object of a WaveNet that such a file can hold."""
    network = description.architecture
    assert isinstance(network, WaveNet)
    (array,) = network.arrays
    channels, count = array.rechannel_weight.shape[0], len(array.layers)
    named: list[tuple[int, str, Array]] = [(-1, "W", array.rechannel_weight), (-1, "b", _given(array.rechannel_bias))]
    for index, layer in enumerate(array.layers):
        named.append((index, "W_conv", layer.conv_weight.transpose(2, 1, 0)))
        named.append((index, "b_conv", layer.conv_bias))
        named.append((index, "W_out", layer.out_weight.T))
        named.append((index, "b_out", layer.out_bias))
    mix = np.concatenate([_given(layer.head_weight)[0] for layer in array.layers])
    named += [(count, "W", mix), (count, "b", _given(array.head_bias))]
    return {
        "activation": activation,
        "input_channels": 1,
        "output_channels": 1,
        "residual_channels": channels,
        "filter_width": array.layers[0].conv_weight.shape[2],
        "dilations": [layer.dilation for layer in array.layers],
        "variables": [
            {"layer_idx": index, "name": name, "data": [str(w) for w in np.ravel(values).tolist()]}
            for index, name, values in named
        ],
        **more,
    }


def _given(array: Array | None) -> Array:
    assert array is not None
    return array


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


def keras_stack_file(description: Description, **more: Any) -> dict[str, Any]:
    """The keras-JSON object of a stack. Batch-norm is written with a mean and a variance that come to the same."""
    stack = description.architecture
    assert isinstance(stack, Stack)
    layers = [_keras_layer(layer) for layer in stack.layers]
    inputs = 1 + len(description.knobs)
    return {"in_shape": [None, None, inputs], "in_skip": int(stack.skip), "layers": layers, **more}


def _keras_layer(layer: Layer) -> dict[str, Any]:
    if isinstance(layer, Convolution):
        outputs, _, taps = layer.weight.shape
        kernel = layer.weight.transpose(2, 1, 0)
        if taps == 1 and layer.groups == 1:
            return _keras("dense", [kernel[0], layer.bias], outputs)
        sizes = {"kernel_size": [taps], "dilation": [layer.dilation], "groups": layer.groups}
        return _keras("conv1d", [kernel, layer.bias], outputs) | sizes
    if isinstance(layer, Units):
        description = Description("", "", Recurrent(layer.cell, (layer.layer,), layer.layer.h0, 0.0), 48_000)
        return {**keras_file(description)["layers"][0], "activation": "tanh"}
    if isinstance(layer, Scale):
        ones = np.ones_like(layer.scale)
        return _keras("batchnorm", [layer.scale, layer.shift + layer.scale, ones, ones * 0.75], 0) | {"epsilon": 0.25}
    if isinstance(layer, PRelu):
        return _keras("prelu", [layer.slopes[None, :]], len(layer.slopes))
    if isinstance(layer, Activate):
        return {
            "type": "activation",
            "activation": layer.activation.kind.value,
            "shape": [None, None, 0],
            "weights": [],
        }
    name = {Elu: "elu", Softmax: "softmax"}[type(layer)]
    return {"type": "activation", "activation": name, "shape": [None, None, 0], "weights": []}


def _keras(kind: str, arrays: list[Array], outputs: int) -> dict[str, Any]:
    weights = [array.tolist() for array in arrays]
    return {"type": kind, "activation": "", "shape": [None, None, outputs], "weights": weights}


def smartamppro_file(rng: np.random.Generator, window: int = 120, filters: int = 4, units: int = 6) -> dict[str, Any]:
    """A SmartAmpPro object with the strides that its trainer uses for this window."""
    stride = 12

    def numbers(*shape: int) -> Any:
        return rng.uniform(-0.5, 0.5, shape).tolist()

    return {
        "input_size": window,
        "conv1d_stride": stride,
        "conv1d_1_stride": stride,
        "conv1d": {"kernel:0": numbers(stride, 1, filters), "bias:0": numbers(filters)},
        "conv1d_1": {"kernel:0": numbers(stride, filters, filters), "bias:0": numbers(filters)},
        "lstm": {"kernel:0": numbers(filters, 4 * units), "bias:0": numbers(4 * units), "lstm_cell": {}},
        "dense": {"kernel:0": numbers(units, 1), "bias:0": numbers(1)},
    }


def _update_first(gates: Array) -> Array:
    """Gate rows r, z, n → z, r, n, as keras keeps them."""
    size = len(gates) // 3
    return np.concatenate([gates[size : 2 * size], gates[:size], gates[2 * size :]])


def as_bytes(value: Any) -> bytes:
    """JSON as other programs write it (NaN included)."""
    return json.dumps(value).encode()
