"""What ten hours on stage would show: costs and state after long silence, long noise and long playing.

Nothing here can run for ten hours, so each test covers a way in which time could show:

- Networks without feedback (WaveNet, ConvNet, Linear, the cabinet) remember nothing beyond their receptive field, by
  construction; what could go wrong is only their bookkeeping: history rows that are rewound, rings, partition counters.
  All of these count within a buffer and begin again (`native/history.hpp`, `native/partitions.hpp`); the longest cycle
  is a rewind every few thousand frames, so a minute holds every state that ten hours hold, hundreds of times over.
  After it an engine must equal one that has only heard the last seconds.
- Recurrent networks carry their state for ever, but hidden values are products of sigmoid and tanh (within ±1) and an
  LSTM's cell moves by at most 1 a sample and is multiplied by a forget gate below 1: driven far beyond full scale the
  output has to stay within what the head can make of ±1.
- The chain's own counters: frames are 64 bits in the shared memory; the engine has no other that grows.
- Denormals: states and filters decay into them at every pause; they are flushed to zero, so a pause costs no more than
  a note. And on zeros an engine must come to rest: a last bit that flickers for ever is a noise floor.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import pytest

from appliance.engine._native import Pedal
from appliance.engine.native_engine import NativeEngine
from appliance.engine.packing import pack_model, pack_patch
from appliance.formats.description import Array, Description, Recurrent
from tests import models
from tests.engine.test_chain import controls

RATE_HZ = 48_000
PERIOD = 64
LONG_S = 60
REST_S = 10


def is_recurrent(description: Description) -> bool:
    return isinstance(description.architecture, Recurrent)


def material(rng: np.random.Generator, seconds: float) -> Array:
    """A loop of a few plucks and a moment of silence, of a length that no buffer of the engine divides."""
    pluck = np.concatenate([models.guitarish(rng, 47_911), np.zeros(4_096, np.float32)])
    return np.resize(pluck, int(seconds * RATE_HZ)).astype(np.float32)


def knobs_of(description: Description) -> Array | None:
    return np.full(len(description.knobs), 0.3, np.float32) if description.knobs else None


@pytest.mark.parametrize("family", models.FAMILIES)
def test_after_a_minute_an_engine_sounds_as_a_fresh_one(family: str) -> None:
    rng = np.random.default_rng(21)
    description = models.FAMILIES[family](rng)
    knobs = knobs_of(description)
    audio = material(rng, LONG_S)
    engine = NativeEngine(description, max_block_frames=PERIOD)
    played = engine.process(audio, knobs)
    assert np.isfinite(played).all()
    # Long enough for every receptive field here and for recurrent nets to forget how they began.
    tail = audio[-3 * RATE_HZ :]
    fresh = NativeEngine(description, max_block_frames=PERIOD).process(tail, knobs)
    np.testing.assert_allclose(played[-RATE_HZ:], fresh[-RATE_HZ:], atol=1e-6, rtol=0)


def test_after_a_minute_the_chain_with_a_long_cabinet_sounds_as_a_fresh_one() -> None:
    rng = np.random.default_rng(22)
    cabinet = (rng.standard_normal(20_000) * np.exp(-np.arange(20_000) / 3_000) * 0.01).astype(np.float32)
    description = models.random_wavenet(rng)
    audio = material(rng, LONG_S)

    def play(heard: Array) -> Array:
        pedal = Pedal(RATE_HZ, PERIOD)
        pedal.set_controls(controls())
        pedal.load_patch(
            pack_patch(generation=1, sample_rate_hz=RATE_HZ, model_blob=pack_model(description), cabinet=cabinet)
        )
        return pedal.process_float(heard)

    played, fresh = play(audio), play(audio[-4 * RATE_HZ :])
    np.testing.assert_allclose(played[-RATE_HZ:], fresh[-RATE_HZ:], atol=2e-6, rtol=0)


@pytest.mark.parametrize("family", [name for name in models.FAMILIES if name.startswith(("lstm", "gru"))])
@pytest.mark.parametrize("level", [1.0, 10.0])
def test_recurrent_state_stays_bounded_whatever_is_played(family: str, level: float) -> None:
    rng = np.random.default_rng(23)
    description = models.FAMILIES[family](rng)
    recurrent = description.architecture
    assert isinstance(recurrent, Recurrent)
    engine = NativeEngine(description)
    # |h| < 1, so the head can give no more than this; the skip adds the input.
    most = float(np.abs(recurrent.head_weight).sum()) + abs(recurrent.head_bias) + (level if recurrent.skip else 0.0)
    worst: Array = np.concatenate(
        [
            np.full(5 * RATE_HZ, level),
            np.full(5 * RATE_HZ, -level),
            level * np.sign(rng.standard_normal(5 * RATE_HZ)),
            rng.uniform(-level, level, 5 * RATE_HZ),
        ]
    ).astype(np.float32)
    made = engine.process(worst, knobs_of(description))
    assert np.isfinite(made).all()
    assert np.abs(made).max() <= most * (1 + 1e-5)
    # And it comes back: afterwards it plays as one that never heard this.
    tail = material(rng, 3)
    np.testing.assert_allclose(
        engine.process(tail, knobs_of(description))[-RATE_HZ:],
        NativeEngine(description).process(tail, knobs_of(description))[-RATE_HZ:],
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.parametrize("family", models.FAMILIES)
def test_on_silence_an_engine_comes_to_rest(family: str) -> None:
    """Bit for bit; but a recurrent net may go to and fro between two neighbouring floats for ever, since its rounded
    state comes back to it. That is 150 dB below full scale: no converter hears it.
    """
    rng = np.random.default_rng(24)
    description = models.FAMILIES[family](rng)
    knobs = knobs_of(description)
    engine = NativeEngine(description, max_block_frames=PERIOD)
    engine.process(material(rng, 1), knobs)
    engine.process(np.zeros(3 * RATE_HZ, np.float32), knobs)
    rest = engine.process(np.zeros(REST_S * RATE_HZ, np.float32), knobs)
    values = np.unique(rest)
    if isinstance(description.architecture, Recurrent):
        assert len(values) <= 2
        assert np.ptp(values) <= 3e-8  # -150 dB
    else:
        assert len(values) == 1


@pytest.mark.parametrize("frames", [300, 20_000])
def test_on_silence_the_chain_comes_to_rest_at_zero(frames: int) -> None:
    rng = np.random.default_rng(25)
    pedal = Pedal(RATE_HZ, PERIOD)
    pedal.set_controls(controls())
    cabinet = (rng.standard_normal(frames) * 0.01).astype(np.float32)
    blob = pack_model(models.random_wavenet(rng))
    pedal.load_patch(pack_patch(generation=1, sample_rate_hz=RATE_HZ, model_blob=blob, cabinet=cabinet))
    pedal.process_float(material(rng, 1))
    pedal.process_float(np.zeros(15 * RATE_HZ, np.float32))  # the DC block of 5 Hz takes long to the last bit
    rest = pedal.process_float(np.zeros(REST_S * RATE_HZ, np.float32))
    assert not rest.any()


@pytest.mark.parametrize("family", models.FAMILIES)
def test_a_note_that_dies_away_costs_no_more_than_a_loud_one(family: str) -> None:
    rng = np.random.default_rng(26)
    description = models.FAMILIES[family](rng)
    knobs = knobs_of(description)
    frames = 4_096
    loud = models.guitarish(rng, frames)
    # From -300 dB down to the smallest denormals: with them unflushed, x86 takes many times as long.
    dying = (loud * 1e-15 * np.exp(-np.arange(frames) / 40)).astype(np.float32)
    engines = {"loud": NativeEngine(description), "dying": NativeEngine(description)}
    ratios = []
    for _ in range(4):
        times: dict[str, list[int]] = {"loud": [], "dying": []}
        for _ in range(15):
            for name, audio in (("loud", loud), ("dying", dying)):
                start = time.perf_counter_ns()
                engines[name].process(audio, knobs)
                times[name].append(time.perf_counter_ns() - start)
        ratios.append(median(times["dying"]) / median(times["loud"]))
        if ratios[-1] <= 2.0:
            return
    pytest.fail(f"dying / loud: {ratios}")
