"""Small random models of every family, for tests of readers and engines.

Each function takes a seeded generator and returns a `Description` whose output stays within about ±2 for input within
±1, so that an absolute tolerance is one relative to full scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from appliance.formats.description import (
    FILM_NAMES,
    Act,
    Activation,
    Architecture,
    Array,
    Cell,
    ConvBlock,
    ConvNet,
    Description,
    Film,
    Films,
    Gating,
    HeadStage,
    Knob,
    Linear,
    Recurrent,
    RecurrentLayer,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
    output_count,
)
from appliance.formats.stack import Activate, Convolution, Elu, Layer, LstmStep, PRelu, Scale, Softmax, Stack, Units

Rng = np.random.Generator
TANH, SIGMOID = Activation(Act.TANH), Activation(Act.SIGMOID)


def weights(rng: Rng, *shape: int, fan_in: int) -> Array:
    """Uniform ±1/√fan_in: keeps the variance of a layer's output near that of its input."""
    bound = 1.0 / np.sqrt(max(fan_in, 1))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def describe(architecture: Architecture, knobs: int = 0, **more: object) -> Description:
    """Wrap an architecture in a description with `knobs` knobs named "Knob 1" …"""
    named = tuple(Knob(f"Knob {i + 1}") for i in range(knobs))
    return Description("test", "test", architecture, 48_000, knobs=named, **more)  # type: ignore[arg-type]


def random_wavenet(
    rng: Rng,
    *,
    channels: Sequence[int] = (4, 3),
    bottlenecks: Sequence[int] | None = None,
    dilations: Sequence[Sequence[int]] = ((1, 2, 4), (8, 1)),
    kernel_sizes: Sequence[Sequence[int]] | None = None,
    head_kernel: int = 1,
    activation: Activation = TANH,
    gating: Gating = Gating.NONE,
    gate: Activation = SIGMOID,
    knobs: int = 0,
    condition: Architecture | None = None,
    heads: Sequence[int] | None = None,
    films: Sequence[str] = (),
    shift: bool = True,
    head_dilation: int = 1,
    outputs: int = 1,
    stages: Sequence[int] = (),
    stage_activation: Activation = TANH,
    first_hears_knobs: bool = False,
    rechannel_bias: bool = False,
) -> Description:
    """A WaveNet with any number of arrays; kernel sizes default to 3, bottlenecks to the channels.

    condition: a network whose outputs steer this one. heads: width of the head sum of each array, reached by a 1x1 in
    every layer. films: names of `Films`. outputs: of the last array, before stages: output widths of the head behind
    it, each with three taps.
    """
    widths = tuple(bottlenecks or channels)
    sums = tuple(heads or widths)
    rows = 1 + knobs if condition is None else output_count(condition)
    arrays = []
    for index, (c, b, array_dilations) in enumerate(zip(channels, widths, dilations, strict=True)):
        taps = kernel_sizes[index] if kernel_sizes else [3] * len(array_dilations)
        z = b if gating is Gating.NONE else 2 * b
        layers = tuple(
            WaveNetLayer(
                conv_weight=weights(rng, z, c, k, fan_in=c * k),
                conv_bias=weights(rng, z, fan_in=c * k),
                mixin_weight=weights(rng, z, rows, fan_in=rows),
                out_weight=weights(rng, c, b, fan_in=4 * b),
                out_bias=weights(rng, c, fan_in=16 * b),
                dilation=d,
                activation=activation,
                gating=gating,
                gate=gate,
                head_weight=weights(rng, sums[index], b, fan_in=b) if heads else None,
                head_bias=weights(rng, sums[index], fan_in=4 * b) if heads else None,
                films=_films(rng, films, shift, rows, (c, z, rows, z, z, b, c, sums[index])),
            )
            for k, d in zip(taps, array_dilations, strict=True)
        )
        is_last = index == len(channels) - 1
        head_size = outputs if is_last else sums[index + 1]
        inputs = (1 + knobs if first_hears_knobs else 1) if index == 0 else channels[index - 1]
        arrays.append(
            WaveNetArray(
                rechannel_weight=weights(rng, c, inputs, fan_in=inputs),
                layers=layers,
                head_weight=weights(rng, head_size, sums[index], head_kernel, fan_in=sums[index] * head_kernel),
                head_bias=weights(rng, head_size, fan_in=4) if is_last else None,
                head_dilation=head_dilation,
                rechannel_bias=weights(rng, c, fan_in=4) if rechannel_bias else None,
            )
        )
    head = []
    for index, width in enumerate(stages):
        inputs = stages[index - 1] if index else outputs
        kernel = weights(rng, width, inputs, 3, fan_in=3 * inputs)
        head.append(HeadStage(stage_activation, kernel, weights(rng, width, fan_in=4)))
    return describe(WaveNet(tuple(arrays), head_scale=2.0, head_stages=tuple(head), condition=condition), knobs)


