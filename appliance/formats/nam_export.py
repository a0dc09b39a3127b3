"""Descriptions → `.nam` files of Neural Amp Modeler (format 0.7.0), as its own trainer 0.13 writes them.

NAM has WaveNets (A1 and A2), LSTMs, ConvNets and impulse responses, and containers of several sizes. It has no names
for knobs, no GRU, no skip from input to output and no gain beside the network: gains are folded into the weights, knobs
held at one position (`folding.py`), the rest is refused in words. Source of keys and weight order: NAM core and
trainer. May block.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance import storage
from appliance.errors import UnsupportedModel
from appliance.formats.consistency import check_description
from appliance.formats.description import (
    FILM_NAMES,
    Act,
    Activation,
    Architecture,
    Cell,
    ConvNet,
    Description,
    Gating,
    Linear,
    Recurrent,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from appliance.formats.folding import snapshot, without_gains
from appliance.formats.stack import Stack

VERSION = "0.7.0"
_NAMES = {
    Act.TANH: "Tanh",
    Act.HARDTANH: "Hardtanh",
    Act.RELU: "ReLU",
    Act.LEAKY_RELU: "LeakyReLU",
    Act.SIGMOID: "Sigmoid",
    Act.SILU: "SiLU",
    Act.HARDSWISH: "Hardswish",
    Act.SOFTSIGN: "Softsign",
    Act.PRELU: "PReLU",
    Act.LEAKY_HARDTANH: "LeakyHardtanh",
}
_OFF = {"active": False, "shift": True, "groups": 1}
_FILM_KEYS = (
    "conv_pre_film",
    "conv_post_film",
    "input_mixin_pre_film",
    "input_mixin_post_film",
    "activation_pre_film",
    "activation_post_film",
    "layer1x1_post_film",
    "head1x1_post_film",
)
Weights = Iterator[npt.NDArray[np.floating]]


def write_nam(sizes: Sequence[Description], path: Path, knobs: Mapping[str, float]) -> None:
    """Write a model (its sizes, smallest first) as a `.nam` file, whole or not at all.

    knobs: where to hold the knobs, in their units; the default for those not named. Raises UnsupportedModel for what
    NAM doesn't have, BadRequest for a knob that the model hasn't, StorageError if it can't be saved.
    """
    text = json.dumps(nam_object(sizes, knobs), allow_nan=False)
    storage.save(path, text.encode(), worth_keeping=lambda _: False)


def nam_object(sizes: Sequence[Description], knobs: Mapping[str, float]) -> dict[str, Any]:
    """The JSON object of `write_nam`: one model, or a SlimmableContainer for several sizes."""
    models = [_single(without_gains(snapshot(size, knobs))) for size in sizes]
    if len(models) == 1:
        return models[0]
    largest = models[-1]
    submodels = [{"max_value": (index + 1) / len(models), "model": model} for index, model in enumerate(models)]
    return {
        "version": VERSION,
        "architecture": "SlimmableContainer",
        "config": {"submodels": submodels},
        "weights": [],
        "sample_rate": largest["sample_rate"],
        "metadata": largest["metadata"],
    }


def _single(description: Description) -> dict[str, Any]:
    check_description(description, description.name)
    kind, config, arrays = _parts(description.architecture, description.name)
    return {
        "version": VERSION,
        "metadata": _metadata(description),
        "architecture": kind,
        "config": config,
        "weights": _flat(arrays),
        "sample_rate": description.sample_rate_hz,
    }


def _flat(arrays: Weights) -> list[float]:
    return [float(weight) for array in arrays for weight in np.ravel(array).astype(np.float32)]


def _metadata(description: Description) -> dict[str, Any]:
    """What the file said before, and what we know better."""
    now = datetime.datetime.now(datetime.UTC)
    parts = ("year", "month", "day", "hour", "minute", "second")
    levels = description.levels
    known: dict[str, Any] = {
        "name": description.name,
        "loudness": levels.loudness_db,
        "gain": levels.gain,
        "input_level_dbu": levels.input_level_dbu,
        "output_level_dbu": levels.output_level_dbu,
        "license": description.licence,
    }
    metadata = {"date": {part: getattr(now, part) for part in parts}} | description.metadata
    metadata |= {key: value for key, value in known.items() if value is not None}
    if description.esr is not None:
        training = metadata.get("training")
        metadata["training"] = (training if isinstance(training, dict) else {}) | {"validation_esr": description.esr}
    return metadata


def _parts(architecture: Architecture, name: str) -> tuple[str, dict[str, Any], Weights]:
    """(architecture, config, weights in file order)."""
    if isinstance(architecture, WaveNet):
        return "WaveNet", _wavenet_config(architecture, name), _wavenet_weights(architecture)
    if isinstance(architecture, Recurrent):
        return "LSTM", *_lstm(architecture, name)
    if isinstance(architecture, ConvNet):
        return "ConvNet", *_convnet(architecture, name)
    if isinstance(architecture, Linear):
        config = {"receptive_field": len(architecture.taps), "bias": True}
        return "Linear", config, iter([architecture.taps, np.array([architecture.bias])])
    what = "a stack of layers" if isinstance(architecture, Stack) else "an ONNX graph"
    raise _refused(name, f"it is {what}, and NAM has WaveNets, LSTMs, ConvNets and impulse responses")


def _refused(name: str, why: str) -> UnsupportedModel:
    return UnsupportedModel(f"{name} can't be a .nam file: {why}. Export it as .onnx instead.")


def _lstm(network: Recurrent, name: str) -> tuple[dict[str, Any], Weights]:
    if network.cell is not Cell.LSTM:
        raise _refused(name, "it is a GRU, and NAM has LSTMs only")
    if network.skip:
        raise _refused(
            name, "it adds its input to its output (skip), which NAM's LSTM doesn't; train with skip = false for NAM"
        )
    widths = {layer.weight_hh.shape[1] for layer in network.layers}
    if len(widths) > 1:
        raise _refused(name, "its layers differ in width")

    def arrays() -> Weights:
        for layer in network.layers:
            yield np.concatenate([layer.weight_ih, layer.weight_hh], axis=1)
            yield layer.bias_ih.astype(np.float64) + layer.bias_hh
            yield layer.h0
            yield layer.c0
        yield network.head_weight
        yield np.array([network.head_bias])

    return {"input_size": 1, "hidden_size": widths.pop(), "num_layers": len(network.layers)}, arrays()


def _convnet(network: ConvNet, name: str) -> tuple[dict[str, Any], Weights]:
    first = network.blocks[0]
    for block in network.blocks:
        if block.weight.shape[2] != 2 or len(block.weight) != len(first.weight) or block.activation != first.activation:
            raise _refused(name, "its blocks differ in width or activation, or have other than two taps")
    config = {
        "channels": len(first.weight),
        "dilations": [block.dilation for block in network.blocks],
        "batchnorm": False,
        "activation": _activation(first.activation, name),
    }
    arrays = [array for block in network.blocks for array in (block.weight, block.bias)]
    return config, iter([*arrays, network.head_weight, np.array([network.head_bias])])


def _wavenet_weights(network: WaveNet) -> Weights:
    for array in network.arrays:
        yield array.rechannel_weight
        for layer in array.layers:
            yield from (layer.conv_weight, layer.conv_bias, layer.mixin_weight, layer.out_weight, layer.out_bias)
            if layer.head_weight is not None and layer.head_bias is not None:
                yield from (layer.head_weight, layer.head_bias)
            for film in _films(layer).values():
                yield from (film.weight, film.bias)
        yield array.head_weight
        if array.head_bias is not None:
            yield array.head_bias
    for stage in network.head_stages:
        yield from (stage.weight, stage.bias)
    yield np.array([network.head_scale])


def _wavenet_config(network: WaveNet, name: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "layers": [_array_config(array, name) for array in network.arrays],
        "head": None,
        "head_scale": network.head_scale,
    }
    if network.head_stages:
        stages = network.head_stages
        activations = {stage.activation for stage in stages}
        widths = {len(stage.weight) for stage in stages[:-1]}
        if len(activations) > 1 or len(widths) > 1:
            raise _refused(name, "the stages of its head differ")
        config["head"] = {
            "channels": widths.pop() if widths else len(stages[-1].weight),
            "out_channels": len(stages[-1].weight),
            "kernel_sizes": [stage.weight.shape[2] for stage in stages],
            "activation": _head_activation(activations.pop(), name),
        }
    if network.condition is not None:
        kind, inner, arrays = _parts(network.condition, name)
        config["condition_dsp"] = {
            "version": VERSION,
            "architecture": kind,
            "config": inner,
            "weights": _flat(arrays),
        }
    return config


def _array_config(array: WaveNetArray, name: str) -> dict[str, Any]:
    if array.rechannel_bias is not None:
        raise _refused(name, "its input layer has a bias")
    first = array.layers[0]
    head_size, head_width, head_taps = array.head_weight.shape
    per_layer: dict[str, Callable[[WaveNetLayer], Any]] = {
        "films": lambda layer: {key: len(film.bias) for key, film in _films(layer).items()},
        "heads": lambda layer: layer.head_weight is None,
    }
    for same in per_layer.values():
        if any(same(layer) != same(first) for layer in array.layers):
            raise _refused(name, "layers of one array are modulated differently")
    if any((layer.films and layer.films.out_post) and layer.gating is not Gating.BLENDED for layer in array.layers):
        raise _refused(name, "its residual is modulated, which NAM's core does only where activations are blended")
    head: dict[str, Any] = {
        "out_channels": head_size,
        "kernel_size": head_taps,
        "bias": array.head_bias is not None,
    }
    if array.head_dilation != 1:
        head["head_dilation"] = array.head_dilation
    has_head = first.head_weight is not None
    return {
        "input_size": array.rechannel_weight.shape[1],
        "condition_size": first.mixin_weight.shape[1],
        "head": head,
        "channels": len(array.rechannel_weight),
        "kernel_sizes": [layer.conv_weight.shape[2] for layer in array.layers],
        "dilations": [layer.dilation for layer in array.layers],
        "activation": [_activation(layer.activation, name) for layer in array.layers],
        "bottleneck": first.out_weight.shape[1],
        "head1x1": {"active": has_head, "out_channels": head_width if has_head else 1, "groups": 1},
        "layer1x1": {"active": True, "groups": 1},
        "groups_input": 1,
        "groups_input_mixin": 1,
        **dict.fromkeys(_FILM_KEYS, _OFF),
        **{key: {"active": True, "shift": _shifts(first, key), "groups": 1} for key in _films(first)},
        "gating_mode": [layer.gating.value for layer in array.layers],
        "secondary_activation": [
            None if layer.gating is Gating.NONE else _activation(layer.gate, name) for layer in array.layers
        ],
        "slimmable": None,
    }


def _films(layer: WaveNetLayer) -> dict[str, Any]:
    """The modulations of a layer by the file's keys, in the order of the weights."""
    if layer.films is None:
        return {}
    found = {key: getattr(layer.films, place) for place, key in zip(FILM_NAMES, _FILM_KEYS, strict=True)}
    return {key: film for key, film in found.items() if film is not None}


