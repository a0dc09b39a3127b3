"""MIDI as a control: from messages to actions, and learning new ones."""

from __future__ import annotations

from typing import Any

from appliance.panel.actions import Action, Kind, Phase, Style
from appliance.panel.deliberate import MEANT
from appliance.panel.kept import Kept
from appliance.panel.midi import MidiIn
from appliance.panel.midi_messages import Received, Sort
from appliance.panel.wiring import MidiWiring

_DOWN = 0.5
_LEARN_S = 60.0  # who began to learn may have gone away


class MidiHand:
    """For one thread. What was learnt wins over what the file binds."""

    def __init__(self, wiring: MidiWiring, source: MidiIn | None, kept: Kept) -> None:
        self._wiring = wiring
        self._source = source
        self._kept = kept
        self._last: str | None = None
        self._down: set[str] = set()
        self.learning: Action | None = None
        self._awaited: Action | None = None  # what `learning` was at the last look …
        self._until_s = 0.0  # … and how long it is waited for

    def poll(self, now_s: float) -> list[tuple[str, Action, Phase, float | None]]:
        """What was asked for since the last look: control, action, phase, value."""
        if self._source is None:
            return []
        if self.learning is not self._awaited:
            self._awaited, self._until_s = self.learning, now_s + _LEARN_S
        elif now_s > self._until_s:
            self.learning = self._awaited = None
        asked = []
        for received in self._source.poll(now_s):
            if self._wiring.channel in (None, received.channel):
                self._last = f"{received.message} = {received.value:.2f} (channel {received.channel})"
                self._learn(received)
                if (found := self._ask(received)) is not None:
                    asked.append(found)
        return asked

    def report(self) -> dict[str, Any]:
        """As it is now, for people."""
        bindings = {**self._wiring.bindings, **self._kept.midi}
        return {
            "devices": list(self._source.devices) if self._source is not None else [],
            "last": self._last,
            "readable": self._source is not None,
            "learning": None if self.learning is None else str(self.learning),
            "learnt": list(self._kept.midi),
            "bindings": {message: str(action) for message, action in bindings.items()},
        }

    def close(self) -> None:
        """Close the inputs."""
        if self._source is not None:
            self._source.close()

    def _learn(self, received: Received) -> None:
        if self.learning is not None and received.value > 0.0:
            self._kept.keep_midi(str(received.message), self.learning)
            self.learning = None

    def _ask(self, received: Received) -> tuple[str, Action, Phase, float | None] | None:
        name = str(received.message)
        action = self._kept.midi.get(name) or self._wiring.bindings.get(name)
        control = f"MIDI {name}"
        if action is not None and action.kind in MEANT:
            return None  # learnt by an older version, or edited into its file
        if action is None:
            if received.message.sort is Sort.PROGRAM and self._wiring.program_change:
                return control, Action(Kind.PRESET, number=received.message.number + 1), Phase.PRESS, None
            return None
        if action.continuous:
            return control, action, Phase.VALUE, received.value
        if received.message.sort is Sort.PROGRAM:
            return control, action, Phase.PRESS, None
        down = received.value >= _DOWN
        if down == (name in self._down):
            return None
        (self._down.add if down else self._down.discard)(name)
        if down:
            return control, action, Phase.PRESS, None
        return (control, action, Phase.RELEASE, None) if action.style is not Style.LATCHED else None
