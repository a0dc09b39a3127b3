"""The shapes whose cost on a Pi is counted: those that people use, and some more for the formula to be fitted to."""

from __future__ import annotations

import itertools

import numpy as np

from appliance.formats.description import Act, Activation, Cell, Description, Gating, architecture_name
from tests import models

_DOUBLING = tuple(2**n for n in range(10))
_A1_STANDARD = (_DOUBLING, _DOUBLING)
_A1_SMALL = (_DOUBLING[:7], (*_DOUBLING[7:], *_DOUBLING))
_A2_CYCLE = (1, 3, 7, 17, 41, 101, 239)
_A2 = (*_A2_CYCLE, *_A2_CYCLE, 1, 13, *_A2_CYCLE)
_A2_TAPS = (*(6 for _ in range(14)), 15, 15, *(6 for _ in range(7)))
_LEAKY = Activation(Act.LEAKY_RELU)


def _a2(rng: models.Rng, channels: int) -> Description:
    return models.random_wavenet(
        rng, channels=(channels,), dilations=(_A2,), kernel_sizes=(_A2_TAPS,), head_kernel=16, activation=_LEAKY
    )


def counted() -> dict[str, Description]:
    """Shapes that pi_cost looks up, under the names it looks for. Weights are random: they don't change the cost."""
    rng = np.random.default_rng(7)
    found = [
        models.random_wavenet(rng, channels=(16, 8), dilations=_A1_STANDARD),
        models.random_wavenet(rng, channels=(12, 6), dilations=_A1_SMALL),
        models.random_wavenet(rng, channels=(8, 4), dilations=_A1_SMALL),
        models.random_wavenet(rng, channels=(4, 2), dilations=_A1_SMALL),
        _a2(rng, 8),
        _a2(rng, 3),
        models.random_recurrent(rng, hidden=16),
        models.random_recurrent(rng, hidden=8, layers=2),
        models.random_recurrent(rng, hidden=40),
        models.random_recurrent(rng, hidden=40, knobs=1),
        models.random_recurrent(rng, cell=Cell.GRU, hidden=24),
    ]
    return {_name(description): description for description in found}


def more() -> dict[str, Description]:
    """Shapes that only the fit sees: other widths, the general paths, ConvNet and Linear."""
    rng = np.random.default_rng(8)
    found = {
        "WaveNet 8 ch tanh": models.random_wavenet(rng, channels=(8,), dilations=(_DOUBLING,)),
        "WaveNet 12 ch leaky": models.random_wavenet(rng, channels=(12,), dilations=(_DOUBLING,), activation=_LEAKY),
        "WaveNet 7+5 ch": models.random_wavenet(rng, channels=(7, 5), dilations=_A1_STANDARD),
        "WaveNet 20 ch": models.random_wavenet(rng, channels=(20,), dilations=(_DOUBLING,)),
        "WaveNet 10 ch leaky": models.random_wavenet(rng, channels=(10,), dilations=(_DOUBLING,), activation=_LEAKY),
        "WaveNet gated": models.random_wavenet(rng, channels=(8,), dilations=(_DOUBLING,), gating=Gating.GATED),
        "LSTM 1×8": models.random_recurrent(rng, hidden=8),
        "LSTM 1×24": models.random_recurrent(rng, hidden=24),
        "LSTM 1×64": models.random_recurrent(rng, hidden=64),
        "LSTM 2×20": models.random_recurrent(rng, hidden=20, layers=2),
        "LSTM 1×18": models.random_recurrent(rng, hidden=18),
        "LSTM 1×100": models.random_recurrent(rng, hidden=100),
        "GRU 1×18": models.random_recurrent(rng, cell=Cell.GRU, hidden=18),
        "GRU 1×8": models.random_recurrent(rng, cell=Cell.GRU, hidden=8),
        "GRU 1×40": models.random_recurrent(rng, cell=Cell.GRU, hidden=40),
        "ConvNet 8 ch": models.random_convnet(rng, channels=8, dilations=_DOUBLING),
        "ConvNet 16 ch relu": models.random_convnet(
            rng, channels=16, dilations=_DOUBLING, activation=Activation(Act.RELU)
        ),
        "Linear 256 taps": models.random_linear(rng, taps=256),
        "Linear 2048 taps": models.random_linear(rng, taps=2048),
        "Linear 8192 taps": models.random_linear(rng, taps=8192),
    }
    assert not set(found) & set(counted()), "a shape is either looked up or only fitted"
    return found


def every() -> dict[str, Description]:
    """Both."""
    return dict(itertools.chain(counted().items(), more().items()))


def _name(description: Description) -> str:
    knobs = len(description.knobs)
    return architecture_name(description.architecture) + (f", {knobs} knobs" if knobs else "")
