"""`appliance bench start`: real starts of the real processes, and the figures made of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from appliance.audio.bench_start import bench_start
from appliance.audio.start_figures import Imports, Memory, StartFigures, memory_of, parse_importtime
from appliance.errors import NotRunning

TABLE = """import time: self [us] | cumulative | imported package
import time:       250 |        250 |   zipimport
import time:      1500 |       1750 | enum
import time:        50 |         50 |     appliance.paths
"""


def test_it_starts_audio_with_a_kept_sound_and_tells_steps_memory_and_imports() -> None:
    ended = []
    found = bench_start(2, ("--demo", "--core", "none"), swap_s=0.0, progress=lambda: ended.append(1))
    assert len(ended) == 2
    assert found.sound == "Crunch 50"
    told = found.as_json()
    assert set(told["start_ms"]) == {
        "python", "imports", "engine", "patch", "real-time set-up", "card", "first period", "whole",
    }  # fmt: skip
    assert all(0.0 <= step["median"] <= step["max"] for step in told["start_ms"].values())
    assert told["start_ms"]["whole"]["max"] < 30_000  # another figure than that is for the bench, not for a test
    assert set(told["memory_mb"]) == set(told["imports"]) == {"audio", "panel", "web"}
    assert all(1 < memory["pss_mb"] <= memory["rss_mb"] < 1_000 for memory in told["memory_mb"].values())
    assert all(len(imports["dearest_ms"]) == 10 for imports in told["imports"].values())
    json.dumps(told)


def test_a_card_that_is_not_there_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotRunning, match="audio process did not get so far"):
        bench_start(1, ("--input", "no_such_card"), swap_s=0.0)


def test_the_table_of_importtime_is_read() -> None:
    assert parse_importtime(TABLE) == Imports(1.8, (("enum", 1.5), ("zipimport", 0.25), ("appliance.paths", 0.05)))


def test_memory_is_that_of_the_process() -> None:
    grown = "import sys; data = bytearray(50_000_000); data[::4096] = b'x' * len(data[::4096]); print('.', flush=True)"
    with subprocess.Popen([sys.executable, "-c", f"{grown}; sys.stdin.read()"], stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        assert 50 < memory_of(process.pid).rss_mb < 90
        process.stdin.close()
    assert memory_of(os.getpid()).rss_mb > 5


def test_the_text_has_medians_maxima_and_sums() -> None:
    steps = {"python": [10.0, 30.0, 20.0], "imports": [5.0, 5.0, 5.0]}
    memory = {"audio": Memory(30.0, 20.0), "panel": Memory(40.0, 35.0)}
    words = StartFigures("Crunch", steps, memory, {"audio": Imports(12.0, (("enum", 1.5),))}).as_text()
    rows = {line[:44].strip(): line.split()[-2:] for line in words.splitlines()}
    assert rows["Python starts"] == ["20.0", "30.0"]
    assert rows["start to first period"] == ["25.0", "35.0"]
    assert rows["together"] == ["70.0", "55.0"]
    assert words.startswith("3 starts of audio alone, with Crunch")
