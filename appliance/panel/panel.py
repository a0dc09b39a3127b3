"""The panel itself: owner of the live state and the library, and the only writer of the controls.

Every change goes the same way: new state → controls (audio hears it within a period) → watchers → disk, a moment later.
Thread-safe; requests come from the socket's threads, actions from the one that reads the controls, `tick` from the main
one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.box import wishes
from appliance.bridge import layout
from appliance.errors import ApplianceError, BadRequest, NotFound, NotInstalled, StorageError
from appliance.formats.description import Knob
from appliance.library.presets import Preset, PresetBook
from appliance.library.setlists import SetLists
from appliance.library.store import Library
from appliance.panel.audio_watch import AudioWatch, Finding
from appliance.panel.box_requests import BoxRequests, identity
from appliance.panel.keeping import Lasting, SoundKeeper
from appliance.panel.leaving import Leaving
from appliance.panel.levelling import Levelling
from appliance.panel.meaning import Meaning
from appliance.panel.network_requests import NetworkRequests
from appliance.panel.patches import PatchWriter
from appliance.panel.performer import PanelPerformer
from appliance.panel.preset_requests import PresetRequests
from appliance.panel.recall import likely_next, recalled, with_overlay
from appliance.panel.riff import RiffRecorder
from appliance.panel.safe_state import safe_state
from appliance.panel.sounds import Sound, Sounds
from appliance.panel.state import LiveState, Moment, with_settings
from appliance.panel.state_file import StateFile
from appliance.panel.system_requests import SystemRequests
from appliance.panel.telling import state_of
from appliance.panel.tuner import Reading, Tuner
from appliance.panel.update_requests import UpdateRequests

log = logging.getLogger(__name__)


class Panel:
    """Answers requests (`bridge/commands.py`); a `server.Backend`. Publishes at once what was saved last time.

    `safe`: why the factory sound should play instead of what was saved.
    `performer` does what pots and footswitches ask for (`actions.Performer`).
    """

    def __init__(
        self,
        *,
        library: Library,
        state_file: Path,
        controls: Path,
        status: Path,
        patches: Path,
        tap: Path,
        kept: Path,
        safe: str | None = None,
    ) -> None:
        self.library = library
        self.presets = PresetBook(state_file.with_name("presets.json"))
        self.setlists = SetLists(state_file.with_name("setlists.json"))
        self._file = StateFile(state_file)
        self._meaning = Meaning(library)
        self._sounds = Sounds(controls, PatchWriter(patches, library))
        self._watch = AudioWatch(status, self._sounds)
        self._changed = threading.Condition(threading.RLock())
        self._ahead = threading.Event()  # other sounds are likely next
        self._revision = 1
        self._moment = Moment()
        self._safe: str | None = None
        self._before_safe: LiveState | None = None
        self.tuner = Tuner(tap)
        self.levelling = Levelling(state_file.parent, patches.with_name("trial"), library, self._watch.runs_at)
        self.riff = RiffRecorder(tap, self.levelling.keep_riff, self.tell)
        self._keeper = SoundKeeper(kept, self._sounds, self.say)
        self.performer = PanelPerformer(self, status)
        self._box_requests = BoxRequests(self)
        self._preset_requests = PresetRequests(self)
        self._system_requests = SystemRequests(self)
        self.network = NetworkRequests(state_file.with_name("phones.json"))
        self.updates = UpdateRequests(self)
        self.leaving = Leaving()
        self._state = self._file.state
        notes = (self._file.note, self.presets.note, self.setlists.note, *library.notes)
        self._message = next((note for note in notes if note), None)
        self._match_db = self.levelling.match_db(self.preset)  # of the preset recalled last
        with self._changed:
            if safe is not None:
                self._become_safe(safe)
            self._look_at_audio()
            sound = self._meaning.sound(self._state)
            kept_db = self._keeper.take_over(sound, self._state.preset, audio_is_up=self._watch.is_up)
            self._match_db = self._match_db if kept_db is None else kept_db  # or the level would jump
            self._play()

    # ---- requests ----

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """See `server.Backend`."""
        handlers: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "state": lambda _: {},
            "select": self._select,
            "set": self._set,
            **self._box_requests.handlers,
            **self._preset_requests.handlers,
            **self._system_requests.handlers,
            **self.network.handlers,
            **self.updates.handlers,
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
            return state_of(self, self._revision, self._message)

    @property
    def generation(self) -> int:
        """Of the patch asked for last."""
        return self._sounds.generation

    def say(self, message: str) -> None:
        """Show a sentence to the player, as the state's message."""
        with self._changed:
            self._message = message
            self.tell()

    def leave(self, do: str) -> None:
        """Switch the box off, or start it anew: the sound fades at once. Raises NotAllowed, BadRequest."""
        with self._changed:
            self._message = self.leaving.begin(do)
            self._publish()
            self.tell()

    def safe_mode(self, why: str) -> None:
        """Play the factory sound, and open the hotspot where there is one. What was saved stays until somebody changes
        something."""
        with self._changed:
            self._become_safe(why)
            self._play()
            self.tell()
        try:
            wishes.wish("network", do="hotspot", wish="on", lasting=False)
        except (NotInstalled, StorageError) as error:
            log.info("no hotspot: %s", error)

    @property
    def safe(self) -> str | None:
        """Why the factory sound plays; None: it does not, or was chosen."""
        return self._safe

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
                self._match_db = 0.0 if fields["model"] != wanted.model else self._match_db
                wanted = replace(wanted, model=self.library.model(identity(fields["model"])).id)
            if "cabinet" in fields:
                chosen = fields["cabinet"]
                wanted = replace(wanted, cabinet=chosen and self.library.cabinet(identity(chosen)).id)
            self._take(wanted, replace(self._moment, compare=False, scene=0, overlay={}))
            self._message = None
        return {}

    def _set(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        self.set(fields)
        return {}

    def set(self, fields: Mapping[str, Any]) -> None:
        """Take the settings of a `set` request. Raises BadRequest; nothing is then changed."""
        if not fields:
            raise BadRequest("set takes at least one setting")
        with self._changed:
            wanted = with_settings(self._state, fields, self.knobs_of(self._state.model))
            turned = fields.get("knobs", {})
            overlay = {name: value for name, value in self._moment.overlay.items() if name not in turned}
            moment = replace(self._moment, overlay=overlay)
            if moment.compare and _is_of_the_preset(wanted, self._state):
                moment = replace(moment, compare=False)  # a hand on a knob means the sound that it turns
            if wanted != self._state or moment != self._moment:
                self._take(wanted, moment)

    @property
    def reading(self) -> Reading:
        """What the tuner hears now; silence while it is off. Does not block."""
        state = self._state
        return self.tuner.reading(state.tuner_reference_hz, state.tuner_tuning)

    # ---- presets, for requests and actions ----

    @property
    def live(self) -> LiveState:
        """The settings as they are: what saving a preset would store."""
        return self._state

    @property
    def moment(self) -> Moment:
        """What is on for the moment."""
        return self._moment

    @property
    def preset(self) -> Preset | None:
        """The preset recalled last, as it is stored."""
        return self.presets.find(self._state.preset)

    @property
    def order(self) -> list[str]:
        """The presets in the order that next and previous go: tonight's set list, else the banks."""
        tonight = self.setlists.tonight
        known = {preset.id for preset in self.presets.presets}
        listed = [entry for entry in tonight.presets if entry in known] if tonight else []
        return listed or [preset.id for preset in self.presets.presets]

    def recall(self, identity: str, place: int | None = None) -> None:
        """Play a preset. `place`: the one of the order that was gone to. Raises NotFound, StorageError."""
        with self._changed:
            preset = self.presets.get(identity)
            before = self._state, self._moment, self._message
            match_db, self._match_db = self._match_db, self.levelling.match_db(preset)
            self._state = recalled(self._state, preset)
            self._moment = Moment(tuner=self._moment.tuner, place=place)
            self._message = None
            try:
                self._play()
            except ApplianceError:
                self._state, self._moment, self._message = before
                self._match_db = match_db
                raise
            self._note_change()
        self._ahead.set()

    def held(self) -> AbstractContextManager[bool]:
        """The panel's lock: nothing changes meanwhile."""
        return self._changed

    def hold(self, moment: Moment) -> None:
        """Change what is on for the moment."""
        with self._changed:
            if moment != self._moment:
                self._take(self._state, moment, saved=False)

    def now_is(self, identity: str | None) -> None:
        """The live state is this preset's (it was just stored), or no preset's."""
        with self._changed:
            self._state = replace(self._state, preset=identity)
            self._note_change()
        self.presets_changed()

    def presets_changed(self) -> None:
        """Other presets are likely next, and watchers want to know."""
        self._ahead.set()
        self.levelling.wake()
        with self._changed:
            self._note_what_lasts()  # its name may be another
        self.tell()

    def level_presets(self, timeout_s: float, go_on: Callable[[], bool]) -> None:
        """Wait until presets were changed, then measure those that never were. For a thread of its own."""
        self.levelling.work(lambda: self.presets.presets, timeout_s, go_on)

    def prepare_ahead(self, timeout_s: float) -> None:
        """Wait for other presets to be likely next, and have them made ready. For a thread of its own."""
        if self._ahead.wait(timeout_s):
            self.prepare_now()

    def prepare_now(self) -> None:
        """Have the presets made ready that one press may ask for. May block for as long as patches take to make."""
        self._ahead.clear()
        with self._changed:
            likely = likely_next(
                self.order, self._state.preset, self._moment.place, self.presets.bank_size, layout.PREPARED_PATCHES
            )
            found = [preset for preset in map(self.presets.find, likely) if preset is not None]
            states = [recalled(self._state, preset) for preset in found]
            wanted = [(self._meaning.sound(state), self._meaning.settings(state)) for state in states]
        self._sounds.prepare(wanted, lambda: not self._ahead.is_set())

    def knobs_of(self, model: str | None) -> Sequence[Knob]:
        """The knobs of a model; none where it is missing."""
        return self._meaning.knobs(model)

    # ---- what happens by itself ----

    def add_factory_items(self, assets: Path) -> None:
        """Take in what came with the pedal; choose from it if no model ever was. May block for seconds."""
        faults = self.library.import_factory(assets)
        with self._changed:
            if faults:
                self._message = faults[0]
            if self._state.model is None:
                models = [item.id for item in self.library.models() if item.factory]
                cabinets = [item.id for item in self.library.cabinets() if item.factory]
                chosen = replace(
                    self._state,
                    model=next(iter(models), None),
                    cabinet=self._state.cabinet or next(iter(cabinets), None),
                )
                if chosen != self._state:
                    self._state = chosen
                    self._play()
                    self._note_change()
        try:
            self._preset_requests.add_factory_presets()
        except StorageError as error:
            self._message = str(error)
        self.presets_changed()

    def tick(self, now: float) -> None:
        """Look at the audio process and save what has settled. Call about five times a second; `now`: monotonic."""
        with self._changed:
            if self._look_at_audio():
                self._play()
                self._ahead.set()
                self.tell()
            due = self._file.due(now)
            going = self.leaving.ready(now)
        if due or going:
            self.save()
        with self._changed:
            why_not = self.leaving.ask(now) if going else self.leaving.refused(now)
            if why_not is not None:
                self._message = why_not
                self._publish()
                self.tell()
        self._keeper.work(now)

    def save(self) -> None:
        """Save the live state now, if it changed; not under the lock, since a memory card may take its time.

        Failure becomes the state's message and is tried again later. For the thread that calls `tick` alone.
        """
        with self._changed:
            content = self._file.take(self._before_safe or self._state)
        if content is not None and (words := self._file.write(content)) is not None:
            self.say(words)

    def close(self) -> None:
        """Save and let go of the shared memory; the sound goes on as it is."""
        self.save()
        self._keeper.keep(time.monotonic())
        self.tuner.switch(False)
        self.performer.close()
        self._sounds.close()
        self._watch.close()

    # ---- with the lock held ----

    @property
    def heard(self) -> LiveState:
        """The state as it is to sound: the stored preset while comparing, else with what a scene or morph holds."""
        preset = self.preset
        if self._moment.compare and preset is not None:
            return recalled(self._state, preset)
        return with_overlay(self._state, self._moment.overlay)

    def _take(self, state: LiveState, moment: Moment, *, saved: bool = True) -> None:
        """Put another state in force; where it can't be had, the present one stays and the error goes on."""
        before = self._state, self._moment
        self._state, self._moment = state, moment
        try:
            self._sounds.play(self._meaning.sound(self.heard))
        except ApplianceError:
            self._state, self._moment = before
            raise
        self.tuner.switch(self._moment.tuner)
        self._publish()
        if saved:
            self._note_change()
        else:
            self.tell()

    def _play(self) -> None:
        """Ask for what is to sound; whatever can't be had is left out, and the message says so."""
        heard = self.heard
        missing = self._meaning.missing(heard, self.preset)
        try:
            self._sounds.play(self._meaning.sound(heard))
        except (NotFound, StorageError) as error:
            missing = str(error)
            self._play_what_is_left(heard)
        if missing:
            self._message = f"{missing}; until you choose another one the guitar is played without it"
        self._publish()

    def _play_what_is_left(self, heard: LiveState) -> None:
        for sound in (Sound(None, heard.cabinet), Sound(heard.model, None, heard.oversample), Sound()):
            try:
                self._sounds.play(sound)
                return
            except (NotFound, StorageError):
                continue

    def _publish(self) -> None:
        match_db = self._match_db if self._state.normalise else 0.0
        boost_db = self._state.boost_db if self._moment.boost else 0.0
        silent = self.leaving.going is not None or (self._moment.tuner and self._state.tuner_mutes)
        mute = layout.Flag.MUTE if silent else layout.Flag(0)
        settings = self._meaning.settings(self.heard)
        self._sounds.publish(
            replace(settings, level_db=settings.level_db + boost_db + match_db, flags=settings.flags | mute)
        )
        if self._safe is None:  # or the next start would begin with it
            self._note_what_lasts()

    def _note_what_lasts(self) -> None:
        state, settings = self._state, self._meaning.settings(self._state)
        lasting = Lasting(
            name=self._meaning.name(state, self.preset),
            preset=state.preset,
            sound=self._meaning.sound(state),
            settings=replace(settings, level_db=settings.level_db + (self._match_db if state.normalise else 0.0)),
            match_db=self._match_db,
        )
        self._keeper.wants(lasting, time.monotonic())

    def runs_at(self) -> tuple[int, int]:
        """Rate in Hz and frames of a period. For any thread."""
        return self._watch.runs_at()

    def _look_at_audio(self) -> bool:
        """See what audio made of what was asked for. True when another sound is to be asked for."""
        found = self._watch.look((self._state.model, self._state.cabinet))
        if found is Finding.CRASHES:
            if self._safe is not None:
                return False  # it is no sound's fault
            self._become_safe("the sound process ended again and again with this sound")
        elif found is Finding.KEPT_FAILED:
            self._sounds.play_anew()  # handed over as any other
            self._play()
        elif found is Finding.FAILED:
            self._message = f"This sound could not be loaded, the one before it plays on: {self._watch.reason}"
            self._go_back()
        return found in (Finding.OTHER_RATE, Finding.CRASHES)

    def _go_back(self) -> None:
        """The wanted sound can't be had: want the last one that could, so that the dials turn what is heard."""
        failed = self._sounds.generation
        self._sounds.play_anew()
        before = self._watch.to_go_back_to((self._state.model, self._state.cabinet))
        if before is not None:
            self._state = replace(self._state, model=before[0], cabinet=before[1])
            message = self._message
            self._play()
            self._message = message
            self._note_change()
            self._watch.reported(self._sounds.generation)
        else:
            self._watch.reported(failed)
            self.tell()

    def _become_safe(self, why: str) -> None:
        self._safe, self._before_safe = why, self._before_safe or self._state
        self._state = safe_state(self._state, self.library.models(), self.library.cabinets())
        self._moment = Moment()
        self._match_db = 0.0
        self._message = (
            f"Safe mode: {why}. The factory sound plays, and nothing of yours was changed: "
            "choose a preset to go on as before"
        )

    def _note_change(self) -> None:
        self._safe = self._before_safe = None
        self._file.changed(time.monotonic())
        self.tell()

    def tell(self) -> None:
        """Let watchers know that the state is another."""
        with self._changed:
            self._revision += 1
            self._changed.notify_all()


def _is_of_the_preset(one: LiveState, other: LiveState) -> bool:
    """Whether two states differ in what a preset holds."""
    box = {"bypass", "mute", "normalise", "tuner_mutes", "tuner_tuning", "tuner_reference_hz"}
    return any(getattr(one, name) != getattr(other, name) for name in vars(one) if name not in box)
