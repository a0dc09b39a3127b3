"""What is installed: the flag, else what was chosen before, else what is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.audio import process
from appliance.box import choices, hats
from appliance.box.choices import Choices
from appliance.errors import BadRequest, SystemRefused


def choose(root: Path, before: dict[str, Any] | None = None, **named: Any) -> Choices:
    nothing = dict.fromkeys(("hat", "card", "input_device", "output_device", "period_frames", "channel", "ask"))
    return choices.choose(root, before or {}, **{**nothing, **named})


def plug_in(root: Path, number: int, identity: str, *pcms: str) -> None:
    folder = root / f"proc/asound/card{number}"
    for pcm in pcms:
        (folder / pcm).mkdir(parents=True)
    (folder / "id").write_text(f"{identity}\n")


def test_a_hat_names_its_card(tmp_path: Path) -> None:
    chosen = choose(tmp_path, hat="codec-zero")
    assert chosen.audio_arguments() == "--input hw:CARD=Zero --output hw:CARD=Zero --period 64"
    assert chosen.web_arguments() == ""


@pytest.mark.parametrize(
    "named",
    [
        {"card": "USB"},
        {"hat": "none", "card": "hw:2,0", "period_frames": 32, "channel": 2},
        {"input_device": "hw:Loopback,1,0", "output_device": "hw:Loopback,0,1"},
        {"card": "demo"},
        {"hat": "pisound", "output_device": "plughw:CARD=Other"},
    ],
)
def test_whatever_is_chosen_the_audio_process_understands_and_the_next_run_repeats(
    tmp_path: Path, named: dict[str, Any]
) -> None:
    chosen = choose(tmp_path, **named)
    options = process.parse(chosen.audio_arguments().split())
    assert options.period == chosen.period_frames
    assert options.demo or (options.input, options.output) == (chosen.input, chosen.output)
    assert choose(tmp_path, chosen.to_json()) == chosen


def test_a_named_hat_takes_the_place_of_the_card_before(tmp_path: Path) -> None:
    before = choose(tmp_path, card="USB", period_frames=32).to_json()
    chosen = choose(tmp_path, before, hat="wm8960")
    assert (chosen.input, chosen.period_frames) == ("hw:CARD=wm8960soundcard", 32)


def test_the_hat_of_the_eeprom_is_taken_where_nobody_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree/hat").mkdir(parents=True)
    (tmp_path / "proc/device-tree/hat/product").write_bytes(b"Pisound\0")
    assert choose(tmp_path).hat == hats.by_name("pisound")
    assert choose(tmp_path, ask=lambda found: hats.by_name("wm8960")).hat == hats.by_name("wm8960")
    assert choose(tmp_path, card="USB").hat is None


def test_the_only_card_that_records_and_plays_is_taken(tmp_path: Path) -> None:
    plug_in(tmp_path, 0, "vc4hdmi", "pcm0p")
    plug_in(tmp_path, 1, "USB", "pcm0p", "pcm0c")
    assert choose(tmp_path, hat="none").input == "hw:CARD=USB"
    plug_in(tmp_path, 2, "Other", "pcm0p", "pcm0c")
    with pytest.raises(SystemRefused, match="there are USB, Other: say --hat"):
        choose(tmp_path, hat="none")


@pytest.mark.parametrize("name", ["a b", "x;y z", '"', "$HOME", "a\\b", ""])
def test_a_name_that_would_break_the_settings_file_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="is no sound card"):
        choices.device(name)


def test_half_a_demo_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="--card demo"):
        choose(tmp_path, input_device="demo", output_device="hw:1")


def test_the_question_takes_a_number_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = hats.by_name("pisound")
    answers = iter(["x", "99", "-1", ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    assert choices.ask_for_hat(found) == found
    said = capsys.readouterr().out
    assert said.count("please") == 3
    assert "Pisound  ← found on this Pi" in said
    answers = iter(["0"])
    assert choices.ask_for_hat(found) is None
