"""A guitarist's thumb on a real page, a real pedal behind it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.browser.running_pedal import RunningPedal, eventually, write_linear_model

WEB_PAGE = b"<!DOCTYPE html>\n<html><head><title>File not found</title></head><body>404</body></html>\n"


def row(page: Any, name: str) -> Any:
    """The list entry of that name."""
    return page.locator(".item", has=page.locator("strong", has_text=name)).first


def choose(page: Any, pedal: RunningPedal, name: str) -> None:
    """Tap a model and wait until the engine has it."""
    row(page, name).locator(".pick").tap()
    _settle(page, pedal, name)


def _settle(page: Any, pedal: RunningPedal, name: str) -> None:
    page.wait_for_function("name => document.querySelector('#now-kind').dataset.model === name", arg=name)

    def sounds() -> bool:
        state = pedal.state()
        names = {model["id"]: model["name"] for model in state["models"]}
        return names.get(state["model"]) == name and pedal.status().generation == state["generation"]

    eventually(f"{name} sounds", sounds)
    page.wait_for_selector(".item.chosen:not(.pending)")


def centroid_hz(audio: npt.NDArray[np.float64], rate_hz: int = 48_000) -> float:
    """Centre of gravity of the magnitude spectrum."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return float(np.sum(np.fft.rfftfreq(len(audio), 1 / rate_hz) * spectrum) / np.sum(spectrum))


def test_a_tap_on_a_model_changes_what_is_heard_and_the_meters_move(phone: Any, pedal: RunningPedal) -> None:
    choose(phone, pedal, "Bright wire")
    bright = pedal.hear(2.0)
    choose(phone, pedal, "Dark wool")
    time.sleep(0.3)
    dark = pedal.hear(2.0)
    assert np.max(np.abs(bright)) > 0.01
    assert np.max(np.abs(dark)) > 0.01
    assert centroid_hz(dark) < 0.6 * centroid_hz(bright)
    readings = set()
    for _ in range(30):
        readings.add(phone.locator("#meter-output .rms").evaluate("e => e.style.clipPath"))
        phone.wait_for_timeout(50)
    assert len(readings) > 3
    assert phone.locator("#health").get_attribute("data-audio") == "playing"


def test_each_model_says_what_it_is_estimated_to_take_of_a_pi(phone: Any, pedal: RunningPedal) -> None:
    words = row(phone, "Little drive").inner_text()
    assert "Pi 4: " in words
    assert "(estimate)" in words


def test_dragging_a_dial_turns_the_knob_of_the_model(phone: Any, pedal: RunningPedal) -> None:
    choose(phone, pedal, "Little drive")
    dial = phone.locator("#model-knobs .dial").first
    name = dial.get_attribute("data-knob")
    face = dial.locator(".dial-face")
    face.scroll_into_view_if_needed()
    before = pedal.state()["knobs"][name]
    box = face.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    phone.mouse.move(x, y)
    phone.mouse.down()
    for step in range(1, 9):
        phone.mouse.move(x, y - 10 * step)
        phone.wait_for_timeout(20)
    phone.mouse.up()
    eventually("the panel has turned the knob", lambda: pedal.state()["knobs"][name] > before + 0.2)
    assert float(face.get_attribute("aria-valuenow")) == pytest.approx(pedal.state()["knobs"][name], abs=0.001)
    face.press("Home")
    eventually("Home is the minimum", lambda: pedal.state()["knobs"][name] == 0.0)
    face.press("ArrowUp")
    eventually("an arrow is a step", lambda: pedal.state()["knobs"][name] == pytest.approx(0.01))
    phone.mouse.dblclick(x, y)
    default = next(m for m in pedal.state()["models"] if m["name"] == "Little drive")["knobs"][0]["default"]
    eventually("a double tap is the default", lambda: pedal.state()["knobs"][name] == pytest.approx(default))


