"""What a model *is*, whatever file it came from.

Every reader in this folder returns a `Description`; every engine is built from one. Weights are float32 arrays in the
layouts named here (PyTorch's), already unflattened, checked and finite. Instances are immutable; arrays are read-only
by convention.

Shapes use: C channels, B bottleneck (width after the activation), K taps (index K-1 is the newest sample), D condition
channels (1 + knobs), H hidden units, I inputs (1 + knobs).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.formats.foreign_graph import ForeignGraph
from appliance.formats.stack import (
    Stack,
    stack_history_values,
    stack_multiply_adds,
    stack_name,
    stack_past_frames,
)

Array = npt.NDArray[np.float32]

# Caps checked before anything is allocated: generous against every file seen in the wild (largest: 96 units, 32
# channels, 30 layers), small against a hostile one.
MAX_CHANNELS = 256
MAX_HIDDEN = 512
MAX_LAYERS = 256
MAX_KERNEL_TAPS = 65_536
MAX_DILATION = 1 << 20
MAX_RECEPTIVE_FIELD_FRAMES = 1 << 21
MAX_WEIGHTS = 4_000_000
MAX_HISTORY_VALUES = 1 << 24  # channels x frames that all convolutions of a model remember (64 MiB)
MAX_KNOBS = 16


class Act(enum.Enum):
    """Activation functions, by the name files use (lower-cased)."""

    LINEAR = "linear"
    TANH = "tanh"
    HARDTANH = "hardtanh"
    RELU = "relu"
    LEAKY_RELU = "leakyrelu"
    SIGMOID = "sigmoid"
    SILU = "silu"
    HARDSWISH = "hardswish"
    SOFTSIGN = "softsign"
    SOFTSIGMOID = "softsigmoid"  # (1 + softsign) / 2
    PRELU = "prelu"  # a leaky ReLU with a slope per channel
    LEAKY_HARDTANH = "leakyhardtanh"


@dataclass(frozen=True)
class Activation:
    """An activation and its parameters; each kind looks only at its own."""

    kind: Act
    slope: float = 0.01  # LEAKY_RELU: below 0
    slopes: tuple[float, ...] = ()  # PRELU: below 0, one per channel
    minimum: float = -1.0  # LEAKY_HARDTANH: straight from minimum to maximum, other slopes beyond
    maximum: float = 1.0
    minimum_slope: float = 0.01
    maximum_slope: float = 0.01


class Gating(enum.Enum):
    """What becomes of a layer's pre-activation z. With gating z is 2B wide."""

    NONE = "none"  # f(z)
    GATED = "gated"  # f(z[:B]) · g(z[B:])
    BLENDED = "blended"  # α·f(z[:B]) + (1-α)·z[:B], α = g(z[B:])


@dataclass(frozen=True)
class Film:
    """Feature-wise linear modulation of N channels by the condition signal c: scale(c)·x + shift(c).

    Scale and shift are a 1x1 convolution of c: the first N rows give the scale, the next N (if any) the shift.
    """

    weight: Array  # [N or 2N, D]
    bias: Array  # [N or 2N]


@dataclass(frozen=True)
class Films:
    """The places in a layer where the condition signal may modulate, in signal order."""

    conv_pre: Film | None = None  # what the convolution reads; the residual path stays as it is
    conv_post: Film | None = None
    mixin_pre: Film | None = None  # the condition signal itself, on its way into the mix-in
    mixin_post: Film | None = None
    activation_pre: Film | None = None  # convolution + mix-in
    activation_post: Film | None = None
    out_post: Film | None = None  # what is added to the residual
    head_post: Film | None = None  # what the layer's `head_weight` gives


FILM_NAMES = tuple(place.name for place in fields(Films))


@dataclass(frozen=True)
class WaveNetLayer:
    """One dilated layer. Z = 2B when gated or blended, else B."""

    conv_weight: Array  # [Z, C, K]
    conv_bias: Array  # [Z]
    mixin_weight: Array  # [Z, D]
    out_weight: Array  # [C, B] the 1x1 that feeds the residual
    out_bias: Array  # [C]
    dilation: int
    activation: Activation
    gating: Gating = Gating.NONE
    gate: Activation = Activation(Act.SIGMOID)
    head_weight: Array | None = None  # [S, B] the 1x1 between the activation and the head sum; None: straight, S = B
    head_bias: Array | None = None  # [S]
    films: Films | None = None


@dataclass(frozen=True)
class WaveNetArray:
    """A stack of layers with one residual width and one head. S = width of the head sum, B unless layers say other."""

    rechannel_weight: Array  # [C, input size]
    layers: tuple[WaveNetLayer, ...]
    head_weight: Array  # [head size, S, K_head]
    head_bias: Array | None  # [head size]
    head_dilation: int = 1
    rechannel_bias: Array | None = None  # [C]


