"""The view of the controls on a real page, before a real pedal with a simulated box and a fake MIDI device."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("gpiozero", reason="gpiozero is not installed")

from tests.browser.running_pedal import RunningPedal, eventually


@pytest.fixture
def view(phone: Any, pedal: RunningPedal) -> Iterator[Any]:
    """A page with the view open, its pots at the middle and unlearned."""
    for pot in box(pedal)["pots"]:
        pedal.panel.request("calibrate", pot=pot, step="forget")
    phone.locator("#open-controls").tap()
    phone.locator(".pot[data-pot=gain]").wait_for()
    yield phone
    for message in box(pedal)["midi"]["learnt"]:
        pedal.panel.request("unlearn", message=message)
    for pot in box(pedal)["pots"]:
        pedal.panel.request("calibrate", pot=pot, step="cancel")
        pedal.panel.request("calibrate", pot=pot, step="forget")


@pytest.fixture
def wire(pedal: RunningPedal) -> Iterator[int]:
    """What a MIDI device sends on: a pipe is a device file that a test can write to."""
    pytest.importorskip("mido", reason="mido is not installed")
    path = pedal.midi / "midiC1D0"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    eventually("the device is there", lambda: box(pedal)["midi"]["devices"] == ["midiC1D0"])
    yield descriptor
    os.close(descriptor)
    path.unlink()
    eventually("the device is gone", lambda: box(pedal)["midi"]["devices"] == [])


def box(pedal: RunningPedal) -> dict[str, Any]:
    """Every control as the panel sees it, once they are there."""
    found: dict[str, Any] = eventually("controls", lambda: pedal.panel.request("controls").get("controls"))
    return found


def sweep(pedal: RunningPedal, pot: str, *levels: float) -> None:
    """Turn a pot of the simulated box through some levels of its wire, as a hand does."""
    for level in levels:
        assert pedal.panel.request("sim", pot=pot, level=level)["status"] == "ok"
        time.sleep(0.08)


def pot_card(view: Any, name: str) -> Any:
    return view.locator(f".pot[data-pot={name}]")


def test_pots_and_switches_are_live_and_say_what_they_do(view: Any, pedal: RunningPedal) -> None:
    names = view.locator(".pot-head strong").all_inner_texts()
    assert [name.lower() for name in names] == ["gain", "tone", "level", "expression"]  # as they are wired
    assert "turns treble" in pot_card(view, "tone").inner_text().lower()
    sweep(pedal, "tone", 0.5, 0.6, 0.7)
    view.locator(".pot[data-pot=tone] .pot-values", has_text="reads 0.700").wait_for()
    bar = pot_card(view, "tone").locator(".pot-bar i")  # the filtered pot: a moment behind the wire
    eventually(
        "the bar is where the pot is",
        lambda: bar.evaluate("e => parseFloat(e.style.width)") == pytest.approx(70.5, abs=1.0),
    )
    right = view.locator(".foot", has_text="Press: Bypass, tap or hold")
    pedal.panel.request("sim", switch="right", down=True)
    view.locator(".foot.chosen", has_text="right").wait_for()
    pedal.panel.request("sim", switch="right", down=False)
    right.filter(has_text="last: ").wait_for()
    pedal.panel.request("set", bypass=False)


def test_a_wire_that_came_off_is_said_where_it_is(view: Any, pedal: RunningPedal) -> None:
    sweep(pedal, "gain", 0.5, 0.6)
    pedal.panel.request("sim", pot="gain", level=0.0)
    pot_card(view, "gain").locator(".pot-fault", has_text="Its last position stays").wait_for()
    assert view.locator("#controls-notes li").count() == 0  # and not twice
    sweep(pedal, "gain", 0.5)
    pot_card(view, "gain").locator(".pot-fault").wait_for(state="hidden")


def test_what_a_control_was_refused_is_said_until_it_does_something(view: Any, pedal: RunningPedal, wire: int) -> None:
    for action, data in (("preset 99", (0xB0, 70, 127)), ("boost", (0xB0, 70, 0, 0xB0, 70, 127))):
        pedal.panel.request("learn", action=action)
        os.write(wire, bytes(data))
        wanted = {"cc 70": action}
        eventually(action, lambda wanted=wanted: box(pedal)["midi"]["bindings"] == wanted)  # type: ignore[misc]
        if action == "preset 99":
            view.locator("#controls-notes li", has_text="there is no number 99").wait_for()
    view.locator("#controls-notes li").wait_for(state="detached")
    pedal.panel.request("action", action="boost")


def test_calibrating_on_the_page_changes_what_the_pot_does(view: Any, pedal: RunningPedal) -> None:
    """A tone pot whose wire only moves from 0.2 to 0.6: the whole of its way afterwards, less than half before."""
    sweep(pedal, "tone", 0.5, 0.4, 0.3, 0.5, 0.6)
    eventually("far from the top", lambda: 1.0 < pedal.state()["treble_db"] < 4.0)
    card = pot_card(view, "tone")
    view.get_by_label("Calibrate tone").tap()
    card.locator(".pot-walk", has_text="Turn it all the way down.").wait_for()
    before_db = pedal.state()["treble_db"]
    sweep(pedal, "tone", 0.4, 0.2)
    card.locator(".pot-values", has_text="0.20–0.60").wait_for()
    time.sleep(2.0)  # reading the next line: rest does not end it
    assert box(pedal)["pots"]["tone"]["learning"] is True
    sweep(pedal, "tone", 0.4, 0.6)
    assert pedal.state()["treble_db"] == before_db  # nothing is turned meanwhile
    card.get_by_text("Done").tap()
    card.locator(".pot-outcome.go", has_text="Learned").wait_for()
    sweep(pedal, "tone", 0.5, 0.4, 0.3, 0.2)
    eventually("all the way down", lambda: pedal.state()["treble_db"] == -12.0)
    sweep(pedal, "tone", 0.3, 0.4, 0.5, 0.6)
    eventually("all the way up", lambda: pedal.state()["treble_db"] == 12.0)
    card.get_by_label("Forget the ends of tone").tap()
    card.locator(".pot-values", has_text="ends 0.01–0.99").wait_for()
    pedal.panel.request("set", treble_db=0.0)


def test_a_pot_that_hardly_moved_says_so_and_closing_the_view_cancels(view: Any, pedal: RunningPedal) -> None:
    card = pot_card(view, "expression")
    view.get_by_label("Calibrate expression").tap()
    card.locator(".pot-walk", has_text="heel down").wait_for()
    card.get_by_text("Done").tap()
    card.locator(".pot-outcome", has_text="hardly moved").wait_for()
    view.get_by_label("Calibrate expression").tap()
    eventually("learning", lambda: box(pedal)["pots"]["expression"]["learning"])
    sweep(pedal, "expression", 0.4, 0.2, 0.5, 0.8)
    view.locator("#controls .book-head button").tap()
    eventually("cancelled", lambda: not box(pedal)["pots"]["expression"]["learning"])
    found = box(pedal)["pots"]["expression"]
    assert (found["low"], found["high"], found["learnt"]) == (0.01, 0.99, False)


def test_midi_is_learned_on_the_page_works_and_is_removed(view: Any, pedal: RunningPedal, wire: int) -> None:
    view.locator("#midi-state", has_text="midiC1D0").wait_for()
    view.locator("#midi-action").select_option("boost")
    view.locator("#midi-learn").tap()
    view.locator("#midi-wait", has_text="Boost").wait_for()
    os.write(wire, bytes((0xB0, 64, 127)))
    view.locator("#midi-done.go", has_text="Learned: CC 64 → Boost.").wait_for()
    eventually("it worked at once", lambda: pedal.state()["boost"])
    os.write(wire, bytes((0xB0, 64, 0, 0xB0, 64, 127)))
    eventually("off again", lambda: not pedal.state()["boost"])
    view.locator("#midi-state", has_text="CC 64 at 100 %, channel 1").wait_for()
    view.get_by_label("Remove CC 64").tap()
    view.locator("#midi-list li").wait_for(state="detached")
    os.write(wire, bytes((0xB0, 64, 0, 0xB0, 64, 127)))
    time.sleep(0.3)
    assert pedal.state()["boost"] is False


def test_learning_midi_is_stopped_by_cancel_and_by_closing(view: Any, pedal: RunningPedal) -> None:
    view.locator("#midi-action").select_option("knob Input gain")
    for stop in ("#midi-cancel", "#controls .book-head button"):
        view.locator("#midi-learn").tap()
        eventually("learning", lambda: box(pedal)["midi"]["learning"] == "knob Input gain")
        view.locator(stop).tap()
        eventually("not learning", lambda: box(pedal)["midi"]["learning"] is None)
        if stop == "#midi-cancel":
            view.locator("#midi-begin").wait_for()
    assert box(pedal)["midi"]["learnt"] == []


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (844, 390)])
def test_the_view_fits_a_phone_and_a_thumb(view: Any, pedal: RunningPedal, width: int, height: int) -> None:
    view.set_viewport_size({"width": width, "height": height})
    view.get_by_label("Calibrate gain").tap()
    view.locator(".pot.learning").wait_for()
    assert view.evaluate(
        "document.querySelector('#controls').scrollWidth <= document.querySelector('#controls').clientWidth"
    )
    small = view.evaluate(
        """() => [...document.querySelectorAll('#controls button, #controls select, #open-controls')]
            .filter(e => e.offsetParent)
            .filter(e => { const b = e.getBoundingClientRect(); return b.width < 48 || b.height < 48; })
            .map(e => e.outerHTML)"""
    )
    assert small == []


def test_without_controls_the_page_says_so_and_what_to_do(phone: Any, pedal: RunningPedal) -> None:
    pedal.stop("panel")
    pedal.start("panel", hands="off")
    try:
        eventually("the pedal answers", pedal.is_up)
        phone.wait_for_selector("#banner", state="hidden")
        phone.locator("#open-controls").tap()
        phone.locator("#controls-none", has_text="No pots or switches").wait_for()
        words = phone.locator("#controls-none").inner_text()
        assert "switched off here" in words.lower()
        assert "wiring.md" in words
        assert phone.locator("#midi").is_hidden()
        assert phone.locator("#controls-error").is_hidden()
    finally:
        pedal.stop("panel")
        pedal.start("panel")
        eventually("the pedal answers", pedal.is_up)
    phone.locator(".pot[data-pot=gain]").wait_for()  # by itself
    assert phone.locator("#controls-none").is_hidden()
