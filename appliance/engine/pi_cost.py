"""What a model will cost on a Raspberry Pi, told without one: estimates from emulation, never measurements.

`pi_cost.json` holds, for each board's CPU, the instructions and cycles that `tests/arm/estimate.py` counted for
well-known shapes (executed instructions from an emulator, their cycles from LLVM's model of the CPU), and weights
fitted to those counts for every other shape. How they are made and what they leave out: docs/arm.md. The first call
reads the file and may block.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.formats.description import (
    Act,
    Architecture,
    Cell,
    ConvNet,
    Description,
    Gating,
    Linear,
    Recurrent,
    WaveNet,
    WaveNetLayer,
    architecture_name,
    multiply_adds_per_sample,
)

PERIODS = (16, 32, 64, 128, 256)
PLAYING_RATE_HZ = 48_000

# Added for what the counts leave out: history that comes from the second-level cache, mispredicted branches, memory
# that others use. A choice, not a measurement; it leaves A2 full on a Cortex-A76 near the 5.0 % of a core that the best
# published engine was measured at there. The truth may be off by the margin either way.
_ALLOWANCE = 1.25
MARGIN = 0.3

# The share of a period that may be busy, the rest being for late wake-ups.
_BUSY_AT_MOST = 0.75


@dataclass(frozen=True)
class Board:
    """A Raspberry Pi. `period_us`: allowed for the rest of the chain, Python and the sound driver in each period."""

    name: str
    cpu: str  # by GCC's name
    clock_hz: float
    period_us: float


BOARDS = (
    Board("Zero 2 W", "cortex-a53", 1.0e9, 250.0),
    Board("Pi 4", "cortex-a72", 1.8e9, 100.0),
    Board("Pi 5", "cortex-a76", 2.4e9, 50.0),
)

# Widths that the compiled engine has a WaveNet kernel for, and with which activations (native/wavenet_fixed.cpp).
_FIXED_CHANNELS = frozenset({2, 3, 4, 6, 8, 12, 16})
_FIXED_ACTIVATIONS = frozenset({Act.TANH, Act.LEAKY_RELU})
_FIXED_HIDDEN = frozenset({8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 64, 80})  # native/recurrent_fixed.cpp
_MOST_SIDE_BY_SIDE = 16  # units of LSTM layers that are played as one, native/recurrent.cpp
_EXACT = frozenset({Act.TANH, Act.SIGMOID, Act.SILU})  # a rational and a division; the others are a few instructions
_LANES = 4


@dataclass(frozen=True)
class Estimate:
    """The model's share of one core, 0…1 (above 1: it can't play); the truth is probably within low…high."""

    board: str
    share: float
    low: float
    high: float
    counted: bool  # True: this very shape was counted; False: from the formula


def estimate(description: Description, board: Board, *, period_frames: int = 64) -> Estimate | None:
    """Share of one core that the model alone takes on a board at 48 kHz, by estimate; None for a kind of network that
    nothing was counted of."""
    found = _cycles(description, board.cpu)
    if found is None:
        return None
    per_sample, per_block, error = found
    cycles = (per_sample + per_block / period_frames) * _ALLOWANCE
    share = cycles * PLAYING_RATE_HZ / board.clock_hz
    margin = MARGIN if error is None else MARGIN + error
    return Estimate(board.name, share, share * max(0.0, 1.0 - margin), share * (1.0 + margin), error is None)


def which_period(description: Description, board: Board) -> int | None:
    """Smallest period (frames) at which the model should play on a board without gaps; None where none is enough or
    nothing can be told."""
    for frames in PERIODS:
        told = estimate(description, board, period_frames=frames)
        if told is None:
            return None
        period_us = 1e6 * frames / PLAYING_RATE_HZ
        busy_us = told.high * period_us + board.period_us
        if busy_us <= _BUSY_AT_MOST * period_us:
            return frames
    return None


def estimates(description: Description) -> list[dict[str, Any]]:
    """For `inspect` and the library: one {board, share, low, high, period_frames} a board at a period of 64; rounded,
    JSON-able. Empty for a kind of network that nothing was counted of."""
    found = []
    for board in BOARDS:
        told = estimate(description, board)
        if told is None:
            return []
        shares = {name: round(getattr(told, name), 4) for name in ("share", "low", "high")}
        found.append({"board": board.name, **shares, "period_frames": which_period(description, board)})
    return found


def as_words(told: dict[str, Any]) -> str:
    """One of `estimates` for people: "9.1 % of a core (6.4 to 12 %), plays from period 32"."""
    plays = f"plays from period {told['period_frames']}" if told["period_frames"] else "too much for this board"
    low, high = _percent(told["low"]), _percent(told["high"])
    return f"{_percent(told['share'])} % of a core ({low} to {high} %), {plays}"


def features(architecture: Architecture, sample_rate_hz: int = PLAYING_RATE_HZ) -> dict[str, float] | None:
    """What the fitted weights multiply, per sample; the sum of the products is cycles. Names as in pi_cost.json. None
    for a kind of network that nothing was counted of. sample_rate_hz: the model's own."""
    if isinstance(architecture, WaveNet):
        return _sum(_wavenet_features(architecture))
    if isinstance(architecture, Recurrent):
        return _sum(_recurrent_features(architecture, sample_rate_hz == PLAYING_RATE_HZ))
    if isinstance(architecture, ConvNet):
        blocks = architecture.blocks
        return _sum(
            [{"general multiply-adds": float(multiply_adds_per_sample(architecture))}]
            + [_activations(block.activation.kind, block.weight.shape[0], "general ") for block in blocks]
        )
    if isinstance(architecture, Linear):
        return {"taps": float(len(architecture.taps)), "filter": 1.0}
    return None


