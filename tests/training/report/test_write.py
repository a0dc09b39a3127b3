"""A whole report of a model against takes of a device, both played by the engine."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from appliance.cli import cli
from appliance.errors import ApplianceError, BadRequest, ExitCode
from appliance.formats.description import Description
from appliance.formats.own import write_own
from appliance.training.report import measures, words
from appliance.training.report.findings import Findings, measure
from appliance.training.report.page import Facts, render_page
from appliance.training.report.players import make_players
from appliance.training.report.playing import Player, play_span
from appliance.training.report.write import write_report
from appliance.training.takes import DataSet, Take
from tests.training.report.making import HISTORY, RATE_HZ, data_set, device, guitar, nearly, write_pair

MOST_BYTES = 6_000_000


@dataclasses.dataclass(frozen=True)
class Written:
    path: Path
    text: str
    found: Findings
    data: DataSet
    model: Description


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    data, model = data_set(), nearly(device())
    path, found = write_report(
        tmp_path_factory.mktemp("report") / "new",
        model,
        data,
        HISTORY,
        made_on="1 May 2026",
        recipe={"Loss": "ESR"},
    )
    return Written(path, path.read_text(encoding="utf-8"), found, data, model)


def test_the_errors_are_those_of_the_test_audio_alone(written: Written) -> None:
    found, data = written.found, written.data
    assert [one.take.name for one in found.judged] == [take.name for take in data.takes]
    for one in found.judged:
        ((first, last),) = one.take.test
        whole = play_span(written.model, one.take.dry, (0, last), RATE_HZ, one.take.knobs)
        assert one.esr == pytest.approx(measures.esr(one.take.wet[first:last], whole[first:last]), rel=1e-3)
    heard, unheard = ([one.esr for one in found.judged if one.take.held_out is held_out] for held_out in (False, True))
    assert 1e-6 < found.esr < 0.1
    assert min(heard) <= found.esr <= max(heard)
    assert found.esr_heard == pytest.approx(np.mean(heard))
    assert found.esr_unheard == pytest.approx(unheard[0])
    assert not found.shown.take.held_out


def test_the_model_is_measured_with_the_knobs_of_the_shown_take(written: Written) -> None:
    found = written.found
    player = Player(written.model, RATE_HZ, found.shown.take.knobs)
    t = np.arange(RATE_HZ) / RATE_HZ
    made = player.process((10 ** (-12 / 20) * np.sin(2 * np.pi * 220 * t)).astype(np.float32))
    spectrum = np.abs(np.fft.rfft(made[RATE_HZ // 2 :].astype(float)))
    wanted = 20 * np.log10(spectrum[110 * 3] / spectrum[110])
    row = list(found.harmonics.levels_db).index(-12.0)
    assert found.harmonics.harmonics_db[row, 1] == pytest.approx(wanted, abs=0.1)
    assert [row.frequency_hz for row in found.aliases] == [1245, 4186]
    assert all(row.alias_to_signal_db[4] < row.alias_to_signal_db[1] < 0 for row in found.aliases)


def test_the_page_tells_what_was_found(written: Written) -> None:
    text = written.text
    shown = float(text.partition('id="esr">')[2].partition("<")[0])
    assert shown == pytest.approx(written.found.esr, rel=0.1)
    for told in ("Green pedal", "1 May 2026", "never heard", "Drive 0.5", "LSTM 1×16", "MIT", "estimate", "epoch 20"):
        assert told in text, told
    assert "Nearly &amp; &lt;green&gt;" in text
    assert "A note &lt;b&gt;of repair" in text
    assert "holds no sweep" in text  # what can't be told is said
    for one in written.found.judged:
        assert f"{one.esr:.4f}" in text


def test_the_page_is_one_small_file_with_its_pictures_beside_it(written: Written) -> None:
    assert len(written.text.encode()) < MOST_BYTES
    links = re.findall(r"""(?:src|srcset|href)="([^"]{0,40})""", written.text)
    assert len(links) > 20
    assert all(link.startswith("data:") for link in links)
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", written.text)
    pictures = sorted(written.path.parent.glob("*.png"))
    named = re.findall(r'<figure class="card" id="([a-z-]+)"', written.text)
    assert sorted(named) == [picture.stem for picture in pictures]
    assert {"worst-passage", "compression", "attack", "transfer-take", "harmonics-sine", "knob-positions"} < set(named)
    assert all(picture.read_bytes()[:4] == b"\x89PNG" for picture in pictures)
    assert {path.suffix for path in written.path.parent.iterdir()} == {".png", ".html"}


def test_the_three_sounds_are_device_model_and_what_is_left_between_them(written: Written) -> None:
    sounds = []
    for content in re.findall(r"data:audio/flac;base64,([A-Za-z0-9+/=]+)", written.text):
        audio, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(content)))
        assert rate_hz == RATE_HZ
        sounds.append(audio)
    wanted, made, left = sounds
    assert len(wanted) == len(made) == len(left) == 10 * RATE_HZ
    assert measures.rms(wanted) == pytest.approx(measures.rms(made), rel=1e-3)
    assert 0.8 < np.abs(np.concatenate(sounds)).max() <= 1.0
    shown = written.found.shown
    gain = np.abs(wanted).max() / np.abs(shown.device).max()
    late = measures.lag_frames(shown.device[: 2 * RATE_HZ], wanted[: 2 * RATE_HZ], RATE_HZ)
    assert gain > 0.5
    assert abs(late) <= RATE_HZ
    # What the ear is given as the difference is as far below the device as the ESR says.
    assert measures.esr(wanted, wanted - left) == pytest.approx(shown.esr, rel=0.5)
    assert np.corrcoef(wanted - made, left)[0, 1] > 0.5


def test_even_noise_at_a_high_rate_stays_within_the_size(written: Written) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 20 * 96_000)).astype(np.float32)
    players = make_players(noise[0], noise[1], 96_000)
    audio = sum(map(len, (players.device, players.model, players.difference)))
    others = len(re.sub(r"data:audio/flac;base64,[A-Za-z0-9+/=]+", "", written.text))
    assert audio * 4 / 3 + others < MOST_BYTES


def test_each_sweep_level_in_the_take_is_drawn_and_a_sweep_that_was_trained_on_is_said_to_be() -> None:
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    efold = 2.0 / np.log(1000)
    sweep = np.sin(2 * np.pi * 20 * efold * (np.exp(t / efold) - 1.0))
    dry = np.concatenate([level * sweep for level in (0.5, 0.5, 0.05)] + [guitar(4.0)]).astype(np.float32)
    wet = play_span(device(), dry, (0, len(dry)), RATE_HZ, (0.5,))
    cut = 6 * RATE_HZ
    one = Take("sweeps", dry, wet, (0.5,), train=((0, cut),), test=((cut, len(dry)),))
    data = DataSet("Green pedal", RATE_HZ, (one,), device().knobs)
    found = measure(device(), data)
    assert [round(sweep.sweep.peak_db) for sweep in found.sweeps] == [-6, -26]  # two of one level count once
    for told in found.sweeps:
        middle = (told.device.frequencies_hz > 200) & (told.device.frequencies_hz < 2000)
        assert told.model.harmonics_db[1, middle] == pytest.approx(told.device.harmonics_db[1, middle], abs=0.5)
    caption = words.captions(found, data)["harmonics-sweep-2"]
    assert "−26 dB" in caption.title
    assert "part of the training audio" in caption.text
    assert not any("sweep" in sentence for sentence in words.missing(found))


def test_a_silent_model_is_not_made_loud(written: Written) -> None:
    sound = guitar(3.0)
    players = make_players(sound, 1e-6 * sound, RATE_HZ)
    assert players.model_gain_db == 0.0
    assert players.difference_db == pytest.approx(0.0, abs=0.01)


def test_a_perfect_model_and_a_silent_device_are_told_too(written: Written) -> None:
    data = written.data
    (first, *_) = data.takes
    alone = dataclasses.replace(data, takes=(first,), knobs=())
    perfect = measure(device(), alone)
    assert perfect.esr < 1e-9
    silent = dataclasses.replace(alone, takes=(dataclasses.replace(first, wet=np.zeros_like(first.wet)),))
    found = measure(written.model, silent)
    assert math.isnan(found.esr)
    players = make_players(found.shown.device, found.shown.model, RATE_HZ)
    text = render_page(written.model, silent, (), found, {}, players, Facts())
    assert "Nothing to judge" in text
    assert "the device is silent" in text


def test_what_can_not_be_judged_is_refused_in_words(written: Written) -> None:
    (first, *_) = written.data.takes
    without = dataclasses.replace(written.data, takes=(dataclasses.replace(first, test=()),))
    with pytest.raises(BadRequest, match="no audio set aside for testing"):
        measure(written.model, without)
    odd = dataclasses.replace(written.data, takes=(dataclasses.replace(first, knobs=(1.0, 2.0)),))
    with pytest.raises(BadRequest, match="must be the same knobs"):
        measure(written.model, odd)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`appliance report …` in a process of its own, which tells at the end whether torch was imported."""
    code = (
        "import sys, json\nfrom appliance import cli\n"
        "try:\n    cli.main()\nfinally:\n    print(json.dumps({'torch': 'torch' in sys.modules}))"
    )
    repository = Path(__file__).resolve().parents[3]
    return subprocess.run(
        [sys.executable, "-c", code, "report", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(repository), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_command_judges_a_late_recording_without_torch(tmp_path: Path) -> None:
    write_own(dataclasses.replace(device(), self_test=None), tmp_path / "green.onnx")
    write_pair(tmp_path, late_frames=1234)
    done = run(tmp_path, "green.onnx", "in.wav", "out.wav", "--knob", "drive=0.25", "--out", "told")
    assert done.returncode == ExitCode.OK, done.stderr
    line, torch = done.stdout.strip().splitlines()
    assert line == "told/report.html: ESR below 0.000001, great" or line.startswith("told/report.html: ESR 0.0000")
    assert json.loads(torch) == {"torch": False}
    text = (tmp_path / "told" / "report.html").read_text(encoding="utf-8")
    assert "1234 frames (25.7 ms) later than the model" in text
    assert "0.04 s longer" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("green.onnx", "in.wav", "nothing.wav"), "nothing.wav can't be read"),
        (("green.onnx", "in.wav", "silent.wav"), "silent.wav is silent"),
        (("green.onnx", "in.wav", "slow.wav"), "export both at one rate"),
        (("green.onnx", "in.wav", "out.wav", "--knob", "Drive=7"), "goes from 0 to 1"),
        (("green.onnx", "in.wav", "out.wav", "--knob", "Drive"), "the = is missing"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    write_own(device(), tmp_path / "green.onnx")
    write_pair(tmp_path, late_frames=0)
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(tmp_path / "slow.wav", guitar(1.0), 44_100)
    files = [str(tmp_path / word) if "." in word and "=" not in word else word for word in arguments]
    done = CliRunner().invoke(cli, ["report", *files])
    assert isinstance(done.exception, (ApplianceError, SystemExit))
    assert done.exit_code
    assert words in f"{done.output}{done.exception}"
