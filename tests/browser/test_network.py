"""The network on the page: what the box is on, its card, joining, and what is refused before it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.running_pedal import RunningPedal, eventually

REPORT: dict[str, Any] = {
    "radio": True, "hotspot": True, "wish": "auto", "ssid": "Pedal-1F3E", "passphrase": "abcdefghjkmn", "wpa3": False,
    "address": "10.20.30.1", "guests": 1, "wifi": None,
    "near": [
        {"ssid": "Café <b>home</b>", "signal": 90, "security": "WPA2", "known": False},
        {"ssid": "Venue", "signal": 30, "security": "", "known": False},
    ],
    "known": ["Rehearsal"], "country": None, "name": "pedal.local", "addresses": ["10.20.30.1"], "told": None,
    "busy": None,
}  # fmt: skip


@pytest.fixture
def service(pedal: RunningPedal) -> Iterator[Callable[..., None]]:
    """Tells what the root service would tell, and makes the folder of wishes."""
    (pedal.runtime / "wishes").mkdir(exist_ok=True)
    path = pedal.runtime / "network.json"

    def tell(**fields: object) -> None:
        path.with_suffix(".new").write_text(json.dumps(REPORT | fields))
        path.with_suffix(".new").replace(path)

    tell()
    yield tell
    path.unlink()
    for file in (pedal.runtime / "wishes").iterdir():
        file.unlink()
    (pedal.runtime / "wishes").rmdir()


def wish(pedal: RunningPedal) -> dict[str, Any]:
    """What was asked of root; taken away, as root does."""
    path: Path = pedal.runtime / "wishes" / "network"
    eventually("a wish", path.exists)
    found: dict[str, Any] = json.loads(path.read_text())
    path.unlink()
    return found


def test_the_network_is_told_and_changed(pedal: RunningPedal, service: Callable[..., None], phone: Any) -> None:
    phone.tap("#open-box")
    phone.wait_for_selector("#network-place:not(:empty)")
    assert phone.inner_text("#network-place") == "Its own Wi-Fi Pedal-1F3E is up; one phone is on it."
    assert phone.inner_text("#network-pages") == "This page: http://pedal.local or http://10.20.30.1"
    assert phone.evaluate("document.getElementById('network-card').decode().then(() => true)")
    names = phone.locator("#network-near strong").all_inner_texts()
    assert names == ["Café <b>home</b>", "Venue", "Rehearsal"]  # text, not markup

    phone.select_option("#network-wish", "on")
    assert wish(pedal) == {"do": "hotspot", "wish": "on", "lasting": True}

    phone.fill("#network-secret", "short")
    phone.tap("#network-keep")
    assert "5 characters: take at least 12" in phone.inner_text("#network-fault")
    phone.fill("#network-secret", "a better one 99")
    phone.tap("#network-keep")
    assert wish(pedal) == {"do": "passphrase", "passphrase": "a better one 99"}

    phone.locator("#network-near li").nth(0).locator("button").tap()
    phone.fill("#network-key", "wrong")
    phone.tap("#network-go")
    assert "at least 8" in phone.inner_text("#network-fault")
    phone.fill("#network-key", "correct horse")
    phone.tap("#network-go")
    assert wish(pedal) == {"do": "join", "ssid": "Café <b>home</b>", "passphrase": "correct horse"}

    phone.locator("#network-near li").nth(1).locator("button").tap()
    phone.tap("#network-go")
    assert wish(pedal) == {"do": "join", "ssid": "Venue", "passphrase": None}

    service(hotspot=False, wifi="Venue", told="Café is not in range.", guests=0)
    phone.wait_for_selector("#network-told:not([hidden])")
    assert phone.inner_text("#network-place") == "On the Wi-Fi Venue."
    assert phone.inner_text("#network-told") == "Café is not in range."
    width = phone.evaluate("document.getElementById('box').scrollWidth - document.getElementById('box').clientWidth")
    assert width <= 0


def test_without_the_service_there_is_no_such_part(pedal: RunningPedal, phone: Any) -> None:
    phone.tap("#open-box")
    phone.wait_for_selector("#box[open]")
    phone.wait_for_timeout(300)
    assert phone.is_hidden("#box-network")
