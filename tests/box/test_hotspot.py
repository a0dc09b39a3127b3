"""The hotspot's name, pass-phrase, channel and profile."""

from __future__ import annotations

import configparser
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.box import hotspot
from appliance.errors import BadRequest

PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "


def read(profile: str) -> configparser.RawConfigParser:
    """A keyfile, as sections of keys."""
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), inline_comment_prefixes=None)
    parser.read_string(profile)
    return parser


def test_a_made_passphrase_is_long_unlike_the_last_and_of_letters_that_are_not_mistaken() -> None:
    made = {hotspot.make_passphrase() for _ in range(300)}
    assert len(made) == 300
    assert {len(one) for one in made} == {12}
    assert set("".join(made)) == set("abcdefghjkmnpqrstuvwxyz")  # neither i, l nor o; nothing but one keyboard page
    for one in made:
        assert hotspot.check_passphrase(one) == one


@pytest.mark.parametrize(
    ("serial", "ssid"),
    [("10000000abcd1f3e", "Pedal-1F3E"), ("b8:27:eb:0a:0b:0c", "Pedal-0B0C"), ("7", "Pedal-0007"), ("", "Pedal-0000")],
)
def test_the_name_is_that_of_the_box(serial: str, ssid: str) -> None:
    assert hotspot.make_ssid(serial) == ssid


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shorty", "6 characters: take at least 12"),
        ("x" * 64, "63 is the most"),
        (" twelve chars", "space"),
        ("twelve chars ", "space"),
        ("vierundzwanzigä", "letters a to z"),
        ("tab\there and there", "letters a to z"),
        (None, "text"),
        (["x" * 12], "text"),
    ],
)
def test_a_passphrase_is_refused_aloud(text: object, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        hotspot.check_passphrase(text)


def test_somebody_elses_network_may_have_a_shorter_one() -> None:
    assert hotspot.check_joining("12345678") == "12345678"
    with pytest.raises(BadRequest, match="8 to 63 characters, and this has 7"):
        hotspot.check_joining("1234567")


@given(st.lists(st.tuples(st.integers(1, 13), st.integers(1, 100)), max_size=12))
def test_the_channel_is_one_that_everybody_may_use_and_no_other_is_quieter(heard: list[tuple[int, int]]) -> None:
    chosen = hotspot.quietest_channel(heard)

    def noise(own: int) -> int:
        return sum(strength for channel, strength in heard if abs(channel - own) < 5)

    assert chosen in (1, 6, 11)
    assert all(noise(chosen) <= noise(other) for other in (1, 6, 11))


def test_a_busy_channel_is_left() -> None:
    assert hotspot.quietest_channel([(1, 80), (6, 30), (8, 30)]) == 11
    assert hotspot.quietest_channel([(1, 80), (11, 10), (6, 11)]) == 11
    assert hotspot.quietest_channel([(36, 100)]) == 1


@given(st.text(PRINTABLE, min_size=12, max_size=63).filter(lambda text: text == text.strip()))
def test_the_code_for_the_camera_says_it_unchanged(passphrase: str) -> None:
    code = hotspot.wifi_code("Pedal;1", passphrase)
    fields, field, escaped = [], "", False
    for character in code.removeprefix("WIFI:"):  # as a phone reads it: ; ends a field, a backslash saves what follows
        if escaped or character not in "\\;":
            field, escaped = field + character, False
        elif character == "\\":
            escaped = True
        else:
            fields.append(field)
            field = ""
    assert fields == ["T:WPA", "S:Pedal;1", f"P:{passphrase}", ""]


@given(st.text(PRINTABLE, min_size=12, max_size=63).filter(lambda text: text == text.strip()))
def test_no_passphrase_breaks_out_of_its_line(passphrase: str) -> None:
    found = read(hotspot.hotspot_profile("wlan0", "Pedal-1F3E", passphrase, 6, wpa3=False))
    written = found["wifi-security"]["psk"]
    assert re.fullmatch(r"(?:[^\\]|\\\\)*", written)  # a lone backslash would begin one of GLib's own words
    assert written.replace("\\\\", "\\") == passphrase
    assert found.sections() == ["connection", "wifi", "wifi-security", "ipv4", "ipv6"]


def test_the_hotspot_is_wpa2_with_aes_alone_unless_wpa3_is_wanted() -> None:
    plain = read(hotspot.hotspot_profile("wlan0", "Pedal-1F3E", "abcdefghjkmn", 6, wpa3=False))
    assert dict(plain["wifi-security"]) == {
        "key-mgmt": "wpa-psk",
        "proto": "rsn;",
        "pairwise": "ccmp;",
        "group": "ccmp;",
        "pmf": "1",  # off: the Pi's own radio loses phones otherwise
        "psk": "abcdefghjkmn",
    }
    assert plain["connection"]["autoconnect"] == "false"
    assert bytes(int(number) for number in plain["wifi"]["ssid"].strip(";").split(";")) == b"Pedal-1F3E"
    assert (plain["wifi"]["band"], plain["wifi"]["channel"]) == ("bg", "6")
    assert (plain["ipv4"]["method"], plain["ipv4"]["address1"]) == ("shared", "10.20.30.1/24")
    both = read(hotspot.hotspot_profile("wlan0", "Pedal-1F3E", "abcdefghjkmn", 6, wpa3=True))
    assert both["wifi-security"]["pmf"] == "3"


@pytest.mark.parametrize("ssid", ["Café: home", "]\n[vpn]", "a;b", "日本", "x" * 32])
def test_any_name_of_a_network_stays_inside_its_line(ssid: str) -> None:
    found = read(hotspot.joined_profile(ssid, "correct horse", wpa3_only=False, hidden=False))
    assert bytes(int(number) for number in found["wifi"]["ssid"].strip(";").split(";")).decode() == ssid
    assert found["connection"]["uuid"] == hotspot.joined_uuid(ssid)
    assert "/" not in hotspot.profile_name(ssid)
    assert "hidden" not in found["wifi"]


def test_open_hidden_and_wpa3_networks() -> None:
    free = read(hotspot.joined_profile("Venue", None, wpa3_only=False, hidden=True))
    assert "wifi-security" not in free.sections()
    assert free["wifi"]["hidden"] == "true"
    new = read(hotspot.joined_profile("Venue", "correct horse", wpa3_only=True, hidden=False))
    assert new["wifi-security"]["key-mgmt"] == "sae"


@pytest.mark.parametrize("ssid", ["", "x" * 33, "é" * 17, None, 7])
def test_what_is_no_name_is_refused(ssid: object) -> None:
    with pytest.raises(BadRequest, match="1 to 32 bytes"):
        hotspot.check_ssid(ssid)