def _films(rng: Rng, names: Sequence[str], shift: bool, condition: int, channels: Sequence[int]) -> Films | None:
    """Modulation near identity at the named places. channels: of every place, in the order of `Films`."""
    if not names:
        return None
    films = {}
    for name, count in zip(FILM_NAMES, channels, strict=True):
        bias = weights(rng, 2 * count if shift else count, fan_in=16)
        bias[:count] += 1.0
        films[name] = Film(weights(rng, len(bias), condition, fan_in=4 * condition), bias)
    return Films(**{name: film for name, film in films.items() if name in names})


def random_recurrent(
    rng: Rng, *, cell: Cell = Cell.LSTM, hidden: int = 8, layers: int = 1, skip: bool = False, knobs: int = 0
) -> Description:
    """An LSTM or GRU with a non-zero initial state."""
    stack = [random_units(rng, cell, 1 + knobs if index == 0 else hidden, hidden) for index in range(layers)]
    head = weights(rng, hidden, fan_in=hidden)
    return describe(Recurrent(cell, tuple(stack), head, float(np.float32(0.05)), skip), knobs)


def random_units(rng: Rng, cell: Cell, inputs: int, hidden: int) -> RecurrentLayer:
    """One recurrent layer with a non-zero initial state."""
    gates = 4 if cell is Cell.LSTM else 3
    return RecurrentLayer(
        weight_ih=2 * weights(rng, gates * hidden, inputs, fan_in=inputs),
        weight_hh=weights(rng, gates * hidden, hidden, fan_in=hidden),
        bias_ih=weights(rng, gates * hidden, fan_in=hidden),
        bias_hh=weights(rng, gates * hidden, fan_in=hidden),
        h0=weights(rng, hidden, fan_in=4),
        c0=weights(rng, hidden, fan_in=4) if cell is Cell.LSTM else np.zeros(hidden, np.float32),
    )


