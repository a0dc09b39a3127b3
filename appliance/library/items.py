"""What the library knows of a model or a cabinet: the fields of the panel's state (`bridge/commands.py`) and, for the
prepared file beside it, how to tell that it is whole.
"""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from appliance.formats.description import Knob

_LONGEST_NAME = 80


@dataclass(frozen=True)
class Prepared:
    """The file the engine is fed from: made once at import, so that choosing a model takes no time."""

    file_name: str
    size_bytes: int
    crc32: int
    version: int  # of its format; an older one is prepared anew from the source file


@dataclass(frozen=True)
class Item:
    """What models and cabinets share."""

    id: str  # first 16 hex digits of the SHA-256 of the source file
    name: str
    file_name: str  # as it came; for people, never a path
    sample_rate_hz: int
    factory: bool
    notes: tuple[str, ...]
    prepared: Prepared

    def renamed(self, name: str) -> Self:
        """The same item under another name."""
        return replace(self, name=name)

    def with_factory(self, factory: bool) -> Self:
        """The same item, marked as one that came with the pedal, or not."""
        return replace(self, factory=factory)

    def to_state(self) -> dict[str, Any]:
        """As the panel tells it to the phone."""
        content = self.to_json()
        del content["prepared"]
        return content

    def to_json(self) -> dict[str, Any]:
        """As about.json keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class ModelItem(Item):
    """A model in the library."""

    format: str
    architecture: str
    knobs: tuple[Knob, ...]
    loudness_db: float | None  # our own measurement (`loudness.py`)
    esr: float | None
    licence: str | None
    pi_estimates: tuple[dict[str, Any], ...] = ()  # `engine/pi_cost.py`; empty for items of an older version

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> ModelItem:
        """Raises KeyError, TypeError or ValueError for anything that `to_json` did not write."""
        knobs = tuple(Knob(**{**knob, "heard": tuple(knob["heard"])}) for knob in content["knobs"])
        estimates = tuple(content.get("pi_estimates", ()))
        return cls(**{**content, **_shared(content), "knobs": knobs, "pi_estimates": estimates})


@dataclass(frozen=True)
class CabinetItem(Item):
    """A cabinet impulse response in the library."""

    frames: int
    channels: int

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> CabinetItem:
        """Raises KeyError, TypeError or ValueError for anything that `to_json` did not write."""
        return cls(**{**content, **_shared(content)})


@dataclass(frozen=True)
class Checked:
    """What the checking process found in a file: the item's fields, but those that only the library knows."""

    kind: str  # "model" or "cabinet"
    about: dict[str, Any]
    prepared: Prepared


def clean_name(name: str, otherwise: str) -> str:
    """A name fit to be shown: one line, no control characters, at most 80 characters."""
    printable = "".join(
        c if unicodedata.category(c)[0] not in "CZ" else " " for c in unicodedata.normalize("NFC", name)
    )
    return " ".join(printable.split())[:_LONGEST_NAME].strip() or otherwise


def _shared(content: dict[str, Any]) -> dict[str, Any]:
    return {"notes": tuple(content["notes"]), "prepared": Prepared(**content["prepared"])}
