"""The command line as a user meets it: a process, from an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from appliance.cli import cli
from appliance.errors import ExitCode
from appliance.formats.own import write_own
from tests import models

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with a model that has a knob, and a recording."""
    rng = np.random.default_rng(0)
    write_own(models.random_recurrent(rng, hidden=8, knobs=1), tmp_path / "amp.onnx")
    soundfile.write(tmp_path / "guitar.wav", models.guitarish(rng, 4800), 48_000)
    return tmp_path


def appliance(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY),
        "APPLIANCE_DATA": str(folder / "data"),
        "APPLIANCE_RUNTIME": str(folder / "runtime"),
    }
    return subprocess.run(
        [sys.executable, "-m", "appliance", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "command",
    [
        *([], ["run"], ["render"], ["inspect"], ["import"], ["export"], ["devices"], ["bench", "engine"]),
        *(["bench", "loop"], ["report"]),
    ],
)
def test_help_is_there_with_examples(folder: Path, command: list[str]) -> None:
    done = appliance(folder, *command, "--help")
    assert done.returncode == ExitCode.OK
    assert "Usage:" in done.stdout
    if command and command != ["devices"]:
        assert "appliance " + " ".join(command) in done.stdout.partition("Examples:")[2]


def test_render(folder: Path) -> None:
    done = appliance(folder, "render", "amp.onnx", "guitar.wav", "out.wav", "--knob", "Knob 1=0.7")
    assert done.returncode == ExitCode.OK, done.stderr
    assert soundfile.info(folder / "out.wav").frames == 4800
    assert "out.wav" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["render", "absent.nam", "guitar.wav", "o.wav"], ExitCode.BAD_FILE, "absent.nam"),
        (["render", "guitar.wav", "guitar.wav", "o.wav"], ExitCode.BAD_FILE, "audio file"),
        (["render", "amp.onnx", "absent.wav", "o.wav"], ExitCode.BAD_FILE, "absent.wav"),
        (["render", "amp.onnx", "guitar.wav", "o.mp3"], ExitCode.USAGE, ".wav or .flac"),
        (["render", "amp.onnx", "guitar.wav", "none/o.wav"], ExitCode.NO_STORAGE, "can't be written"),
        (["render", "amp.onnx", "guitar.wav", "o.wav", "--knob", "Gain"], ExitCode.USAGE, "Gain=0.7"),
        (["render", "amp.onnx", "guitar.wav", "o.wav", "--knob", "Knob=1"], ExitCode.USAGE, "Did you mean Knob 1"),
        (["render", "amp.onnx", "guitar.wav", "o.wav", "--cab", "amp.onnx"], ExitCode.BAD_FILE, "amp.onnx"),
        (["inspect", "guitar.wav"], ExitCode.BAD_FILE, "audio file"),
        (["import", "absent.nam"], ExitCode.BAD_FILE, "absent.nam"),
        (["bench", "engine", "absent.nam"], ExitCode.BAD_FILE, "absent.nam"),
        (["bench", "engine"], ExitCode.USAGE, "--all"),
        (["run"], ExitCode.USAGE, "--demo"),
        (["run", "--demo", "--input", "hw:0"], ExitCode.USAGE, "without a sound card"),
        (["run", "--demo", "--period", "8"], ExitCode.USAGE, "16"),
    ],
)
def test_a_mistake_is_a_sentence_and_an_exit_code(
    folder: Path, arguments: list[str], code: ExitCode, words: str
) -> None:
    done = appliance(folder, *arguments)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert words in said
    assert done.returncode == code


def test_inspect_tells_in_words_and_json(folder: Path) -> None:
    assert "LSTM 1×8" in appliance(folder, "inspect", "amp.onnx").stdout
    done = appliance(folder, "inspect", "amp.onnx", "guitar.wav", "--json")
    assert done.returncode == ExitCode.BAD_FILE
    good, bad = json.loads(done.stdout)
    assert good["knobs"][0]["name"] == "Knob 1"
    assert good["cost"]["ns_per_sample"] > 0
    assert "audio file" in bad["error"]


def test_import_puts_a_file_into_the_library(folder: Path) -> None:
    done = appliance(folder, "import", "amp.onnx")
    assert done.returncode == ExitCode.OK, done.stderr
    assert "in the library" in done.stdout
    assert len(list((folder / "data" / "models").iterdir())) == 1


def test_bench_engine_json(folder: Path) -> None:
    done = appliance(folder, "bench", "engine", "amp.onnx", "--block", "32", "--seconds", "0.1", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    rows = json.loads(done.stdout)
    assert [row["engine"] for row in rows] == ["native", "onnx"]
    for row in rows:
        assert {"model", "engine", "block", "ns_per_sample", "realtime_factor"} <= set(row)
        assert row["gflops"] == pytest.approx(2 * row["multiply_adds_per_sample"] / row["ns_per_sample"], rel=0.02)
        assert 0 < row["peak_share"] < 1.1
        assert row["block"] == 32
        assert row["realtime_factor"] == pytest.approx(1e9 / 48_000 / row["ns_per_sample"], rel=0.02)


def test_bench_engine_takes_sizes_of_blocks_and_prints_the_table_of_the_docs(folder: Path) -> None:
    sizes = ("--block", "64", "--block", "16")
    done = appliance(folder, "bench", "engine", "amp.onnx", *sizes, "--seconds", "0.1", "--markdown")
    assert done.returncode == ExitCode.OK, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(" | ")[:2] for line in lines[2:]] == [["| amp.onnx", "64"], ["| amp.onnx", "16"]]


def test_bench_engine_measures_every_family_without_files_and_named_ones_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up = [("made up", models.random_convnet(np.random.default_rng(1)))]
    monkeypatch.setattr("appliance.engine.bench_models.representatives", lambda: made_up)
    common = ["bench", "engine", "--engine", "native", "--seconds", "0.1", "--json"]
    for more, names in ((["--all"], ["made up"]), (["--all", str(folder / "amp.onnx")], ["made up", "amp.onnx"])):
        done = CliRunner().invoke(cli, [*common, *more])
        assert done.exit_code == ExitCode.OK, done.output
        assert [row["model"] for row in json.loads(done.stdout)] == names


def test_bench_loop_json(folder: Path) -> None:
    done = appliance(folder, "bench", "loop", "--seconds", "1", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    result = json.loads(done.stdout)
    assert set(result) == {"period", "periods", "late", "wake_us", "busy_us", "python_us", "python_loop", "native_loop"}
    assert result["period"] == 64
    assert 500 < result["periods"] <= 760
    for key in ("wake_us", "busy_us", "python_us"):
        assert list(result[key]) == ["p50", "p99", "p99.9", "p99.99", "max"]
        assert result[key]["p50"] <= result[key]["max"]
    assert result["busy_us"]["p50"] > result["python_us"]["p50"] > 0
