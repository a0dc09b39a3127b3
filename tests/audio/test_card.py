"""What is asked of a card, what is taken instead, and what is refused in words."""

from __future__ import annotations

import pytest

from appliance.audio.card import CardSettings
from appliance.audio.fake import FakeCard
from appliance.audio.ports import DeviceGone, DeviceRefused


def settings(**changes: object) -> CardSettings:
    return CardSettings("in", "out", **changes)  # type: ignore[arg-type]


def test_the_format_with_most_bits_is_taken_when_none_is_asked_for() -> None:
    port = FakeCard(formats=("S16_LE", "S24_3LE")).port()
    port.open()
    assert (port.capture_format, port.playback_format) == ("S24_3LE", "S24_3LE")


def test_a_format_that_was_asked_for_and_not_given_is_refused() -> None:
    port = FakeCard(formats=("S16_LE",)).port(settings(capture_format="S32_LE", playback_format="S16_LE"))
    with pytest.raises(DeviceRefused, match=r"in \(capture\) gives the format S16_LE where S32_LE was asked for"):
        port.open()


def test_a_card_with_no_format_that_can_be_decoded_is_refused_with_its_formats() -> None:
    with pytest.raises(DeviceRefused, match=r"only the formats MU_LAW, U8; one of S16_LE, .*plughw:"):
        FakeCard(formats=("U8", "MU_LAW")).port().open()


def test_a_card_with_stereo_only_is_used_in_stereo() -> None:
    port = FakeCard(gives={"channels": 2}).port()
    port.open()
    assert (port.capture_channels, port.playback_channels) == (2, 2)
    assert "channel 1 of 2" in port.describe()
    assert "stereo" in port.describe()


def test_the_second_channel_of_a_mono_card_is_refused_in_words() -> None:
    port = FakeCard(gives={"channels": 1}).port(settings(channel=1))
    with pytest.raises(DeviceRefused, match="has mono where channel 2 was asked for: use --channel 1 or less"):
        port.open()


def test_the_channel_asked_for_makes_the_card_open_with_enough_channels() -> None:
    port = FakeCard().port(settings(channel=3))
    port.open()
    assert (port.capture_channels, port.capture_channel, port.playback_channels) == (4, 3, 1)


def test_a_larger_card_buffer_does_not_add_latency() -> None:
    card = FakeCard(gives={"periods": 8})
    port = card.port()
    port.open()
    assert port.backlog_frames() == 128


def test_what_was_negotiated_is_described() -> None:
    port = FakeCard().port(settings(rate_hz=96_000, period_frames=32, periods=3))
    port.open()
    assert port.describe() == (
        "96000 Hz, 32 frames a period, 3 periods (1.00 ms through the buffers); in: in, S32_LE, channel 1 of 1; "
        "out: out, S32_LE, mono"
    )


def test_a_reopened_card_must_have_the_format_the_engine_was_set_up_for() -> None:
    card = FakeCard(formats=("S32_LE",))
    port = card.port()
    port.open()
    card.formats = ("S16_LE",)
    with pytest.raises(DeviceRefused, match="gives the format S16_LE where S32_LE"):
        port.open()


def test_a_reopened_card_must_have_the_channels_the_engine_was_set_up_for() -> None:
    card = FakeCard(gives={"channels": 2})
    port = card.port()
    port.open()
    card.gives = {"channels": 4}
    with pytest.raises(DeviceRefused, match="came back with 4 channels where it had 2"):
        port.open()


def test_closing_twice_and_before_opening_is_allowed() -> None:
    port = FakeCard().port()
    port.close()
    port.open()
    port.close()
    port.close()
    assert port.backlog_frames() is None


def test_the_first_direction_is_let_go_when_the_second_is_refused() -> None:
    class NoCapture(FakeCard):
        def open(self, side, *rest):  # type: ignore[no-untyped-def,override]
            if side.value == "capture":
                raise self.error("Device or resource busy [in]")
            return super().open(side, *rest)

    card = NoCapture()
    with pytest.raises(OSError, match="another program uses it"):
        card.port(settings()).open()
    assert card.playback is not None
    with pytest.raises(card.error, match="No such device"):  # closed
        card.playback.write(b"")


def test_fault_is_an_os_error_for_callers_who_never_read_this_package() -> None:
    assert issubclass(DeviceGone, OSError)
