"""Where a recurrent network is when nothing was played for long: the state that a file should start from.

From zeros its units swing in for as long as they remember, with a thump in every program that plays the file at once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from appliance.engine.reference import recurrent_cells
from appliance.formats.description import Array, Recurrent

LONGEST_FRAMES = 96_000  # for units that never come to rest; any of their states is as good as another
_STILL = 1e-9  # of a state's change within a frame


def at_rest(network: Recurrent, knobs: Array) -> Recurrent:
    """The same network, starting from the state that silence leads to with the knobs [K] (in units) held.

    May block: up to some seconds for units that never come to rest, a tenth of a second for most.
    """
    cells = recurrent_cells(network)
    silence = np.concatenate([np.zeros(1), knobs]).astype(np.float64)
    for _ in range(LONGEST_FRAMES):
        before = [state for cell in cells for state in (cell.h, cell.c)]
        x = silence
        for cell in cells:
            x = cell.step(x)
        after = [state for cell in cells for state in (cell.h, cell.c)]
        if max(np.abs(new - old).max() for new, old in zip(after, before, strict=True)) < _STILL:
            break
    layers = tuple(
        replace(layer, h0=cell.h.astype(np.float32), c0=cell.c.astype(np.float32))
        for layer, cell in zip(network.layers, cells, strict=True)
    )
    return replace(network, layers=layers)
