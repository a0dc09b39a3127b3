"""Which pieces of which takes are heard in which round: a pure function of the seed and the round's number.

Nothing is remembered between rounds, so a training that was cut off goes on with the very batches it would have had.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from appliance.errors import BadAudioFile
from appliance.training.contract import DataSet, Take, position_of


@dataclass(frozen=True)
class Batch:
    """Segments cut out of takes. Audio before each segment, `context` frames of it, leads `audio`."""

    audio: Tensor  # [batch, context + frames]
    target: Tensor  # [batch, frames]
    positions: Tensor  # [batch, knobs]
    take_energy: Tensor  # [batch] mean square of the target over the take's training spans


@dataclass(frozen=True)
class _Span:
    take: int
    first: int
    end: int


class Batches:
    """The training segments of a data set, ready on a device; targets times `scale`.

    Raises BadAudioFile when the takes hold less than one batch of segments.
    """

    def __init__(
        self,
        data: DataSet,
        *,
        batch: int,
        segment_frames: int,
        context_frames: int,
        scale: float,
        seed: int,
        device: torch.device,
    ) -> None:
        self._batch, self._segment, self._context, self._seed = batch, segment_frames, context_frames, seed
        self._takes = [
            (
                torch.from_numpy(np.pad(take.dry, (context_frames, 0))).to(device),
                torch.from_numpy(take.wet * np.float32(scale)).to(device),
                torch.tensor(positions_of(data, take), dtype=torch.float32, device=device),
            )
            for take in data.takes
        ]
        self._energy = [_train_energy(take, scale) for take in data.takes]
        self._spans = [
            _Span(index, first, end)
            for index, take in enumerate(data.takes)
            if not take.held_out
            for first, end in take.train
            if end - first >= segment_frames
        ]
        if len(self._starts(0)) < batch:
            seconds = batch * 2 * segment_frames / data.sample_rate_hz
            raise BadAudioFile(
                f"There is too little audio to train with: record {max(10.0, seconds):.0f} s, better 3 minutes."
            )
        self.rounds_per_epoch = min(len(self._starts(epoch)) for epoch in range(4)) // batch

    def _starts(self, epoch: int) -> list[tuple[int, int]]:
        """(take, first frame) of every segment of an epoch: a grid that begins elsewhere each time."""
        offset = int(np.random.default_rng((self._seed, epoch, 1)).integers(self._segment))
        return [
            (span.take, first)
            for span in self._spans
            for first in range(
                span.first + min(offset, span.end - span.first - self._segment),
                span.end - self._segment + 1,
                self._segment,
            )
        ]

    def of_round(self, number: int) -> Batch:
        """The batch of round `number`, from 0."""
        epoch, index = divmod(number, self.rounds_per_epoch)
        starts = self._starts(epoch)
        order = np.random.default_rng((self._seed, epoch, 2)).permutation(len(starts))
        chosen = [starts[i] for i in order[index * self._batch : (index + 1) * self._batch]]
        audio, target, positions = [], [], []
        for take, first in chosen:
            dry, wet, position = self._takes[take]
            audio.append(dry[first : first + self._context + self._segment])
            target.append(wet[first : first + self._segment])
            positions.append(position)
        energy = torch.tensor([self._energy[take] for take, _ in chosen], device=target[0].device)
        return Batch(torch.stack(audio), torch.stack(target), torch.stack(positions), energy)


def positions_of(data: DataSet, take: Take) -> list[float]:
    """The take's knobs as a network is fed them, 0…1."""
    return [position_of(knob, value) for knob, value in zip(data.knobs, take.knobs, strict=True)]


def target_scale(data: DataSet) -> float:
    """What brings the recordings that are trained on to an RMS of 1: a device at -40 dBFS learns as one at -1.

    Raises BadAudioFile when all of them are silent.
    """
    energies = [_train_energy(take, 1.0) for take in data.takes if not take.held_out and take.train]
    energy = float(np.mean(energies)) if energies else 0.0
    if energy < 1e-12:
        raise BadAudioFile("The recordings of the device are silent where training listens: check the cable and level.")
    return float(energy**-0.5)


def _train_energy(take: Take, scale: float) -> float:
    parts = [take.wet[first:end] for first, end in take.train]
    if not parts:
        return 1.0
    return float(np.mean(np.square(np.concatenate(parts), dtype=np.float64))) * scale**2
