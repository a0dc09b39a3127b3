"""The card library's errors are texts; each known one has a name and says what to do."""

from __future__ import annotations

import errno
import os

import pytest

from appliance.audio.error_texts import named_fault
from appliance.audio.ports import (
    DeviceBusy,
    DeviceGone,
    DeviceRefused,
    PortFault,
    Side,
    Stalled,
    Suspended,
    Xrun,
)
from appliance.errors import ExitCode

# Written out, for these are what the library says; not taken from the table under test.
TEXTS = {
    "Broken pipe": Xrun,
    "Streams pipe error": Suspended,
    "Input/output error": Stalled,
    "No such device": DeviceGone,
    "No such device or address": DeviceGone,
    "File descriptor in bad state": DeviceGone,
    "No such file or directory": DeviceGone,
    "Device or resource busy": DeviceBusy,
    "Permission denied": DeviceRefused,
    "Operation not permitted": DeviceRefused,
    "Invalid argument": DeviceRefused,
}


@pytest.mark.parametrize(("text", "fault"), TEXTS.items(), ids=lambda value: str(value))
def test_each_known_text_becomes_its_fault_and_says_what_to_do(text: str, fault: type[PortFault]) -> None:
    found = named_fault(f"{text} [hw:CARD=Pedal]", "hw:CARD=Pedal", Side.CAPTURE)
    assert type(found) is fault
    words = str(found)
    assert words.startswith(f"hw:CARD=Pedal (capture): {text}: ")
    assert len(words) > len(f"hw:CARD=Pedal (capture): {text}: ") + 10
    assert found.exit_code is ExitCode.NO_DEVICE


def test_a_device_name_with_brackets_does_not_hide_the_reason() -> None:
    assert isinstance(named_fault("No such device [plug [x]]", "plug [x]", Side.PLAYBACK), DeviceGone)


def test_a_closed_device_is_gone() -> None:
    assert isinstance(named_fault("PCM device is closed", "hw:0", Side.CAPTURE), DeviceGone)


def test_an_unknown_text_is_passed_on_as_a_plain_fault() -> None:
    found = named_fault(f"{os.strerror(errno.ENOTBLK)} [hw:0]", "hw:0", Side.PLAYBACK)
    assert type(found) is PortFault
    assert "Block device required" in str(found)
