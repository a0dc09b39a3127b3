"""The layers of an RTNeural keras-JSON file → layers of a `Stack`.

Source: RTNeural `model_loader.h` and its exporter `python/model_utils.py`. Matrices are keras'
(input rows, taps first).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from appliance.errors import UnsupportedModel
from appliance.formats.description import (
    MAX_DILATION,
    MAX_KERNEL_TAPS,
    MAX_LAYERS,
    MAX_RECEPTIVE_FIELD_FRAMES,
    Act,
    Activation,
    Array,
    Cell,
    RecurrentLayer,
)
from appliance.formats.fields import Fields, check_integer, list_shape, show, to_array
from appliance.formats.stack import (
    MAX_WIDTH,
    Activate,
    Convolution,
    Elu,
    Layer,
    PRelu,
    Scale,
    Softmax,
    Stack,
    Units,
    outputs_of,
    stack_convolved_frames,
)

ReadUnits = Callable[[Fields, Cell, int], RecurrentLayer]

_CELLS = {"lstm": Cell.LSTM, "gru": Cell.GRU}
_ACTIVATIONS: dict[str, Layer] = {
    "tanh": Activate(Activation(Act.TANH)),
    "relu": Activate(Activation(Act.RELU)),
    "sigmoid": Activate(Activation(Act.SIGMOID)),
    "elu": Elu(1.0),
    "softmax": Softmax(),
}
_PLAYED = "dense, time-distributed-dense, conv1d, lstm, gru, prelu, batchnorm, activation"


def read_layers(layers: list[Fields], inputs: int, read_units: ReadUnits, *, skip: bool) -> Stack:
    """The stack of a file's layers. Raises BadModelFile, UnsupportedModel."""
    built: list[Layer] = []
    width = inputs
    for layer in layers:
        for part in _read_layer(layer, width, read_units):
            built.append(part)
            width = outputs_of(part, width)
            if width > MAX_WIDTH:
                raise layer.error(f"gives {width} channels, but at most {MAX_WIDTH} were wanted")
    file = layers[-1].file
    if width != 1:
        raise UnsupportedModel(f"{file} ends in {width} outputs; the pedal plays models with one.")
    if len(built) > MAX_LAYERS:
        raise UnsupportedModel(f"{file} has {len(built)} layers and activations; the pedal plays up to {MAX_LAYERS}.")
    stack = Stack(tuple(built), skip)
    if stack_convolved_frames(stack) >= MAX_RECEPTIVE_FIELD_FRAMES:
        raise UnsupportedModel(f"{file} looks further into the past than this pedal has room for: it is damaged.")
    return stack


def _read_layer(layer: Fields, inputs: int, read_units: ReadUnits) -> list[Layer]:
    """A layer and the activation after it."""
    kind = layer.text("type").lower()
    if kind in _CELLS:
        # Players ignore the activation named here: these units always use tanh and sigmoid.
        return [Units(_CELLS[kind], read_units(layer, _CELLS[kind], inputs))]
    if kind in ("dense", "time-distributed-dense"):
        dense = _read_dense(layer, inputs)
        return [dense, *_read_activation(layer, dense.weight.shape[0])]
    if kind == "conv1d":
        convolution = _read_convolution(layer, inputs)
        return [convolution, *_read_activation(layer, convolution.weight.shape[0])]
    if kind == "prelu":
        return [_read_prelu(layer, inputs)]
    if kind == "batchnorm":
        return [_read_batch_norm(layer, inputs)]
    if kind == "activation":
        return _read_activation(layer, inputs)
    raise UnsupportedModel(f"{layer.file} has a layer of the kind {show(kind)}; the pedal plays stacks of {_PLAYED}.")


def _read_activation(layer: Fields, channels: int) -> list[Layer]:
    name = layer.get("activation")
    if name in (None, "", "linear"):
        return []
    activation = _ACTIVATIONS.get(name.lower()) if isinstance(name, str) else None
    if activation is None:
        raise UnsupportedModel(
            f"{layer.file} has the activation {show(name)}; the pedal plays stacks with {', '.join(_ACTIVATIONS)}."
        )
    if isinstance(activation, Softmax) and channels == 1:
        raise UnsupportedModel(
            f"{layer.file} has a softmax of a single channel, which gives 1 whatever is played: "
            "it was exported wrongly."
        )
    return [activation]


