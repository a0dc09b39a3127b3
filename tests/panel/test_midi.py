"""MIDI in: bytes of a device file that comes and goes, to actions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("mido", reason="mido is not installed")

from appliance.errors import BadRequest, NotFound
from appliance.panel.actions import Kind, Phase, parse
from appliance.panel.kept import Kept
from appliance.panel.midi import MidiIn
from appliance.panel.midi_hand import MidiHand
from appliance.panel.midi_messages import Message, Sort, parse_message
from appliance.panel.wiring import MidiWiring
from appliance.panel.wiring_file import read


@contextmanager
def device(folder: Path, name: str = "midiC1D0") -> Iterator[int]:
    """A MIDI device: a pipe is a device file that a test can write to."""
    path = folder / name
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    yield descriptor
    os.close(descriptor)
    path.unlink()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[MidiIn]:
    made = MidiIn(tmp_path)
    yield made
    made.close()


def test_messages_of_every_kind_are_read_running_status_and_clock_included(source: MidiIn, tmp_path: Path) -> None:
    with device(tmp_path) as wire:
        os.write(wire, bytes((0xB2, 11, 127, 11, 0, 0xF8, 0xC0, 5, 0x90, 60, 127, 60, 0, 0x80, 60, 64, 0xE0, 0, 64)))
        found = source.poll(0.0)
    assert [(str(one.message), one.channel, round(one.value, 2)) for one in found] == [
        ("cc 11", 3, 1.0), ("cc 11", 3, 0.0), ("program 5", 1, 1.0), ("note 60", 1, 1.0), ("note 60", 1, 0.0),
        ("note 60", 1, 0.0),
    ]  # fmt: skip


def test_a_message_may_come_in_pieces(source: MidiIn, tmp_path: Path) -> None:
    with device(tmp_path) as wire:
        source.poll(0.0)
        for piece in (b"\xb0", b"\x0b", b"\x40"):
            assert source.poll(0.0) == []
            os.write(wire, piece)
        assert [one.message for one in source.poll(0.0)] == [Message(Sort.CONTROL, 11)]


def test_devices_come_and_go_while_it_runs(source: MidiIn, tmp_path: Path) -> None:
    assert source.poll(0.0) == []
    for round_s in (2.0, 6.0):
        with device(tmp_path) as first, device(tmp_path, "midiC2D0") as second:
            source.poll(round_s)
            assert source.devices == ["midiC1D0", "midiC2D0"]
            os.write(first, bytes((0xC0, 1)))
            os.write(second, bytes((0xC0, 2)))
            assert [one.message.number for one in source.poll(round_s)] == [1, 2]
        source.poll(round_s + 2.0)
        assert source.devices == []


def test_a_device_that_can_not_be_opened_is_said_once(
    source: MidiIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "midiC3D0").symlink_to(tmp_path / "nowhere")
    for now_s in (0.0, 2.0, 4.0):
        source.poll(now_s)
    assert [record.message for record in caplog.records] == [
        "MIDI input midiC3D0 can't be used: No such file or directory"
    ]


class Hand:
    """A MIDI hand on a pipe."""

    def __init__(self, source: MidiIn, wire: int, text: str = "", kept: Kept | None = None) -> None:
        self.kept = kept or Kept()
        self.hand = MidiHand(read(text, "x").midi if text else MidiWiring(), source, self.kept)
        self.wire = wire

    def send(self, *data: int) -> list[tuple[str, Phase, float | None]]:
        os.write(self.wire, bytes(data))
        return [(str(action), phase, value) for _, action, phase, value in self.hand.poll(0.0)]


def test_program_changes_choose_presets(source: MidiIn, tmp_path: Path) -> None:
    with device(tmp_path) as wire:
        assert Hand(source, wire).send(0xC0, 0, 0xC0, 7) == [
            ("preset 1", Phase.PRESS, None),
            ("preset 8", Phase.PRESS, None),
        ]


def test_controllers_turn_and_press(source: MidiIn, tmp_path: Path) -> None:
    text = """
        [midi]
        channel = 2
        program_change = false
        [midi.bind]
        "cc 11" = "knob Gain"
        "cc 64" = "boost momentary"
        "cc 80" = "bypass"
        "note 60" = "next-preset"
        """
    with device(tmp_path) as wire:
        hand = Hand(source, wire, text)
        assert hand.send(0xC1, 3) == []
        assert hand.send(0xB0, 11, 127) == []  # another channel
        assert hand.send(0xB1, 11, 127, 11, 0) == [("knob Gain", Phase.VALUE, 1.0), ("knob Gain", Phase.VALUE, 0.0)]
        down, up = ("boost momentary", Phase.PRESS, None), ("boost momentary", Phase.RELEASE, None)
        assert hand.send(0xB1, 64, 127, 64, 126, 64, 0) == [down, up]
        assert hand.send(0xB1, 80, 127, 80, 0, 80, 127) == [("bypass", Phase.PRESS, None)] * 2
        assert hand.send(0x91, 60, 100, 60, 0) == [("next-preset", Phase.PRESS, None)]


def test_a_learnt_binding_works_at_once_and_is_kept(source: MidiIn, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with device(tmp_path) as wire:
        hand = Hand(source, wire, kept=Kept(folder / "controls.json"))
        hand.hand.learning = parse("morph")
        assert hand.send(0xB0, 7, 100) == [("morph", Phase.VALUE, pytest.approx(100 / 127))]
        assert hand.hand.learning is None
        assert hand.hand.report()["bindings"] == {"cc 7": "morph"}
        hand.hand.learning = parse("morph")
        hand.send(0xB0, 8, 100)
        assert hand.hand.report()["bindings"] == {"cc 8": "morph"}  # one message for one action
        hand.kept.save()
    again = Kept(folder / "controls.json")
    assert again.midi["cc 8"].kind is Kind.MORPH
    again.forget_midi("cc 8")
    with pytest.raises(NotFound, match="was learnt"):
        again.forget_midi("cc 8")


def test_learning_that_nobody_answers_ends_by_itself(source: MidiIn, tmp_path: Path) -> None:
    with device(tmp_path) as wire:
        hand = Hand(source, wire).hand
        for begun_s in (0.0, 200.0):
            hand.learning = parse("boost")
            hand.poll(begun_s)
            hand.poll(begun_s + 59.0)
            assert hand.learning == parse("boost")
            hand.poll(begun_s + 61.0)
            assert hand.learning is None
        os.write(wire, bytes((0xB0, 7, 100)))
        assert hand.poll(262.0) == []
        assert hand.report()["learnt"] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [("cc", "a word and a number"), ("cd 3", "Did you mean 'cc'?"), ("cc 128", "0 to 127"), ("note x", "not 'x'")],
)
def test_messages_are_named_in_words(text: str, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_message(text)
    assert words in str(refused.value)


def test_damaged_memory_is_left_out(tmp_path: Path) -> None:
    from appliance import storage

    content = {
        "ends": {"a": [0.1, 0.9], "b": [0.9, 0.1], "c": "x", "d": [0, True], "e": [0.0, 2.0]},
        "midi": {"cc 1": "bypass", "cc 999": "bypass", "cc 2": "nonsense", "cc 3": 4},
    }
    storage.save_json(tmp_path / "controls.json", 1, content)
    kept = Kept(tmp_path / "controls.json")
    assert list(kept.midi) == ["cc 1"]
    assert kept._ends == {"a": (0.1, 0.9)}
