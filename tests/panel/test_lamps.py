"""LEDs: at once, confirmed, or blinking."""

from __future__ import annotations

import pytest

from appliance.panel.lamps import Lamp, learning


def seen(lamp: Lamp, since_s: float, for_s: float, lit: bool | None, confirmed: bool | None) -> set[bool]:
    looks = round(for_s / 0.02)
    return {lamp.step(since_s + look * 0.02, lit, confirmed) for look in range(looks)}


@pytest.mark.parametrize("invert", [False, True])
def test_it_shows_what_is_wanted_at_once_and_steadily_when_confirmed(invert: bool) -> None:
    lamp = Lamp(invert=invert)
    assert lamp.step(0.0, False, True) is invert
    assert lamp.step(1.0, True, None) is not invert  # the engine has not followed yet
    assert seen(lamp, 1.02, 3.0, True, True) == {not invert}


def test_it_blinks_while_the_engine_does_not_do_what_is_wanted() -> None:
    lamp = Lamp()
    assert seen(lamp, 0.0, 0.45, True, False) == {True}
    assert seen(lamp, 0.6, 1.0, True, False) == {True, False}
    assert seen(lamp, 1.6, 1.0, True, True) == {True}


def test_a_sound_that_is_being_prepared_is_not_wrong() -> None:
    lamp = Lamp()
    assert seen(lamp, 0.0, 3.0, True, None) == {True}


def test_a_press_without_a_state_shows_until_the_engine_plays_it() -> None:
    lamp = Lamp()
    assert seen(lamp, 0.0, 1.0, None, True) == {False}
    lamp.pressed(1.0)
    assert seen(lamp, 1.0, 0.8, None, None) == {True}
    assert lamp.step(1.8, None, True) is False
    lamp.pressed(2.0)
    assert seen(lamp, 2.0, 0.14, None, True) == {True}  # long enough to be seen


def test_a_press_that_fails_blinks_and_gives_up() -> None:
    lamp = Lamp()
    lamp.pressed(0.0)
    assert seen(lamp, 0.6, 1.0, None, False) == {True, False}
    assert seen(lamp, 6.0, 1.0, None, False) == {False}
    lamp.refused(8.0)
    assert seen(lamp, 8.0, 1.0, True, True) == {True, False}
    assert seen(lamp, 11.0, 1.0, True, True) == {True}


def test_learning_blinks_faster_than_a_fault() -> None:
    changes = sum(learning(look * 0.01) != learning((look + 1) * 0.01) for look in range(100))
    assert changes == pytest.approx(16, abs=1)