def test_level_dial_and_normalise_switch_reach_the_panel(phone: Any, pedal: RunningPedal) -> None:
    level = phone.locator("[data-knob=Level] .dial-face")
    level.focus()
    before = pedal.state()["level_db"]
    level.press("ArrowDown")
    eventually("half a decibel less", lambda: pedal.state()["level_db"] == before - 0.5)
    was = pedal.state()["normalise"]
    phone.locator("label[for=normalise] .toggle-words").tap()
    eventually("the switch flips", lambda: pedal.state()["normalise"] is not was)
    phone.locator("label[for=normalise] .toggle-words").tap()
    eventually("and back", lambda: pedal.state()["normalise"] is was)


def test_oversampling_is_chosen_on_the_page_and_played(phone: Any, pedal: RunningPedal) -> None:
    for choice in ("4", "1"):
        generation = pedal.status().generation
        phone.locator("#oversample").select_option(choice)
        eventually("the panel has it", lambda choice=choice: pedal.state()["oversample"] == int(choice))
        eventually("the engine plays it", lambda before=generation: pedal.status().generation > before)
    assert phone.locator("#oversample").input_value() == "1"


def test_a_web_page_is_refused_in_words_and_the_sound_goes_on(phone: Any, pedal: RunningPedal, tmp_path: Path) -> None:
    bad = tmp_path / "bluesJR-Clean.json"
    bad.write_bytes(WEB_PAGE)
    before = pedal.status()
    phone.set_input_files("#files", str(bad))
    refused = phone.locator("#uploads .refused span").first
    refused.wait_for()
    assert "web page" in refused.inner_text().lower()
    after = pedal.status()
    assert after.frames > before.frames
    assert (after.generation, after.pid, after.recoveries) == (before.generation, before.pid, before.recoveries)
    assert list((pedal.runtime / "inbox").iterdir()) == []


def test_the_web_page_of_the_tone_library_is_refused_too(phone: Any, pedal: RunningPedal, shared_data: Path) -> None:
    phone.set_input_files("#files", str(shared_data / "models" / "bad-web-page-bluesJR-Clean.json"))
    refused = phone.locator("#uploads .refused span").first
    refused.wait_for()
    assert "web page" in refused.inner_text().lower()


def test_a_good_file_is_added_played_renamed_and_removed(phone: Any, pedal: RunningPedal, tmp_path: Path) -> None:
    good = write_linear_model(tmp_path / "New wire.nam", np.array([0.0, 0.25, 0.5]))
    phone.set_input_files("#files", str(good))
    phone.locator("#uploads .done").wait_for()
    choose(phone, pedal, "New wire")
    choose(phone, pedal, "Bright wire")  # one that is in use stays
    row(phone, "New wire").locator(".more").tap()
    phone.fill("#sheet-name", "<img src=x onerror=alert(1)>")
    phone.tap("#sheet-rename")
    renamed = phone.locator("#models strong", has_text="<img src=x onerror=alert(1)>")
    renamed.wait_for()
    assert phone.locator("#models img").count() == 0
    row(phone, "<img").locator(".more").tap()
    phone.tap("#sheet-remove")
    assert any("<img" in model["name"] for model in pedal.state()["models"])  # the first tap only asks
    phone.tap("#sheet-remove")
    renamed.wait_for(state="detached")
    assert not any("<img" in model["name"] for model in pedal.state()["models"])


