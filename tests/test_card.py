"""The card: what a real decoder reads from each of its forms, and that nothing runs over its edge."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import card as cards
from appliance.box import hotspot
from appliance.box.network_settings import Settings
from appliance.card import Card, Code, Text
from appliance.cli import cli
from appliance.errors import BadRequest, NotAllowed

CARD = Card("Pedal-1F3E", 'odd;one,"\\:12', name="pedal-2.local")
WIFI = r"WIFI:T:WPA;S:Pedal-1F3E;P:odd\;one\,\"\\\:12;;"


def decoded(picture: Path) -> set[str]:
    """What zbar reads in a picture."""
    if shutil.which("zbarimg") is None:
        pytest.skip("no zbarimg on this machine: apt install zbar-tools")
    command = ["zbarimg", "--quiet", "--raw", "--nodbus", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


def test_a_decoder_reads_both_codes_of_the_png(tmp_path: Path) -> None:
    cards.write(CARD, tmp_path / "card.png")
    assert decoded(tmp_path / "card.png") == {WIFI, "http://10.20.30.1"}


def test_a_decoder_reads_both_codes_of_the_pdf(tmp_path: Path) -> None:
    if shutil.which("pdftoppm") is None:
        pytest.skip("no pdftoppm on this machine: apt install poppler-utils")
    cards.write(CARD, tmp_path / "card.pdf")
    command = ["pdftoppm", "-r", "200", "-png", "-singlefile", str(tmp_path / "card.pdf"), str(tmp_path / "drawn")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""  # nothing of the file had to be repaired
    assert decoded(tmp_path / "drawn.png") == {WIFI, "http://10.20.30.1"}


def test_the_svg_is_well_formed_and_of_a_cards_size() -> None:
    tree = ElementTree.fromstring(cards.svg(Card("Pedal-1F3E", "a<b&c>d\"e'f12")))
    assert (tree.get("width"), tree.get("height")) == ("85.6mm", "53.98mm")
    words = [text.text for text in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert "a<b&c>d\"e'f12" in words


@settings(max_examples=25, deadline=None)
@given(st.text("abcXYZ019;\\<& ", min_size=12, max_size=63).filter(lambda text: text == text.strip()))
def test_nothing_runs_over_the_edge_or_into_a_codes_white(passphrase: str) -> None:
    items = list(cards.layout(Card("Pedal-1F3E", passphrase, name="a-long-name-of-a-pedal.local")))
    texts = [item for item in items if isinstance(item, Text)]
    codes = [item for item in items if isinstance(item, Code)]
    for text in texts:
        assert text.x + len(text.words) * text.size * 0.6 <= cards.WIDTH_MM - 4
        assert text.y <= cards.HEIGHT_MM - 2
        for code in codes:
            above = text.y + 0.25 * text.size <= code.y - code.quiet + 0.6
            below = text.y - 0.75 * text.size >= code.y + code.width + code.quiet - 0.6
            assert above or below
    left, right = codes
    assert left.x >= left.quiet
    assert left.x + left.width + left.quiet <= right.x - right.quiet
    assert right.x + right.width + right.quiet <= cards.WIDTH_MM
    assert left.bars()[0] >= 0.33  # mm: what a phone still reads at arm's length


def test_the_terminal_shows_codes_and_words() -> None:
    shown = cards.terminal(CARD)
    assert shown.count("▄▄▄▄▄") >= 6  # three corners each
    assert CARD.passphrase in shown
    assert "http://10.20.30.1 or http://pedal-2.local" in shown


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"\.svg, \.pdf, \.png"):
        cards.write(CARD, tmp_path / "card.gif")


def test_the_command_prints_what_the_service_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path))
    report = {"ssid": CARD.ssid, "passphrase": CARD.passphrase, "address": hotspot.ADDRESS, "name": CARD.name}
    (tmp_path / "network.json").write_text(json.dumps(report))
    shown = CliRunner().invoke(cli, ["card"])
    assert shown.output == cards.terminal(CARD) + "\n"
    written = CliRunner().invoke(cli, ["card", str(tmp_path / "card.svg")])
    assert written.exit_code == 0
    assert (tmp_path / "card.svg").read_text() == cards.svg(CARD)


def test_the_command_does_not_show_it_to_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path))

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("appliance.box.network_settings.read_report", refused)
    assert isinstance(CliRunner().invoke(cli, ["card"]).exception, NotAllowed)


def test_before_the_service_has_told_root_reads_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path))
    monkeypatch.setattr("appliance.box.network_settings.load", lambda _: Settings("Pedal-1F3E", "abcdefghjkmn"))
    assert "abcdefghjkmn" in CliRunner().invoke(cli, ["card"]).output
