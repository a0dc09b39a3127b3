"""Where a recording starts, whatever the device and the recorder did to it."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from appliance.capture.align import align
from appliance.capture.delay import find_delay, rough_delay
from appliance.capture.layout import OWN
from appliance.capture.plucks import Pluck, render
from tests.capture.devices import (
    RATE_HZ,
    Float32,
    crunch,
    delayed,
    guitar,
    guitar_through,
    lead,
    noisy,
    played,
    signal,
    signal_through,
    through_cabinet,
)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    delay=st.integers(-RATE_HZ, RATE_HZ),
    sign=st.sampled_from([-1, 1]),
    gain_db=st.floats(-40, 6),
    noise_db=st.floats(40, 70),
)
@example(delay=RATE_HZ, sign=-1, gain_db=0.0, noise_db=40.0)
@example(delay=-RATE_HZ, sign=1, gain_db=-40.0, noise_db=40.0)
def test_any_delay_polarity_gain_and_noise(delay: int, sign: int, gain_db: float, noise_db: float) -> None:
    wet = delayed(noisy(crunch(), noise_db), delay) * np.float32(sign * 10 ** (gain_db / 20))
    found = align(guitar(), wet, RATE_HZ, None)
    assert found is not None
    assert abs(found.delay.frames - delay) <= 1
    assert -2 <= found.shift_frames - delay <= 0  # never late
    assert found.sign == sign


@pytest.mark.parametrize("delay", [-30_011, 0, 1, 977])
def test_a_clean_wire_is_found_to_the_frame(delay: int) -> None:
    found = align(guitar(), delayed(noisy(guitar(), 60), delay), RATE_HZ, None)
    assert found is not None
    assert abs(found.delay.frames - delay) <= 0.5
    assert found.shift_frames - delay == -1
    assert found.sign == 1


@pytest.mark.parametrize(
    ("model", "cabinet", "delay", "fault"),
    [
        ("lead-100", None, 0, ""),
        ("lead-100", None, -3000, "inverted"),
        ("lead-100", "4x12 Closed", 12_345, ""),
        ("lead-100", "4x12 Closed", 777, "inverted"),
        ("lead-100", "1x12 Open", 5000, "44.1 kHz"),
        ("crunch-50", "4x12 Closed", 12_345, "44.1 kHz"),
        ("crunch-50", "1x12 Open", -3000, "inverted"),
        ("green-drive", None, 777, "44.1 kHz"),
        ("green-drive", "4x12 Closed", 0, "inverted"),
        ("green-drive", "1x12 Open", 5000, ""),
        ("wire", "4x12 Closed", -3000, ""),
        ("wire", "1x12 Open", 12_345, "inverted"),
    ],
)
def test_what_a_device_filters_does_not_make_it_late(model: str, cabinet: str | None, delay: int, fault: str) -> None:
    wet = guitar_through(model) if cabinet is None else through_cabinet(guitar_through(model), cabinet)
    wet = delayed(noisy(wet, 40), delay) + np.float32(0.02)
    if fault == "inverted":
        wet = -wet
    elif fault:
        wet = soxr.resample(soxr.resample(wet, RATE_HZ, 44_100, quality="VHQ"), 44_100, RATE_HZ, quality="VHQ")
    found = align(guitar(), wet, RATE_HZ, None)
    assert found is not None
    assert -2 <= found.shift_frames - delay <= 1


@pytest.mark.parametrize("model", ["lead-100", "green-drive"])
def test_blips_align_every_device_to_a_frame(model: str) -> None:
    wet = signal_through(model)
    late = -20_000
    found = align(signal(), delayed(noisy(wet, 50), late), RATE_HZ, OWN)
    assert found is not None
    assert found.blip_frames is not None
    assert -1 <= found.shift_frames - late <= 0
    assert found.drift is None


def test_a_drifting_clock_is_taken_out() -> None:
    ppm = -150.0
    wet = noisy(signal_through("crunch-50"), 50)
    drifting = soxr.resample(wet, RATE_HZ, RATE_HZ * (1 + ppm * 1e-6), quality="VHQ")
    found = align(signal(), delayed(drifting, 5000), RATE_HZ, OWN)
    assert found is not None
    assert found.drift is not None
    assert found.drift.ppm == pytest.approx(ppm, abs=0.3)
    for at in (4, 60, 120, 170):  # seconds: alike all along
        here = slice(at * RATE_HZ, (at + 4) * RATE_HZ)
        moved = found.wet[here.start + found.shift_frames : here.stop + found.shift_frames]
        assert 0 <= rough_delay(wet[here], moved, 200).frames <= 3  # one is the safety frame


@pytest.mark.parametrize("key", [40, 52, 64])
def test_one_long_note_does_not_tell_the_frame(key: int) -> None:
    note = render([Pluck(0.5, 11.0, key, 0.9)], 12.0, np.random.RandomState(1)).astype(np.float32)
    note *= np.float32(0.5 / np.abs(note).max())
    wet = delayed(noisy(played("lead-100", note), 50), 777)
    assert not find_delay(note, wet, RATE_HZ).is_clear
    assert align(note, wet, RATE_HZ, None) is None
    assert find_delay(guitar(), noisy(lead(), 25), RATE_HZ).is_clear


@pytest.mark.parametrize(
    ("dry", "wet"),
    [
        (guitar()[: 7 * RATE_HZ], lead()[8 * RATE_HZ :]),
        (signal()[30 * RATE_HZ : 60 * RATE_HZ], lead()),
        (guitar(), np.random.default_rng(0).normal(0, 0.1, len(guitar())).astype(np.float32)),
    ],
)
def test_strangers_have_nothing_in_common(dry: Float32, wet: Float32) -> None:
    assert not find_delay(dry, wet, RATE_HZ).is_common
    assert align(dry, wet, RATE_HZ, None) is None
