"""What a move does while pot and sound disagree."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.panel.pickup import Mode, Pickup

positions = st.floats(0.0, 1.0)


class Turned:
    """A pot that rests at `pot` and a sound at `sound`."""

    def __init__(self, mode: Mode, pot: float, sound: float) -> None:
        self.pickup = Pickup(mode)
        self.pickup.rest(pot)
        self.sound = sound
        self.name = "one"

    def to(self, places: Iterable[float]) -> list[float]:
        heard = []
        for place in places:
            wanted = self.pickup.move(self.name, place, self.sound)
            if wanted is not None:
                self.sound = wanted
                self.pickup.settled(self.sound)
            heard.append(self.sound)
        return heard


def way(start: float, end: float, steps: int = 50) -> list[float]:
    return [min(max(start + (end - start) * (step + 1) / steps, 0.0), 1.0) for step in range(steps)]


@given(positions, positions, positions)
def test_jump_is_always_where_the_pot_is(pot: float, sound: float, end: float) -> None:
    assert Turned(Mode.JUMP, pot, sound).to([end]) == [end]


@given(positions, positions, positions)
def test_pickup_never_jumps_and_holds_on_once_it_met(pot: float, sound: float, end: float) -> None:
    turned = Turned(Mode.PICKUP, pot, sound)
    places = way(pot, end)
    step = abs(end - pot) / 50
    before = sound
    for place, heard in zip(places, turned.to(places), strict=True):
        assert abs(heard - before) <= 0.01 + 2 * step + 1e-9
        assert heard in (before, place)
        before = heard
    if min(pot, end) + 0.02 < sound < max(pot, end) - 0.02:
        assert turned.sound == pytest.approx(end)
        assert not turned.pickup.waiting


def test_pickup_waits_until_it_passes() -> None:
    turned = Turned(Mode.PICKUP, 0.2, 0.8)
    assert turned.to(way(0.2, 0.7)) == [0.8] * 50
    assert turned.pickup.waiting
    assert turned.to([0.75, 0.85, 0.5]) == [0.8, 0.85, 0.5]


@given(positions, positions, st.booleans())
def test_scale_moves_at_once_the_same_way_and_meets_at_the_end(pot: float, sound: float, up: bool) -> None:
    turned = Turned(Mode.SCALE, pot, sound)
    end = 1.0 if up else 0.0
    assume(abs(pot - end) > 0.05)
    heard = turned.to(way(pot, end))
    wrong_way = max((later - earlier) * (-1 if up else 1) for earlier, later in pairwise([sound, *heard]))
    assert wrong_way <= 0.01 + 1e-9  # where the two meet
    assert turned.sound == pytest.approx(end, abs=0.011)
    assert all(0.0 <= value <= 1.0 for value in heard)


def test_another_sound_and_a_turn_on_the_phone_both_ask_for_a_new_pickup() -> None:
    turned = Turned(Mode.PICKUP, 0.5, 0.5)
    assert turned.to([0.6, 0.7]) == [0.6, 0.7]
    turned.sound = 0.2  # the phone
    assert turned.to([0.72]) == [0.2]
    turned.to(way(0.72, 0.1))
    assert turned.sound == pytest.approx(0.1)
    turned.name, turned.sound = "two", 0.9
    assert turned.to([0.12]) == [0.9]
