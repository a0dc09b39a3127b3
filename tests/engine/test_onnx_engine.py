"""ONNX Runtime against the reference, for every family and any split of the stream."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.engine.onnx_engine import OnnxEngine, session_options
from appliance.engine.reference import ReferenceEngine
from appliance.formats.read import read_model
from tests.models import FAMILIES, guitarish, random_recurrent, random_wavenet

BLOCKS = (1, 2, 7, 16, 64, 256)


@pytest.mark.parametrize("family", FAMILIES)
def test_agrees_with_the_reference_whatever_the_blocks(family: str) -> None:
    rng = np.random.default_rng(1)
    description = FAMILIES[family](rng)
    audio = guitarish(rng, 1500)
    knobs = rng.uniform(0, 1, (len(description.knobs), len(audio))).astype(np.float32)
    expected = ReferenceEngine(description).process(audio, knobs)
    engine = OnnxEngine(description)
    for _ in range(2):
        edges = np.cumsum([0, *rng.choice(BLOCKS, 60)])
        edges = [*edges[edges < len(audio)], len(audio)]
        parts = [engine.process(audio[a:b], knobs[:, a:b]) for a, b in itertools.pairwise(edges)]
        np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-5)
        engine.reset()


def test_held_knobs_no_knobs_and_wrong_knobs() -> None:
    rng = np.random.default_rng(2)
    description = random_wavenet(rng, knobs=2)
    audio, held = guitarish(rng, 50), np.array([0.3, 0.8], np.float32)
    for knobs in (held, None):
        expected = ReferenceEngine(description).process(audio, knobs)
        np.testing.assert_allclose(OnnxEngine(description).process(audio, knobs), expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        OnnxEngine(description).process(audio, np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="no knobs"):
        OnnxEngine(random_wavenet(rng)).process(audio, held)


def test_gains_and_skip_are_in_the_graph() -> None:
    rng = np.random.default_rng(3)
    description = random_recurrent(rng, skip=True)
    louder = type(description)("a", "a", description.architecture, 48_000, input_gain_db=6.0, output_gain_db=-9.0)
    audio = guitarish(rng, 200)
    expected = ReferenceEngine(louder).process(audio)
    np.testing.assert_allclose(OnnxEngine(louder).process(audio), expected, atol=1e-5)
    assert np.abs(expected - ReferenceEngine(description).process(audio)).max() > 0.05


def test_outputs_belong_to_the_caller() -> None:
    rng = np.random.default_rng(4)
    engine = OnnxEngine(random_wavenet(rng))
    first = engine.process(guitarish(rng, 64))
    copy = first.copy()
    engine.process(guitarish(rng, 64))
    np.testing.assert_array_equal(first, copy)
    first[:] = 0.0
    assert engine.process(np.zeros(0, np.float32)).shape == (0,)


def test_one_thread_that_does_not_spin() -> None:
    options = session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize(
    "file",
    ["BossWN-standard.nam", "BossWN-a2.nam", "BossLSTM-2x8.nam", "proteus-TS9_DriveKnob.json", "vox-ac15.nam"],
)
def test_real_models_agree_with_the_reference_on_real_guitar(file: str, shared_data: Path) -> None:
    description = read_model(shared_data / "models" / file)
    audio, _ = soundfile.read(shared_data / "audio" / "Guitar-E2-2.flac", dtype="float32", frames=12_000)
    knobs = np.full(len(description.knobs), 0.7, np.float32)
    expected = ReferenceEngine(description).process(audio, knobs)
    assert np.abs(expected).max() > 0.05
    engine = OnnxEngine(description)
    parts = [engine.process(block, knobs) for block in np.split(audio, range(480, len(audio), 480))]
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-5)
