"""What a state means with this library: its sound, its settings, what of it is missing, in words. Does not block."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.errors import NotFound
from appliance.formats.description import Knob
from appliance.library.presets import Preset
from appliance.library.store import Library
from appliance.panel.sounds import Settings, Sound
from appliance.panel.state import LiveState, knob_positions


class Meaning:
    """Models and cabinets are named by their hashes; this is who looks them up."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def sound(self, state: LiveState) -> Sound:
        """What plays a state: of a preset whose model or cabinet is gone, what is left."""
        model = state.model if state.model and self._library.has(state.model) else None
        cabinet = state.cabinet if state.cabinet and self._library.has(state.cabinet) else None
        return Sound(model, cabinet, state.oversample if model else 1)

    def settings(self, state: LiveState) -> Settings:
        """What goes with the sound, knobs at their positions."""
        return Settings(
            flags=state.flags,
            input_gain_db=state.input_gain_db,
            gate_threshold_db=state.gate_threshold_db,
            bass_db=state.bass_db,
            middle_db=state.middle_db,
            treble_db=state.treble_db,
            level_db=state.level_db,
            knobs=tuple(knob_positions(state, self.knobs(state.model)).values()),
        )

    def knobs(self, model: str | None) -> Sequence[Knob]:
        """The knobs of a model; none where it is missing."""
        try:
            return self._library.model(model).knobs if model else ()
        except NotFound:
            return ()

    def name(self, state: LiveState, preset: Preset | None) -> str:
        """What a player would call it."""
        if preset is not None:
            return preset.name
        try:
            return self._library.model(state.model).name if state.model else "no model"
        except NotFound:
            return "no model"

    def missing(self, state: LiveState, preset: Preset | None) -> str | None:
        """What the state asks for and the library does not have; None: nothing."""
        left = self.sound(state)
        for kind, wanted, found in (("model", state.model, left.model), ("cabinet", state.cabinet, left.cabinet)):
            if wanted is not None and found is None:
                name = getattr(preset, f"{kind}_name") if preset is not None and getattr(preset, kind) == wanted else ""
                known = f"{name} ({wanted})" if name else wanted
                of = f"{preset.name}: " if preset is not None else ""
                return f"{of}there is no {kind} {known} in the library"
        return None
