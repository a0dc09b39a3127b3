"""The checking child: strangers' files can waste its time and memory, never ours."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import BadAudioFile, BadModelFile, StorageError, UnsupportedModel
from appliance.library import sandbox
from appliance.library.sandbox import check_in_child
from tests.library_files import write_cabinet, write_knobbed, write_linear

pytest.importorskip("appliance.engine._native", reason="the native engine is not built")


def test_a_model_is_described_measured_and_prepared(tmp_path: Path) -> None:
    from appliance.engine._native import Model

    checked = check_in_child(write_knobbed(tmp_path / "TS_DriveKnob.json"), "auto", "TS_DriveKnob.json")
    assert checked.kind == "model"
    assert checked.about["architecture"] == "LSTM 1×2"
    assert [knob["name"] for knob in checked.about["knobs"]] == ["Drive"]
    assert checked.about["sample_rate_hz"] == 44_100
    assert "44 100 Hz" in checked.about["notes"][0]
    assert -60 < checked.about["loudness_db"] < 10
    assert [told["board"] for told in checked.about["pi_estimates"]] == ["Zero 2 W", "Pi 4", "Pi 5"]
    blob = (tmp_path / checked.prepared.file_name).read_bytes()
    assert len(blob) == checked.prepared.size_bytes
    assert Model(blob).knob_count == 1


def test_the_loudness_of_a_halving_model_is_six_decibels_below_the_clip(tmp_path: Path) -> None:
    checked = check_in_child(write_linear(tmp_path / "half.nam", (0.5,)), "model", "half.nam")
    assert checked.about["loudness_db"] == pytest.approx(-18.0 - 6.02, abs=0.02)


def test_a_cabinet_is_told_by_its_content_and_prepared(tmp_path: Path) -> None:
    path = write_cabinet(tmp_path / "cab.wav", rate_hz=44_100).rename(tmp_path / "cab.nam")
    checked = check_in_child(path, "auto", "cab.wav")
    assert (checked.kind, checked.about["frames"], checked.about["channels"]) == ("cabinet", 882, 1)
    samples = np.frombuffer((tmp_path / checked.prepared.file_name).read_bytes(), "<f4")
    assert len(samples) == 882
    assert np.abs(samples).max() > 0.1


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"<!DOCTYPE html><html>", BadModelFile, "web page"),
        (b"", BadModelFile, "empty"),
        (b"[" * 2_000_000, BadModelFile, "My Tone.json"),
        (b'{"architecture": "Cat", "version": "0.5.4", "config": {}, "weights": []}', UnsupportedModel, "Cat"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", BadAudioFile, "audio"),
    ],
)
def test_a_bad_file_comes_back_as_the_error_it_was_there(
    tmp_path: Path, content: bytes, error: type[Exception], words: str
) -> None:
    path = tmp_path / "source.json"
    path.write_bytes(content)
    with pytest.raises(error, match=words) as caught:
        check_in_child(path, "auto", "My Tone.json")
    assert type(caught.value) is error
    assert "My Tone.json" in str(caught.value)


def test_a_child_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(BadModelFile, match="not understood within"):
        check_in_child(write_linear(tmp_path / "a.nam"), "auto", "a.nam", timeout_s=0.01)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("import os; os.abort()", "SIGABRT"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "too long"),
        ("raise RuntimeError('oops')", "oops"),
        ("print('nonsense')", "could not be checked"),
        ("print('[1]')", "could not be checked"),
    ],
)
def test_whatever_becomes_of_the_child_is_an_error_in_words(does: str, words: str) -> None:
    done = subprocess.run([sys.executable, "-c", does], capture_output=True, check=False)
    with pytest.raises(BadModelFile, match=words):
        sandbox._result(done, "a.nam")


def test_a_full_disk_in_the_child_is_a_storage_error() -> None:
    line = json.dumps({"ok": False, "error": "StorageError", "message": "full"})
    done = subprocess.CompletedProcess([], 0, stdout=line.encode() + b"\n", stderr=b"")
    with pytest.raises(StorageError, match="full"):
        sandbox._result(done, "a.nam")


def test_the_child_has_limits_and_never_imports_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('a stranger ran')")
    look = (
        "import resource, os; from appliance.library import check; check._limit();"
        "print([resource.getrlimit(getattr(resource, 'RLIMIT_' + n))[0] for n in ('AS', 'CPU', 'FSIZE', 'CORE')],"
        "os.nice(0))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", look],
        cwd=tmp_path,
        env=sandbox.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f"[{1536 << 20}, 20, {64 << 20}, 0] 10"
    assert check_in_child(write_linear(tmp_path / "a.nam"), "auto", "a.nam").kind == "model"
