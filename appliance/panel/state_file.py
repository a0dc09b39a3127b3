"""The live state on disk: saved once it has rested for a moment, tried again when that failed. May block (`write`)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from appliance import storage
from appliance.errors import StorageError
from appliance.panel.state import LiveState, from_json, to_json

SCHEMA = 1
_SETTLE_S = 0.4  # save this long after the last change …
_LONGEST_UNSAVED_S = 5.0  # … and this long after the first one, however busy the knobs
_RETRY_SAVE_S = 10.0


class StateFile:
    """`write` is for a thread that may wait, without the panel's lock; the rest is quick and called with it.

    `state` and `note`: what was saved last time, and what was wrong with it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        loaded = storage.load_json(path, SCHEMA)
        self.state, self.note = from_json(loaded.content), loaded.note
        self._changed_at: float | None = None
        self._unsaved_since = 0.0
        self._failed = False

    def changed(self, now: float) -> None:
        """The state is another. `now`, here and below: monotonic seconds."""
        if self._changed_at is None:
            self._unsaved_since = now
        self._changed_at = now

    def due(self, now: float) -> bool:
        """Whether it is time to save."""
        if self._changed_at is None:
            return False
        if self._failed:
            return now - self._changed_at >= _RETRY_SAVE_S
        return now - self._changed_at >= _SETTLE_S or now - self._unsaved_since >= _LONGEST_UNSAVED_S

    def take(self, state: LiveState) -> dict[str, Any] | None:
        """What to `write`; None: nothing has changed since the last time."""
        if self._changed_at is None:
            return None
        self._changed_at = None
        return to_json(state)

    def write(self, content: dict[str, Any]) -> str | None:
        """Save. Returns words for the player when it fails for the first time in a row; it is tried again later."""
        try:
            storage.save_json(self._path, SCHEMA, content)
        except StorageError as error:
            first, self._failed = not self._failed, True
            self._changed_at = time.monotonic()
            return f"The settings are not saved: {error}" if first else None
        self._failed = False
        return None
