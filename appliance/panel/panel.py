"""The panel itself: owner of the live state and the library, and the only writer of the controls.

Every change goes the same way: new state → controls (audio hears it within a period) → watchers → disk, a moment later.
Thread-safe; requests come from the socket's threads, `tick` from the main one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance import storage
from appliance.bridge.controls import ControlsWriter, payload
from appliance.bridge.status import StatusReader
from appliance.errors import ApplianceError, BadRequest, NotAllowed, NotFound, StorageError
from appliance.formats.description import Knob
from appliance.library.store import Library
from appliance.panel.patches import PatchWriter
from appliance.panel.state import LiveState, from_json, knob_positions, to_json, with_settings

STATE_SCHEMA = 1
DEFAULT_RATE_HZ = 48_000  # until the audio process says at which rate it runs
_SETTLE_S = 0.4  # save this long after the last change …
_LONGEST_UNSAVED_S = 5.0  # … and this long after the first one, however busy the knobs
_RETRY_SAVE_S = 10.0
_GENERATIONS = 0xFFFF_FFFF


class Panel:
    """Answers requests (`bridge/commands.py`); a `server.Backend`. Publishes at once what was saved last time."""

    def __init__(self, *, library: Library, state_file: Path, controls: Path, status: Path, patches: Path) -> None:
        self._library = library
        self._state_file = state_file
        self._controls = ControlsWriter(controls)
        self._status = StatusReader(status)
        self._patches = PatchWriter(patches, library)
        self._changed = threading.Condition(threading.RLock())
        self._revision = 1
        self._generation = self._controls.generation
        self._patch = ""
        self._rate_hz = DEFAULT_RATE_HZ
        self._reported_failure = 0
        self._sounded: tuple[str | None, str | None] | None = None  # model and cabinet that audio has played
        self._changed_at: float | None = None
        self._unsaved_since = 0.0
        self._save_failed = False
        loaded = storage.load_json(state_file, STATE_SCHEMA)
        self._state = from_json(loaded.content)
        self._message = loaded.note or (library.notes[0] if library.notes else None)
        with self._changed:
            self._look_at_audio()
            self._play()

    # ---- requests ----

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """See `server.Backend`."""
        handlers: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "state": lambda _: {},
            "select": self._select,
            "set": self._set,
            "import": self._import,
            "rename": self._rename,
            "remove": self._remove,
        }
        handler = handlers.get(request["request"])
        if handler is None:
            known = ", ".join([*handlers, "watch"])
            raise BadRequest(f"there is no request {request['request']!r}; there is {known}")
        fields = {name: value for name, value in request.items() if name not in ("id", "request")}
        return handler(fields) or {"state": self.state()}

    def state(self) -> dict[str, Any]:
        """The whole state, as the table in `bridge/commands.py` has it."""
        with self._changed:
            state = self._state
            return {
                "revision": self._revision,
                "model": state.model,
                "cabinet": state.cabinet,
                "generation": self._generation,
                "bypass": state.bypass,
                "mute": state.mute,
                "normalise": state.normalise,
                "input_gain_db": state.input_gain_db,
                "gate_threshold_db": state.gate_threshold_db,
                "level_db": state.level_db,
                "oversample": state.oversample,
                "knobs": knob_positions(state, self._knobs()),
                "models": [item.to_state() for item in self._library.models()],
                "cabinets": [item.to_state() for item in self._library.cabinets()],
                "message": self._message,
            }

    @property
    def live(self) -> LiveState:
        """The settings as they are."""
        return self._state

    @property
    def generation(self) -> int:
        """Of the patch asked for last."""
        return self._generation

    def set(self, fields: Mapping[str, Any]) -> None:
        """Take the settings of a `set` request. Raises BadRequest; nothing is then changed."""
        self._set(fields)

    def knobs_of(self, model: str | None) -> Sequence[Knob]:
        """The knobs of a model; none where it is missing."""
        try:
            return self._library.model(model).knobs if model else ()
        except NotFound:
            return ()

    def say(self, message: str) -> None:
        """Show a sentence to the player, as the state's message."""
        with self._changed:
            self._message = message
            self._tell()

    def state_after(self, revision: int, timeout_s: float) -> dict[str, Any] | None:
        """See `server.Backend`."""
        with self._changed:
            if self._changed.wait_for(lambda: self._revision != revision, timeout_s):
                return self.state()
            return None

    def _select(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        if not fields or not set(fields) <= {"model", "cabinet"}:
            raise BadRequest("select takes a model or a cabinet by its id, or null for no cabinet")
        with self._changed:
            wanted = self._state
            if "model" in fields:
                wanted = replace(wanted, model=self._library.model(_identity(fields["model"])).id)
            if "cabinet" in fields:
                chosen = fields["cabinet"]
                wanted = replace(wanted, cabinet=chosen and self._library.cabinet(_identity(chosen)).id)
            before, self._state = self._state, wanted
            self._write_patch_or_keep(before)
            self._publish()
            self._message = None
            self._note_change()
        return {}

    def _set(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        if not fields:
            raise BadRequest("set takes at least one setting")
        with self._changed:
            wanted = with_settings(self._state, fields, self._knobs())
            if wanted != self._state:
                before, self._state = self._state, wanted
                if wanted.oversample != before.oversample:  # the model is prepared anew, and faded to
                    self._write_patch_or_keep(before)
                self._publish()
                self._note_change()
        return {}

    def _import(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        path, name = fields.get("path"), fields.get("name")
        if not isinstance(path, str) or not path or "\0" in path:
            raise BadRequest("import takes the path of a file")
        if name is not None and not isinstance(name, str):
            raise BadRequest("a name is text")
        item = self._library.import_file(Path(path), name=name)  # seconds: without the lock
        self._tell()
        return {"item": item.to_state()}

    def _rename(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        name = fields.get("name")
        if not isinstance(name, str) or not name.strip():
            raise BadRequest("rename takes an item and its new name")
        self._library.rename(_identity(fields.get("item")), name)
        self._tell()
        return {}

    def _remove(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        identity = _identity(fields.get("item"))
        with self._changed:
            if identity in (self._state.model, self._state.cabinet):
                raise NotAllowed("it is in use: choose another one first, then remove it")
            self._library.remove(identity)
        self._tell()
        return {}

    # ---- what happens by itself ----

    def add_factory_items(self, assets: Path) -> None:
        """Take in what came with the pedal; choose from it if no model ever was. May block for seconds."""
        faults = self._library.import_factory(assets)
        with self._changed:
            if faults:
                self._message = faults[0]
            if self._state.model is None:
                models = [item.id for item in self._library.models() if item.factory]
                cabinets = [item.id for item in self._library.cabinets() if item.factory]
                chosen = replace(
                    self._state,
                    model=next(iter(models), None),
                    cabinet=self._state.cabinet or next(iter(cabinets), None),
                )
                if chosen != self._state:
                    self._state = chosen
                    self._play()
                    self._note_change()
        self._tell()

    def tick(self, now: float) -> None:
        """Look at the audio process and save what has settled. Call about five times a second; `now`: monotonic."""
        with self._changed:
            if self._look_at_audio():
                self._play()
                self._tell()
            due = self._changed_at is not None and (
                now - self._changed_at >= (_RETRY_SAVE_S if self._save_failed else _SETTLE_S)
                or (not self._save_failed and now - self._unsaved_since >= _LONGEST_UNSAVED_S)
            )
        if due:
            self.save()

    def save(self) -> None:
        """Save the live state now, if it changed; not under the lock, since a memory card may take its time.

        Failure becomes the state's message and is tried again later. For the thread that calls `tick` alone.
        """
        with self._changed:
            if self._changed_at is None:
                return
            content = to_json(self._state)
            self._changed_at = None
        try:
            storage.save_json(self._state_file, STATE_SCHEMA, content)
        except StorageError as error:
            with self._changed:
                self._changed_at = time.monotonic()
                if not self._save_failed:
                    self._save_failed = True
                    self._message = f"The settings are not saved: {error}"
                    self._tell()
        else:
            self._save_failed = False

    def close(self) -> None:
        """Save and let go of the shared memory; the sound goes on as it is."""
        self.save()
        self._controls.close()
        self._status.close()

    # ---- with the lock held ----

    def _knobs(self) -> Sequence[Knob]:
        return self.knobs_of(self._state.model)

    def _play(self) -> None:
        """Ask for the state's model and cabinet; whatever can't be had is left out, and the message says so."""
        try:
            self._write_patch()
        except (NotFound, StorageError) as error:
            self._message = f"{error}; until you choose another one the guitar is played without it"
            self._write_patch_of_what_is_left()
        self._publish()

    def _write_patch(self) -> None:
        self._write(self._state.model, self._state.cabinet)

    def _write_patch_or_keep(self, before: LiveState) -> None:
        """For the state that is wanted; where that can't be had, `before` stays in force and the error goes on."""
        try:
            self._write_patch()
        except ApplianceError:
            self._state = before
            raise

    def _write_patch_of_what_is_left(self) -> None:
        for model, cabinet in ((None, self._state.cabinet), (self._state.model, None), (None, None)):
            try:
                self._write(model, cabinet)
                return
            except (NotFound, StorageError):
                continue

    def _write(self, model: str | None, cabinet: str | None) -> None:
        generation = self._generation % _GENERATIONS + 1  # never 0, which means none
        path = self._patches.write(
            generation=generation,
            sample_rate_hz=self._rate_hz,
            model=model,
            cabinet=cabinet,
            oversample=self._state.oversample,
        )
        self._generation, self._patch = generation, str(path)

    def _publish(self) -> None:
        state = self._state
        self._controls.publish(
            payload(
                generation=self._generation,
                flags=state.flags,
                input_gain_db=state.input_gain_db,
                gate_threshold_db=state.gate_threshold_db,
                level_db=state.level_db,
                knobs=tuple(knob_positions(state, self._knobs()).values()),
                patch_path=self._patch,
            )
        )

    def _look_at_audio(self) -> bool:
        """Read status. True when the audio process runs at another rate than the patch is made for."""
        found = self._status.read()
        if found is None:
            return False
        if found.sample_rate_hz not in (0, self._rate_hz):
            self._rate_hz = found.sample_rate_hz
            return True
        if found.generation == self._generation:
            self._sounded = (self._state.model, self._state.cabinet)
        if found.failed_generation == self._generation and self._reported_failure != self._generation:
            reason = found.message or "the audio process gave no reason"
            self._message = f"This sound could not be loaded, the one before it plays on: {reason}"
            self._go_back()
        return False

    def _go_back(self) -> None:
        """The wanted sound can't be had: want the last one that could, so that the dials turn what is heard."""
        if self._sounded is not None and self._sounded != (self._state.model, self._state.cabinet):
            self._state = replace(self._state, model=self._sounded[0], cabinet=self._sounded[1])
            self._play()
            self._note_change()
        else:
            self._tell()
        self._reported_failure = self._generation

    def _note_change(self) -> None:
        now = time.monotonic()
        if self._changed_at is None:
            self._unsaved_since = now
        self._changed_at = now
        self._tell()

    def _tell(self) -> None:
        with self._changed:
            self._revision += 1
            self._changed.notify_all()


def _identity(value: Any) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"an id is text, not {value!r:.40}")
    return value
