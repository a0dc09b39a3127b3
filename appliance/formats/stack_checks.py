"""Do the layers of a stack fit together? `consistency.py` for one architecture."""

from __future__ import annotations

from typing import Protocol

from appliance.formats.description import (
    MAX_HISTORY_VALUES,
    MAX_KERNEL_TAPS,
    MAX_LAYERS,
    MAX_RECEPTIVE_FIELD_FRAMES,
    Activation,
    Array,
    Cell,
    RecurrentLayer,
)
from appliance.formats.stack import (
    LSTM_STEP_GATES,
    MAX_STEP_UNITS,
    MAX_WIDTH,
    Activate,
    Convolution,
    Layer,
    LstmStep,
    PRelu,
    Scale,
    Softmax,
    Stack,
    Units,
    stack_convolved_frames,
    stack_history_values,
)


class Check(Protocol):
    """What a check needs of `consistency.py`."""

    def that(self, is_fine: bool, problem: str) -> None:
        """Raise BadModelFile with `problem` unless it is fine."""

    def array(self, name: str, array: Array, shape: tuple[int, ...]) -> None:
        """float32, of this shape, every value finite."""

    def activation(self, place: str, activation: Activation, channels: int) -> None:
        """Parameters that fit the channels."""

    def units(self, place: str, cell: Cell, layer: RecurrentLayer, inputs: int) -> int:
        """One recurrent layer; how many units it has."""
        ...


def check_stack(stack: Stack, inputs: int, check: Check) -> None:
    """Raise BadModelFile for the first layer that doesn't fit the one before; the last must give one channel."""
    check.that(1 <= len(stack.layers) <= MAX_LAYERS, f"{len(stack.layers)} layers")
    width = inputs
    for index, layer in enumerate(stack.layers):
        width = _check_layer(layer, f"layers.{index}", width, check)
    check.that(width == 1, f"the last layer gives {width} channels, but one was wanted")
    frames, values = stack_convolved_frames(stack), stack_history_values(stack)
    fits = frames < MAX_RECEPTIVE_FIELD_FRAMES and values <= MAX_HISTORY_VALUES
    check.that(fits, f"its convolutions look {frames} frames back, more than there is room for")


def _check_layer(layer: Layer, place: str, inputs: int, check: Check) -> int:
    """One layer that is given `inputs` channels; how many it gives."""
    if isinstance(layer, Convolution):
        return _check_convolution(layer, place, inputs, check)
    if isinstance(layer, Units):
        return check.units(f"{place}.layer", layer.cell, layer.layer, inputs)
    if isinstance(layer, Scale):
        check.array(f"{place}.scale", layer.scale, (inputs,))
        check.array(f"{place}.shift", layer.shift, (inputs,))
    elif isinstance(layer, PRelu):
        check.array(f"{place}.slopes", layer.slopes, (inputs,))
    elif isinstance(layer, Activate):
        check.activation(f"{place}.activation", layer.activation, inputs)
    elif isinstance(layer, Softmax):
        check.that(inputs > 1, f"{place} is a softmax of one channel, which is always 1")
    elif isinstance(layer, LstmStep):
        check.that(1 <= layer.units <= MAX_STEP_UNITS, f"{place} has {layer.units} units")
        wanted = LSTM_STEP_GATES * layer.units
        check.that(inputs == wanted, f"{place} is given {inputs} channels, but {wanted} were wanted")
        return layer.units
    return inputs


def _check_convolution(layer: Convolution, place: str, inputs: int, check: Check) -> int:
    outputs, taps = int(layer.weight.shape[0]), int(layer.weight.shape[2])
    groups = layer.groups
    check.that(outputs <= MAX_WIDTH, f"{place} gives {outputs} channels, but at most {MAX_WIDTH} were wanted")
    check.that(taps <= MAX_KERNEL_TAPS, f"{place} has {taps} taps")
    check.that(
        inputs % groups == 0 and outputs % groups == 0,
        f"{place} has {groups} groups, which don't divide {inputs} and {outputs} channels",
    )
    check.array(f"{place}.weight", layer.weight, (outputs, inputs // groups, taps))
    check.array(f"{place}.bias", layer.bias, (outputs,))
    return outputs