def _shifts(layer: WaveNetLayer, key: str) -> bool:
    """Does a modulation also shift? Then it has two rows for each channel that it works on."""
    z, channels, _ = layer.conv_weight.shape
    widths = (
        channels,
        z,
        layer.mixin_weight.shape[1],
        z,
        z,
        layer.out_weight.shape[1],
        channels,
        0 if layer.head_weight is None else len(layer.head_weight),
    )
    return len(_films(layer)[key].bias) != widths[_FILM_KEYS.index(key)]


def _head_activation(activation: Activation, name: str) -> str | dict[str, Any]:
    """By its bare name where that says all: the trainer doesn't take the other form here."""
    named = _activation(activation, name)
    return str(named["type"]) if len(named) == 1 else named


def _activation(activation: Activation, name: str) -> dict[str, Any]:
    if activation.kind is Act.LINEAR:  # NAM has none, but a leaky ReLU that leaks all is one
        return {"type": "LeakyReLU", "negative_slope": 1.0}
    if activation.kind not in _NAMES:
        raise _refused(name, f"it uses the activation {activation.kind.value}, which NAM doesn't have")
    named: dict[str, Any] = {"type": _NAMES[activation.kind]}
    if activation.kind is Act.LEAKY_RELU:
        named["negative_slope"] = activation.slope
    elif activation.kind is Act.PRELU:
        named["negative_slopes"] = list(activation.slopes)
    elif activation.kind is Act.LEAKY_HARDTANH:
        named |= {
            "min_val": activation.minimum,
            "max_val": activation.maximum,
            "min_slope": activation.minimum_slope,
            "max_slope": activation.maximum_slope,
        }
    return named
