"""`appliance export`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from appliance.cli import cli
from appliance.engine.reference import ReferenceEngine
from appliance.errors import ApplianceError, BadRequest, UnsupportedModel
from appliance.formats.description import Knob
from appliance.formats.own import write_own
from appliance.formats.read import read_model, read_variants
from tests.models import guitarish, random_recurrent, random_wavenet

KNOBS = (Knob("Gain", 0.0, 10.0, 5.0), Knob("Tone"))


@pytest.fixture
def amp(tmp_path: Path) -> Path:
    """A WaveNet with two knobs."""
    model = random_wavenet(np.random.default_rng(1), knobs=2)
    write_own(dataclasses.replace(model, name="Amp", knobs=KNOBS), tmp_path / "amp.onnx")
    return tmp_path / "amp.onnx"


def _export(*arguments: object) -> str:
    done = CliRunner().invoke(cli, ["export", *map(str, arguments)], catch_exceptions=True, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.output


@pytest.mark.parametrize("kind", ["nam", "onnx"])
def test_a_position_of_the_knobs(kind: str, amp: Path) -> None:
    out = amp.with_name(f"out.{kind}")
    said = _export(amp, out, "--knob", "Gain=7")
    assert "held at Gain 7, Tone 0.5" in said
    found = read_model(out)
    assert found.knobs == ()
    audio = guitarish(np.random.default_rng(2), 300)
    wanted = ReferenceEngine(read_model(amp)).process(audio, np.array([7.0, 0.5], np.float32))
    assert np.abs(ReferenceEngine(found).process(audio) - wanted).max() < 1e-5


def test_an_onnx_file_keeps_knobs_and_sizes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    small, large = (random_recurrent(rng, hidden=hidden, knobs=2) for hidden in (8, 12))
    write_own(large, tmp_path / "pack.onnx", smaller=[small])
    assert "2 sizes" in _export(tmp_path / "pack.onnx", tmp_path / "again.onnx")
    assert [found.knobs for found in read_variants(tmp_path / "again.onnx")] == [small.knobs, large.knobs]


def test_what_cannot_be_written_is_refused_in_words(amp: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"must end in \.nam"):
        _export(amp, tmp_path / "out.wav")
    with pytest.raises(BadRequest, match="no knob 'Bass'"):
        _export(amp, tmp_path / "out.nam", "--knob", "Bass=1")
    with pytest.raises(Exception, match="the = is missing"):
        _export(amp, tmp_path / "out.nam", "--knob", "Gain")
    write_own(random_recurrent(np.random.default_rng(4), skip=True), tmp_path / "lstm.onnx")
    with pytest.raises(UnsupportedModel, match="skip"):
        _export(tmp_path / "lstm.onnx", tmp_path / "out.nam")
    with pytest.raises(ApplianceError, match="no file"):
        _export(tmp_path / "none.onnx", tmp_path / "out.nam")
    assert not (tmp_path / "out.nam").exists()
