"""The loop's bench measures what it says."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from array import array

import numpy as np
import pytest

from appliance.audio.bench import as_text, bench_loop, percentiles_us
from appliance.audio.bench_load import busy_neighbours
from appliance.engine._native import Pedal, run_clocked_loop
from appliance.engine.packing import pack_model, pack_patch
from appliance.errors import BadRequest
from tests.models import random_recurrent

NAMES = ["p50", "p99", "p99.9", "p99.99", "max"]


def test_every_period_is_timed_and_python_is_part_of_busy() -> None:
    result = bench_loop(1.0, 128, 48_000)
    assert list(result) == ["period", "periods", "late", "wake_us", "busy_us", "python_us", "native_loop"]
    assert (result["period"], result["periods"]) == (128, 375)
    for name in ("wake_us", "busy_us", "python_us"):
        times = result[name]
        assert isinstance(times, dict)
        assert list(times) == NAMES
        assert 0 < times["p50"] <= times["p99"] <= times["p99.9"] <= times["p99.99"] <= times["max"]
    assert result["python_us"]["p50"] < result["busy_us"]["p50"] < 2_666  # type: ignore[index]
    assert isinstance(result["late"], int)


def test_the_same_periods_are_played_by_a_loop_in_cpp() -> None:
    result = bench_loop(1.0, 128, 48_000)
    native = result["native_loop"]
    assert isinstance(native, dict)
    assert list(native) == ["periods", "late", "wake_us", "busy_us"]
    assert native["periods"] == result["periods"]
    for name in ("wake_us", "busy_us"):
        assert list(native[name]) == NAMES
        assert 0 < native[name]["p50"] < native[name]["max"] < 1e6
    assert native["busy_us"]["p50"] < result["busy_us"]["p50"] + 5  # type: ignore[index]
    words = as_text(result)
    assert "375 periods of 128 frames in each loop" in words
    assert words.count("of the C++ loop") == 2


def test_the_cpp_loop_takes_the_time_of_its_periods() -> None:
    wake_ns, busy_ns, engine_ns = (array("q", bytes(8 * 50)) for _ in range(3))
    pedal = Pedal(48_000, 256)
    start = time.monotonic()
    run_clocked_loop(pedal, bytes(4 * 512), 48_000, 8, 10, wake_ns, busy_ns, engine_ns)
    assert time.monotonic() - start == pytest.approx(60 * 256 / 48_000, abs=0.1)
    assert all(0 < engine <= busy for engine, busy in zip(engine_ns, busy_ns, strict=True))


def test_the_cpp_loop_refuses_what_it_cannot_play() -> None:
    room = array("q", bytes(80))
    with pytest.raises(ValueError, match="shorter than one period"):
        run_clocked_loop(Pedal(48_000, 64), bytes(127), 48_000, 2, 0, room, room, room)
    with pytest.raises(ValueError, match="not of one length"):
        run_clocked_loop(Pedal(48_000, 64), bytes(128), 48_000, 2, 0, room, room, array("q", bytes(8)))
    with pytest.raises(ValueError, match="8000 Hz and 2 periods"):
        run_clocked_loop(Pedal(48_000, 64), bytes(128), 48_000, 1, 0, room, room, room)


def test_the_load_is_a_pedal_that_answers_and_takes_files_in() -> None:
    with busy_neighbours(os.sched_getaffinity(0)) as port:
        end = time.monotonic() + 20
        models: list[object] = []
        while not models and time.monotonic() < end:
            time.sleep(0.2)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", "/api/state")
            models = json.loads(connection.getresponse().read())["models"]
            connection.close()
        assert models
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_model_makes_the_engine_busier_and_python_not() -> None:
    model = pack_model(random_recurrent(np.random.default_rng(1), hidden=64))
    patch = pack_patch(generation=1, sample_rate_hz=48_000, model_blob=model)
    dry, wet = bench_loop(0.5, 256), bench_loop(0.5, 256, model_patch=patch)
    assert wet["busy_us"]["p50"] > dry["busy_us"]["p50"] + 50  # type: ignore[index]
    assert wet["python_us"]["p50"] < dry["python_us"]["p50"] + 50  # type: ignore[index]


def test_percentiles_are_samples_by_nearest_rank() -> None:
    thousand = [1_000 * n for n in range(1_000, 0, -1)]
    assert percentiles_us(thousand) == {"p50": 500.0, "p99": 990.0, "p99.9": 999.0, "p99.99": 1000.0, "max": 1000.0}
    assert percentiles_us([7_000]) == dict.fromkeys(NAMES, 7.0)


def test_a_period_out_of_range_is_refused() -> None:
    with pytest.raises(BadRequest, match="a period of 8 frames was asked for; it must be 16…1024"):
        bench_loop(1, 8)
