"""The view of the box on a real page, before a real pedal whose wishes the test takes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.running_pedal import RunningPedal, eventually


@pytest.fixture
def wishes(pedal: RunningPedal) -> Iterator[Path]:
    """The pedal becomes an installed box; this folder is where it asks root."""
    folders = [pedal.runtime / name for name in ("wishes", "answers")]
    for folder in folders:
        folder.mkdir()
    yield folders[0]
    for folder in folders:
        shutil.rmtree(folder)
    eventually("it stays on", lambda: pedal.state()["leaving"] is None)


def refuse(wishes: Path, name: str) -> None:
    """Root's answer, so that the pedal goes on."""
    eventually("the wish is made", (wishes / name).exists)
    answer = wishes.with_name("answers") / name
    answer.write_text(json.dumps({"status": "refused", "words": "Not before the encore."}))
    (wishes / name).unlink()


def open_box(phone: Any) -> None:
    phone.locator("#open-box").tap()
    phone.locator("#box[open]").wait_for()


def test_on_a_computer_the_view_says_how_to_end_it_and_offers_no_button(phone: Any) -> None:
    open_box(phone)
    phone.locator("#box-none:not([hidden])").wait_for()
    assert "Ctrl-C" in phone.locator("#box-why").inner_text()
    assert not phone.locator("#shut-down").is_visible()


def test_a_second_tap_shuts_down_and_the_page_says_what_happens(
    phone: Any, pick_up: Any, pedal: RunningPedal, wishes: Path
) -> None:
    other = pick_up()
    open_box(phone)
    button = phone.locator("#shut-down")
    button.tap()
    assert button.inner_text() == "Tap again to shut down"
    phone.wait_for_timeout(4200)
    assert button.inner_text() == "Shut down"  # nobody meant it
    assert pedal.state()["leaving"] is None
    button.tap()
    button.tap()
    phone.locator("#box-power-words", has_text="Shutting down").wait_for()
    assert phone.locator("#restart").is_disabled()
    eventually("root is asked", (wishes / "poweroff").exists)
    assert pedal.hear(0.2)[-1000:].any() == False  # noqa: E712 – a numpy bool
    other.locator("#toast.shown", has_text="Shutting down").wait_for()
    refuse(wishes, "poweroff")
    phone.locator("#toast.shown", has_text="Not before the encore.").wait_for()
    phone.locator("#shut-down:enabled").wait_for()
    eventually("the sound is back", lambda: bool(abs(pedal.hear(0.5)).max() > 0.001))


def test_when_the_line_is_gone_the_page_says_when_the_plug_may_be_pulled(
    phone: Any, pedal: RunningPedal, wishes: Path
) -> None:
    open_box(phone)
    phone.locator("#shut-down").tap()
    phone.locator("#shut-down").tap()
    phone.locator("#box-power-words", has_text="Shutting down").wait_for()
    pedal.stop("web")
    try:
        phone.locator("#banner", has_text="green light of the Pi has stopped blinking").wait_for()
    finally:
        refuse(wishes, "poweroff")
        pedal.start_web()
    phone.locator("body[data-link=open]").wait_for()
    phone.wait_for_function("document.getElementById('banner').hidden")


def test_restart_says_that_it_comes_back(phone: Any, pedal: RunningPedal, wishes: Path) -> None:
    open_box(phone)
    phone.locator("#restart").tap()
    phone.locator("#restart").tap()
    phone.locator("#box-power-words", has_text="Restarting").wait_for()
    refuse(wishes, "restart")
    phone.locator("#restart:enabled").wait_for()


def test_every_button_is_large_enough_for_a_thumb(phone: Any, wishes: Path) -> None:
    open_box(phone)
    phone.locator("#shut-down").wait_for()
    for button in phone.locator("#box button:visible").all():
        size = button.bounding_box()
        assert size["width"] >= 48
        assert size["height"] >= 48
