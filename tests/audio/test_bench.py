"""The loop's bench measures what it says."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.audio.bench import bench_loop, percentiles_us
from appliance.engine.packing import pack_model, pack_patch
from appliance.errors import BadRequest
from tests.models import random_recurrent

NAMES = ["p50", "p99", "p99.9", "p99.99", "max"]


def test_every_period_is_timed_and_python_is_part_of_busy() -> None:
    result = bench_loop(1.0, 128, 48_000)
    assert list(result) == ["period", "periods", "late", "wake_us", "busy_us", "python_us"]
    assert (result["period"], result["periods"]) == (128, 375)
    for name in ("wake_us", "busy_us", "python_us"):
        times = result[name]
        assert isinstance(times, dict)
        assert list(times) == NAMES
        assert 0 < times["p50"] <= times["p99"] <= times["p99.9"] <= times["p99.99"] <= times["max"]
    assert result["python_us"]["p50"] < result["busy_us"]["p50"] < 2_666  # type: ignore[index]
    assert isinstance(result["late"], int)


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