def _wavenet_features(network: WaveNet) -> Iterable[dict[str, float]]:
    if network.condition is not None:
        yield features(network.condition) or {}
    for stage in network.head_stages:
        yield {"general multiply-adds": float(stage.weight.size)}
    for array in network.arrays:
        yield {"general multiply-adds": float(array.rechannel_weight.size + array.head_weight.size)}
        for layer in array.layers:
            # The mix-in of each knob costs like any multiply-add.
            path = "fixed " if _has_kernel(layer) else "general "
            macs = layer.conv_weight.size + layer.mixin_weight.size + layer.out_weight.size
            macs += 0 if layer.head_weight is None else layer.head_weight.size
            values = layer.out_weight.shape[1]
            yield {f"{path}multiply-adds": float(macs), f"{path}values": float(values), f"{path}layers": 1.0}
            yield _activations(layer.activation.kind, values, path)
            if layer.gating is not Gating.NONE:
                yield _activations(layer.gate.kind, values, path)


def _recurrent_features(network: Recurrent, at_own_rate: bool) -> Iterable[dict[str, float]]:
    layers = [(layer.weight_hh.shape[1], layer.weight_ih.shape[1]) for layer in network.layers]
    together = sum(hidden for hidden, _ in layers)
    if at_own_rate and network.cell is Cell.LSTM and together <= _MOST_SIDE_BY_SIDE and together in _FIXED_HIDDEN:
        layers = [(together, layers[0][1])]
    for hidden, inputs in layers:
        gates = 4 if network.cell is Cell.LSTM else 3
        path = "gate " if hidden in _FIXED_HIDDEN else "general gate "
        units = hidden if hidden in _FIXED_HIDDEN else _LANES * math.ceil(hidden / _LANES)
        # An LSTM has five exact activations a unit, a GRU three; each step waits for the one before.
        activations = 5 if gates == 4 else 3
        yield {
            f"{path}multiply-adds": float(gates * units * (hidden + inputs)),
            f"{path}activations": float(activations * units),
            f"{'LSTM' if gates == 4 else 'GRU'} steps": 1.0,
        }


def _has_kernel(layer: WaveNetLayer) -> bool:
    channels, bottleneck = layer.out_weight.shape
    return (
        layer.gating is Gating.NONE
        and layer.head_weight is None
        and layer.films is None
        and channels == bottleneck
        and channels in _FIXED_CHANNELS
        and layer.activation.kind in _FIXED_ACTIVATIONS
    )


def _activations(kind: Act, values: int, path: str) -> dict[str, float]:
    return {f"{path}exact activations": float(values)} if kind in _EXACT else {}


def _sum(parts: Iterable[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total


def _cycles(description: Description, cpu: str) -> tuple[float, float, float | None] | None:
    """Cycles per sample, cycles per block, and the formula's relative error (None where the very shape was counted)."""
    found = features(description.architecture, description.sample_rate_hz)
    if found is None:
        return None
    table = _table()[cpu]
    counted = table["counted"].get(_counted_name(description))
    if counted is not None:
        return counted["cycles_per_sample"], counted["cycles_per_block"], None
    weights = table["weights"]
    per_sample = sum(weights["per_sample"][name] * value for name, value in found.items())
    per_block = sum(weights["per_block"][name] * value for name, value in found.items())
    return per_sample, per_block, table["fit_error"]


def _counted_name(description: Description) -> str:
    """The name a shape was counted under: only shapes whose name says everything that costs time."""
    architecture = description.architecture
    if isinstance(architecture, WaveNet) and not all(
        _has_kernel(layer) for array in architecture.arrays for layer in array.layers
    ):
        return ""
    if isinstance(architecture, Recurrent) and len(architecture.layers) > 1:
        widths = {layer.weight_hh.shape[1] for layer in architecture.layers}
        if len(widths) > 1 or description.sample_rate_hz != PLAYING_RATE_HZ:
            return ""
    name = architecture_name(architecture)
    return name if not description.knobs else f"{name}, {len(description.knobs)} knobs"


@functools.cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(Path(__file__).with_name("pi_cost.json").read_text(encoding="utf-8"))
    return table


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if share < 0.0995 else f"{100 * share:.0f}"