def _weights(layer: Fields, *counts: int) -> tuple[Fields, list[object]]:
    """The arrays of a layer, as many as one of `counts`."""
    arrays = layer.items("weights", at_most=16)
    if len(arrays) not in counts:
        wanted = " or ".join(map(str, counts))
        raise layer.error(f"has {len(arrays)} arrays, but {wanted} were wanted", "weights")
    return Fields({}, layer.file, layer.path("weights")), arrays


def _read_dense(layer: Fields, inputs: int) -> Convolution:
    where, arrays = _weights(layer, 1, 2)
    shape = list_shape(arrays[0])
    outputs = shape[1] if len(shape) == 2 else 1
    kernel = to_array(where, 0, arrays[0], (inputs, outputs))
    bias = _bias(where, arrays, outputs)
    return Convolution(np.ascontiguousarray(kernel.T[:, :, None]), bias, dilation=1, groups=1)


def _read_convolution(layer: Fields, inputs: int) -> Convolution:
    for key in ("strides", "stride"):
        if _last_integer(layer, key, 1, 1_000_000, default=1) != 1:
            raise UnsupportedModel(
                f"{layer.file} has a conv1d layer that skips samples ({key}); audio needs one output for each input."
            )
    where, arrays = _weights(layer, 1, 2)
    taps = _last_integer(layer, "kernel_size", 1, MAX_KERNEL_TAPS)
    dilation = _last_integer(layer, "dilation", 1, MAX_DILATION, default=1)
    groups = _last_integer(layer, "groups", 1, MAX_WIDTH, default=1)
    shape = list_shape(arrays[0])
    outputs = shape[2] if len(shape) == 3 else 1
    if inputs % groups or outputs % groups:
        raise layer.error(f"are {groups}, which don't divide {inputs} and {outputs} channels", "groups")
    kernel = to_array(where, 0, arrays[0], (taps, inputs // groups, outputs))
    weight = np.ascontiguousarray(kernel.transpose(2, 1, 0))
    return Convolution(weight, _bias(where, arrays, outputs), dilation, groups)


def _bias(where: Fields, arrays: list[object], outputs: int) -> Array:
    return to_array(where, 1, arrays[1], (outputs,)) if len(arrays) == 2 else np.zeros(outputs, np.float32)


def _last_integer(layer: Fields, key: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number, or the last of a list of them: keras keeps [3] where it means 3."""
    value = layer.get(key)
    if value is None and default is not None:
        return default
    if isinstance(value, list) and value:
        value = value[-1]
    return check_integer(layer, key, value, low, high)


def _read_prelu(layer: Fields, inputs: int) -> PRelu:
    """Slopes as [C] or [1][C], or a single one for all channels."""
    where, arrays = _weights(layer, 1)
    value = arrays[0]
    shape = list_shape(value)
    if len(shape) == 2 and isinstance(value, list):
        if shape[0] != 1:
            raise UnsupportedModel(
                f"{layer.file} has a prelu layer with slopes of their own for each of {shape[0]} samples, which can't "
                "be played as a stream. Train it with shared_axes=[1]."
            )
        value, shape = value[0], shape[1:]
    count = shape[0] if len(shape) == 1 and shape[0] == 1 else inputs
    slopes = to_array(where, 0, value, (count,))
    return PRelu(np.ascontiguousarray(np.broadcast_to(slopes, (inputs,))))


def _read_batch_norm(layer: Fields, inputs: int) -> Scale:
    """gamma, beta, mean, variance; without the first two when it was trained without them."""
    where, arrays = _weights(layer, 2, 4)
    rows = [to_array(where, i, array, (inputs,)).astype(np.float64) for i, array in enumerate(arrays)]
    mean, variance = rows[-2:]
    gamma, beta = rows[:2] if len(rows) == 4 else (np.ones(inputs), np.zeros(inputs))
    spread = variance + layer.number("epsilon", 0.0, 1e6, default=1e-3)
    if not (spread > 0.0).all():
        raise where.error("has a variance that is not positive, which nothing can be divided by", len(arrays) - 1)
    scale = gamma / np.sqrt(spread)
    with np.errstate(over="ignore"):
        folded = Scale(scale.astype(np.float32), (beta - mean * scale).astype(np.float32))
    if not (np.isfinite(folded.scale).all() and np.isfinite(folded.shift).all()):
        raise where.error("are so far apart that the layer's gain is not a finite number")
    return folded
