"""The capture signal, and knowing it again."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from appliance.capture.layout import NAM_V3, OWN, frames_of, recognise
from appliance.capture.signal import capture_signal
from tests.capture.devices import RATE_HZ, delayed, guitar, signal


def test_it_is_the_same_each_time_and_within_full_scale() -> None:
    made = capture_signal()
    np.testing.assert_array_equal(made, capture_signal())
    assert len(made) == OWN.seconds * RATE_HZ
    assert 0.8 < np.abs(made).max() < 1.0


def test_silence_is_silent_and_the_passage_is_played_twice() -> None:
    for span in OWN.quiet:
        assert not signal()[slice(*frames_of(span, RATE_HZ))].any()
    first, second = (signal()[slice(*frames_of(span, RATE_HZ))] for span in OWN.repeat)
    np.testing.assert_array_equal(first, second)
    assert np.sqrt(np.mean(first**2)) > 0.02


def test_it_has_every_loudness_and_register() -> None:
    first, last = frames_of(OWN.train[0], RATE_HZ)
    music = signal()[first:last].astype(np.float64)
    peaks_db = 20 * np.log10(np.abs(music[: len(music) // 4800 * 4800].reshape(-1, 4800)).max(axis=1) + 1e-6)
    for low_db in (-50, -40, -30, -20, -10, -5):
        assert np.mean((peaks_db >= low_db) & (peaks_db < low_db + 10)) > 0.03
    power = np.abs(np.fft.rfft(music)) ** 2
    hz = np.fft.rfftfreq(len(music), 1 / RATE_HZ)
    for low_hz, high_hz in ((80, 160), (160, 640), (640, 2500), (2500, 5000)):
        assert power[(hz >= low_hz) & (hz < high_hz)].sum() > 0.005 * power.sum()


def test_what_is_judged_on_is_not_trained_on() -> None:
    for layout in (OWN, NAM_V3):
        spans = sorted([*layout.train, *layout.test, *layout.repeat])
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
        assert spans[-1][1] <= layout.seconds


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
def test_it_is_known_again_at_any_rate_and_with_a_tail(rate_hz: int) -> None:
    copy = soxr.resample(signal(), RATE_HZ, rate_hz)
    assert recognise(copy, rate_hz) is OWN
    assert recognise(np.concatenate([copy, np.zeros(3 * rate_hz, np.float32)]), rate_hz) is OWN


def test_other_files_are_not_taken_for_it() -> None:
    assert recognise(guitar(), RATE_HZ) is None
    assert recognise(delayed(signal(), 2000), RATE_HZ) is None
    assert recognise(np.tile(guitar(), 12)[: len(signal())], RATE_HZ) is None
    changed = signal().copy()
    first, last = frames_of(OWN.repeat[1], RATE_HZ)
    changed[first:last] = guitar()[: last - first]
    assert recognise(changed, RATE_HZ) is None


def test_nams_signal_is_known_by_its_blips_and_its_passage() -> None:
    audio = np.zeros(round(NAM_V3.seconds * RATE_HZ), np.float32)
    passage = guitar()[: 9 * RATE_HZ]
    audio[: len(passage)] = audio[-len(passage) :] = passage
    audio[17 * RATE_HZ : 17 * RATE_HZ + len(guitar())] = guitar()
    assert recognise(audio, RATE_HZ) is None
    audio[[504_000, 552_000]] = 0.9
    assert recognise(audio, RATE_HZ) is NAM_V3


def test_the_command_writes_24_bits_at_48_khz_without_torch(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from appliance.commands.capture import signal_command\n"
        "import appliance.capture.take, appliance.capture.align\n"
        f"signal_command([{str(tmp_path / 'play.wav')!r}], standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    info = soundfile.info(tmp_path / "play.wav")
    assert (info.samplerate, info.channels, info.subtype) == (RATE_HZ, 1, "PCM_24")
    audio = soundfile.read(tmp_path / "play.wav", dtype="float32")[0]
    assert recognise(audio, RATE_HZ) is OWN
