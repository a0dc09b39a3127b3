"""Every fault a pair of files can have: repaired and said, or refused in words. All through files on disk."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soxr

from appliance.capture.take import PreparedTake, prepare_take, read_dry
from appliance.errors import BadAudioFile
from tests.capture.devices import (
    RATE_HZ,
    Float32,
    crunch,
    delayed,
    guitar,
    lead,
    noisy,
    played,
    quiet,
    signal,
    signal_through,
    write,
)


@cache
def wet() -> Float32:
    return quiet(noisy(crunch(), 55))


def prepared(
    folder: Path, audio: Float32, rate_hz: int = RATE_HZ, subtype: str = "PCM_24", **more: object
) -> PreparedTake:
    """`audio` as the recording of the guitar."""
    dry = read_dry(write(folder / "in.wav", guitar(), subtype="PCM_16"))
    path = write(folder / "out.wav", audio, rate_hz, subtype)
    before = path.read_bytes()
    try:
        return prepare_take(dry, path, **more)  # type: ignore[arg-type]
    finally:
        assert path.read_bytes() == before


def esr(one: Float32, other: Float32) -> float:
    """With up to two frames of shift left out."""
    frames = min(len(one), len(other)) - 12
    truth = other[6 : frames + 6].astype(np.float64)
    errors = [np.sum((one[6 + s : frames + 6 + s] - truth) ** 2) / np.sum(truth**2) for s in range(-2, 3)]
    return float(min(errors))


def said(take: PreparedTake) -> str:
    return " ".join(take.notes)


@pytest.mark.parametrize(("rate_hz", "subtype"), [(44_100, "PCM_16"), (96_000, "FLOAT")])
def test_another_rate_and_depth(tmp_path: Path, rate_hz: int, subtype: str) -> None:
    take = prepared(tmp_path, soxr.resample(wet(), RATE_HZ, rate_hz), rate_hz, subtype)
    assert take.rate_hz == RATE_HZ
    assert esr(take.wet, wet()) < 1e-4
    assert f"from {rate_hz} to 48000 Hz" in said(take)


def test_the_dry_files_rate_is_kept_if_it_is_a_usual_one(tmp_path: Path) -> None:
    for rate_hz, kept_hz in ((44_100, 44_100), (96_000, 48_000)):
        audio = soxr.resample(guitar()[: 2 * RATE_HZ], RATE_HZ, rate_hz)
        assert read_dry(write(tmp_path / "in.wav", audio, rate_hz)).recording.rate_hz == kept_hz


def test_stereo_with_an_empty_side_and_a_tail(tmp_path: Path) -> None:
    tail = np.concatenate([wet(), np.zeros(2 * RATE_HZ, np.float32)])
    take = prepared(tmp_path, np.stack([np.zeros_like(tail), tail], axis=1))
    assert len(take.wet) == len(take.dry) == len(guitar())
    assert "only number 2 has sound" in said(take)
    assert "2.00 s after the end" in said(take)
    assert esr(take.wet, wet()) < 1e-6


@pytest.mark.parametrize("late", [RATE_HZ, -RATE_HZ])
def test_a_second_late_or_early(tmp_path: Path, late: int) -> None:
    take = prepared(tmp_path, delayed(wet(), late))
    heard = slice(take.first_frame, len(take.wet) - abs(late))
    assert esr(take.wet[heard], wet()[heard]) < 1e-6
    assert len(take.dry) == len(take.wet)
    assert ("later" if late > 0 else "earlier") in said(take)
    assert ("were not recorded" in said(take)) == (late < 0)
    assert take.first_frame == (0 if late > 0 else pytest.approx(RATE_HZ, abs=4))


def test_inverted_polarity_is_said_and_kept_or_turned_on_wish(tmp_path: Path) -> None:
    assert "polarity is turned" not in said(prepared(tmp_path, wet()))
    take = prepared(tmp_path, -wet())
    assert "polarity is turned" in said(take)
    assert esr(take.wet, -wet()) < 1e-6
    turned = prepared(tmp_path, -wet(), invert=True)
    assert esr(turned.wet, wet()) < 1e-6
    assert "polarity is turned" not in said(turned)


def test_a_drifting_clock_and_an_offset(tmp_path: Path) -> None:
    drifting = soxr.resample(wet(), RATE_HZ, RATE_HZ * (1 + 200e-6), quality="VHQ") + np.float32(0.03)
    take = prepared(tmp_path, drifting)
    assert "ppm" in said(take)
    assert take.alignment.drift is not None
    assert take.alignment.drift.ppm == pytest.approx(200, abs=3)
    assert "ppm" not in said(prepared(tmp_path, wet()))


def test_a_little_clipping_is_said_and_much_refused(tmp_path: Path) -> None:
    little = np.clip(wet() * (1.35 / np.abs(wet()).max()), -1, 1)
    assert "It is clipped" in said(prepared(tmp_path, little, subtype="PCM_16"))
    much = np.clip(wet() * (8 / np.abs(wet()).max()), -1, 1)
    with pytest.raises(BadAudioFile, match=r"is clipped: .* recording level down"):
        prepared(tmp_path, much)
    assert "It is clipped" in said(prepared(tmp_path, much, accept=["clipping"]))


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_hum_is_heard_in_the_silence(tmp_path: Path, mains_hz: float) -> None:
    time_s = np.arange(len(guitar()) + 2 * RATE_HZ) / RATE_HZ
    hum = sum(np.sin(2 * np.pi * mains_hz * n * time_s) / n for n in (1, 2, 3)) * 0.002
    silence = np.zeros(2 * RATE_HZ, np.float32)
    dry = read_dry(write(tmp_path / "in.wav", np.concatenate([silence, guitar()])))
    audio = np.concatenate([silence, wet()]) + hum
    take = prepare_take(dry, write(tmp_path / "out.wav", audio))
    assert f"It hums: {mains_hz:g} Hz" in said(take)
    assert take.noise is not None
    assert -50 < take.noise.level_db < -25
    quiet_take = prepare_take(dry, write(tmp_path / "out.wav", np.concatenate([silence, wet()])))
    assert "hums" not in said(quiet_take)


def test_a_silent_position_is_refused_by_name(tmp_path: Path) -> None:
    hiss = np.random.default_rng(0).normal(0, 1e-5, len(guitar())) + 0.1
    with pytest.raises(BadAudioFile, match=r"out.wav \(Gain = 0\) is silent.*just above"):
        prepared(tmp_path, hiss.astype(np.float32), where="Gain = 0")


@pytest.mark.parametrize("late", [-400, 400])
def test_swapped_files_are_refused(tmp_path: Path, late: int) -> None:
    dry = read_dry(write(tmp_path / "in.wav", quiet(delayed(noisy(lead(), 60), late))))
    path = write(tmp_path / "out.wav", guitar())
    with pytest.raises(BadAudioFile, match="other way round"):
        prepare_take(dry, path)
    prepare_take(dry, path, accept=["order"])


def test_two_that_do_not_belong_together(tmp_path: Path) -> None:
    dry = read_dry(write(tmp_path / "in.wav", guitar()))
    part = signal()[30 * RATE_HZ : 45 * RATE_HZ]
    other = read_dry(write(tmp_path / "other.wav", part))
    path = write(tmp_path / "out.wav", quiet(played("crunch-50", part)))
    with pytest.raises(BadAudioFile, match=r"too little in common with in.wav.*right file"):
        prepare_take(dry, path)
    with pytest.raises(BadAudioFile, match=r"belongs to other.wav"):
        prepare_take(dry, path, others=lambda: [other])


def test_a_wrong_rate_in_the_header_is_guessed(tmp_path: Path) -> None:
    slow = soxr.resample(wet(), RATE_HZ, 52_245)  # 48 kHz audio that says 44.1 kHz, brought to 48 kHz
    with pytest.raises(BadAudioFile, match="it says 44100 Hz and seems to be at 48000 Hz"):
        prepared(tmp_path, slow)


def test_a_short_recording_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    take = prepared(tmp_path, wet()[: 12 * RATE_HZ])
    assert "are missing" in said(take)
    assert len(take.dry) == len(take.wet) == pytest.approx(12 * RATE_HZ, abs=4)
    with pytest.raises(BadAudioFile, match="more than half"):
        prepared(tmp_path, wet()[: 6 * RATE_HZ])
    short = read_dry(write(tmp_path / "short.wav", guitar()[: 6 * RATE_HZ]))
    with pytest.raises(BadAudioFile, match="8 s at least"):
        prepare_take(short, write(tmp_path / "short-out.wav", wet()[: 6 * RATE_HZ]))


def test_our_signal_swapped_moved_knob_and_good(tmp_path: Path) -> None:
    dry = read_dry(write(tmp_path / "play.wav", signal()))
    audio = quiet(noisy(signal_through("green-drive"), 55))
    path = write(tmp_path / "out.wav", audio)
    take = prepare_take(dry, path)
    assert take.layout is not None
    assert "came out alike" in said(take)
    assert "told by its blips" in said(take)
    with pytest.raises(BadAudioFile, match=r"is the capture signal itself|play\.wav seems to be what was played"):
        prepare_take(read_dry(path), tmp_path / "play.wav")
    moved = audio.copy()
    moved[150 * RATE_HZ :] = quiet(played("green-drive", signal()[150 * RATE_HZ :], 0.2))
    write(path, moved)
    with pytest.raises(BadAudioFile, match="A knob was moved"):
        prepare_take(dry, path)
