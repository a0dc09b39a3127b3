"""`appliance train`, as a player runs it: real recordings in an empty folder, real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from appliance.commands.train import file_name, notes_in_words
from appliance.commands.train import train as train_command
from appliance.engine.engines import make_engine
from appliance.errors import BadRequest, ExitCode, NotInstalled
from appliance.formats.read import read_model
from appliance.training.report.measures import esr
from appliance.training.takes import DataSet, Take
from tests.training.devices import RATE_HZ, data_set

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("recordings")
    (take,) = data_set(25.0, level=0.05).takes
    for name, audio in (("in.wav", take.dry), ("quiet drive.wav", take.wet)):
        soundfile.write(folder / name, audio, RATE_HZ, "PCM_24")
    return folder / "in.wav", folder / "quiet drive.wav"


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "appliance", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_recordings_in_a_model_a_report_and_words_out(tmp_path: Path, recordings: tuple[Path, Path]) -> None:
    dry, wet = recordings
    process = _start(tmp_path, "train", str(dry), str(wet), "--steps", "500", "--size", "nano", "--nam")
    told, progress = process.communicate(timeout=170)
    assert process.returncode == 0, progress
    assert "100 %" in progress
    assert "step 500/500" in progress
    for wanted in ("error (ESR) 0.", "with pre-emphasis", "quiet drive.onnx", "report.html", "quiet drive.nam"):
        assert wanted in told
    assert "appliance import 'quiet drive.onnx'" in told
    assert {path.name for path in tmp_path.iterdir()} == {"quiet drive.onnx", "quiet drive.nam", "quiet drive-report"}
    description = read_model(tmp_path / "quiet drive.onnx")
    assert description.metadata["training"]["rounds"] == 500
    # Played at the device's own, quiet level, by the engine.
    heard, wanted_audio = (soundfile.read(path, dtype="float32")[0] for path in recordings)
    for file in ("quiet drive.onnx", "quiet drive.nam"):
        made = make_engine("native", read_model(tmp_path / file)).process(heard[: 4 * RATE_HZ])
        # Alignment may have moved the recording by a frame: the overdrive's filters lead a little.
        moved = [esr(wanted_audio[RATE_HZ : 3 * RATE_HZ], made[RATE_HZ + n : 3 * RATE_HZ + n]) for n in (-1, 0, 1)]
        assert min(moved) < 0.05


def test_ctrl_c_writes_the_best_so_far_and_resume_goes_on(tmp_path: Path, recordings: tuple[Path, Path]) -> None:
    dry, wet = recordings
    arguments = ["train", str(dry), str(wet), "--steps", "4000", "--size", "nano", "--name", "crunch", "--out", "made"]
    process = _start(tmp_path, *arguments)
    assert process.stderr is not None
    for line in process.stderr:
        if "step" in line:  # the first progress line: training is under way
            process.send_signal(signal.SIGINT)
            break
    told, progress = process.communicate(timeout=170)
    assert process.returncode == 0, progress
    assert "Stopping" in progress
    assert "Stopped early" in told
    made = {path.name for path in (tmp_path / "made").iterdir()}
    assert made == {"crunch.onnx", "crunch-report", "crunch.training"}
    assert read_model(tmp_path / "made" / "crunch.onnx").metadata["training"]["rounds"] < 4000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--size", "nano", "--network", "lstm-8"], "Give one of --size, --network and --for"),
        (["--steps", "5", "--minutes", "1"], "Give one of --minutes, --epochs and --steps"),
        (["--network", "lstm-9000"], "lstm-9000"),
        (["--resume", "--steps", "5"], "no training to resume"),
        (["--name", "///", "--steps", "5"], "can't be the name of a file"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    arguments: list[str], told: str, recordings: tuple[Path, Path], tmp_path: Path
) -> None:
    result = CliRunner().invoke(train_command, [*map(str, recordings), "--out", str(tmp_path), *arguments])
    assert result.exit_code != 0
    assert told in result.output + str(result.exception)
    assert not isinstance(result.exception, AttributeError | TypeError | KeyError)
    assert list(tmp_path.iterdir()) == []


def test_without_torch_it_says_what_to_install(recordings: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    result = CliRunner().invoke(train_command, [*map(str, recordings)])
    assert isinstance(result.exception, NotInstalled)
    assert "pip install 'appliance[train]'" in str(result.exception)
    assert result.exception.exit_code is ExitCode.NOT_INSTALLED


def test_a_note_is_told_once_with_the_takes_that_it_is_about() -> None:
    def take(name: str, *notes: str) -> Take:
        return Take(name, np.zeros(0, np.float32), np.zeros(0, np.float32), notes=notes)

    turned, late = "Its polarity is turned.", "It is 2 frames later."
    takes = (take("low", late, turned), take("middle", turned), take("high", turned))
    data = DataSet("amp", 48_000, takes, (), ("The input hums.",))
    assert notes_in_words(data) == ["The input hums.", f"low: {late}", f"all takes: {turned}"]
    assert notes_in_words(replace(data, takes=takes[:1], notes=())) == [late, turned]


def test_names_become_file_names() -> None:
    assert file_name("AC/DC: hot?") == "AC DC hot"
    with pytest.raises(BadRequest):
        file_name(" .. ")
