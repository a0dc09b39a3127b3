"""Set lists on disk: presets in the order of an evening. May block (fsync). Thread-safe.

One file, `setlists.json` (`storage.py`). A list holds presets by id, one as often as it is played; presets that are
gone are passed over. At most one list is tonight's: next and previous then go by it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from appliance import storage
from appliance.errors import BadRequest, NotAllowed, NotFound
from appliance.library.items import clean_name

SETLISTS_SCHEMA = 1
MAX_SETLISTS = 50
MAX_ENTRIES = 100


@dataclass(frozen=True)
class SetList:
    """An evening. `presets`: ids in order."""

    id: str
    name: str
    presets: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As setlists.json keeps it, and as the panel tells it to the phone."""
        return asdict(self)


class SetLists:
    """The set lists in `file`. Opening it never fails for damage: `note` says what happened."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._guard = threading.Lock()
        loaded = storage.load_json(file, SETLISTS_SCHEMA)
        self.note = loaded.note
        self._lists, self._tonight = _from(loaded.content)

    @property
    def lists(self) -> tuple[SetList, ...]:
        """All, in the order they were made."""
        return self._lists

    @property
    def tonight(self) -> SetList | None:
        """The one that is played, or None: next and previous go by the banks."""
        return next((found for found in self._lists if found.id == self._tonight), None)

    def get(self, identity: str) -> SetList:
        """Raises NotFound."""
        for found in self._lists:
            if found.id == identity:
                return found
        raise NotFound(f"there is no set list {identity!r:.40}")

    def add(self, name: str, presets: Sequence[str] = ()) -> SetList:
        """Make a list. Raises NotAllowed (`MAX_SETLISTS`), BadRequest, StorageError."""
        with self._guard:
            if len(self._lists) >= MAX_SETLISTS:
                raise NotAllowed(f"there are {MAX_SETLISTS} set lists, that is the most: delete some first")
            made = SetList(secrets.token_hex(4), clean_name(name, "Set list"), _entries(presets))
            self._save((*self._lists, made), self._tonight)
            return made

    def put(self, changed: SetList) -> None:
        """Replace the list of the same id. Raises NotFound, BadRequest, StorageError."""
        with self._guard:
            old = self.get(changed.id)
            fresh = replace(changed, name=clean_name(changed.name, old.name), presets=_entries(changed.presets))
            self._save(tuple(fresh if entry.id == fresh.id else entry for entry in self._lists), self._tonight)

    def remove(self, identity: str) -> None:
        """Raises NotFound, StorageError."""
        with self._guard:
            self.get(identity)
            left = tuple(entry for entry in self._lists if entry.id != identity)
            self._save(left, None if self._tonight == identity else self._tonight)

    def choose(self, identity: str | None) -> None:
        """Make one tonight's, or none. Raises NotFound, StorageError."""
        with self._guard:
            if identity is not None:
                self.get(identity)
            self._save(self._lists, identity)

    def _save(self, lists: tuple[SetList, ...], tonight: str | None) -> None:
        content = {"tonight": tonight, "setlists": [entry.to_json() for entry in lists]}
        storage.save_json(self._file, SETLISTS_SCHEMA, content)
        self._lists, self._tonight = lists, tonight


def _entries(presets: Any) -> tuple[str, ...]:
    if not isinstance(presets, list | tuple) or not all(isinstance(entry, str) for entry in presets):
        raise BadRequest("a set list is a list of presets, each by its id")
    if len(presets) > MAX_ENTRIES:
        raise BadRequest(f"{len(presets)} presets, a set list holds {MAX_ENTRIES}")
    return tuple(presets)


def cleaned(content: Any) -> dict[str, Any]:
    """What `setlists.json` holds, from a stranger: what makes no sense is left out, names are fit to be shown."""
    lists, tonight = _from(content)
    kept = [
        replace(found, name=clean_name(found.name, "Set list"), presets=found.presets[:MAX_ENTRIES]).to_json()
        for found in lists[:MAX_SETLISTS]
    ]
    return {"setlists": kept, "tonight": tonight}


def _from(content: Any) -> tuple[tuple[SetList, ...], str | None]:
    if not isinstance(content, dict):
        return (), None
    found = []
    for entry in content.get("setlists", ()):
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and isinstance(entry.get("presets"), list):
            presets = tuple(preset for preset in entry["presets"] if isinstance(preset, str))
            found.append(SetList(entry["id"], str(entry.get("name", "Set list")), presets))
    tonight = content.get("tonight")
    return tuple(found), tonight if isinstance(tonight, str) else None
