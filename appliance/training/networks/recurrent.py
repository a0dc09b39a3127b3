"""LSTM and GRU networks to train: [audio, knob positions…] → recurrent layers → linear head (+ audio).

Source: Wright, Damskägg, Välimäki, "Real-time black-box modelling with recurrent neural networks", DAFx 2019; the knobs
as further inputs: Wright and others, "Real-time guitar amplifier emulation with deep learning", Applied Sciences 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from appliance.formats.description import MAX_HIDDEN, Architecture, Array, Cell, Knob, Recurrent, RecurrentLayer
from appliance.training.contract import Network
from appliance.training.networks.knob_scaling import knob_columns_to_positions, knob_columns_to_units
from appliance.training.networks.recurrent_native import kernels_for, native_forward, rows_of, usable

GATES = {Cell.LSTM: 4, Cell.GRU: 3}
MAX_RECURRENT_LAYERS = 3
# What a recurrent network forgets of a start from nothing, in practice (Wright et al. leave out as many).
_SETTLE_FRAMES = 1000
# An LSTM that forgets nothing at first learns long memories sooner (Jozefowicz, Zaremba, Sutskever, ICML 2015).
_FORGET_BIAS = 1.0
# Without some long memories what is slow in a device, like a tube amp's coupling capacitors, is learned late; with many
# of them the rest is (docs/training.md).
_UNITS_PER_LONG_MEMORY = 4
_LONGEST_MEMORY_FRAMES = 600.0


class RecurrentNetwork(Network):
    """An LSTM or GRU that can be trained.

    `forward` takes the audio in segments and hands on the hidden state, for truncated back-propagation through time.
    Raises ValueError for a size that isn't one.
    """

    past_frames = 0
    settle_frames = _SETTLE_FRAMES

    def __init__(self, cell: Cell, hidden: int, layers: int = 1, *, knob_count: int = 0, skip: bool = True) -> None:
        super().__init__()
        if not 1 <= hidden <= MAX_HIDDEN or not 1 <= layers <= MAX_RECURRENT_LAYERS:
            raise ValueError(
                f"a network of {layers} layers of {hidden} units was asked for; "
                f"there can be 1 to {MAX_RECURRENT_LAYERS} layers of 1 to {MAX_HIDDEN} units"
            )
        self.cell = cell
        self.knob_count = knob_count
        self.skip = skip
        units = nn.LSTM if cell is Cell.LSTM else nn.GRU
        self.units = units(1 + knob_count, hidden, layers)
        self.head = nn.Linear(hidden, 1)
        self._initialise()

    def _initialise(self) -> None:
        """PyTorch's uniform start (±1/√hidden), but for the recurrent weights (orthogonal, gate by gate) and an LSTM's
        forget gates; one unit in four of an LSTM begins with a memory of 1 to 600 frames by its biases (Tallec and
        Ollivier, "Can recurrent neural networks warp time?", ICLR 2018)."""
        hidden = self.units.hidden_size
        long = hidden // _UNITS_PER_LONG_MEMORY
        memory_frames = torch.linspace(1.0, _LONGEST_MEMORY_FRAMES, long)
        with torch.no_grad():
            for layer in range(self.units.num_layers):
                for gate in getattr(self.units, f"weight_hh_l{layer}").split(hidden):
                    nn.init.orthogonal_(gate)
                if self.cell is Cell.LSTM:
                    getattr(self.units, f"bias_ih_l{layer}")[hidden : 2 * hidden] += _FORGET_BIAS
                    for bias in (self._parameter("bias_ih", layer), self._parameter("bias_hh", layer)):  # they add up
                        bias[2 * hidden - long : 2 * hidden] = memory_frames.log1p() / 2  # forget gates
                        bias[hidden - long : hidden] = -memory_frames.log1p() / 2  # input gates
            nn.init.zeros_(self.head.bias)

    def forward(self, audio: Tensor, positions: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """See the contract. The state is what PyTorch's layers keep, h [layers, batch, hidden] and for an LSTM (h, c);
        with the compiled kernels one tensor [2, batch, hidden]. Don't hand one's state to the other."""
        kernels = None if self.units.num_layers > 1 else kernels_for(self.cell, self.units.hidden_size, self._inputs)
        if kernels is not None and usable(audio, positions, self.head.weight.detach()) and not isinstance(state, tuple):
            output, state = native_forward(kernels, self._rows(), self._head(), audio, positions, state)
        else:
            output, state = self._torch_forward(audio, positions, state)
        return (output + audio if self.skip else output), state

    @property
    def _inputs(self) -> int:
        return 1 + self.knob_count

    def _rows(self) -> Tensor:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return rows_of(self.cell, *(self._parameter(name, 0) for name in names))

    def _head(self) -> Tensor:
        return torch.cat([self.head.weight[0], self.head.bias])

    def _torch_forward(self, audio: Tensor, positions: Tensor, state: Any) -> tuple[Tensor, Any]:
        inputs = audio.t().unsqueeze(-1)  # time first: the layout in which PyTorch's layers need no copy
        if self.knob_count:
            inputs = torch.cat([inputs, positions.expand(len(inputs), *positions.shape)], dim=-1)
        hidden, state = self.units(inputs, state)
        return self.head(hidden).squeeze(-1).t(), state

    def architecture(self, knobs: Sequence[Knob]) -> Architecture:
        layers = tuple(self._layer(index, knobs if index == 0 else ()) for index in range(self.units.num_layers))
        return Recurrent(self.cell, layers, _array(self.head.weight[0]), float(self.head.bias.detach()), self.skip)

    def _layer(self, index: int, knobs: Sequence[Knob]) -> RecurrentLayer:
        weight, bias = _array(self._parameter("weight_ih", index)), _array(self._parameter("bias_ih", index))
        weight, bias = knob_columns_to_units(weight, bias, knobs, first_knob=1)
        nothing = np.zeros(self.units.hidden_size, np.float32)
        return RecurrentLayer(
            weight_ih=weight,
            weight_hh=_array(self._parameter("weight_hh", index)),
            bias_ih=bias,
            bias_hh=_array(self._parameter("bias_hh", index)),
            h0=nothing,
            c0=nothing.copy(),
        )

    def _parameter(self, name: str, layer: int) -> Tensor:
        parameter: Tensor = getattr(self.units, f"{name}_l{layer}")
        return parameter

    @classmethod
    def from_architecture(cls, architecture: Recurrent, knobs: Sequence[Knob]) -> RecurrentNetwork:
        """A network that goes on from a model's weights; an initial state of the model is dropped.

        Raises ValueError when the layers differ in width or there are too many.
        """
        widths = {layer.weight_hh.shape[1] for layer in architecture.layers}
        if len(widths) != 1:
            raise ValueError(f"the layers have {sorted(widths)} units; only layers of one width can be trained")
        network = cls(
            architecture.cell,
            widths.pop(),
            len(architecture.layers),
            knob_count=len(knobs),
            skip=architecture.skip,
        )
        with torch.no_grad():
            for index, layer in enumerate(architecture.layers):
                weight, bias = knob_columns_to_positions(
                    layer.weight_ih, layer.bias_ih, knobs if index == 0 else (), first_knob=1
                )
                network._parameter("weight_ih", index).copy_(torch.from_numpy(weight))
                network._parameter("bias_ih", index).copy_(torch.from_numpy(bias))
                network._parameter("weight_hh", index).copy_(torch.from_numpy(layer.weight_hh))
                network._parameter("bias_hh", index).copy_(torch.from_numpy(layer.bias_hh))
            network.head.weight.copy_(torch.from_numpy(architecture.head_weight)[None])
            network.head.bias.fill_(architecture.head_bias)
        return network


def _array(tensor: Tensor) -> Array:
    return np.array(tensor.detach().cpu().numpy(), np.float32)