@dataclass(frozen=True)
class HeadStage:
    """One stage of the head behind the last array: activation, then a convolution."""

    activation: Activation
    weight: Array  # [out, in, K]
    bias: Array  # [out]


@dataclass(frozen=True)
class WaveNet:
    """The WaveNet of Damskägg et al. (2019) as NAM builds it: A1 (two arrays) and A2 (one).

    Forward pass: `formats.md` of the NAM core, restated in `engine/reference.py`. The condition signal is
    [audio, knob 1, knob 2 …], or the outputs of the network `condition`, which hears the audio alone.
    """

    arrays: tuple[WaveNetArray, ...]
    head_scale: float
    head_stages: tuple[HeadStage, ...] = ()  # after head_scale
    condition: Architecture | None = None


class Cell(enum.Enum):
    """Recurrent unit."""

    LSTM = "lstm"  # gates in the order i, f, g, o
    GRU = "gru"  # gates in the order r, z, n; the recurrent bias of n sits inside r·(…)


@dataclass(frozen=True)
class RecurrentLayer:
    """One recurrent layer. G = 4 (LSTM) or 3 (GRU); biases as PyTorch keeps them, both added in an LSTM."""

    weight_ih: Array  # [G·H, I]
    weight_hh: Array  # [G·H, H]
    bias_ih: Array  # [G·H]
    bias_hh: Array  # [G·H]
    h0: Array  # [H] state after reset
    c0: Array  # [H] (zeros for GRU)


@dataclass(frozen=True)
class Recurrent:
    """The recurrent network of Wright et al. (2019): inputs [audio, knobs…] → layers → linear head (+ input)."""

    cell: Cell
    layers: tuple[RecurrentLayer, ...]
    head_weight: Array  # [H]
    head_bias: float
    skip: bool = False  # True adds the audio input (after `input_gain_db`) to the output


@dataclass(frozen=True)
class ConvBlock:
    """Dilated convolution + activation of a ConvNet; batch-norm is already folded into weight and bias."""

    weight: Array  # [C, C_in, K]
    bias: Array  # [C]
    dilation: int
    activation: Activation


@dataclass(frozen=True)
class ConvNet:
    """NAM's ConvNet: blocks in a row, then a linear head."""

    blocks: tuple[ConvBlock, ...]
    head_weight: Array  # [C]
    head_bias: float


@dataclass(frozen=True)
class Linear:
    """An impulse response: taps[0] multiplies the newest sample."""

    taps: Array  # [N]
    bias: float = 0.0


Architecture = WaveNet | Recurrent | ConvNet | Linear | Stack | ForeignGraph


@dataclass(frozen=True)
class Knob:
    """A conditioning input with a name. The engine feeds `minimum … maximum` as the file wants it."""

    name: str
    minimum: float = 0.0
    maximum: float = 1.0
    default: float = 0.5
    unit: str = ""
    heard: tuple[float, ...] = ()  # positions recorded for training, if the file tells


@dataclass(frozen=True)
class Levels:
    """What the file says of its own levels; None where it says nothing."""

    loudness_db: float | None = None  # output RMS on NAM's standard clip
    gain: float | None = None  # 0…1, NAM's compression estimate
    input_level_dbu: float | None = None
    output_level_dbu: float | None = None


@dataclass(frozen=True)
class SelfTest:
    """Input and the output that the file promises for it (initial state, knobs at 0)."""

    audio: Array  # [frames]
    expected: Array  # [frames]


@dataclass(frozen=True)
class Description:
    """A model: architecture, weights, rate, knobs, levels, licence, self-test."""

    name: str
    source_format: str  # for people: "NAM 0.5.2", "GuitarML Proteus/NeuralPi", "AIDA-X", …
    architecture: Architecture
    sample_rate_hz: int
    sample_rate_known: bool = True  # False: the file is silent and its family's usual rate was assumed
    knobs: tuple[Knob, ...] = ()
    levels: Levels = Levels()
    input_gain_db: float = 0.0  # applied before the network and before its skip
    output_gain_db: float = 0.0
    esr: float | None = None  # error-to-signal ratio the trainer reported
    licence: str | None = None
    self_test: SelfTest | None = None
    variant: str | None = None  # which submodel of a container this is: "2 of 2"
    metadata: dict[str, Any] = field(default_factory=dict)  # the file's own, for showing; never acted upon


