"""The sound that always works: a factory model, a factory cabinet, every setting at its default. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Protocol

from appliance.panel.state import LiveState

_KEPT = {"tuner_reference_hz", "tuner_tuning", "tuner_mutes", "knobs"}  # they are the player's and can't spoil a sound


class Item(Protocol):
    """Of the library."""

    @property
    def id(self) -> str: ...
    @property
    def factory(self) -> bool: ...


def safe_state(state: LiveState, models: Iterable[Item], cabinets: Iterable[Item]) -> LiveState:
    """The state to play instead: no preset, the first factory items (none: the bare guitar), that model's knobs at
    their defaults. What is remembered of other models stays."""
    model = next((item.id for item in models if item.factory), None)
    cabinet = next((item.id for item in cabinets if item.factory), None)
    plain = LiveState()
    defaults = {field.name: getattr(plain, field.name) for field in fields(plain) if field.name not in _KEPT}
    knobs = {name: positions for name, positions in state.knobs.items() if name != model}
    return replace(state, **{**defaults, "model": model, "cabinet": cabinet, "knobs": knobs})
