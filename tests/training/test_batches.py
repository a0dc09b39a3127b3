"""Which segments are heard when."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from appliance.formats.description import Knob
from appliance.training.batches import Batches, target_scale
from appliance.training.takes import DataSet, Take

RATE_HZ = 1000


def _data() -> DataSet:
    """Wet counts frames; dry is minus that; so that a batch tells where it was cut."""
    takes = []
    for gain, held_out in ((1.0, False), (2.0, True), (5.0, False)):
        count = np.arange(1, 1001, dtype=np.float32) + 10_000 * gain
        spans = () if held_out else ((100, 500), (600, 900))
        takes.append(Take(f"{gain}", -count, count, (gain,), held_out, spans))
    return DataSet("count", RATE_HZ, tuple(takes), (Knob("Gain", 1.0, 5.0),))


def _batches(seed: int = 0, context: int = 16) -> Batches:
    return Batches(
        _data(),
        batch=3,
        segment_frames=50,
        context_frames=context,
        scale=1.0,
        seed=seed,
        device=torch.device("cpu"),
    )


def test_segments_come_from_training_spans_with_their_past() -> None:
    batches = _batches()
    heard = set()
    for number in range(6 * batches.rounds_per_epoch):
        batch = batches.of_round(number)
        assert batch.audio.shape == (3, 66)
        assert torch.equal(batch.audio[:, 16:], -batch.target)
        for row in range(3):
            gain = 1.0 + 4.0 * float(batch.positions[row, 0])
            frames = batch.target[row] - 10_000 * gain - 1
            assert gain in (1.0, 5.0), "a held-out take was heard"
            assert all(100 <= n < 500 or 600 <= n < 900 for n in frames.tolist())
            heard |= {(gain, int(n)) for n in frames}
    assert len(heard) > 0.9 * 2 * 700


def test_past_before_the_recording_is_silence() -> None:
    batches = _batches(context=200)
    early = 0
    for number in range(batches.rounds_per_epoch):
        batch = batches.of_round(number)
        for row in range(3):
            first = int(batch.target[row, 0]) % 10_000 - 1
            silent = max(0, 200 - first)
            assert bool((batch.audio[row] == 0).sum() == silent)
            assert float(batch.audio[row, :silent].abs().sum()) == 0.0
            early += silent > 0
    assert early


def test_a_round_is_a_function_of_seed_and_number() -> None:
    for number in (0, 7, 40):
        assert torch.equal(_batches().of_round(number).target, _batches().of_round(number).target)
    assert not torch.equal(_batches().of_round(0).target, _batches(seed=1).of_round(0).target)
    assert not torch.equal(_batches().of_round(0).target, _batches().of_round(1).target)


def test_scale_brings_the_trained_part_to_an_rms_of_one() -> None:
    data = _data()
    energies = [np.mean(np.concatenate([take.wet[100:500], take.wet[600:900]]) ** 2) for take in data.takes[::2]]
    assert target_scale(data) == pytest.approx(np.mean(energies) ** -0.5, rel=1e-5)
