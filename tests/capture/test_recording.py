"""Files as people have them: rates, depths, sides, clipping."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from appliance.capture.recording import find_clipping, read_recording
from appliance.errors import BadAudioFile
from tests.capture.devices import RATE_HZ, crunch, guitar, quiet, write


def beside(left: npt.NDArray[np.floating], right: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return np.stack([left, right], axis=1)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_bit_depth(tmp_path: Path, subtype: str) -> None:
    audio = guitar()[:RATE_HZ]
    found = read_recording(write(tmp_path / "a.wav", audio, subtype=subtype))
    np.testing.assert_allclose(found.audio, audio, atol=1e-2 if subtype == "PCM_U8" else 5e-5)
    assert found.notes == ()


@pytest.mark.parametrize("empty", [0, 1])
def test_an_empty_side_is_left_out(tmp_path: Path, empty: int) -> None:
    sides = [guitar()[:RATE_HZ]] * 2
    sides[empty] = sides[empty] * np.float32(1e-4)  # crosstalk
    found = read_recording(write(tmp_path / "a.wav", beside(*sides)))
    np.testing.assert_allclose(found.audio, sides[1 - empty], atol=1e-6)
    assert f"only number {2 - empty} has sound" in found.notes[0]


def test_sides_alike_are_averaged_and_different_ones_are_not_mixed(tmp_path: Path) -> None:
    one, other = guitar()[:RATE_HZ], quiet(crunch()[:RATE_HZ], 0.02)
    same = read_recording(write(tmp_path / "same.wav", beside(one, one)))
    np.testing.assert_allclose(same.audio, one, atol=1e-6)
    assert "same sound" in same.notes[0]
    near = read_recording(write(tmp_path / "near.wav", beside(one, 0.8 * one)))
    np.testing.assert_allclose(near.audio, 0.9 * one, atol=1e-6)
    mirrored = read_recording(write(tmp_path / "mirrored.wav", beside(one, -0.9 * one)))
    np.testing.assert_allclose(mirrored.audio, one, atol=1e-6)
    assert "mirror image" in mirrored.notes[0]
    different = read_recording(write(tmp_path / "different.wav", beside(one, np.roll(other, 500))))
    np.testing.assert_allclose(different.audio, one, atol=1e-6)
    assert "they differ" in different.notes[0]


def test_clipping_is_found_where_it_is_even_after_it_was_made_quieter() -> None:
    assert find_clipping(crunch(), RATE_HZ).frames == 0
    hard = np.clip(crunch() * (1.5 / np.abs(crunch()).max()), -1, 1)
    for level in (1.0, 0.6):
        found = find_clipping(hard * np.float32(level), RATE_HZ)
        assert found.frames > 20
        assert found.is_full_scale == (level == 1.0)
        at = round(found.at_s[0] * RATE_HZ)
        assert np.abs(hard[max(0, at - 4800) : at + 4800]).max() == 1.0


def test_what_is_no_recording_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadAudioFile, match="does not exist"):
        read_recording(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("not audio")
    with pytest.raises(BadAudioFile, match="can't be read as audio"):
        read_recording(tmp_path / "text.wav")
    with pytest.raises(BadAudioFile, match="holds no audio"):
        read_recording(write(tmp_path / "empty.wav", np.zeros(0)))
    with pytest.raises(BadAudioFile, match="not numbers"):
        read_recording(write(tmp_path / "nan.wav", np.array([0.1, np.nan]), subtype="FLOAT"))
