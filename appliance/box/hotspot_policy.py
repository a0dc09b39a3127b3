"""When the hotspot comes up and when it goes: a decision of (time, what is seen, what is wished). Pure.

    no Wi-Fi of the owner's ──PATIENCE_S──► hotspot ──nobody on it for LOOK_S──► look ──one is near──► back to it
                                              ▲                                                             │
                                              └──────── in vain: the next look is due after twice as long ──┘

Whoever is on the hotspot is never thrown off by it. The wish "on" holds the hotspot, "off" forbids it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

PATIENCE_S = 20.0  # NetworkManager's own time to find and join a known network, after boot and after a loss
JOINING_S = 60.0  # … while it is at it
LOOK_S = 180.0  # before the first look for a known network while nobody is on the hotspot; each in vain doubles it
RETRY_S = 30.0  # between attempts at a hotspot that would not come up
_MAX_DOUBLINGS = 4


class Wish(enum.Enum):
    """What the player wants of the hotspot."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class Step(enum.Enum):
    """What to do now."""

    WAIT = "wait"
    RAISE = "raise"  # bring the hotspot up
    LOWER = "lower"  # take it down
    LOOK = "look"  # is a known network near? Says `Seen.near` at the next decision
    RETURN = "return"  # take it down and join the known network that is near


@dataclass(frozen=True)
class Seen:
    """What the driver reports. `near`: what a look found; None when nobody looked."""

    radio: bool
    hotspot: bool = False
    wifi: bool = False
    joining: bool = False
    known: bool = False
    guests: int = 0
    near: bool | None = None


@dataclass(frozen=True)
class Memory:
    """What one decision leaves for the next. Times are of the clock that `decide` is given."""

    without_since_s: float | None = None  # no Wi-Fi and no hotspot
    alone_since_s: float | None = None  # hotspot with nobody on it
    raised_s: float | None = None
    looks: int = 0  # since somebody was on the hotspot: they may cost some seconds of it
    returns: int = 0  # in a row that led to no Wi-Fi


def decide(now_s: float, seen: Seen, wish: Wish, memory: Memory) -> tuple[Step, Memory]:
    """What to do now, and what to remember. To be asked every few seconds; one Step at a time."""
    if not seen.radio:
        return Step.WAIT, Memory()
    if wish is Wish.AUTO and seen.near and not seen.wifi and not seen.guests:
        return Step.RETURN, Memory(without_since_s=now_s, returns=memory.returns + 1)
    return _while_up(now_s, seen, wish, memory) if seen.hotspot else _while_down(now_s, seen, wish, memory)


def look_pause_s(memory: Memory) -> float:
    """So long after the last guest, or look, the next look is due."""
    return float(LOOK_S * 2 ** min(memory.looks + memory.returns, _MAX_DOUBLINGS))


def _while_down(now_s: float, seen: Seen, wish: Wish, memory: Memory) -> tuple[Step, Memory]:
    if seen.wifi and wish is not Wish.ON:
        return Step.WAIT, Memory()
    since_s = now_s if memory.without_since_s is None else memory.without_since_s
    memory = replace(memory, without_since_s=since_s, alone_since_s=None)
    if wish is Wish.OFF:
        return Step.WAIT, memory
    patience_s = JOINING_S if seen.joining else PATIENCE_S
    if wish is Wish.ON or not seen.known:
        patience_s = 0.0
    tried = memory.raised_s is not None and now_s - memory.raised_s < RETRY_S
    if now_s - since_s < patience_s or tried:
        return Step.WAIT, memory
    return Step.RAISE, replace(memory, raised_s=now_s)


def _while_up(now_s: float, seen: Seen, wish: Wish, memory: Memory) -> tuple[Step, Memory]:
    memory = replace(memory, without_since_s=None, raised_s=None)
    if wish is Wish.OFF:
        return Step.LOWER, memory
    if wish is Wish.ON or seen.guests or not seen.known:
        return Step.WAIT, replace(memory, alone_since_s=None, looks=0)
    since_s = now_s if memory.alone_since_s is None else memory.alone_since_s
    if now_s - since_s < look_pause_s(memory):
        return Step.WAIT, replace(memory, alone_since_s=since_s)
    return Step.LOOK, replace(memory, alone_since_s=now_s, looks=memory.looks + 1)