def convolution(
    rng: Rng, inputs: int, outputs: int, *, taps: int = 1, dilation: int = 1, groups: int = 1
) -> Convolution:
    """A layer of a stack; dense where it has one tap."""
    fan_in = inputs // groups * taps
    weight = weights(rng, outputs, inputs // groups, taps, fan_in=fan_in)
    return Convolution(weight, weights(rng, outputs, fan_in=fan_in), dilation, groups)


def random_stack(rng: Rng, *layers: Layer, skip: bool = False, knobs: int = 0) -> Description:
    """The layers; without any, one of every kind that RTNeural has."""
    usual = (
        convolution(rng, 1 + knobs, 6),
        Activate(TANH),
        convolution(rng, 6, 9, taps=3, dilation=5, groups=3),
        Scale(weights(rng, 9, fan_in=1), weights(rng, 9, fan_in=4)),
        PRelu(weights(rng, 9, fan_in=4)),
        Units(Cell.GRU, random_units(rng, Cell.GRU, 9, 10)),
        convolution(rng, 10, 5, taps=2, dilation=40),
        Elu(1.0),
        convolution(rng, 5, 4),
        Softmax(),
        Units(Cell.LSTM, random_units(rng, Cell.LSTM, 4, 7)),
        convolution(rng, 7, 1),
    )
    return describe(Stack(layers or usual, skip), knobs)


def random_convolutions(rng: Rng, *, knobs: int = 0) -> Description:
    """A stack that forgets: widths that no vector divides, a depthwise convolution, a large ELU."""
    return random_stack(
        rng,
        convolution(rng, 1 + knobs, 7, taps=4, dilation=3),
        Elu(1.5),
        convolution(rng, 7, 14, taps=3, dilation=7, groups=7),
        Activate(SIGMOID),
        Scale(weights(rng, 14, fan_in=1), weights(rng, 14, fan_in=1)),
        convolution(rng, 14, 1, taps=9),
        knobs=knobs,
    )


def random_lstm_step(rng: Rng) -> Description:
    """SmartAmpPro's network in small."""
    return random_stack(
        rng, convolution(rng, 1, 4, taps=24), convolution(rng, 4, 33), LstmStep(11), convolution(rng, 11, 1)
    )


def random_convnet(
    rng: Rng, *, channels: int = 4, dilations: Sequence[int] = (1, 2, 4, 8), activation: Activation | None = None
) -> Description:
    """A ConvNet with two taps a block."""
    blocks = []
    for index, dilation in enumerate(dilations):
        inputs = 1 if index == 0 else channels
        blocks.append(
            ConvBlock(
                weight=weights(rng, channels, inputs, 2, fan_in=2 * inputs),
                bias=weights(rng, channels, fan_in=2 * inputs),
                dilation=dilation,
                activation=activation or Activation(Act.TANH),
            )
        )
    head_bias = float(np.float32(-0.1))
    return describe(ConvNet(tuple(blocks), weights(rng, channels, fan_in=channels), head_bias))


def random_linear(rng: Rng, *, taps: int = 33, bias: float = 0.125) -> Description:
    """An impulse response."""
    return describe(Linear(weights(rng, taps, fan_in=taps), bias))


def steering(rng: Rng, outputs: int) -> Architecture:
    """A small network with several outputs that can steer another one."""
    return random_wavenet(rng, channels=(3,), dilations=((1, 2),), outputs=outputs).architecture


LEAKY_HARDTANH = Activation(Act.LEAKY_HARDTANH, minimum=-0.4, maximum=0.7, minimum_slope=0.1, maximum_slope=-0.05)
PRELU = Activation(Act.PRELU, slopes=(0.3, -0.1, 0.05, 0.2))

FAMILIES: dict[str, Callable[[Rng], Description]] = {
    "wavenet two arrays, tanh": random_wavenet,
    "wavenet A2 shape": lambda rng: random_wavenet(
        rng,
        channels=(8,),
        dilations=((1, 3, 7, 17, 41, 101, 239, 1, 13),),
        kernel_sizes=((6, 6, 6, 6, 6, 6, 6, 15, 15),),
        head_kernel=16,
        activation=Activation(Act.LEAKY_RELU, 0.01),
    ),
    "wavenet 3 channels": lambda rng: random_wavenet(
        rng, channels=(3,), dilations=((1, 3, 7),), head_kernel=4, activation=Activation(Act.LEAKY_RELU, 0.2)
    ),
    "wavenet three arrays": lambda rng: random_wavenet(
        rng, channels=(5, 4, 3), dilations=((1, 2), (4, 8), (1,)), activation=Activation(Act.RELU)
    ),
    "wavenet gated, bottleneck 2 of 4": lambda rng: random_wavenet(
        rng, channels=(4, 4), bottlenecks=(2, 2), dilations=((1, 2), (4,)), gating=Gating.GATED
    ),
    "wavenet blended, one knob": lambda rng: random_wavenet(
        rng, channels=(4, 2), dilations=((1, 2), (4,)), gating=Gating.BLENDED, gate=Activation(Act.HARDTANH), knobs=1
    ),
    "wavenet two knobs": lambda rng: random_wavenet(rng, knobs=2),
    "wavenet one tap": lambda rng: random_wavenet(rng, channels=(2,), dilations=((1,),), kernel_sizes=((1,),)),
    "wavenet silu": lambda rng: random_wavenet(rng, activation=Activation(Act.SILU)),
    "wavenet hardswish": lambda rng: random_wavenet(rng, activation=Activation(Act.HARDSWISH)),
    "wavenet softsign": lambda rng: random_wavenet(rng, activation=Activation(Act.SOFTSIGN)),
    "wavenet hardtanh": lambda rng: random_wavenet(rng, activation=Activation(Act.HARDTANH)),
    "wavenet sigmoid": lambda rng: random_wavenet(rng, activation=Activation(Act.SIGMOID)),
    "wavenet linear": lambda rng: random_wavenet(rng, activation=Activation(Act.LINEAR)),
    "wavenet softsigmoid": lambda rng: random_wavenet(rng, activation=Activation(Act.SOFTSIGMOID)),
    "wavenet leaky hardtanh": lambda rng: random_wavenet(rng, activation=LEAKY_HARDTANH),
    "wavenet prelu": lambda rng: random_wavenet(rng, channels=(4, 4), activation=PRELU),
    "wavenet gated by prelu": lambda rng: random_wavenet(
        rng, channels=(5, 7), bottlenecks=(4, 4), activation=PRELU, gating=Gating.GATED, gate=PRELU
    ),
    **{
        f"wavenet {name} modulated": lambda rng, name=name: random_wavenet(
            rng, channels=(4, 3), heads=(5, 2), films=(name,), gating=Gating.BLENDED, knobs=1
        )
        for name in FILM_NAMES
    },
    "wavenet modulated everywhere": lambda rng: random_wavenet(rng, heads=(3, 6), films=FILM_NAMES, knobs=2),
    "wavenet modulated everywhere without shift, gated": lambda rng: random_wavenet(
        rng, channels=(6, 5), bottlenecks=(2, 3), heads=(3, 6), films=FILM_NAMES, shift=False, gating=Gating.GATED
    ),
    "wavenet heads of layers": lambda rng: random_wavenet(rng, channels=(8, 4), heads=(1, 9), rechannel_bias=True),
    "wavenet dilated heads": lambda rng: random_wavenet(rng, head_kernel=3, head_dilation=5),
    "wavenet head behind": lambda rng: random_wavenet(
        rng, outputs=4, stages=(5, 1), stage_activation=Activation(Act.SOFTSIGN)
    ),
    "wavenet head behind, prelu": lambda rng: random_wavenet(rng, outputs=4, stages=(1,), stage_activation=PRELU),
    "wavenet all hears two knobs": lambda rng: random_wavenet(rng, knobs=2, first_hears_knobs=True),
    "wavenet steered by a wavenet": lambda rng: random_wavenet(rng, condition=steering(rng, 3)),
    "wavenet steered, modulated": lambda rng: random_wavenet(
        rng, channels=(9, 5), condition=steering(rng, 8), films=FILM_NAMES[:6], gating=Gating.BLENDED
    ),
    "wavenet steered by a steered wavenet": lambda rng: random_wavenet(
        rng, condition=random_wavenet(rng, condition=steering(rng, 2)).architecture
    ),
    "wavenet steered by an lstm": lambda rng: random_wavenet(
        rng, channels=(8,), dilations=((1, 2, 4, 8),), condition=random_recurrent(rng).architecture
    ),
    "wavenet steered by a gru with skip": lambda rng: random_wavenet(
        rng,
        channels=(8,),
        dilations=((1, 2, 4, 8),),
        condition=random_recurrent(rng, cell=Cell.GRU, skip=True).architecture,
    ),
    "wavenet steered by a convnet": lambda rng: random_wavenet(rng, condition=random_convnet(rng).architecture),
    "wavenet steered by a stack with skip": lambda rng: random_wavenet(
        rng, condition=random_stack(rng, skip=True).architecture
    ),
    "wavenet steered by an impulse response": lambda rng: random_wavenet(
        rng, condition=random_linear(rng).architecture
    ),
    "lstm 1×8": random_recurrent,
    "lstm 2×8": lambda rng: random_recurrent(rng, layers=2),
    "lstm 2×5, skip, one knob": lambda rng: random_recurrent(rng, hidden=5, layers=2, skip=True, knobs=1),
    "lstm 1×16, two knobs": lambda rng: random_recurrent(rng, hidden=16, knobs=2),
    "gru 1×8": lambda rng: random_recurrent(rng, cell=Cell.GRU),
    "gru 2×6, skip, two knobs": lambda rng: random_recurrent(
        rng, cell=Cell.GRU, hidden=6, layers=2, skip=True, knobs=2
    ),
    "convnet": random_convnet,
    "convnet relu": lambda rng: random_convnet(rng, channels=3, activation=Activation(Act.RELU)),
    "convnet prelu": lambda rng: random_convnet(rng, activation=PRELU),
    "convnet leaky hardtanh": lambda rng: random_convnet(rng, activation=LEAKY_HARDTANH),
    "linear": random_linear,
    "linear one tap": lambda rng: random_linear(rng, taps=1, bias=0.0),
    "stack of everything": random_stack,
    "stack of everything, skip, two knobs": lambda rng: random_stack(rng, skip=True, knobs=2),
    "stack of convolutions": random_convolutions,
    "stack with an lstm step": random_lstm_step,
    "stack with activations of several slopes": lambda rng: random_stack(
        rng,
        convolution(rng, 1, 4),
        Activate(PRELU),
        convolution(rng, 4, 3),
        Activate(LEAKY_HARDTANH),
        convolution(rng, 3, 1),
    ),
}


def guitarish(rng: Rng, frames: int) -> npt.NDArray[np.float32]:
    """Decaying plucks with harmonics and a little noise, within ±1."""
    t = np.arange(frames) / 48_000.0
    tone = sum(np.sin(2 * np.pi * 110.0 * k * t + k) / k for k in range(1, 8))
    envelope = np.exp(-6.0 * (t % 0.25))
    return (0.3 * envelope * tone + 0.01 * rng.standard_normal(frames)).astype(np.float32)
