"""Real ALSA through pyalsaaudio: the plugins `null` and `file` need no hardware."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.audio import loop
from appliance.audio.alsa import describe_device, list_devices, open_card
from appliance.audio.card import CardSettings
from appliance.audio.ports import SAMPLE_BYTES, DeviceGone
from appliance.bridge.controls import payload
from appliance.bridge.layout import Flag
from appliance.engine._native import Pedal
from tests.audio.alsa_configuration import HEAD, file_device
from tests.audio.copy_pedal import CopyPedal

PERIODS = 60
PERIODS_PER_BEAT = 2  # of 1,000 frames at 8 kHz


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """What the device `source` reads and what the device `sink` wrote."""
    read, written = tmp_path / "in.raw", tmp_path / "out.raw"
    (tmp_path / "asound.conf").write_text(
        HEAD + file_device("source", reads=read) + file_device("sink", writes=written)
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))
    return read, written


def play(settings: CardSettings, pedal: CopyPedal | Pedal) -> None:
    port = open_card(settings)
    port.open()
    loop.run(port, pedal, after(PERIODS))


def after(periods: int) -> Callable[[], bool]:
    """The loop asks once per beat, which is `PERIODS_PER_BEAT` periods here."""
    left = periods // PERIODS_PER_BEAT + 1

    def is_over() -> bool:
        nonlocal left
        left -= 1
        return left <= 0

    return is_over


def long_periods(sample_format: str) -> CardSettings:
    return CardSettings("source", "sink", 8_000, 1_000, 2, 0, sample_format, sample_format)


@pytest.mark.parametrize("sample_format", SAMPLE_BYTES)
def test_bytes_go_through_alsa_as_they_are_behind_two_periods_of_silence(
    files: tuple[Path, Path], sample_format: str
) -> None:
    read, written = files
    size = 1_000 * SAMPLE_BYTES[sample_format]
    source = random.Random(1).randbytes(PERIODS * size)
    read.write_bytes(source)
    play(long_periods(sample_format), CopyPedal())
    out = written.read_bytes()
    assert out[: 2 * size] == bytes(2 * size)
    played = out[2 * size :]
    assert len(played) == PERIODS * size
    assert played == source[: len(played)]


@pytest.mark.parametrize("sample_format", ["S16_LE", "S24_3LE", "S24_LE", "S32_LE"])
def test_the_engine_decodes_and_encodes_every_format_exactly_in_bypass(
    files: tuple[Path, Path], sample_format: str
) -> None:
    read, written = files
    bits = {"S16_LE": 16, "S24_3LE": 24, "S24_LE": 24, "S32_LE": 32}[sample_format]
    width = SAMPLE_BYTES[sample_format]
    rng = random.Random(2)
    values = [rng.randrange(-(1 << bits - 3), 1 << bits - 3) for _ in range(PERIODS * 1_000)]
    if bits == 32:
        values = [value & ~0xFF for value in values]  # a float holds 24 bits
    read.write_bytes(b"".join(value.to_bytes(width, "little", signed=True) for value in values))
    pedal = Pedal(8_000, 1_000)
    pedal.set_controls(
        bytes(
            payload(
                generation=0,
                flags=Flag.BYPASS,
                input_gain_db=0.0,
                gate_threshold_db=-120.0,
                level_db=0.0,
                knobs=(),
                patch_path="",
            )
        )
    )
    play(long_periods(sample_format), pedal)
    out = written.read_bytes()
    got = [_signed(out[at : at + width], bits) for at in range(0, len(out), width)]
    settled = range(4_000, len(got))  # after the fade into bypass
    assert len(settled) > 50_000
    assert [got[n] for n in settled] == [values[n - 2_000] for n in settled]


def _signed(sample: bytes, bits: int) -> int:
    value = int.from_bytes(sample, "little") & ((1 << bits) - 1)
    return value - (1 << bits) if value >> bits - 1 else value


def test_an_absent_device_is_named() -> None:
    with pytest.raises(DeviceGone, match=r"no_such_card \(playback\): .*`appliance devices` lists"):
        open_card(CardSettings("no_such_card", "no_such_card")).open()


def test_what_alsa_says_of_an_absent_card_is_written_once(capfd: pytest.CaptureFixture[str]) -> None:
    open_card(CardSettings("null", "null")).open()
    for written in (True, False, False):
        with pytest.raises(DeviceGone, match=r"hw:Nothing \(playback\): No such device"):
            open_card(CardSettings("hw:Nothing", "hw:Nothing")).open()
        assert ("ALSA lib" in capfd.readouterr().err) == written
    open_card(CardSettings("null", "null")).open()  # it is back; when it goes again, that is news
    with pytest.raises(DeviceGone):
        open_card(CardSettings("hw:Nothing", "hw:Nothing")).open()
    assert "ALSA lib" in capfd.readouterr().err


def test_what_alsa_negotiated_is_described() -> None:
    port = open_card(CardSettings("null", "null", 96_000, 32, 3, 1, "S24_3LE", "S16_LE"))
    port.open()
    words = port.describe()
    port.close()
    assert words == (
        "96000 Hz, 32 frames a period, 3 periods (1.00 ms through the buffers); in: null, S24_3LE, channel 2 of 2; "
        "out: null, S16_LE, mono"
    )


def test_devices_are_described_in_words_without_blocking() -> None:
    found = describe_device("null")
    assert found["capture"]["formats"] == ["S32_LE", "S24_3LE", "S24_LE", "S16_LE", "FLOAT_LE"]
    assert found["words"].startswith("null – null; in: ")
    absent = describe_device("no_such_card")
    assert "there is no such device" in absent["capture"]["reason"]
    for device in list_devices():
        assert set(device) == {"device", "name", "capture", "playback", "words"}
        assert device["words"].startswith(device["device"])