def architecture_name(architecture: Architecture) -> str:
    """Short name with the size, as players know it: "WaveNet A1 standard", "WaveNet A2 full", "LSTM 1×40"."""
    if isinstance(architecture, WaveNet):
        widths = tuple(array.rechannel_weight.shape[0] for array in architecture.arrays)
        layers = sum(len(array.layers) for array in architecture.arrays)
        known = {
            ((16, 8), 20): "A1 standard",
            ((12, 6), 20): "A1 lite",
            ((8, 4), 20): "A1 feather",
            ((4, 2), 20): "A1 nano",
            ((8,), 23): "A2 full",
            ((3,), 23): "A2 lite",
        }.get((widths, layers))
        return f"WaveNet {known}" if known else f"WaveNet {'+'.join(map(str, widths))} ch, {layers} layers"
    if isinstance(architecture, Recurrent):
        hidden = architecture.layers[0].weight_hh.shape[1]
        return f"{architecture.cell.name} {len(architecture.layers)}×{hidden}"
    if isinstance(architecture, ConvNet):
        return f"ConvNet {architecture.blocks[0].weight.shape[0]} ch, {len(architecture.blocks)} layers"
    if isinstance(architecture, Stack):
        return stack_name(architecture)
    if isinstance(architecture, ForeignGraph):
        return f"ONNX graph of {architecture.nodes} nodes"
    return f"Linear {len(architecture.taps)} taps"


def output_count(architecture: Architecture) -> int:
    """Rows that a network puts out: 1, or more for a network that steers another one."""
    if not isinstance(architecture, WaveNet):
        return 1
    last = architecture.head_stages[-1] if architecture.head_stages else architecture.arrays[-1]
    return int((last.weight if isinstance(last, HeadStage) else last.head_weight).shape[0])


def receptive_field_frames(architecture: Architecture) -> int | None:
    """Frames of input that can still be heard in one output sample; None where there is no fixed end
    (recurrent models) or it can't be told (other people's graphs)."""
    if isinstance(architecture, WaveNet):
        memory = sum(memory for _, memory in _wavenet_memory(architecture))
        if architecture.condition is None:
            return 1 + memory
        steering = receptive_field_frames(architecture.condition)
        return None if steering is None else steering + memory
    if isinstance(architecture, ConvNet):
        return 1 + int(sum((block.weight.shape[2] - 1) * block.dilation for block in architecture.blocks))
    if isinstance(architecture, Linear):
        return len(architecture.taps)
    if isinstance(architecture, Stack):
        past_frames = stack_past_frames(architecture)
        return None if past_frames is None else 1 + past_frames
    return None


def _wavenet_memory(network: WaveNet) -> Iterator[tuple[int, int]]:
    """(channels, past frames) of every convolution of a WaveNet, but for those of its condition network."""
    for array in network.arrays:
        for layer in array.layers:
            _, channels, taps = layer.conv_weight.shape
            yield channels, (taps - 1) * layer.dilation
        _, channels, taps = array.head_weight.shape
        yield channels, (taps - 1) * array.head_dilation
    for stage in network.head_stages:
        _, channels, taps = stage.weight.shape
        yield channels, taps - 1


def history_values(architecture: Architecture) -> int:
    """How many past values a streaming engine must keep: Σ channels · (taps - 1) · dilation."""
    total = 0
    if isinstance(architecture, WaveNet):
        total = sum(channels * past for channels, past in _wavenet_memory(architecture))
        if architecture.condition is not None:
            total += history_values(architecture.condition)
    elif isinstance(architecture, ConvNet):
        for block in architecture.blocks:
            _, channels, taps = block.weight.shape
            total += channels * (taps - 1) * block.dilation
    elif isinstance(architecture, Linear):
        total = len(architecture.taps) - 1
    elif isinstance(architecture, Stack):
        total = stack_history_values(architecture)
    return total


def multiply_adds_per_sample(architecture: Architecture) -> int:
    """Multiply-adds that one output sample needs (activations not counted; what is never heard not counted)."""
    if isinstance(architecture, WaveNet):
        return _wavenet_multiply_adds(architecture)
    if isinstance(architecture, Recurrent):
        inner = sum(layer.weight_ih.size + layer.weight_hh.size for layer in architecture.layers)
        return int(architecture.head_weight.size + inner)
    if isinstance(architecture, ConvNet):
        return int(architecture.head_weight.size + sum(block.weight.size for block in architecture.blocks))
    if isinstance(architecture, Stack):
        return stack_multiply_adds(architecture)
    if isinstance(architecture, ForeignGraph):
        return architecture.weights  # each used once a sample, as in most graphs
    return len(architecture.taps)


def _wavenet_multiply_adds(network: WaveNet) -> int:
    total = 0 if network.condition is None else multiply_adds_per_sample(network.condition)
    last_array = network.arrays[-1]
    for array in network.arrays:
        total += array.rechannel_weight.size + array.head_weight.size
        for layer in array.layers:
            films = layer.films or Films()
            total += layer.conv_weight.size + layer.mixin_weight.size
            total += 0 if layer.head_weight is None else layer.head_weight.size
            if array is last_array and layer is array.layers[-1]:
                films = replace(films, out_post=None)
            else:
                total += layer.out_weight.size
            # each modulated channel also takes one multiply-add of its own
            used = [film for name in FILM_NAMES if (film := getattr(films, name)) is not None]
            total += sum(film.weight.size + film.weight.shape[0] // 2 for film in used)
    return int(total + sum(stage.weight.size for stage in network.head_stages))
