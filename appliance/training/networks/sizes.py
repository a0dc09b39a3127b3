"""What can be trained, in one description: from a name or a file's table to a network, and what it costs to play.

A size is named by its architecture ("lstm-16", "a1-feather") or as a preset ("nano" … "large"). Which sizes a board
plays is told by `engine/pi_cost.py`: estimates, never measurements. Importing this needs no torch; `build` does.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.engine.pi_cost import BOARDS, Board, Estimate, estimate, which_period
from appliance.errors import BadRequest
from appliance.formats.description import Description, Knob

if TYPE_CHECKING:
    from appliance.training.contract import Network

HIDDEN_AT_LEAST, HIDDEN_AT_MOST = 8, 96
LAYERS_AT_MOST = 3
TAPS_AT_MOST = 4096
BRANCHES_AT_MOST = 32
PLAYED_PERIOD_FRAMES = 64  # the period of `appliance run`, which a size chosen for a board must fit


class Kind(enum.Enum):
    """Families of networks."""

    LSTM = "lstm"
    GRU = "gru"
    WAVENET = "wavenet"
    WIENER_HAMMERSTEIN = "wiener-hammerstein"


WAVENET_SIZES = ("a1-nano", "a1-feather", "a1-lite", "a1-standard", "a2")
_RECURRENT = (Kind.LSTM, Kind.GRU)
_FIELDS: dict[Kind, tuple[str, ...]] = {
    Kind.LSTM: ("hidden", "layers", "skip"),
    Kind.GRU: ("hidden", "layers", "skip"),
    Kind.WAVENET: ("size",),
    Kind.WIENER_HAMMERSTEIN: ("first_ms", "last_ms", "branches"),
}


def _check_whole(name: str, value: Any, lowest: int, highest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise BadRequest(f"{name} is {value!r}, but a whole number from {lowest} to {highest} was wanted.")


def _check_length(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value <= 80.0:
        raise BadRequest(f"{name} is {value!r}, but a length above 0 and up to 80 ms was wanted.")


@dataclass(frozen=True)
class NetworkConfig:
    """A network and its size; each kind looks only at its own fields.

    Raises BadRequest for a size that there isn't. "a2" is A2 full and A2 lite, trained together in one file.
    """

    kind: Kind
    hidden: int = 16  # LSTM, GRU: units in a layer
    layers: int = 1
    skip: bool = True  # add the input to the output
    size: str = "a1-feather"  # WAVENET: one of WAVENET_SIZES
    first_ms: float = 5.0  # WIENER_HAMMERSTEIN: length of the filter before the curve
    last_ms: float = 5.0  # and of the one behind it
    branches: int = 6  # tanh curves that are added up

    def __post_init__(self) -> None:
        if self.kind in _RECURRENT:
            _check_whole("hidden", self.hidden, HIDDEN_AT_LEAST, HIDDEN_AT_MOST)
            _check_whole("layers", self.layers, 1, LAYERS_AT_MOST)
            if not isinstance(self.skip, bool):
                raise BadRequest(f"skip is {self.skip!r}, but true or false was wanted.")
        elif self.kind is Kind.WAVENET:
            if self.size not in WAVENET_SIZES:
                raise BadRequest(f"There is no WaveNet {self.size!r}. There are: {', '.join(WAVENET_SIZES)}.")
        else:
            _check_length("first_ms", self.first_ms)
            _check_length("last_ms", self.last_ms)
            _check_whole("branches", self.branches, 1, BRANCHES_AT_MOST)

    @property
    def name(self) -> str:
        """As `config_named` takes it, as far as there is a name: "lstm-16", "gru-2x24", "a1-nano", "wh"."""
        if self.kind in _RECURRENT:
            return f"{self.kind.value}-{f'{self.layers}x' if self.layers > 1 else ''}{self.hidden}"
        return self.size if self.kind is Kind.WAVENET else "wh"

    def as_table(self) -> dict[str, Any]:
        """For TOML or JSON: the kind and the fields that it looks at."""
        return {"kind": self.kind.value, **{name: getattr(self, name) for name in _FIELDS[self.kind]}}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> NetworkConfig:
        """The way back from `as_table`. What is left out has its default; what isn't known raises BadRequest."""
        kinds = {kind.value: kind for kind in Kind}
        kind = kinds.get(table.get("kind", ""))
        if kind is None:
            raise BadRequest(f"The kind of network is {table.get('kind')!r}. There are: {', '.join(kinds)}.")
        values = {name: value for name, value in table.items() if name != "kind"}
        if unknown := sorted(values.keys() - _FIELDS[kind]):
            raise BadRequest(
                f"A network of the kind {kind.value} has no {', '.join(unknown)}. It has: {', '.join(_FIELDS[kind])}."
            )
        return cls(kind, **values)


def _wavenet(size: str) -> NetworkConfig:
    return NetworkConfig(Kind.WAVENET, size=size)


