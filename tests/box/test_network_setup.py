"""The installer's part for the network: name and country, done once, taken back."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.box import network_setup
from appliance.box.layout import Box
from appliance.box.record import Record
from appliance.errors import BadRequest

RADIO = "etc/modprobe.d/appliance-wifi.conf"


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A tree of a system that nobody has named yet."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("raspberrypi\n")
    (tmp_path / "etc/hosts").write_text("127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n")
    return Box(tmp_path)


def files(box: Box) -> dict[str, str]:
    return {str(path.relative_to(box.root)): path.read_text() for path in box.root.rglob("*") if path.is_file()}


def do(pending: network_setup.Pending) -> list[str]:
    words = []
    for said, deed in list(pending):
        deed()
        words.append(said)
    return words


def test_name_and_country_are_set_once_and_taken_back(box: Box) -> None:
    before, record = files(box), Record()
    assert len(do(network_setup.pending(box, "gb", record))) == 2
    assert files(box) == {
        "etc/hostname": "pedal\n",
        "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tpedal\n",
        RADIO: "# Whose radio rules hold for Wi-Fi, from the start.\noptions cfg80211 ieee80211_regdom=GB\n",
    }
    assert (box.root / RADIO).stat().st_mode & 0o777 == 0o644
    assert do(network_setup.pending(box, "GB", record)) == []
    assert do(network_setup.pending(box, None, record)) == []
    assert len(do(network_setup.undo(box, record))) == 2
    assert files(box) == before
    assert (record.own, record.name_before) == ([], None)
    assert do(network_setup.undo(box, record)) == []


def test_a_name_that_the_owner_gave_stays(box: Box) -> None:
    (box.root / "etc/hostname").write_text("marshall\n")
    assert do(network_setup.pending(box, None, Record())) == []
    record = Record(name_before="raspberrypi")
    assert do(network_setup.undo(box, record)) == []
    assert (box.root / "etc/hostname").read_text() == "marshall\n"


def test_another_country_replaces_the_first(box: Box) -> None:
    record = Record()
    do(network_setup.pending(box, "GB", record))
    do(network_setup.pending(box, "DE", record))
    assert network_setup.country_of(box) == "DE"
    assert record.own == [RADIO]


def test_what_is_no_country_changes_nothing(box: Box) -> None:
    before = files(box)
    with pytest.raises(BadRequest, match="two letters"):
        list(network_setup.pending(box, "Britain", Record()))
    assert files(box) == before


def test_the_country_of_raspi_config_is_known(box: Box) -> None:
    assert network_setup.country_of(box) is None
    (box.root / "boot/firmware").mkdir(parents=True)
    (box.root / "boot/firmware/cmdline.txt").write_text("root=/dev/mmcblk0p2 cfg80211.ieee80211_regdom=FR quiet\n")
    assert network_setup.country_of(box) == "FR"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


@pytest.mark.parametrize(
    ("text", "found", "answer"),
    [("gb\n", None, "GB"), ("\n", "FR", "FR"), ("\n", None, None), ("Britain\nde\n", None, "DE"), ("", None, None)],
)
def test_the_question(typed: Callable[[str], None], text: str, found: str | None, answer: str | None) -> None:
    typed(text)
    assert network_setup.ask_for_country(found) == answer
