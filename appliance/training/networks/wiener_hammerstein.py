"""The block-oriented gray box: linear filter → static curve → linear filter (Wiener–Hammerstein), with knobs.

Source: Eichas, Zölzer, "Gray-box modeling of guitar amplifiers", J. Audio Eng. Soc. 66(12), 2018, and "Virtual analog
modeling of guitar amplifiers with Wiener-Hammerstein models", DAGA 2018. There the filters are parametric IIR filters
and the curve is put together of pieces; here the filters are FIR and the curve is a sum of tanh, because the engine
plays that form already: a WaveNet of two arrays with one layer each and filters in place of dilations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from appliance.formats.description import (
    Act,
    Activation,
    Architecture,
    Array,
    Film,
    Films,
    Knob,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from appliance.training.contract import DataSet, Network
from appliance.training.networks.knob_scaling import knob_columns_to_units

_LINEAR, _TANH = Activation(Act.LINEAR), Activation(Act.TANH)


class WienerHammersteinNetwork(Network):
    """output = last * Σ level·tanh(gain·y + bias) + offset, y = first * audio, where * is convolution.

    Each of the `branches` has its own gain, bias and level, and each of the three moves linearly with every knob's
    position; the filters don't. Tap 0 is the newest sample. Raises ValueError for sizes below 1.
    """

    def __init__(self, *, first_taps: int, last_taps: int, branches: int, knob_count: int = 0) -> None:
        super().__init__()
        if min(first_taps, last_taps, branches) < 1:
            raise ValueError(f"{first_taps} and {last_taps} taps and {branches} branches: each must be 1 or more")
        self.past_frames = first_taps + last_taps - 2
        self.knob_count = knob_count
        self.first = nn.Parameter(_newest_only(first_taps))
        self.last = nn.Parameter(_newest_only(last_taps))
        # Column 0 is the value at every knob's minimum, column 1 + k what knob k adds.
        self.gain = nn.Parameter(torch.zeros(branches, 1 + knob_count))
        self.bias = nn.Parameter(torch.zeros(branches, 1 + knob_count))
        self.level = nn.Parameter(torch.zeros(branches, 1 + knob_count))
        self.offset = nn.Parameter(torch.zeros(()))
        with torch.no_grad():  # curves from soft to hard, that add up to a slope of about one
            self.gain[:, 0] = torch.logspace(-0.5, 1.0, branches)
            self.bias[:, 0] = 0.2 * torch.linspace(-1.0, 1.0, branches)
            self.level[:, 0] = 1.0 / (branches * self.gain[:, 0])

    def forward(self, audio: Tensor, positions: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        known = torch.cat([positions.new_ones(len(positions), 1), positions], dim=1)
        gain, bias, level = (known @ part.t() for part in (self.gain, self.bias, self.level))  # [batch, branches]
        filtered = _filtered(audio, self.first)[:, None]
        curves = level[:, :, None] * torch.tanh(gain[:, :, None] * filtered + bias[:, :, None])
        return _filtered(curves.sum(dim=1), self.last) + self.offset, None

    def start_from(self, data: DataSet) -> None:
        """Fit to excerpts of the data by Levenberg–Marquardt from the best linear approximation. Blocks for seconds."""
        from appliance.training.networks.wiener_hammerstein_fit import excerpts_of, fit

        excerpts = excerpts_of(data, self.past_frames)
        if excerpts:
            fit(self, excerpts)

    def architecture(self, knobs: Sequence[Knob]) -> Architecture:
        return WaveNet((self._first_array(len(knobs)), self._last_array(knobs)), head_scale=1.0)

    def _first_array(self, knob_count: int) -> WaveNetArray:
        """Hands y on as its residual: audio + (first - 1) * audio. Nothing goes to the head."""
        taps = _array(self.first)[::-1].copy()
        taps[-1] -= 1.0
        layer = WaveNetLayer(
            conv_weight=taps[None, None],
            conv_bias=np.zeros(1, np.float32),
            mixin_weight=np.zeros((1, 1 + knob_count), np.float32),
            out_weight=np.ones((1, 1), np.float32),
            out_bias=np.zeros(1, np.float32),
            dilation=1,
            activation=_LINEAR,
        )
        one = np.ones((1, 1), np.float32)
        return WaveNetArray(one, (layer,), head_weight=np.zeros((1, 1, 1), np.float32), head_bias=None)

    def _last_array(self, knobs: Sequence[Knob]) -> WaveNetArray:
        gain, bias, level = (_array(part) for part in (self.gain, self.bias, self.level))
        branches = len(gain)
        films = None
        if knobs:
            films = Films(
                activation_pre=_film(np.concatenate([gain, bias]), knobs), activation_post=_film(level, knobs)
            )
            gain, bias, level = np.ones_like(gain), np.zeros_like(bias), np.ones_like(level)
        layer = WaveNetLayer(
            conv_weight=gain[:, :1, None].copy(),
            conv_bias=bias[:, 0].copy(),
            mixin_weight=np.zeros((branches, 1 + len(knobs)), np.float32),
            out_weight=np.zeros((1, branches), np.float32),
            out_bias=np.zeros(1, np.float32),
            dilation=1,
            activation=_TANH,
            head_weight=level[:, :1].T.copy(),
            head_bias=np.zeros(1, np.float32),
            films=films,
        )
        return WaveNetArray(
            np.ones((1, 1), np.float32),
            (layer,),
            head_weight=_array(self.last)[::-1].copy()[None, None],
            head_bias=_array(self.offset).reshape(1),
        )


def _film(values: Array, knobs: Sequence[Knob]) -> Film:
    """[rows, 1 + knobs], for positions → the modulation for units; the audio in the condition signal has no say."""
    weight = values.copy()
    weight[:, 0] = 0.0
    return Film(*knob_columns_to_units(weight, values[:, 0], knobs, first_knob=1))


def _filtered(signal: Tensor, taps: Tensor) -> Tensor:
    """Causal FIR filter: [batch, frames] → [batch, frames - taps + 1]. By FFT: at these lengths it is cheaper."""
    frames = signal.shape[-1]
    size = 1 << (frames - 1).bit_length()  # the end wraps round into what is cut off
    spectrum = torch.fft.rfft(signal, n=size) * torch.fft.rfft(taps, n=size)
    filtered: Tensor = torch.fft.irfft(spectrum, n=size)[..., len(taps) - 1 : frames]
    return filtered


def _newest_only(taps: int) -> Tensor:
    filter_taps = torch.zeros(taps)
    filter_taps[0] = 1.0
    return filter_taps


def _array(tensor: Tensor) -> Array:
    return np.array(tensor.detach().cpu().numpy(), np.float32)
