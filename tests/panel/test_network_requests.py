"""What the panel answers about the network, asks of root, and remembers of phones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance import paths
from appliance.box import wishes
from appliance.box.wishes import Answer
from appliance.errors import BadRequest, NotInstalled
from appliance.panel.network_requests import NetworkRequests

REPORT = {"hotspot": False, "wish": "auto", "ssid": "Pedal-1F3E", "told": None}


@pytest.fixture
def requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NetworkRequests:
    """The requests of a panel on an installed box."""
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path / "run"))
    for folder in (paths.wishes_dir(), paths.answers_dir()):
        folder.mkdir(parents=True)
    tell()
    return NetworkRequests(tmp_path / "phones.json")


def tell(**fields: object) -> None:
    paths.network_file().write_text(json.dumps(REPORT | fields))


def wished() -> dict[str, object]:
    found: dict[str, object] = json.loads((paths.wishes_dir() / "network").read_text())
    return found


def test_the_report_is_passed_on_and_none_where_no_service_tells(requests: NetworkRequests) -> None:
    assert requests.handlers["network"]({}) == {"network": {"report": REPORT, "settled": []}}
    paths.network_file().unlink()
    assert requests.handlers["network"]({})["network"]["report"] is None


def test_what_is_asked_becomes_a_wish_once_it_makes_sense(requests: NetworkRequests) -> None:
    requests.handlers["network"]({"do": "join", "ssid": "Café", "passphrase": "correct horse"})
    assert wished() == {"do": "join", "ssid": "Café", "passphrase": "correct horse"}
    with pytest.raises(BadRequest, match="at least 12"):
        requests.handlers["network"]({"do": "passphrase", "passphrase": "short"})
    assert wished()["do"] == "join"


def test_roots_refusal_is_told(requests: NetworkRequests) -> None:
    requests.handlers["network"]({"do": "look"})
    (paths.wishes_dir() / "network").unlink()  # taken
    wishes.tell("network", Answer("refused", "the service is not running"))
    assert requests.handlers["network"]({})["network"]["report"]["told"] == "the service is not running"
    wishes.tell("network", Answer("done", ""))
    tell(told="Home is not in range.")
    assert requests.handlers["network"]({})["network"]["report"]["told"] == "Home is not in range."


def test_a_held_switch_brings_the_hotspot_up_and_back(requests: NetworkRequests) -> None:
    assert requests.change_over() == "Wi-Fi Pedal-1F3E comes up"
    assert wished() == {"do": "hotspot", "wish": "on", "lasting": False}
    tell(hotspot=True, wish="on")
    requests.change_over()
    assert wished() == {"do": "hotspot", "wish": "auto", "lasting": False}
    paths.network_file().unlink()
    with pytest.raises(NotInstalled, match="installed as a service"):
        requests.change_over()


def test_phones_that_stay_are_remembered_the_newest_of_many(requests: NetworkRequests, tmp_path: Path) -> None:
    for number in range(2, 72):
        requests.handlers["network"]({"do": "settle", "address": f"10.20.30.{number}"})
    requests.handlers["network"]({"do": "settle", "address": "10.20.30.71"})
    again = NetworkRequests(tmp_path / "phones.json").handlers["network"]({})["network"]["settled"]
    assert again == [f"10.20.30.{number}" for number in range(8, 72)]


@pytest.mark.parametrize("address", [None, "10.20.30", "::1", "x" * 999, 7.5, ["10.20.30.2"]])
def test_what_is_no_address_is_not_remembered(requests: NetworkRequests, address: object) -> None:
    with pytest.raises(BadRequest):
        requests.handlers["network"]({"do": "settle", "address": address})
    assert requests.handlers["network"]({})["network"]["settled"] == []
