"""GuitarML's SmartAmpPro / GuitarLSTM JSON: two strided convolutions over a short window, one step of an LSTM, a head.

Source: SmartAmpPro `Source/ModelLoader.cpp`, `Source/lstm.cpp`, `resources/train.py`. Matrices are keras'.

The window slides by one sample for each output, and nothing stands between the two convolutions: together they are one
linear filter of the window, which is worked out here. Being followed by a single LSTM step from a zero state, the
network is a `Stack` of a convolution over the window, a dense layer, an `LstmStep` and a dense layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.errors import UnsupportedModel
from appliance.formats.description import Array, Description
from appliance.formats.fields import Fields, list_shape
from appliance.formats.stack import MAX_STEP_UNITS, Convolution, LstmStep, Stack

SAMPLE_RATE_HZ = 44_100  # not in the file: the family's own
_MAX_WINDOW_FRAMES = 4096
_MAX_FILTERS = 64

Float64 = npt.NDArray[np.float64]


def read_smartamppro(value: dict[str, Any], file: str, name: str) -> Description:
    """The model of a SmartAmpPro object. Raises BadModelFile, UnsupportedModel."""
    top = Fields(value, file)
    window = top.integer("input_size", 1, _MAX_WINDOW_FRAMES)
    first = _Strided(top, "conv1d", 1)
    second = _Strided(top, "conv1d_1", first.filters)
    steps = second.rows_of(first.rows_of(window))
    if steps != 1:
        raise UnsupportedModel(
            f"{file} runs its LSTM over {steps} steps of its window, but has no weights from step to step: the pedal "
            "plays those of one step, as SmartAmpPro exports them."
        )
    return Description(
        name=name,
        source_format="SmartAmpPro",
        architecture=Stack((_window_filter(first, second, window), *_read_step(top, second.filters))),
        sample_rate_hz=SAMPLE_RATE_HZ,
        sample_rate_known=False,
    )


class _Strided:
    """A keras Conv1D with 'same' padding and a stride, over a window."""

    def __init__(self, top: Fields, key: str, inputs: int) -> None:
        layer = top.fields(key)
        shape = list_shape(layer.get("kernel:0"))
        if len(shape) != 3 or not 1 <= shape[0] <= _MAX_WINDOW_FRAMES or not 1 <= shape[2] <= _MAX_FILTERS:
            found = " × ".join(map(str, shape)) or "no array"
            raise layer.error(f"is {found}, but taps × {inputs} × up to {_MAX_FILTERS} filters was wanted", "kernel:0")
        self.taps, _, self.filters = shape
        self.stride = top.integer(f"{key}_stride", 1, _MAX_WINDOW_FRAMES)
        self._kernel = layer.array("kernel:0", (self.taps, inputs, self.filters)).astype(np.float64)
        self._bias = layer.array("bias:0", (self.filters,)).astype(np.float64)

    def rows_of(self, rows: int) -> int:
        """How many rows come out when `rows` go in."""
        return -(-rows // self.stride)

    def run(self, windows: Float64) -> Float64:
        """[windows, rows, inputs] → [windows, rows out, filters]. An odd row of padding goes behind, as in keras."""
        count, rows, inputs = windows.shape
        rows_out = self.rows_of(rows)
        padding = max((rows_out - 1) * self.stride + self.taps - rows, 0)
        padded = np.zeros((count, rows + padding, inputs))
        padded[:, padding // 2 : padding // 2 + rows] = windows
        out = np.empty((count, rows_out, self.filters))
        for row in range(rows_out):
            heard = padded[:, row * self.stride : row * self.stride + self.taps]
            out[:, row] = np.tensordot(heard, self._kernel, axes=([1, 2], [0, 1])) + self._bias
        return out


def _window_filter(first: _Strided, second: _Strided, window: int) -> Convolution:
    """Both convolutions as one with as many taps as the window: their answer to silence, and to one sample at each
    place of the window."""
    silence = second.run(first.run(np.zeros((1, window, 1))))[0, 0]
    answers = second.run(first.run(np.eye(window)[:, :, None]))[:, 0] - silence  # [window, filters], oldest first
    weight = np.ascontiguousarray(answers.T[:, None, :], dtype=np.float32)
    return Convolution(weight, silence.astype(np.float32), dilation=1, groups=1)


def _read_step(top: Fields, inputs: int) -> tuple[Convolution, LstmStep, Convolution]:
    """The gates (keras' order i, f, g, o; f has nothing to forget), the step and the head."""
    lstm, dense = top.fields("lstm"), top.fields("dense")
    gates = (list_shape(lstm.get("bias:0")) or (0,))[0]
    units = gates // 4
    if gates % 4 or not 1 <= units <= MAX_STEP_UNITS:
        raise lstm.error(f"has {gates} numbers, but 4 for each of 1 to {MAX_STEP_UNITS} units were wanted", "bias:0")
    kernel = _without_forget(lstm.array("kernel:0", (inputs, gates)).T, units)
    bias = _without_forget(lstm.array("bias:0", (gates,)), units)
    head = np.ascontiguousarray(dense.array("kernel:0", (units, 1)).T[:, :, None])
    return (
        Convolution(kernel[:, :, None], bias, dilation=1, groups=1),
        LstmStep(units),
        Convolution(head, dense.array("bias:0", (1,)), dilation=1, groups=1),
    )


def _without_forget(gates: Array, units: int) -> Array:
    return np.ascontiguousarray(np.concatenate([gates[:units], gates[2 * units :]]))
