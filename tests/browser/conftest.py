"""The real pedal (panel, audio on the demo sound card, web) as processes, and a real Chromium at phone size."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.running_pedal import RunningPedal, eventually, write_knob_model, write_linear_model

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def pedal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPedal]:
    """The pedal, playing, with three models whose sound is known."""
    pytest.importorskip("appliance.engine._native", reason="the native engine is not built")
    folder = tmp_path_factory.mktemp("pedal")
    pedal = RunningPedal(folder)
    try:
        pedal.start("panel")
        pedal.start("audio", "--demo", "--core", "none", "--period", "256")
        pedal.start_web()
        eventually("the pedal answers", pedal.is_up, 60.0)
        pedal.bring_in(write_linear_model(folder / "Bright wire.nam", np.array([0.0, 0.0, 0.5])))
        pedal.bring_in(write_linear_model(folder / "Dark wool.nam", np.hanning(130)[1:-1] / 64))
        pedal.bring_in(write_knob_model(folder / "Little drive.json"))
        yield pedal
    finally:
        pedal.stop_all()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests."""
    playwright_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine: apt install chromium")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def pick_up(browser: Any, pedal: RunningPedal) -> Iterator[Callable[..., Any]]:
    """Opens the page on as many phones as wanted. A script error on any of them fails the test."""
    contexts, errors = [], []

    def open_page(width: int = 390, height: int = 844, script: str = "") -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=2, has_touch=True, is_mobile=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if script:
            page.add_init_script(script)
        page.goto(pedal.address)
        page.wait_for_selector("body[data-link=open] #models .item")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def phone(pick_up: Callable[..., Any]) -> Any:
    """One phone with the page open."""
    return pick_up()