def test_an_impulse_response_becomes_a_cabinet(phone: Any, pedal: RunningPedal, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    response = np.zeros(4800)
    response[:3] = 0.8, -0.3, 0.1
    soundfile.write(tmp_path / "Cardboard box.wav", response, 48_000)
    phone.set_input_files("#files", str(tmp_path / "Cardboard box.wav"))
    phone.locator("#uploads .done").wait_for()
    row(phone, "Cardboard box").locator(".pick").tap()
    chosen = next(item["id"] for item in pedal.state()["cabinets"] if item["name"] == "Cardboard box")
    eventually("the cabinet is chosen", lambda: pedal.state()["cabinet"] == chosen)
    row(phone, "No cabinet").locator(".pick").tap()
    eventually("no cabinet is a choice", lambda: pedal.state()["cabinet"] is None)


def test_bypass_is_one_tap_and_every_phone_shows_it(pick_up: Callable[..., Any], pedal: RunningPedal) -> None:
    mine, yours = pick_up(), pick_up(360, 640)
    mine.tap("#bypass")
    eventually("bypassed", lambda: pedal.state()["bypass"] is True)
    yours.wait_for_selector("#bypass.bypassed")
    yours.tap("#bypass")
    eventually("on again", lambda: pedal.state()["bypass"] is False)
    mine.wait_for_selector("#bypass:not(.bypassed)")


def test_the_page_comes_back_when_the_web_process_does(phone: Any, pedal: RunningPedal) -> None:
    frames = pedal.status().frames
    assert pedal.stop("web") == 0
    phone.wait_for_selector("#banner:not([hidden])")
    assert "No connection" in phone.inner_text("#banner")
    reply = pedal.panel.request("set", level_db=-7.0)  # changed while the phone was deaf
    assert reply["status"] == "ok"
    pedal.start_web()
    phone.wait_for_selector("body[data-link=open]", timeout=30_000)
    phone.wait_for_selector("#banner", state="hidden")
    phone.wait_for_function("() => document.querySelector('[data-knob=Level] .dial-value').textContent === '−7.0 dB'")
    assert pedal.status().frames > frames
    pedal.panel.request("set", level_db=0.0)


def test_a_line_that_only_looks_open_is_noticed(phone: Any, pedal: RunningPedal) -> None:
    pedal.signal("web", signal.SIGSTOP)  # to the phone: Wi-Fi out of reach, no goodbye
    try:
        phone.wait_for_selector("#banner:not([hidden])")
    finally:
        pedal.signal("web", signal.SIGCONT)
    phone.wait_for_selector("body[data-link=open]")
    phone.wait_for_selector("#banner", state="hidden")


COUNT_BUFFERS = """
window.heard = {buffers: 0, peak: 0, seams: 0, end: 0};
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (at) {
  window.heard.buffers += 1;
  if (window.heard.end && Math.abs(at - window.heard.end) > 1e-6) window.heard.seams += 1;
  window.heard.end = at + this.buffer.duration;
  for (const sample of this.buffer.getChannelData(0)) window.heard.peak = Math.max(window.heard.peak, Math.abs(sample));
  return start.call(this, at);
};
"""


def test_listen_plays_the_output_and_stops_on_the_second_tap(pick_up: Callable[..., Any], pedal: RunningPedal) -> None:
    page = pick_up(script=COUNT_BUFFERS)
    choose(page, pedal, "Bright wire")
    page.tap("#listen")
    page.wait_for_function("() => window.heard.buffers > 40")
    heard = page.evaluate("window.heard")
    assert heard["peak"] > 0.01
    assert heard["seams"] < heard["buffers"] / 4
    assert page.inner_text("#listen-word").startswith("Listening")
    page.tap("#listen")
    assert page.inner_text("#listen-word") == "Listen"
    stopped = page.evaluate("window.heard.buffers")
    page.wait_for_timeout(500)
    assert page.evaluate("window.heard.buffers") == stopped


@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640)])
def test_everything_fits_a_phone_and_a_thumb(pick_up: Callable[..., Any], width: int, height: int) -> None:
    page = pick_up(width, height)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, .dial-face, .toggle, .add')]
            .filter(e => e.offsetParent && !e.closest('dialog'))
            .map(e => [e.id || e.className, e.getBoundingClientRect()])
            .filter(([, box]) => box.width < 48 || box.height < 48).map(([name]) => name)"""
    )
    assert small == []
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, [role=slider], input')]
            .filter(e => e.offsetParent && !(e.textContent.trim() || e.getAttribute('aria-label')
                || e.getAttribute('aria-labelledby') || (e.labels && e.labels.length)))
            .map(e => e.outerHTML)"""
    )
    assert unnamed == []
