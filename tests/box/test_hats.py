"""HATs: what the table says fits together, the one on the Pi is found, its mixer is set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from appliance.box import hats, mixer
from appliance.errors import BadRequest, SystemRefused

PRO, PLAIN = hats.by_name("hifiberry-dacplusadcpro"), hats.by_name("hifiberry-dacplusadc")


def controls(*names: str) -> str:
    """As `amixer controls` prints them."""
    return "".join(f"numid={number},iface=MIXER,name='{name}'\n" for number, name in enumerate(names, start=1))


def card(root: Path, number: int, identity: str) -> None:
    folder = root / f"proc/asound/card{number}"
    folder.mkdir(parents=True)
    (folder / "id").write_text(f"{identity}\n")


class Amixer:
    """A card with some controls, one of which may refuse."""

    def __init__(self, has: Sequence[str], refuses: str = "") -> None:
        self._has, self._refuses = has, refuses
        self.values: dict[str, str] = {}

    def __call__(self, command: Sequence[str]) -> str:
        assert command[0] == "amixer"
        if command[-1] == "controls":
            return controls(*self._has)
        name = command[-2].partition("name=")[2]
        if name == self._refuses:
            raise SystemRefused(f"{name} failed")
        self.values[name] = command[-1]
        return ""


def test_every_name_is_there_once_and_a_cards_id_is_as_long_as_alsa_makes_it() -> None:
    names = [hat.name for hat in hats.HATS]
    assert len(set(names)) == len(names)
    assert all(len(hat.card) <= 15 and hat.card.isalnum() for hat in hats.HATS)
    assert all(line.startswith("dtoverlay=") for hat in hats.HATS for line in hat.overlays)
    assert all({18, 19, 20, 21} <= hat.pins for hat in hats.HATS)


def test_hats_that_share_a_cards_id_differ_in_their_controls() -> None:
    for hat in hats.HATS:
        for other in hats.HATS:
            if hat is not other and hat.card == other.card:
                assert dict(hat.mixer).keys() != dict(other.mixer).keys()


def test_a_wrong_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(BadRequest, match=r"Did you mean 'hifiberry-dacplusadc'"):
        hats.by_name("hifibery-dacplusadc")


@pytest.mark.parametrize(
    ("product", "name"),
    [
        (b"Pisound\0", "pisound"),
        (b"HiFiBerry DAC+ADC Pro\0", "hifiberry-dacplusadcpro"),
        (b"Raspberry Pi Codec Zero\0", "codec-zero"),
        (b"Sense HAT\0", None),
        (b"\0", None),
    ],
)
def test_the_eeprom_says_which_hat_it_is(tmp_path: Path, product: bytes, name: str | None) -> None:
    (tmp_path / "proc/device-tree/hat").mkdir(parents=True)
    (tmp_path / "proc/device-tree/hat/product").write_bytes(product)
    found = hats.detected(tmp_path)
    assert (found.name if found else None) == name
    assert hats.detected(tmp_path / "no pi") is None


def test_of_two_cards_of_one_name_the_controls_tell_which_it_is(tmp_path: Path) -> None:
    card(tmp_path, 2, "sndrpihifiberry")
    pro = Amixer([name for name, _ in PRO.mixer])
    assert mixer.set_mixer(2, tmp_path, pro) == []
    assert pro.values == dict(PRO.mixer)
    plain = Amixer([name for name, _ in PLAIN.mixer])
    assert mixer.set_mixer(2, tmp_path, plain) == []
    assert plain.values == dict(PLAIN.mixer)


def test_a_control_that_refuses_keeps_no_other_from_being_set(tmp_path: Path) -> None:
    card(tmp_path, 0, "wm8960soundcard")
    wm8960 = hats.by_name("wm8960")
    amixer = Amixer([name for name, _ in wm8960.mixer], refuses="Capture Volume")
    assert mixer.set_mixer(0, tmp_path, amixer) == ["Capture Volume failed"]
    assert amixer.values == {name: value for name, value in wm8960.mixer if name != "Capture Volume"}


def test_cards_that_are_not_known_stay_as_they_are(tmp_path: Path) -> None:
    card(tmp_path, 0, "USB")
    amixer = Amixer(["PCM Playback Volume"])
    assert mixer.set_mixer(0, tmp_path, amixer) == []
    card(tmp_path, 1, "Zero")  # by that name, but another card
    (said,) = mixer.set_mixer(1, tmp_path, amixer)
    assert "stays as it is" in said
    assert amixer.values == {}
    with pytest.raises(SystemRefused, match="no sound card 7"):
        mixer.set_mixer(7, tmp_path, amixer)


def test_no_hat_lets_its_input_pass_by_the_pedal() -> None:
    """Whatever leads from an input to the output without the pedal is off; whatever leads from the DAC is on."""
    for hat in hats.HATS:
        for name, value in hat.mixer:
            if any(
                part in name for part in ("Bypass Switch", "Sidetone Switch", "Mixout Left Aux", "Mixout Left Mixin")
            ):
                assert value == "off", name
            if "HiFi Playback" in name or "PCM Playback Switch" in name or name.startswith("Mixout Left DAC"):
                assert value == "on", name