# Presets, worst to best; why these: docs/networks.md.
PRESETS: dict[str, NetworkConfig] = {
    "nano": _wavenet("a1-nano"),
    "small": _wavenet("a1-feather"),
    "standard": _wavenet("a1-standard"),
    "large": _wavenet("a2"),
}
# What `--for` chooses from, worst to best by the field's published errors.
CANDIDATES: tuple[NetworkConfig, ...] = (
    NetworkConfig(Kind.WIENER_HAMMERSTEIN),
    NetworkConfig(Kind.GRU, hidden=16),
    NetworkConfig(Kind.LSTM, hidden=16),
    *map(_wavenet, WAVENET_SIZES),
)
BOARD_NAMES = {"zero2": "Zero 2 W", "pi4": "Pi 4", "pi5": "Pi 5"}


def config_named(name: str) -> NetworkConfig:
    """A preset, or a network by its architecture: "lstm-16", "gru-2x24", "a1-lite", "a2", "wh".

    Raises BadRequest for any other name.
    """
    if name in PRESETS:
        return PRESETS[name]
    if name in WAVENET_SIZES:
        return _wavenet(name)
    if name == "wh":
        return NetworkConfig(Kind.WIENER_HAMMERSTEIN)
    if match := re.fullmatch(r"(lstm|gru)-(?:(\d)x)?(\d{1,3})", name, re.ASCII):
        return NetworkConfig(Kind(match[1]), hidden=int(match[3]), layers=int(match[2] or 1))
    raise BadRequest(
        f"There is no size {name!r}. There are {', '.join(PRESETS)}, or by name lstm-16, gru-24, lstm-2x16 "
        f"(any {HIDDEN_AT_LEAST} to {HIDDEN_AT_MOST} units), {', '.join(WAVENET_SIZES)}, wh."
    )


def build(config: NetworkConfig, knob_count: int, sample_rate_hz: int) -> Network:
    """The network with its starting weights (seed torch before). May block: imports torch.

    sample_rate_hz: of the data; filters are as long in time at any rate.
    """
    if config.kind in _RECURRENT:
        from appliance.formats.description import Cell
        from appliance.training.networks.recurrent import RecurrentNetwork

        cell = Cell.LSTM if config.kind is Kind.LSTM else Cell.GRU
        return RecurrentNetwork(cell, config.hidden, config.layers, knob_count=knob_count, skip=config.skip)
    if config.kind is Kind.WAVENET:
        from appliance.training.networks import wavenet

        return wavenet.build(config.size, knob_count)
    from appliance.training.networks.wiener_hammerstein import WienerHammersteinNetwork

    return WienerHammersteinNetwork(
        first_taps=taps_of(config.first_ms, sample_rate_hz),
        last_taps=taps_of(config.last_ms, sample_rate_hz),
        branches=config.branches,
        knob_count=knob_count,
    )


def taps_of(length_ms: float, sample_rate_hz: int) -> int:
    """Taps of a filter of this length."""
    return max(1, math.ceil(length_ms * sample_rate_hz / 1000.0))


@dataclass(frozen=True)
class Cost:
    """What a size takes of a board: the estimate, and the smallest period that plays without gaps (None: none does)."""

    config: NetworkConfig
    estimate: Estimate
    period_frames: int | None


def cost_of(config: NetworkConfig, board: Board, knob_count: int = 0, sample_rate_hz: int = 48_000) -> Cost | None:
    """What the network, or the largest of those in its file, would take of a board; None where nothing was counted.

    May block: builds the network, which imports torch.
    """
    knobs = tuple(Knob(f"Knob {number + 1}") for number in range(knob_count))
    member = build(config, knob_count, sample_rate_hz).members[-1]
    described = Description(config.name, "", member.architecture(knobs), sample_rate_hz, knobs=knobs)
    told = estimate(described, board, period_frames=PLAYED_PERIOD_FRAMES)
    return None if told is None else Cost(config, told, which_period(described, board))


def board_named(name: str) -> Board:
    """ "zero2", "pi4" or "pi5". Raises BadRequest for another."""
    for board in BOARDS:
        if BOARD_NAMES.get(name) == board.name:
            return board
    raise BadRequest(f"There is no board {name!r}. There are: {', '.join(BOARD_NAMES)}.")


def largest_for(board: Board, knob_count: int = 0) -> Cost:
    """The best network of `CANDIDATES` that plays on a board at a period of 64 frames, by estimate.

    May block: builds candidates. Raises BadRequest when even the smallest is too much.
    """
    for config in reversed(CANDIDATES):
        cost = cost_of(config, board, knob_count)
        if cost is not None and (cost.period_frames or math.inf) <= PLAYED_PERIOD_FRAMES:
            return cost
    raise BadRequest(f"By estimate no network with {knob_count} knobs plays on a {board.name}.")
