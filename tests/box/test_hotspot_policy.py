"""When the hotspot comes and goes: examples for each rule, and a world of chance in which the promises must hold."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.box.hotspot_policy import (
    JOINING_S,
    LOOK_S,
    PATIENCE_S,
    RETRY_S,
    Memory,
    Seen,
    Step,
    Wish,
    decide,
    look_pause_s,
)

AWAY = Seen(radio=True, known=True)
UP = Seen(radio=True, known=True, hotspot=True)


def steps(seen: Seen, wish: Wish, until_s: float) -> dict[float, Step]:
    """What is decided when nothing changes; each step but waiting, by its time."""
    found, memory = {}, Memory()
    now_s = 0.0
    while now_s <= until_s:
        step, memory = decide(now_s, seen, wish, memory)
        if step is not Step.WAIT:
            found[now_s] = step
        now_s += 1.0
    return found


def test_with_no_known_network_the_hotspot_is_up_at_once() -> None:
    assert decide(0.0, replace(AWAY, known=False), Wish.AUTO, Memory())[0] is Step.RAISE


def test_a_known_network_gets_its_time_first() -> None:
    assert steps(AWAY, Wish.AUTO, PATIENCE_S + 1) == {PATIENCE_S: Step.RAISE}
    assert steps(replace(AWAY, joining=True), Wish.AUTO, JOINING_S + 1) == {JOINING_S: Step.RAISE}


def test_a_hotspot_that_does_not_come_up_is_tried_again_with_pauses() -> None:
    tried = steps(AWAY, Wish.AUTO, PATIENCE_S + 3 * RETRY_S)
    assert list(tried) == [PATIENCE_S + RETRY_S * number for number in range(4)]


def test_joined_means_no_hotspot_and_a_loss_begins_the_patience_anew() -> None:
    joined = replace(AWAY, wifi=True)
    assert steps(joined, Wish.AUTO, 1000.0) == {}
    _, memory = decide(500.0, joined, Wish.AUTO, Memory(without_since_s=0.0, returns=3))
    step, memory = decide(501.0, AWAY, Wish.AUTO, memory)
    assert step is Step.WAIT
    assert memory.returns == 0
    assert decide(501.0 + PATIENCE_S, AWAY, Wish.AUTO, memory)[0] is Step.RAISE


def test_nobody_on_it_looks_for_a_known_network_now_and_then() -> None:
    found = [time_s / LOOK_S for time_s in steps(UP, Wish.AUTO, 64 * LOOK_S)]
    assert found == [1, 3, 7, 15, 31, 47, 63]  # each in vain doubles the pause, up to 48 minutes
    assert steps(replace(UP, known=False), Wish.AUTO, 5 * LOOK_S) == {}
    assert steps(replace(UP, guests=1), Wish.AUTO, 5 * LOOK_S) == {}


def test_the_last_guest_leaves_and_the_pause_begins() -> None:
    _, memory = decide(0.0, replace(UP, guests=1), Wish.AUTO, Memory(alone_since_s=-1e6, looks=3))
    step, memory = decide(1.0, UP, Wish.AUTO, memory)
    assert step is Step.WAIT
    assert decide(1.0 + LOOK_S, UP, Wish.AUTO, memory)[0] is Step.LOOK


def test_a_known_network_that_is_near_is_gone_back_to() -> None:
    step, memory = decide(10.0, replace(UP, near=True), Wish.AUTO, Memory())
    assert step is Step.RETURN
    assert decide(11.0, replace(UP, near=False), Wish.AUTO, Memory())[0] is Step.WAIT
    assert decide(10.0, replace(UP, near=True, guests=1), Wish.AUTO, Memory())[0] is Step.WAIT
    assert decide(10.0, replace(UP, near=True), Wish.ON, Memory())[0] is Step.WAIT
    assert decide(10.0 + PATIENCE_S, AWAY, Wish.AUTO, memory)[0] is Step.RAISE  # it let nobody in


def test_each_return_in_vain_doubles_the_pause_up_to_a_bound() -> None:
    memory = Memory()
    pauses = []
    for _ in range(7):
        _, memory = decide(0.0, replace(UP, near=True), Wish.AUTO, memory)
        pauses.append(look_pause_s(memory) / LOOK_S)
    assert pauses == [2, 4, 8, 16, 16, 16, 16]


def test_the_wishes() -> None:
    assert decide(0.0, replace(AWAY, wifi=True), Wish.ON, Memory())[0] is Step.RAISE
    assert steps(UP, Wish.ON, 10 * LOOK_S) == {}
    assert steps(AWAY, Wish.OFF, 1000.0) == {}
    assert decide(0.0, replace(UP, guests=3), Wish.OFF, Memory())[0] is Step.LOWER


def test_without_a_radio_nothing_is_tried() -> None:
    for wish in Wish:
        assert steps(Seen(radio=False), wish, 300.0) == {}


@dataclass
class World:
    """A radio, a network that comes and goes, phones; it does as told, though not always."""

    luck: random.Random
    near: bool = False
    lets_in: bool = True
    wifi: bool = False
    hotspot: bool = False
    guests: int = 0
    looked: bool | None = None

    def live(self, now_s: float) -> None:
        """A second passes."""
        if self.luck.random() < 0.004:
            self.near = not self.near
        if self.luck.random() < 0.002:
            self.lets_in = not self.lets_in
        if self.wifi and not self.near:
            self.wifi = False
        if not self.hotspot and self.near and self.lets_in and self.luck.random() < 0.2:
            self.wifi = True  # NetworkManager by itself
        if self.hotspot and self.luck.random() < 0.01:
            self.guests = self.luck.choice((0, 0, 1, 2))
        if not self.hotspot:
            self.guests = 0

    def do(self, step: Step) -> None:
        if step is Step.RAISE and self.luck.random() < 0.9:
            self.hotspot, self.wifi = True, False
        elif step is Step.LOWER:
            self.hotspot = False
        elif step is Step.LOOK:
            self.looked = self.near
        elif step is Step.RETURN:
            self.hotspot, self.guests = False, 0
            self.wifi = self.near and self.lets_in

    def seen(self) -> Seen:
        looked, self.looked = self.looked, None
        return Seen(
            radio=True, hotspot=self.hotspot, wifi=self.wifi, known=True, guests=self.guests, near=looked
        )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(list(Wish)))
def test_in_a_world_of_chance_the_promises_hold(seed: int, wish: Wish) -> None:
    world = World(random.Random(seed))
    memory = Memory()
    reached_s = 0.0  # when the pedal was last to be reached: joined, or with a hotspot
    raised = []
    for second in range(2500):
        now_s = float(second)
        world.live(now_s)
        before = replace(world)
        seen = world.seen()
        step, memory = decide(now_s, seen, wish, memory)
        if step in (Step.RETURN, Step.LOOK):
            assert before.guests == 0, "a guest was thrown off, or the hotspot may have gone for a look"
            assert wish is Wish.AUTO
        if step is Step.LOWER:
            assert wish is Wish.OFF
        if step is Step.RAISE:
            assert wish is not Wish.OFF
            assert wish is Wish.ON or not before.wifi
            raised.append(now_s)
        world.do(step)
        if world.wifi or world.hotspot:
            reached_s = now_s
        if wish is not Wish.OFF:
            # Ten attempts in a row fail once in 10^10 worlds.
            assert now_s - reached_s <= PATIENCE_S + 10 * RETRY_S, "nobody could reach the pedal"
        if wish is Wish.OFF:
            assert not world.hotspot
    gaps = [later - sooner for sooner, later in pairwise(raised)]
    if wish is Wish.AUTO:
        assert min(gaps, default=RETRY_S) >= PATIENCE_S, "the hotspot flutters"


@pytest.mark.parametrize("guests", [0, 1])
def test_a_known_network_that_stays_near_is_joined_again_within_a_bound(guests: int) -> None:
    now_s, memory, near = 0.0, Memory(), None
    joined = False
    while now_s < 2 * LOOK_S and not joined:
        step, memory = decide(now_s, replace(UP, guests=guests, near=near), Wish.AUTO, memory)
        near = True if step is Step.LOOK else None
        joined = step is Step.RETURN
        now_s += 3.0
    assert joined is (guests == 0)
