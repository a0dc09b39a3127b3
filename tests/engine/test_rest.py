"""A network at rest: silence stays as it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from appliance.engine.engines import make_engine
from appliance.engine.rest import at_rest
from appliance.formats.description import Cell, Description, Knob, Recurrent
from appliance.formats.nam_export import write_nam
from appliance.formats.own import write_own
from appliance.formats.read import read_model
from tests.models import guitarish, random_recurrent

SILENCE = np.zeros(480, np.float32)
KNOBS = np.array([0.25], np.float32)


def _resting(cell: Cell = Cell.LSTM, *, layers: int = 1, knobs: int = 1, skip: bool = True) -> Description:
    described = random_recurrent(np.random.default_rng(5), cell=cell, layers=layers, skip=skip, knobs=knobs)
    assert isinstance(described.architecture, Recurrent)
    architecture = at_rest(described.architecture, KNOBS[:knobs])
    return dataclasses.replace(
        described, architecture=architecture, knobs=tuple(Knob("Gain", default=0.25) for _ in range(knobs))
    )


@pytest.mark.parametrize("cell", Cell)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("engine", ["reference", "native", "onnx"])
def test_every_engine_rests_from_the_first_frame(cell: Cell, layers: int, engine: str) -> None:
    heard = make_engine(engine, _resting(cell, layers=layers)).process(SILENCE, KNOBS)
    assert np.ptp(heard) < 1e-6


@pytest.mark.parametrize("cell", Cell)
def test_the_pedals_own_file_keeps_the_rest(cell: Cell, tmp_path: Path) -> None:
    write_own(_resting(cell), tmp_path / "amp.onnx")
    for engine in ("native", "onnx"):
        assert np.ptp(make_engine(engine, read_model(tmp_path / "amp.onnx")).process(SILENCE, KNOBS)) < 1e-6, engine


def test_a_nam_file_keeps_the_rest(tmp_path: Path) -> None:
    write_nam([_resting(skip=False, layers=2)], tmp_path / "amp.nam", {})
    found = read_model(tmp_path / "amp.nam")
    assert np.ptp(make_engine("native", found).process(SILENCE)) < 1e-6


def test_only_the_start_differs() -> None:
    restless = random_recurrent(np.random.default_rng(5), knobs=1)
    long_silence = np.zeros(24_000, np.float32)
    audio = guitarish(np.random.default_rng(6), 500)
    played = []
    for description in (restless, _resting(knobs=1, skip=False)):
        engine = make_engine("native", description)
        engine.process(long_silence, KNOBS)
        played.append(engine.process(audio, KNOBS))
    assert np.abs(played[0] - played[1]).max() < 1e-6


def test_units_that_never_rest_are_left_in_one_of_their_states() -> None:
    """An LSTM whose loop turns its sign about each frame."""
    described = random_recurrent(np.random.default_rng(5), hidden=1)
    assert isinstance(described.architecture, Recurrent)
    (layer,) = described.architecture.layers
    shifting = dataclasses.replace(
        layer,
        weight_ih=np.zeros((4, 1), np.float32),
        weight_hh=np.array([[0.0], [0.0], [-20.0], [0.0]], np.float32),
        bias_ih=np.array([10.0, -10.0, 0.0, 10.0], np.float32),
        bias_hh=np.zeros(4, np.float32),
        h0=np.array([0.5], np.float32),
    )
    left = at_rest(dataclasses.replace(described.architecture, layers=(shifting,)), np.zeros(0, np.float32))
    assert 0.5 < abs(float(left.layers[0].h0[0])) < 1.0
