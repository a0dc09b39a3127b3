"""The cabinet's convolution: exact to a second of impulse response, and no period dearer than another.

tests/engine/test_chain.py has it in the chain, with short responses.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from appliance.cli import cli
from appliance.engine._native import Convolver, DirectFir
from appliance.engine.bench_cabinet import bench_cabinet
from appliance.errors import BadRequest
from appliance.formats.description import Array
from tests import models

RATE_HZ = 48_000


def response(rng: np.random.Generator, taps: int) -> Array:
    """Noise that dies away, with the energy of one sample at full scale."""
    shape = rng.standard_normal(taps) * np.exp(-3.0 * np.arange(taps) / taps)
    return (shape / np.sqrt(np.sum(shape**2))).astype(np.float32)


def exact(guitar: Array, taps: Array) -> np.ndarray:
    return signal.fftconvolve(guitar.astype(np.float64), taps.astype(np.float64))[: len(guitar)]


@pytest.mark.parametrize("period", [1, 16, 37, 64, 128, 1024])
@pytest.mark.parametrize("taps", [1, 127, 128, 129, 191, 192, 193, 1023, 1024, 1025, 1536, 1537, 9_600, 48_000])
def test_it_agrees_with_scipy(taps: int, period: int) -> None:
    rng = np.random.default_rng(taps)
    guitar = models.guitarish(rng, max(5_000, taps + 10_000))
    cabinet = response(rng, taps)
    expected = exact(guitar, cabinet)
    assert 0.1 < np.abs(expected).max() < 2.0
    np.testing.assert_allclose(Convolver(cabinet, period).process(guitar), expected, atol=1e-6, rtol=0)


@settings(max_examples=20, deadline=None)
@given(
    splits=st.lists(st.integers(1, 700), min_size=2, max_size=20), taps=st.integers(1, 6_000), seed=st.integers(0, 99)
)
def test_periods_of_changing_length_give_the_same(splits: list[int], taps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    guitar = models.guitarish(rng, sum(splits))
    cabinet = response(rng, taps)
    convolver = Convolver(cabinet, 700)
    made, start = [], 0
    for frames in splits:
        made.append(convolver.process(guitar[start : start + frames]))
        start += frames
    np.testing.assert_allclose(np.concatenate(made), exact(guitar, cabinet), atol=1e-6, rtol=0)


def test_the_direct_fir_of_the_bench_is_one() -> None:
    rng = np.random.default_rng(3)
    guitar = models.guitarish(rng, 3_000)
    for taps in (1, 2, 501):
        cabinet = response(rng, taps)
        made = DirectFir(cabinet, 64).process(guitar)
        np.testing.assert_allclose(made, exact(guitar, cabinet), atol=1e-6, rtol=0)


def test_the_command_prints_what_was_measured() -> None:
    done = CliRunner().invoke(cli, ["bench", "cabinet", "--ms", "5", "--block", "32", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert (found["taps"], found["block"], found["rate"]) == (240, 32, 48_000)
    assert found["worst_to_mean"] >= 1.0
    assert found["times_direct"] == pytest.approx(found["direct_ns_per_sample"] / found["ns_per_sample"], rel=0.01)
    words = CliRunner().invoke(cli, ["bench", "cabinet", "--ms", "5"]).output
    assert words.startswith("5 ms (240 taps) in periods of 64 frames: ")


def test_a_cabinet_nobody_can_have_is_refused_in_words() -> None:
    with pytest.raises(BadRequest, match=r"2000 ms in periods of 64 frames .* up to 1000 ms"):
        bench_cabinet(2000)
    with pytest.raises(ValueError, match="1 to 2097152 taps"):
        Convolver(np.zeros(0, np.float32), 64)
