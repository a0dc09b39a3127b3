"""What sounds at once after switching on: the sound kept last, before the panel is up. May block (files, warm-up)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from appliance.bridge import layout
from appliance.bridge.kept_sound import find_kept
from appliance.engine.patch_bytes import seal_patch
from appliance.errors import ApplianceError

_GATE_OFF_DB = -120.0


class FirstSoundEngine(Protocol):
    """What this asks of the engine (`appliance.engine._native.Pedal`)."""

    def begin_with(self, patch: bytes, payload: bytes) -> None: ...


def begin(
    pedal: FirstSoundEngine, controls: bytes, folder: Path, sample_rate_hz: int, say: Callable[[str], None]
) -> str:
    """Have the pedal begin with the kept sound, or with the guitar as it is where there is none that fits.

    controls: a copy of the controls memory. Where a panel has asked for a sound there, that one is left to play.
    Returns in words what sounds. Never raises for what is on the disk; what is wrong with it is said.
    """
    if _is_asked_for(controls):
        return "what the panel asks for"
    found = find_kept(folder)
    note = found.note
    if found.sound is not None:
        if found.sound.sample_rate_hz == sample_rate_hz:
            try:
                pedal.begin_with(found.patch, bytes(found.sound.payload))
            except (ValueError, MemoryError, ApplianceError) as error:
                note = str(error) or "not enough memory"
            else:
                if note:
                    say(f"{note}: the sound kept before it is played")
                return found.sound.name
        else:
            note = f"it was prepared for {found.sound.sample_rate_hz} Hz, the card runs at {sample_rate_hz} Hz"
    if note:
        say(f"The last sound can't be played ({note}): the guitar is heard as it is until the panel is up.")
    as_it_is = layout.ControlsPayload(gate_threshold_db=_GATE_OFF_DB)
    pedal.begin_with(seal_patch(generation=0, sample_rate_hz=sample_rate_hz), bytes(as_it_is))
    return "the guitar as it is"


def _is_asked_for(controls: bytes) -> bool:
    block = layout.ControlsBlock.from_buffer_copy(controls)
    known = block.magic == layout.CONTROLS_MAGIC and block.version == layout.LAYOUT_VERSION
    return bool(known and block.payload.generation != 0)
