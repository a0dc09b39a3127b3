"""Layers of a `Stack`, the architecture for networks that are simply one layer after another.

Each layer turns rows [channel][time] into rows [channel][time]. Arrays are float32 in PyTorch's layouts, as in
`description.py`.

Shapes use: C channels in, O channels out, G groups, K taps (index K-1 is the newest sample), H hidden units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # description.py imports this module
    from appliance.formats.description import Activation, Array, Cell, RecurrentLayer

MAX_WIDTH = 512  # channels between two layers
LSTM_STEP_GATES = 3  # i, g, o: with no cell state before, f has nothing to forget
MAX_STEP_UNITS = MAX_WIDTH // LSTM_STEP_GATES


@dataclass(frozen=True)
class Convolution:
    """A causal, dilated convolution; a dense layer is one of a single tap. Group g of the outputs hears group g of the
    inputs."""

    weight: Array  # [O, C / G, K]
    bias: Array  # [O]
    dilation: int
    groups: int


@dataclass(frozen=True)
class Units:
    """One layer of recurrent units; gives the hidden state after each sample."""

    cell: Cell
    layer: RecurrentLayer


@dataclass(frozen=True)
class Scale:
    """x · scale + shift, channel by channel: what is left of batch normalisation once training is over."""

    scale: Array  # [C]
    shift: Array  # [C]


@dataclass(frozen=True)
class PRelu:
    """x where positive, else slope · x, with a slope for each channel."""

    slopes: Array  # [C]


@dataclass(frozen=True)
class Elu:
    """x where positive, else alpha · (e^x - 1)."""

    alpha: float


@dataclass(frozen=True)
class Softmax:
    """e^x / Σ e^x over the channels."""


@dataclass(frozen=True)
class Activate:
    """An activation on every channel."""

    activation: Activation


@dataclass(frozen=True)
class LstmStep:
    """What LSTM units make of their gates when they start from nothing: σ(o) · tanh(σ(i) · tanh(g)).

    Rows [i, g, o] of H each → [H].
    """

    units: int  # H


Layer = Convolution | Units | Scale | PRelu | Elu | Softmax | Activate | LstmStep


@dataclass(frozen=True)
class Stack:
    """Layers in a row: inputs [audio, knobs…] → layers → one row (+ input)."""

    layers: tuple[Layer, ...]
    skip: bool = False  # True adds the audio input (after `input_gain_db`) to the output


def outputs_of(layer: Layer, inputs: int) -> int:
    """How many channels a layer gives when it is given `inputs`."""
    if isinstance(layer, Convolution):
        return int(layer.weight.shape[0])
    if isinstance(layer, Units):
        return int(layer.layer.weight_hh.shape[1])
    return layer.units if isinstance(layer, LstmStep) else inputs


def stack_name(stack: Stack) -> str:
    """ "Stack of dense 8, conv 4, GRU 8, dense 1": the layers that have weights to multiply with."""
    names = []
    for layer in stack.layers:
        if isinstance(layer, Convolution):
            names.append(f"{'dense' if layer.weight.shape[2] == 1 else 'conv'} {layer.weight.shape[0]}")
        elif isinstance(layer, Units):
            names.append(f"{layer.cell.name} {layer.layer.weight_hh.shape[1]}")
        elif isinstance(layer, LstmStep):
            names.append(f"LSTM step {layer.units}")
    shown = names if len(names) <= 6 else [*names[:4], f"{len(names) - 5} more", names[-1]]
    return f"Stack of {', '.join(shown)}"


def stack_past_frames(stack: Stack) -> int | None:
    """Frames before the newest that can still be heard; None when there are recurrent units."""
    if any(isinstance(layer, Units) for layer in stack.layers):
        return None
    return stack_convolved_frames(stack)


def stack_convolved_frames(stack: Stack) -> int:
    """Frames that the convolutions look back together."""
    convolutions = [layer for layer in stack.layers if isinstance(layer, Convolution)]
    return int(sum((layer.weight.shape[2] - 1) * layer.dilation for layer in convolutions))


def stack_history_values(stack: Stack) -> int:
    """Past values that the convolutions must keep: Σ channels · (taps - 1) · dilation."""
    total = 0
    for layer in stack.layers:
        if isinstance(layer, Convolution):
            _, channels, taps = layer.weight.shape
            total += channels * layer.groups * (taps - 1) * layer.dilation
    return int(total)


def stack_multiply_adds(stack: Stack) -> int:
    """Multiply-adds for one sample; activations not counted."""
    total = 0
    for layer in stack.layers:
        if isinstance(layer, Convolution):
            total += layer.weight.size
        elif isinstance(layer, Units):
            total += layer.layer.weight_ih.size + layer.layer.weight_hh.size
        elif isinstance(layer, Scale):
            total += layer.scale.size
    return int(total)
