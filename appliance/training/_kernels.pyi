"""Types of the compiled training kernels (`native/bindings.cpp`)."""

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

class UnknownShape(ValueError):
    """A network that there are no kernels for; PyTorch's own operations train it."""

class WaveNet:
    """Forward and backward pass of a WaveNet over a batch, all layers at once. Releases the GIL; not real-time safe.

    layout: for each array channels, head size, head taps, head bias (0 or 1), number of layers, then taps and dilation
    of each layer. activation: "tanh" or "leakyrelu". Raises UnknownShape.
    """

    def __init__(self, layout: list[int], activation: str, slope: float, head_scale: float) -> None: ...
    @property
    def past_frames(self) -> int: ...
    @property
    def weight_count(self) -> int: ...
    def saved_size(self, audio_frames: int) -> int:
        """Values to be kept of each item between forward and backward."""

    def forward(self, weights: Float32, audio: Float32, output: Float32, saved: Float32 | None, threads: int) -> None:
        """weights [1 or items, weight_count], audio [items, frames] → output [items, frames - past_frames].

        saved: room for what `backward` needs, items · saved_size values; None when there won't be one.
        Raises ValueError when shapes don't fit.
        """

    def backward(
        self,
        weights: Float32,
        audio: Float32,
        saved: Float32,
        gradient: Float32,
        weight_gradients: Float32,
        threads: int,
    ) -> None:
        """gradient [items, frames - past_frames] of the output → weight_gradients [items, weight_count], each item's.

        Raises ValueError when shapes don't fit.
        """

class Recurrent:
    """Forward and backward pass of one LSTM or GRU layer and its linear head over a batch. Releases the GIL.

    cell: "lstm" or "gru". A unit has four rows of weights (LSTM i, f, g, o; GRU r, z, the input's share of n, the
    state's share of n), a row one column for each hidden unit, each input (audio, then knobs) and the bias.
    Raises ValueError when shapes don't fit, here and below.
    """

    def __init__(self, cell: str, hidden: int, inputs: int) -> None: ...
    def saved_size(self, items: int, frames: int) -> int:
        """Values to be kept between forward and backward."""

    def forward(
        self,
        weights: Float32,
        head: Float32,
        audio: Float32,
        knobs: Float32,
        fresh: bool,
        state: Float32,
        output: Float32,
        saved: Float32,
        threads: int,
    ) -> None:
        """weights [4 · hidden, columns], head [hidden + 1], audio [items, frames], knobs [items, knobs] → output
        [items, frames]. state [2, items, hidden]: read unless fresh, then written (h; c of an LSTM)."""

    def backward(
        self,
        weights: Float32,
        head: Float32,
        audio: Float32,
        knobs: Float32,
        gradient: Float32,
        saved: Float32,
        weight_gradient: Float32,
        head_gradient: Float32,
        threads: int,
    ) -> None:
        """gradient [items, frames] of the output → those of weights and head. What was saved is used up."""
