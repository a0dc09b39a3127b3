"""Requests about presets, banks, scenes and set lists (`bridge/commands.py` has the table). May block (fsync)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from appliance.errors import BadRequest, NotAllowed, NotFound
from appliance.library.items import clean_name
from appliance.library.presets import MAX_SCENES, Preset, Scene, clean_bindings
from appliance.library.setlists import SetList
from appliance.panel.actions import Phase, parse
from appliance.panel.deliberate import MEANT
from appliance.panel.recall import stored
from appliance.panel.state import knob_positions

if TYPE_CHECKING:
    from appliance.panel.panel import Panel

Fields = Mapping[str, Any]


class PresetRequests:
    """The handlers, by the name of their request."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self.handlers: dict[str, Callable[[Fields], dict[str, Any]]] = {
            name: self._answered(handler)
            for name, handler in {
                "preset_recall": self._recall,
                "preset_store": self._store,
                "preset_add": self._add,
                "preset_rename": self._rename,
                "preset_move": self._move,
                "preset_remove": self._remove,
                "preset_bind": self._bind,
                "bank_size": self._bank_size,
                "scene_store": self._scene_store,
                "scene_remove": self._scene_remove,
                "setlist_add": self._setlist_add,
                "setlist_put": self._setlist_put,
                "setlist_remove": self._setlist_remove,
                "setlist_choose": self._setlist_choose,
                "action": self._action,
            }.items()
        }

    def add_factory_presets(self) -> None:
        """At the first start: a preset for each factory model. Raises StorageError."""
        panel = self._panel
        models = [item for item in panel.library.models() if item.factory]
        if not panel.presets.is_new or not models:
            return
        cabinets = [item for item in panel.library.cabinets() if item.factory]
        made = []
        for index, model in enumerate(models):
            cabinet = cabinets[index % len(cabinets)] if cabinets else None
            made.append(
                Preset(
                    "",
                    model.name,
                    model=model.id,
                    model_name=model.name,
                    cabinet=cabinet.id if cabinet else None,
                    cabinet_name=cabinet.name if cabinet else "",
                    knobs={knob.name: knob.default for knob in model.knobs},
                )
            )
        presets = panel.presets.add(made)
        live = panel.live
        plays = next((one for one in presets if (one.model, one.cabinet) == (live.model, live.cabinet)), None)
        if live.preset is None and plays is not None:
            panel.now_is(plays.id)

    def _recall(self, fields: Fields) -> None:
        place = fields.get("place")
        identity = _text(fields, "preset")
        if place is not None and (not isinstance(place, int) or isinstance(place, bool)):
            raise BadRequest("place is a number, from 0")
        self._panel.recall(identity, place)

    def _store(self, fields: Fields) -> None:
        panel = self._panel
        preset = panel.presets.get(fields.get("preset", panel.live.preset) or "")
        panel.presets.put(self._as_it_sounds(preset))
        panel.now_is(preset.id)

    def _add(self, fields: Fields) -> None:
        panel = self._panel
        preset = panel.preset or Preset("", "")
        fresh = replace(self._as_it_sounds(preset), name=_text(fields, "name"))
        (made,) = panel.presets.add([fresh], behind=panel.live.preset)
        panel.now_is(made.id)

    def _rename(self, fields: Fields) -> None:
        self._panel.presets.rename(_text(fields, "preset"), _text(fields, "name"))

    def _move(self, fields: Fields) -> None:
        to = fields.get("to")
        if isinstance(to, bool) or not isinstance(to, int):
            raise BadRequest("a preset moves to a place, counted from 0")
        self._panel.presets.move(_text(fields, "preset"), to)

    def _remove(self, fields: Fields) -> None:
        identity = _text(fields, "preset")
        self._panel.presets.remove(identity)
        if self._panel.live.preset == identity:
            self._panel.now_is(None)

    def _bind(self, fields: Fields) -> None:
        preset = self._panel.presets.get(_text(fields, "preset"))
        bindings = clean_bindings(fields.get("bindings"))
        for text in bindings.values():
            if (action := parse(text)).kind in MEANT:
                raise NotAllowed(f"{action} belongs to the box, so that it is where it always was: no preset binds it")
        self._panel.presets.put(replace(preset, bindings=bindings))

    def _bank_size(self, fields: Fields) -> None:
        self._panel.presets.set_bank_size(fields.get("size", 0))

    def _scene_store(self, fields: Fields) -> None:
        panel = self._panel
        preset = self._present()
        number = _scene_number(fields)
        if number > min(len(preset.scenes) + 1, MAX_SCENES):
            raise NotAllowed(
                f"this preset has {len(preset.scenes)} scenes and {MAX_SCENES} is the most: "
                f"number {number} can't be the next"
            )
        standing = {**knob_positions(panel.live, panel.knobs_of(panel.live.model)), **panel.moment.overlay}
        if not standing:
            raise NotAllowed("a scene keeps the model's knobs, and this model has none")
        scenes = list(preset.scenes)
        otherwise = scenes[number - 1].name if number <= len(scenes) else f"Scene {number}"
        scene = Scene(clean_name(str(fields.get("name") or ""), otherwise), standing)
        scenes[number - 1 : number] = [scene]
        panel.presets.put(replace(preset, scenes=tuple(scenes)))
        panel.hold(replace(panel.moment, scene=number, overlay=standing))

    def _scene_remove(self, fields: Fields) -> None:
        panel = self._panel
        preset = self._present()
        number = _scene_number(fields)
        if number > len(preset.scenes):
            raise NotFound(f"this preset has {len(preset.scenes)} scenes; there is no number {number}")
        panel.presets.put(replace(preset, scenes=(*preset.scenes[: number - 1], *preset.scenes[number:])))
        panel.hold(replace(panel.moment, scene=0, overlay={}))

    def _setlist_add(self, fields: Fields) -> None:
        self._panel.setlists.add(_text(fields, "name"), fields.get("presets", ()))

    def _setlist_put(self, fields: Fields) -> None:
        old = self._panel.setlists.get(_text(fields, "setlist"))
        name = _text(fields, "name") if "name" in fields else old.name
        self._panel.setlists.put(SetList(old.id, name, fields.get("presets", old.presets)))

    def _setlist_remove(self, fields: Fields) -> None:
        self._panel.setlists.remove(_text(fields, "setlist"))

    def _setlist_choose(self, fields: Fields) -> None:
        self._panel.setlists.choose(_text(fields, "setlist") if fields.get("setlist") is not None else None)

    def _action(self, fields: Fields) -> None:
        action = parse(_text(fields, "action"))
        words = fields.get("phase", Phase.VALUE.value if action.continuous else Phase.PRESS.value)
        value = fields.get("value")
        if words not in {phase.value for phase in Phase}:
            raise BadRequest(f"a phase is press, release or value, not {words!r:.40}")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value != value):
            raise BadRequest(f"a position is a number from 0 to 1, not {value!r:.40}")
        self._panel.performer.perform(action, Phase(words), value)

    def _answered(self, handler: Callable[[Fields], None]) -> Callable[[Fields], dict[str, Any]]:
        def answered(fields: Fields) -> dict[str, Any]:
            handler(fields)
            self._panel.presets_changed()
            return {}

        return answered

    def _present(self) -> Preset:
        preset = self._panel.preset
        if preset is None:
            raise NotFound("no preset plays: recall one, or save this sound as one")
        return preset

    def _as_it_sounds(self, preset: Preset) -> Preset:
        panel = self._panel
        live = panel.live
        kept = {"model": preset.model_name, "cabinet": preset.cabinet_name}  # for what is missing at present
        names = {
            kind: next((item.name for item in items if item.id == wanted), kept[kind])
            for kind, items, wanted in (
                ("model", panel.library.models(), live.model),
                ("cabinet", panel.library.cabinets(), live.cabinet),
            )
        }
        return stored(preset, live, panel.knobs_of(live.model), names["model"], names["cabinet"])


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(f"{name} is missing, or not text")
    return value


def _scene_number(fields: Fields) -> int:
    number = fields.get("number")
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_SCENES:
        raise BadRequest(f"a scene has a number from 1 to {MAX_SCENES}")
    return number
