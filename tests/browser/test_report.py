"""A training report opened by double-click, in a real browser at phone size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.training.report.write import write_report
from tests.training.report.making import HISTORY, data_set, device, nearly


@pytest.fixture(scope="module")
def report_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, _ = write_report(tmp_path_factory.mktemp("report"), nearly(device()), data_set(8.0), HISTORY)
    return path


@pytest.fixture(params=["light", "dark"])
def page(browser: Any, report_file: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The report on a phone. Anything said on the console or asked of a network fails the test."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        device_scale_factor=2,
        has_touch=True,
        is_mobile=True,
        color_scheme=request.param,
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(("data:", "file:")) else said.append(asked.url))
    page.goto(report_file.as_uri())
    yield page
    context.close()
    assert said == []


def test_it_fits_a_phone_and_every_picture_shows(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    widths = page.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth])")
    assert len(widths) > 8
    assert all(complete and width > 500 for complete, width in widths)
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    shown, light = page.evaluate("[document.images[0].currentSrc, document.images[0].src]")
    assert (shown != light) == dark


def test_each_player_plays(page: Any) -> None:
    page.locator("summary").tap()
    for name in ("device", "model", "difference"):
        sound = page.locator(f"#sound-{name}")
        sound.evaluate("audio => audio.play()")
        page.wait_for_function("id => document.getElementById(id).currentTime > 0.3", arg=f"sound-{name}")
        assert sound.evaluate("audio => audio.duration") == pytest.approx(6.0, abs=0.01)
        paused = page.evaluate("[...document.querySelectorAll('audio')].filter(audio => !audio.paused).length")
        assert paused == 1  # the one before went quiet


def test_switching_between_the_three_keeps_the_place(page: Any) -> None:
    # What each sound is let through with, read off the gains that the page makes.
    page.evaluate(
        """() => {
          window.gains = [];
          const make = AudioContext.prototype.createGain;
          AudioContext.prototype.createGain = function () {
            const gain = make.call(this); window.gains.push(gain.gain); return gain;
          };
        }"""
    )
    page.locator("#play").tap()
    page.wait_for_function("Number(document.body.dataset.place) > 0.3")
    page.wait_for_function(
        "window.gains[0].value > 0.99 && window.gains[1].value < 0.01 && window.gains[2].value < 0.01"
    )
    before = page.evaluate("Number(document.body.dataset.place)")
    page.locator("[data-sound=model]").tap()
    page.wait_for_function("window.gains[0].value < 0.01 && window.gains[1].value > 0.99")
    page.locator("#raise").tap()
    page.wait_for_function("window.gains[1].value < 0.01 && window.gains[2].value > 1.5")
    assert page.locator("[data-sound=difference]").get_attribute("aria-checked") == "true"
    after = page.evaluate("Number(document.body.dataset.place)")
    assert before < after < before + 5.0
    page.locator("#play").tap()
    assert page.locator("#play").get_attribute("aria-pressed") == "false"
    stopped = page.evaluate("Number(document.body.dataset.place)")
    page.wait_for_timeout(200)
    assert page.evaluate("Number(document.body.dataset.place)") == stopped
    page.locator("#place").evaluate("slider => { slider.value = 0.5; slider.dispatchEvent(new Event('input')); }")
    assert page.evaluate("Number(document.body.dataset.place)") == pytest.approx(3.0, abs=0.05)
