"""MIDI messages that can be bound, as text: `cc 11`, `note 60`, `program 5`. Pure; numbers as MIDI has them, from 0."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from appliance.errors import BadRequest
from appliance.spelling import did_you_mean


class Sort(enum.Enum):
    """Which message. The value is its word."""

    CONTROL = "cc"
    NOTE = "note"
    PROGRAM = "program"


@dataclass(frozen=True)
class Message:
    """A message without its value: what a binding waits for."""

    sort: Sort
    number: int  # of the controller, note or program, 0…127

    def __str__(self) -> str:
        """The text that `parse_message` reads back."""
        return f"{self.sort.value} {self.number}"


@dataclass(frozen=True)
class Received:
    """A message as it came. `channel`: 1…16. `value`: 0…1; of a note, 0 is its end."""

    message: Message
    channel: int
    value: float


def parse_message(text: str) -> Message:
    """Raises BadRequest: a sentence with what was found and what there is."""
    words = text.split() if isinstance(text, str) else []
    if len(words) != 2:
        raise BadRequest(f"a MIDI message is a word and a number, such as 'cc 11', not {text!r:.40}")
    try:
        sort = Sort(words[0].casefold())
    except ValueError:
        known = [sort.value for sort in Sort]
        raise BadRequest(f"there is no MIDI message {words[0]!r:.40}{did_you_mean(words[0], known)}") from None
    if not (words[1].isascii() and words[1].isdigit() and int(words[1]) <= 127):
        raise BadRequest(f"{sort.value} takes a number from 0 to 127, not {words[1]!r:.40}")
    return Message(sort, int(words[1]))
