"""Pairs and folders → data sets; manifests right and wrong."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from appliance.cli import main
from appliance.errors import BadAudioFile, BadDataSet, BadRequest
from appliance.training.contract import Take
from appliance.training.dataset import load, load_pair
from appliance.training.exchanged import exchanged_takes
from appliance.training.manifest import read_manifest
from appliance.training.splits import SplitWish, split
from tests.capture.devices import RATE_HZ, crunch, delayed, guitar, noisy, played, quiet, write

KNOBS = """
name = "Crunch"
input = "in.wav"
[[knobs]]
name = "Gain"
minimum = 0
maximum = 10
default = 5
"""


def take(output: str, gain: float, more: str = "") -> str:
    return f'[[takes]]\noutput = "{output}"\nknobs = {{ Gain = {gain} }}\n{more}\n'


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "in.wav", guitar()), write(tmp_path / "out.wav", quiet(noisy(crunch())))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three gains, each late by its own, one held out."""
    write(tmp_path / "in.wav", guitar())
    text = KNOBS
    for gain, late, more in ((0, 50, ""), (5, 9000, "held_out = true"), (10, -700, "invert = true")):
        audio = noisy(quiet(played("crunch-50", guitar(), gain / 10)), seed=gain)
        write(tmp_path / f"gain-{gain}.wav", delayed(audio * np.float32(-1 if gain == 10 else 1), late))
        text += take(f"gain-{gain}.wav", gain, more)
    (tmp_path / "device.toml").write_text(text)
    return tmp_path


def spans_of(found: Take) -> list[tuple[int, int, str]]:
    kinds = (("train", found.train), ("validation", found.validation), ("test", found.test))
    return sorted((first, last, kind) for kind, spans in kinds for first, last in spans)


def test_a_pair_is_split_without_overlap_and_with_a_guard(pair: tuple[Path, Path]) -> None:
    found = load_pair(*pair)
    assert (found.name, found.sample_rate_hz, found.knobs) == ("out", RATE_HZ, ())
    (only,) = found.takes
    assert only.dry.dtype == only.wet.dtype == np.float32
    assert only.train
    assert only.validation
    assert only.test
    spans = spans_of(only)
    for (_, end, kind), (start, _, next_kind) in itertools.pairwise(spans):
        assert start - end >= (0.25 * RATE_HZ if kind != next_kind else 0)
    assert spans[0][0] >= 0
    assert spans[-1][1] <= len(only.wet)
    share = [sum(b - a for a, b in part) / len(only.wet) for part in (only.train, only.validation, only.test)]
    assert share[0] > 0.4
    assert 0.05 < share[1] < 0.2
    assert 0.05 < share[2] < 0.2


def test_chosen_chunks_sound_like_the_whole() -> None:
    loud = np.concatenate([quiet(guitar(), peak) for peak in (0.9, 0.05, 0.5, 0.2, 0.02, 0.7)])
    parts = split(loud, RATE_HZ, len(loud), None, SplitWish())

    def rms_db(spans: tuple[tuple[int, int], ...]) -> float:
        audio = np.concatenate([loud[a:b] for a, b in spans]).astype(np.float64)
        return float(10 * np.log10(np.mean(audio**2)))

    for chosen in (parts.validation, parts.test):
        assert abs(rms_db(chosen) - rms_db(((0, len(loud)),))) < 3


def test_several_pairs_and_what_makes_no_pair(pair: tuple[Path, Path], tmp_path: Path) -> None:
    other = write(tmp_path / "second.wav", quiet(noisy(crunch(), seed=5)))
    assert [each.name for each in load([*pair, pair[0], other]).takes] == ["out", "second"]
    with pytest.raises(BadRequest, match="come in pairs"):
        load([*pair, other])
    with pytest.raises(BadRequest, match="does not exist"):
        load([tmp_path / "nothing"])
    with pytest.raises(BadDataSet, match="given as what was played and as what was recorded"):
        load([pair[0], pair[0]])


