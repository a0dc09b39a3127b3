"""On stage: presets under the thumb, a set list, the tuner, the pre-flight, on a real page with a real pedal behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.running_pedal import RunningPedal, eventually


@pytest.fixture
def stage(phone: Any, pedal: RunningPedal) -> Iterator[Any]:
    """A page on which just four presets are known, the first of them playing."""
    ids = {model["name"]: model["id"] for model in pedal.state()["models"]}
    for preset in pedal.state()["presets"]:
        pedal.panel.request("preset_remove", preset=preset["id"])
    for name, model in (
        ("Clean", "Bright wire"),
        ("Dark", "Dark wool"),
        ("Drive", "Little drive"),
        ("Solo", "Little drive"),
    ):
        pedal.panel.request("select", model=ids[model])
        pedal.panel.request("preset_add", name=name)
    pedal.panel.request("preset_recall", preset=pedal.state()["presets"][0]["id"])
    phone.wait_for_selector(".tile.chosen:has-text('Clean')")
    yield phone
    for setlist in pedal.state()["setlists"]:
        pedal.panel.request("setlist_remove", setlist=setlist["id"])
    for preset in pedal.state()["presets"]:
        pedal.panel.request("preset_remove", preset=preset["id"])


def playing(pedal: RunningPedal) -> str:
    state = pedal.state()
    return next((preset["name"] for preset in state["presets"] if preset["id"] == state["preset"]), "")


def tile(page: Any, name: str) -> Any:
    return page.locator(".tile", has_text=name)


def test_a_tap_on_a_tile_plays_the_preset_and_the_engine_confirms(stage: Any, pedal: RunningPedal) -> None:
    assert [entry.inner_text().split("\n")[-1] for entry in stage.locator(".tile").all()] == ["Clean", "Dark", "Drive"]
    tile(stage, "Dark").tap()
    eventually("Dark plays", lambda: playing(pedal) == "Dark")
    stage.wait_for_selector(".tile.chosen:has-text('Dark')")
    assert stage.locator("#now-name").inner_text() == "Dark"
    eventually("it sounds", lambda: pedal.status().generation == pedal.state()["generation"])


def test_next_goes_on_into_the_next_bank_and_leafing_changes_nothing(stage: Any, pedal: RunningPedal) -> None:
    for name in ("Dark", "Drive", "Solo"):
        stage.locator("#next").tap()
        eventually(name, lambda name=name: playing(pedal) == name)
    stage.wait_for_selector(".tile.chosen:has-text('Solo')")
    assert stage.locator("#bank-name").inner_text() == "Bank 2/2"
    stage.locator("#bank-back").tap()
    tile(stage, "Clean").wait_for()
    assert playing(pedal) == "Solo"


def test_a_changed_preset_is_marked_compared_and_saved(stage: Any, pedal: RunningPedal) -> None:
    tile(stage, "Drive").tap()
    eventually("Drive", lambda: playing(pedal) == "Drive")
    assert stage.locator("#save").is_hidden()
    dial = stage.locator("#model-knobs .dial-face").first
    dial.focus()
    dial.press("Home")
    stage.locator("#save").wait_for()
    stage.locator("#compare").tap()
    eventually("as saved", lambda: pedal.state()["compare"])
    stage.locator("#compare").tap()
    eventually("as changed", lambda: not pedal.state()["compare"])
    stage.locator("#save").tap()
    eventually("saved", lambda: not pedal.state()["edited"])
    stage.locator("#save").wait_for(state="hidden")
    kept = next(preset for preset in pedal.state()["presets"] if preset["name"] == "Drive")
    assert list(kept["knobs"].values()) == [0.0]


def test_a_scene_is_kept_and_played(stage: Any, pedal: RunningPedal) -> None:
    tile(stage, "Drive").tap()
    eventually("Drive", lambda: playing(pedal) == "Drive")
    stage.locator(".add-scene").tap()
    stage.locator(".chip", has_text="Scene 1").wait_for()
    eventually("it is on", lambda: pedal.state()["scene"] == 1)
    stage.locator(".chip", has_text="Scene 1").tap()
    eventually("and off", lambda: pedal.state()["scene"] == 0)


def test_the_book_renames_moves_adds_and_deletes(stage: Any, pedal: RunningPedal) -> None:
    def names() -> list[str]:
        return [preset["name"] for preset in pedal.state()["presets"]]

    stage.locator("#manage").tap()
    stage.get_by_label("Solo further up", exact=True).tap()
    eventually("moved", lambda: names() == ["Clean", "Dark", "Solo", "Drive"])
    stage.locator("#book-presets .row-name", has_text="Dark").tap()
    stage.get_by_label("Name of the preset").fill("Night")
    stage.locator("#book-presets .primary").tap()
    eventually("renamed", lambda: names() == ["Clean", "Night", "Solo", "Drive"])
    stage.locator("#new-name").fill("Fifth")
    stage.locator("#new-preset").tap()
    eventually("added behind the one that plays", lambda: names() == ["Clean", "Fifth", "Night", "Solo", "Drive"])
    stage.locator("#book-presets .row-name", has_text="Night").wait_for()
    if not stage.locator("#book-presets .danger").is_visible():
        stage.locator("#book-presets .row-name", has_text="Night").tap()
    stage.locator("#book-presets .danger").tap()
    stage.locator("#book-presets .danger").tap()
    eventually("deleted", lambda: names() == ["Clean", "Fifth", "Solo", "Drive"])


def test_tonights_set_list_takes_over_next_and_the_tiles(stage: Any, pedal: RunningPedal) -> None:
    stage.locator("#manage").tap()
    stage.locator("#new-setlist").tap()
    eventually("it is tonight's", lambda: pedal.state()["tonight"])
    stage.get_by_label("Take Clean out").tap()
    stage.get_by_label("2. Drive further up", exact=True).tap()
    names = {preset["id"]: preset["name"] for preset in pedal.state()["presets"]}
    eventually(
        "Drive, Dark, Solo",
        lambda: [names[entry] for entry in pedal.state()["setlists"][0]["presets"]] == ["Drive", "Dark", "Solo"],
    )
    stage.locator("#book button[type=submit]").tap()
    assert "Set list 1" in stage.locator("#bank-name").inner_text()
    stage.locator("#next").tap()
    eventually("the first of the list", lambda: playing(pedal) == "Drive")


def test_pre_flight_says_go_in_words(stage: Any, pedal: RunningPedal) -> None:
    stage.locator("#manage").tap()
    stage.locator("#preflight").tap()
    stage.wait_for_selector("#preflight-words.go, #preflight-words.no-go", timeout=90_000)
    assert "all 4 presets" in stage.locator("#preflight-words").inner_text()
    assert stage.locator("#preflight-results li.go").count() == 4


def test_the_tuner_reads_the_demo_guitar_and_goes_away(stage: Any, pedal: RunningPedal) -> None:
    stage.locator("#tuner").tap()
    stage.locator("#tuner-view[open]").wait_for()
    eventually("muted", lambda: pedal.status().output_rms_db < -60 and pedal.status().input_rms_db > -50)
    stage.wait_for_function("() => /^[A-G]/.test(document.querySelector('#tuner-note').textContent)")
    stage.locator("#tuning").select_option("drop-d")
    eventually("drop D", lambda: pedal.state()["tuner_tuning"] == "drop-d")
    stage.locator("#reference-up").tap()
    eventually("A 441", lambda: pedal.state()["tuner_reference_hz"] == 441.0)
    stage.locator("#tuner-close").tap()
    eventually("off", lambda: not pedal.state()["tuner"])
    stage.locator("#tuner-view").wait_for(state="hidden")
    pedal.panel.request("set", tuner_tuning="standard", tuner_reference_hz=440.0)
    pedal.panel.request("tuner", on=True)  # by a footswitch
    stage.locator("#tuner-view[open]").wait_for()
    pedal.panel.request("tuner", on=False)
    stage.locator("#tuner-view").wait_for(state="hidden")


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (844, 390)])
def test_the_stage_fits_a_phone_and_a_thumb(stage: Any, width: int, height: int) -> None:
    stage.set_viewport_size({"width": width, "height": height})
    assert stage.evaluate("document.documentElement.scrollWidth") <= width
    small = stage.evaluate(
        """() => [...document.querySelectorAll('.bank button')]
            .filter(e => e.offsetParent && !e.disabled)
            .filter(e => { const b = e.getBoundingClientRect(); return b.width < 36 || b.height < 44; })
            .map(e => e.outerHTML)"""
    )
    assert small == []
    stage.locator("#manage").tap()
    assert stage.evaluate("document.querySelector('#book').scrollWidth <= document.querySelector('#book').clientWidth")
