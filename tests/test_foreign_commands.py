"""Other people's ONNX graphs by the commands: rendered, inspected and timed offline; refused for the pedal in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.errors import ExitCode, UnsupportedModel
from appliance.formats.description import Linear
from appliance.formats.read import read_model_bytes
from appliance.library.sandbox import check_in_child
from appliance.render import RenderSettings, patch_for, render
from tests import graphs, models
from tests.test_cli import appliance

RATE_HZ = 48_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with a graph, and a recording."""
    (tmp_path / "fir.onnx").write_bytes(graphs.as_bytes(graphs.convolution()))
    soundfile.write(tmp_path / "guitar.wav", models.guitarish(np.random.default_rng(0), 4800), RATE_HZ)
    return tmp_path


def test_a_graph_renders_through_the_chain_as_the_same_model_of_ours_does() -> None:
    theirs = read_model_bytes(graphs.as_bytes(graphs.convolution()), "fir.onnx")
    ours = models.describe(Linear(np.array(graphs.TAPS[::-1], np.float32)))
    guitar = models.guitarish(np.random.default_rng(1), 3000)
    settings = RenderSettings(engine="onnx", input_gain_db=3.0, gate_threshold_db=-60.0)
    expected = render(ours, guitar, RATE_HZ, settings)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(render(theirs, guitar, RATE_HZ, settings), expected, atol=1e-5)


@pytest.mark.parametrize("block_frames", [1, 64, 100])
def test_a_graph_of_fixed_blocks_renders_without_its_delay(block_frames: int) -> None:
    theirs = read_model_bytes(graphs.as_bytes(graphs.gain((1, 1, 48))), "gain.onnx")
    ours = models.describe(Linear(np.array([0.5], np.float32)))
    guitar = models.guitarish(np.random.default_rng(2), 1000)
    settings = RenderSettings(engine="onnx", block_frames=block_frames, normalise=False)
    made = render(theirs, guitar, RATE_HZ, settings)
    assert made.shape == guitar.shape
    np.testing.assert_allclose(made, render(ours, guitar, RATE_HZ, settings), atol=1e-5)


def test_knobs_reach_a_graph_inside_the_chain() -> None:
    theirs = read_model_bytes(graphs.as_bytes(graphs.drive(knobs="Drive,Level")), "drive.onnx")
    guitar = models.guitarish(np.random.default_rng(3), 500)

    def peak(level: float) -> float:
        settings = RenderSettings(engine="onnx", normalise=False, knobs={"drive": 0.5, "level": level})
        return float(np.abs(render(theirs, guitar, RATE_HZ, settings)).max())

    assert peak(0.0) == 0.0
    assert peak(1.0) > 0.1
    assert peak(1.0) == pytest.approx(2 * peak(0.5), rel=0.01)


def test_the_compiled_chain_and_the_library_refuse_it_in_words(folder: Path) -> None:
    description = read_model_bytes((folder / "fir.onnx").read_bytes(), "fir.onnx")
    guitar = np.zeros(64, np.float32)
    for engine in ("native", "reference"):
        with pytest.raises(UnsupportedModel, match="--engine onnx"):
            render(description, guitar, RATE_HZ, RenderSettings(engine=engine))
    with pytest.raises(UnsupportedModel, match="plays only offline, with --engine onnx"):
        patch_for(description, None, RATE_HZ)
    with pytest.raises(UnsupportedModel, match="plays only offline, with --engine onnx"):
        check_in_child(folder / "fir.onnx", "auto", "fir.onnx")


def test_the_commands(folder: Path) -> None:
    done = appliance(folder, "render", "fir.onnx", "guitar.wav", "out.wav", "--engine", "onnx")
    assert done.returncode == ExitCode.OK, done.stderr
    made, _ = soundfile.read(folder / "out.wav")
    assert np.abs(made).max() > 0.01
    done = appliance(folder, "inspect", "fir.onnx", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    (told,) = json.loads(done.stdout)
    assert (told["architecture"], told["cost"]["engine"]) == ("ONNX graph of 3 nodes", "onnx")
    assert any("only offline" in note for note in told["notes"])
    done = appliance(folder, "bench", "engine", "fir.onnx", "--engine", "onnx", "--seconds", "0.1", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    assert [row["engine"] for row in json.loads(done.stdout)] == ["onnx"]
    for command in (
        ("render", "fir.onnx", "guitar.wav", "out.wav"),
        ("bench", "engine", "fir.onnx"),
        ("bench", "loop", "--model", "fir.onnx"),
        ("import", "fir.onnx"),
    ):
        done = appliance(folder, *command)
        assert done.returncode == ExitCode.BAD_FILE, command
        assert "fir is an ONNX graph of its own: it plays only offline, with --engine onnx" in done.stderr