def test_a_folder_with_knobs(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    found = load([folder])
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert found.name == "Crunch"
    (knob,) = found.knobs
    assert (knob.name, knob.minimum, knob.maximum, knob.default, knob.heard) == ("Gain", 0, 10, 5, (0, 10))
    assert [each.knobs for each in found.takes] == [(0,), (5,), (10,)]
    first, held, last = found.takes
    assert held.held_out
    assert (held.train, held.validation) == ((), ())
    assert held.test == first.test == last.test
    assert first.train == last.train
    assert first.train[0][0] >= 700  # the last take starts late: what it misses is left out of all
    assert "polarity was turned" in " ".join(last.notes).lower()


def test_split_wishes_are_kept(folder: Path) -> None:
    text = (folder / "device.toml").read_text()
    (folder / "device.toml").write_text(f"{text}\n[split]\ntest = [[2.0, 4.0]]\nvalidation = 2\n")
    first = load([folder]).takes[0]
    assert first.test == ((2 * RATE_HZ, 4 * RATE_HZ),)
    assert sum(b - a for a, b in first.validation) == pytest.approx(2 * RATE_HZ, rel=0.01)
    (folder / "device.toml").write_text(f"{text}\n[split]\ntest = [[2.0, 40.0]]\n")
    with pytest.raises(BadDataSet, match=r"test wants 2 … 40 s of 15\.\d s"):
        load([folder])


def test_the_same_recording_twice_and_a_silent_one(folder: Path) -> None:
    good = (folder / "gain-0.wav").read_bytes()
    (folder / "gain-0.wav").write_bytes((folder / "gain-5.wav").read_bytes())
    with pytest.raises(BadDataSet, match=r"gain-5.wav holds the same recording as gain-0.wav"):
        load([folder])
    (folder / "gain-0.wav").write_bytes(good)
    write(folder / "gain-10.wav", np.zeros(len(guitar())))
    with pytest.raises(BadAudioFile, match=r"gain-10.wav \(Gain = 10\) is silent"):
        load([folder])


def test_takes_whose_positions_were_mixed_up_are_pointed_out(folder: Path) -> None:
    knobs = read_manifest(folder / "device.toml").knobs
    sounds = [quiet(played("crunch-50", guitar(), gain / 10)) for gain in (0, 2, 4, 7, 10)]

    def takes(order: tuple[int, ...]) -> list[Take]:
        return [
            Take(f"take-{i}", guitar(), sounds[i], (gain,)) for gain, i in zip((0, 2, 4, 7, 10), order, strict=True)
        ]

    assert exchanged_takes(knobs, takes((0, 1, 2, 3, 4))) == []
    (note,) = exchanged_takes(knobs, takes((0, 3, 2, 1, 4)))
    assert "take-3 (Gain = 2) and take-1 (Gain = 7) look exchanged" in note


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "not valid TOML"),
        ('nmae = "x"', "unknown key nmae in the manifest. Did you mean name?"),
        ('name = "x"', "names no takes"),
        (KNOBS + take("a.wav", 1) + take("a.wav", 2), "a.wav in two takes"),
        (KNOBS + take("a.wav", 1) + take("b.wav", 1), "Gain at one position only"),
        (KNOBS + take("a.wav", 11), "Gain = 11 in take a.wav; it goes from 0 to 10"),
        (KNOBS + take("a.wav", 1).replace("Gain", "Gian"), "Did you mean Gain?"),
        (KNOBS + '[[takes]]\noutput = "a.wav"', "does not say where Gain stood"),
        (KNOBS + take("a.wav", 1, "held_out = true"), "holds out every take"),
        (KNOBS + take("a.wav", 1, 'accept = ["repaet"]'), "Did you mean repeat?"),
        (KNOBS + take("a.wav", 1, "heldout = true"), "Did you mean held_out?"),
        (KNOBS.replace("maximum = 10", "maximum = 0") + take("a.wav", 0), "minimum must be below"),
        (KNOBS.replace("default = 5", "default = 50") + take("a.wav", 0), "default 50, outside"),
        (KNOBS.replace('input = "in.wav"', "") + take("a.wav", 0), "no input"),
        (KNOBS.replace("[[knobs]]", "[knobs]") + take("a.wav", 0), "two brackets"),
        (KNOBS + take("a.wav", 1).replace("1", '"one"'), "a number is wanted"),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "device.toml").write_text(text)
    with pytest.raises(BadDataSet) as caught:
        read_manifest(tmp_path / "device.toml")
    assert words in str(caught.value)
    assert str(tmp_path / "device.toml") in str(caught.value)


def test_the_command_says_what_was_found(pair: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "appliance", "data", str(pair[0])]
    done = subprocess.run([*command, str(pair[1])], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "out: 1 take at 48000 Hz" in done.stdout
    assert "told by comparing the sound" in done.stdout
    assert "Ready to train." in done.stdout


def test_a_file_that_is_missing_is_one_sentence(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["appliance", "data", str(pair[0]), str(tmp_path / "none.wav")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    assert capsys.readouterr().err.strip().endswith("none.wav does not exist: check its name.")
