"""The panel's state in the words of `bridge/commands.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.panel.recall import is_edited
from appliance.panel.state import knob_positions

if TYPE_CHECKING:
    from appliance.panel.panel import Panel

_LIVE = (
    "preset", "model", "cabinet", "bypass", "mute", "normalise", "input_gain_db", "gate_threshold_db", "bass_db",
    "middle_db", "treble_db", "level_db", "boost_db", "oversample", "tuner_reference_hz", "tuner_tuning",
    "tuner_mutes",
)  # fmt: skip
_MOMENT = ("place", "boost", "compare", "tuner", "scene")


def state_of(panel: Panel, revision: int, message: str | None) -> dict[str, Any]:
    """The whole state. Called with the panel's lock held."""
    live, preset, heard, tonight = panel.live, panel.preset, panel.heard, panel.setlists.tonight
    return {
        "revision": revision,
        **{name: getattr(live, name) for name in _LIVE},
        **{name: getattr(panel.moment, name) for name in _MOMENT},
        "edited": preset is not None and is_edited(live, preset, panel.knobs_of(live.model)),
        "generation": panel.generation,
        "knobs": knob_positions(heard, panel.knobs_of(heard.model)),
        "riff": panel.levelling.has_riff,
        "riff_words": panel.riff.words,
        "safe": panel.safe,
        "leaving": panel.leaving.going,
        "bank_size": panel.presets.bank_size,
        "tonight": tonight.id if tonight else None,
        "models": [item.to_state() for item in panel.library.models()],
        "cabinets": [item.to_state() for item in panel.library.cabinets()],
        "presets": [entry.to_json() for entry in panel.presets.presets],
        "setlists": [entry.to_json() for entry in panel.setlists.lists],
        "message": message,
    }
