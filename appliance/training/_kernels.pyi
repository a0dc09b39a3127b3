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
