"""Presets on disk: whole sounds under a name, in the order of the banks. May block (fsync). Thread-safe.

All of them are one file, `presets.json` (`storage.py`: atomic, checksummed, the copy before kept). A bank is the next
`bank_size` presets of the list, one for each footswitch.
"""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

from appliance import storage
from appliance.errors import BadRequest, NotAllowed, NotFound
from appliance.library.items import clean_name

PRESETS_SCHEMA = 1
MAX_PRESETS = 200  # so that the state with all of them fits a line of the panel's socket
MAX_SCENES = 8
MAX_BINDINGS = 32
DEFAULT_BANK_SIZE = 3  # as many as the default wiring has footswitches
LARGEST_BANK = 10
_LONGEST_BINDING = 80


@dataclass(frozen=True)
class Scene:
    """A named set of knob values inside a preset. Knobs that it leaves out stay where they are."""

    name: str
    knobs: Mapping[str, float]


@dataclass(frozen=True)
class Preset:
    """A whole sound. Models and cabinets go by their hash; their names are kept to say which one is missing."""

    id: str
    name: str
    model: str | None = None
    model_name: str = ""
    cabinet: str | None = None
    cabinet_name: str = ""
    knobs: Mapping[str, float] = field(default_factory=dict)
    input_gain_db: float = 0.0
    gate_threshold_db: float = -120.0
    bass_db: float = 0.0
    middle_db: float = 0.0
    treble_db: float = 0.0
    level_db: float = 0.0  # on top of what matches the presets' loudness
    boost_db: float = 3.0  # what the boost switch adds in this preset
    oversample: int = 1
    bindings: Mapping[str, str] = field(default_factory=dict)  # control → action, before those of the box
    scenes: tuple[Scene, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As presets.json keeps it, and as the panel tells it to the phone."""
        return asdict(self)


@dataclass(frozen=True)
class _Content:
    presets: tuple[Preset, ...] = ()
    bank_size: int = DEFAULT_BANK_SIZE


class PresetBook:
    """The presets in `file`. Opening it never fails for damage: `note` says what happened."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._guard = threading.Lock()
        loaded = storage.load_json(file, PRESETS_SCHEMA)
        self.note = loaded.note
        self.is_new = loaded.content is None and loaded.note is None  # never saved yet
        self._content = _content_from(loaded.content)

    @property
    def presets(self) -> tuple[Preset, ...]:
        """All, in order."""
        return self._content.presets

    @property
    def bank_size(self) -> int:
        """Presets a bank."""
        return self._content.bank_size

    def find(self, identity: str | None) -> Preset | None:
        """The preset of this id, or None."""
        return next((preset for preset in self._content.presets if preset.id == identity), None)

    def get(self, identity: str) -> Preset:
        """Raises NotFound."""
        found = self.find(identity)
        if found is None:
            raise NotFound(f"there is no preset {identity!r:.40}")
        return found

    def add(self, presets: Iterable[Preset], *, behind: str | None = None) -> tuple[Preset, ...]:
        """Put new presets behind the one of that id, or at the end; they get ids of their own.

        Raises NotAllowed (`MAX_PRESETS`), StorageError.
        """
        with self._guard:
            made = tuple(
                replace(preset, id=secrets.token_hex(4), name=clean_name(preset.name, "Preset")) for preset in presets
            )
            old = list(self._content.presets)
            if len(old) + len(made) > MAX_PRESETS:
                raise NotAllowed(f"there are {len(old)} presets, {MAX_PRESETS} is the most: delete some first")
            at = next((index + 1 for index, preset in enumerate(old) if preset.id == behind), len(old))
            self._save(replace(self._content, presets=(*old[:at], *made, *old[at:])))
            return made

    def put(self, preset: Preset) -> None:
        """Replace the preset of the same id. Raises NotFound, StorageError."""
        with self._guard:
            self.get(preset.id)
            presets = tuple(preset if old.id == preset.id else old for old in self._content.presets)
            self._save(replace(self._content, presets=presets))

    def rename(self, identity: str, name: str) -> None:
        """Raises NotFound, StorageError."""
        old = self.get(identity)
        self.put(replace(old, name=clean_name(name, otherwise=old.name)))

    def move(self, identity: str, to: int) -> None:
        """Give a preset another place, counted from 0 without it. Raises NotFound, StorageError."""
        with self._guard:
            moved = self.get(identity)
            rest = [preset for preset in self._content.presets if preset.id != identity]
            rest.insert(max(0, to), moved)
            self._save(replace(self._content, presets=tuple(rest)))

    def remove(self, identity: str) -> None:
        """Raises NotFound, StorageError."""
        with self._guard:
            self.get(identity)
            left = tuple(preset for preset in self._content.presets if preset.id != identity)
            self._save(replace(self._content, presets=left))

    def set_bank_size(self, size: int) -> None:
        """Raises BadRequest, StorageError."""
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= LARGEST_BANK:
            raise BadRequest(f"a bank has 1 to {LARGEST_BANK} presets, not {size!r:.40}")
        with self._guard:
            self._save(replace(self._content, bank_size=size))

    def _save(self, content: _Content) -> None:
        storage.save_json(
            self._file,
            PRESETS_SCHEMA,
            {"bank_size": content.bank_size, "presets": [preset.to_json() for preset in content.presets]},
        )
        self._content = content
        self.is_new = False


def cleaned(content: Any) -> dict[str, Any]:
    """What `presets.json` holds, from a stranger: what makes no sense is left out, names are fit to be shown."""
    read = _content_from(content)
    presets = []
    for preset in read.presets[:MAX_PRESETS]:
        try:
            bindings = clean_bindings(preset.bindings)
        except BadRequest:
            bindings = {}
        scenes = tuple(replace(scene, name=clean_name(scene.name, "Scene")) for scene in preset.scenes[:MAX_SCENES])
        presets.append(
            replace(
                preset,
                name=clean_name(preset.name, "Preset"),
                model_name=clean_name(preset.model_name, ""),
                cabinet_name=clean_name(preset.cabinet_name, ""),
                bindings=bindings,
                scenes=scenes,
            ).to_json()
        )
    return {"bank_size": read.bank_size, "presets": presets}


def clean_bindings(wanted: Any) -> dict[str, str]:
    """Switch bindings as they may be kept: control → the text of an action. Raises BadRequest."""
    if not isinstance(wanted, Mapping) or len(wanted) > MAX_BINDINGS:
        raise BadRequest(f'bindings are at most {MAX_BINDINGS} texts by control, such as {{"switch 1": "boost"}}')
    for control, action in wanted.items():
        if not isinstance(action, str) or not 0 < len(action) <= _LONGEST_BINDING or len(str(control)) > 40:
            raise BadRequest(f"the binding of {control!s:.40} is not the text of an action: {action!r:.40}")
    return {str(control): action for control, action in wanted.items()}


def _content_from(content: Any) -> _Content:
    """What `_save` wrote. A field that makes no sense gets its default, a preset without an id is left out."""
    if not isinstance(content, dict):
        return _Content()
    presets = [_preset_from(entry) for entry in content.get("presets", ()) if isinstance(entry, dict)]
    size = content.get("bank_size")
    return _Content(
        tuple({preset.id: preset for preset in presets if preset.id}.values()),
        size if isinstance(size, int) and 1 <= size <= LARGEST_BANK else DEFAULT_BANK_SIZE,
    )


def _preset_from(entry: Mapping[str, Any]) -> Preset:
    fields: dict[str, Any] = {}
    for name, default in vars(Preset("", "Preset")).items():
        value = entry.get(name)
        if name in ("model", "cabinet"):
            fields[name] = value if isinstance(value, str) else None
        elif name == "knobs":
            fields[name] = _knobs_from(value)
        elif name == "bindings":
            fields[name] = (
                {str(k): v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}
            )
        elif name == "scenes":
            found = [scene for scene in value if isinstance(scene, dict)] if isinstance(value, list) else []
            fields[name] = tuple(Scene(str(scene.get("name", "")), _knobs_from(scene.get("knobs"))) for scene in found)
        elif isinstance(default, str):
            fields[name] = value if isinstance(value, str) else default
        elif name == "oversample":
            fields[name] = value if type(value) is int and value in (1, 2, 4) else default
        else:
            fields[name] = float(value) if _is_number(value) else default
    return Preset(**fields)


def _knobs_from(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): float(amount) for name, amount in value.items() if _is_number(amount)}


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
