"""What the box learnt and keeps over a power cut: the ends of pots, and MIDI bindings. Beside the live state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance import storage
from appliance.errors import BadRequest, NotFound
from appliance.panel.actions import Action, parse
from appliance.panel.midi_messages import parse_message
from appliance.panel.pots import LEAST_TRAVEL, Travel
from appliance.spelling import did_you_mean

SCHEMA = 1


class Kept:
    """Changed by the hands; `save` (may block) is for a thread that may wait. The caller serialises changes."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.note: str | None = None
        self._ends: dict[str, tuple[float, float]] = {}
        self.midi: Mapping[str, Action] = {}
        self._unsaved: dict[str, Any] | None = None
        if path is not None:
            loaded = storage.load_json(path, SCHEMA)
            self.note = loaded.note
            self._ends, self.midi = _from_json(loaded.content)

    def travel(self, name: str, wired: Travel) -> Travel:
        """A pot's way: the wired one, with learnt ends where there are any."""
        if name not in self._ends:
            return wired
        low, high = self._ends[name]
        return replace(wired, low=low, high=high)

    def knows(self, name: str) -> bool:
        """Did a pot of this name learn its ends?"""
        return name in self._ends

    def keep_travel(self, name: str, travel: Travel) -> None:
        """Remember the ends of a pot."""
        self._ends[name] = travel.low, travel.high
        self._note_change()

    def forget_travel(self, name: str) -> None:
        """The ends are as wired again."""
        if self._ends.pop(name, None) is not None:
            self._note_change()

    def keep_midi(self, message: str, action: Action) -> None:
        """Remember a binding; an action has one message, a message one action."""
        others = {known: bound for known, bound in self.midi.items() if bound != action}
        self.midi = {**others, message: action}
        self._note_change()

    def forget_midi(self, message: str) -> None:
        """Raises NotFound when it was not learnt."""
        if message not in self.midi:
            raise NotFound(f"no MIDI message {message!r:.40} was learnt{did_you_mean(message, list(self.midi))}")
        self.midi = {known: action for known, action in self.midi.items() if known != message}
        self._note_change()

    def save(self) -> None:
        """Write what changed, if anything did. Raises StorageError; it is then tried again at the next call."""
        content = self._unsaved
        if content is None or self._path is None:
            return
        storage.save_json(self._path, SCHEMA, content)
        if self._unsaved is content:
            self._unsaved = None

    def _note_change(self) -> None:
        self._unsaved = {
            "ends": {name: list(ends) for name, ends in self._ends.items()},
            "midi": {message: str(action) for message, action in self.midi.items()},
        }


def _from_json(content: Any) -> tuple[dict[str, tuple[float, float]], dict[str, Action]]:
    """What makes no sense is left out."""
    ends: dict[str, tuple[float, float]] = {}
    midi: dict[str, Action] = {}
    if not isinstance(content, dict):
        return ends, midi
    for name, pair in _items(content.get("ends")):
        numbers = isinstance(pair, list) and len(pair) == 2 and all(type(end) in (int, float) for end in pair)
        if numbers and 0.0 <= pair[0] <= pair[1] - LEAST_TRAVEL / 2 <= 1.0 and pair[1] <= 1.0:
            ends[name] = float(pair[0]), float(pair[1])
    for message, action in _items(content.get("midi")):
        try:
            midi[str(parse_message(message))] = parse(action)
        except BadRequest:
            continue
    return ends, midi


def _items(found: Any) -> list[tuple[str, Any]]:
    return list(found.items()) if isinstance(found, dict) else []


def cleaned(content: Any) -> dict[str, Any]:
    """What the file holds, from a stranger: what makes no sense is left out."""
    ends, midi = _from_json(content)
    return {
        "ends": {name: list(pair) for name, pair in ends.items()},
        "midi": {message: str(action) for message, action in midi.items()},
    }
