"""How well a network plays the passages it is not trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from appliance.training.batches import positions_of
from appliance.training.contract import DataSet, Network, Span, Take

ROW_FRAMES = 16_384
ROWS = 32
# What a recurrent network hears before it is judged; the engine's own figure for one is of this order.
RECURRENT_CONTEXT_FRAMES = 8_192


@dataclass(frozen=True)
class _Rows:
    audio: Tensor  # [rows, context + frames]
    target: Tensor  # [rows, frames]
    positions: Tensor  # [rows, knobs]
    judged: Tensor  # [rows, frames] 1 where there is a target, 0 in the padding of the last row


class Validation:
    """ESR over all validation spans of the takes that are not held out; each take counts by its own energy, so that a
    quiet knob position weighs as much as a loud one.

    The audio is cut into rows that run side by side, each with a run-up: a recurrent network would need minutes for
    one long row.
    """

    def __init__(self, data: DataSet, network: Network, scale: float, device: torch.device) -> None:
        heard = [(take, take.validation) for take in data.takes if take.validation and not take.held_out]
        self._judge = Judge(data, heard, network, scale, device)

    def esr(self, network: Network) -> float:
        """Mean over takes; infinity when the network puts out nonsense."""
        mean = _mean(self._judge.esr_of_each(network))
        return mean if math.isfinite(mean) else math.inf


def test_esr(data: DataSet, network: Network, scale: float, device: torch.device) -> float:
    """Mean over the takes trained on, of their test spans; NaN where there are none."""
    heard = [(take, take.test) for take in data.takes if take.test and not take.held_out]
    return _mean(Judge(data, heard, network, scale, device).esr_of_each(network))


def _mean(ratios: list[float]) -> float:
    """Over the takes that can be judged, those that aren't silent; NaN without any."""
    judged = [ratio for ratio in ratios if not math.isnan(ratio)]
    return math.fsum(judged) / len(judged) if judged else math.nan


class Judge:
    """Passages of takes, ready to be played by networks that have the past of `network`."""

    def __init__(
        self,
        data: DataSet,
        passages: Sequence[tuple[Take, Sequence[Span]]],
        network: Network,
        scale: float,
        device: torch.device,
    ) -> None:
        context = network.past_frames or RECURRENT_CONTEXT_FRAMES
        self._recurrent_context = 0 if network.past_frames else context
        self._takes = [
            [_moved(rows, device) for rows in rows_of(data, take, spans, context, scale)] for take, spans in passages
        ]

    @torch.no_grad()
    def esr_of_each(self, network: Network) -> list[float]:
        """ESR of each take, over all its passages as one: NaN where the device is silent, infinity for nonsense."""
        ratios = []
        for batches in self._takes:
            error = signal = 0.0
            for rows in batches:
                output, _ = network(rows.audio, rows.positions)
                output = output[:, self._recurrent_context :]
                error += float(((output - rows.target) * rows.judged).square().sum(dtype=torch.float64))
                signal += float(rows.target.square().sum(dtype=torch.float64))
            ratio = error / signal if signal > 0.0 else math.nan
            ratios.append(ratio if math.isfinite(error) else math.inf)
        return ratios


def rows_of(data: DataSet, take: Take, spans: Sequence[Span], context_frames: int, scale: float) -> Iterator[_Rows]:
    """The spans of a take as batches of rows; silence where a run-up would begin before the recording."""
    dry = np.pad(take.dry, (context_frames, 0))
    pieces = [(first, min(first + ROW_FRAMES, end)) for start, end in spans for first in range(start, end, ROW_FRAMES)]
    position = torch.tensor(positions_of(data, take), dtype=torch.float32)
    for batch in range(0, len(pieces), ROWS):
        some = pieces[batch : batch + ROWS]
        longest = max(end - first for first, end in some)
        audio = np.zeros((len(some), context_frames + longest), np.float32)
        target = np.zeros((len(some), longest), np.float32)
        judged = np.zeros((len(some), longest), np.float32)
        for row, (first, end) in enumerate(some):
            audio[row, : context_frames + end - first] = dry[first : context_frames + end]
            target[row, : end - first] = take.wet[first:end] * np.float32(scale)
            judged[row, : end - first] = 1.0
        yield _Rows(
            torch.from_numpy(audio),
            torch.from_numpy(target),
            position.expand(len(some), -1),
            torch.from_numpy(judged),
        )


def _moved(rows: _Rows, device: torch.device) -> _Rows:
    return _Rows(rows.audio.to(device), rows.target.to(device), rows.positions.to(device), rows.judged.to(device))
