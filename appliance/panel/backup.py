"""A backup: one file with all that is the player's own, written as a stream while the pedal plays.

    pedal-backup.txt     for people, and to know the file by
    model-ID.EXT, cabinet-ID.EXT   the original files of what was imported; what came with the pedal is not among them
    backup.json          presets, set lists, what the controls learnt, the wiring, the items' names; written last, so
                         that a backup that was cut off is known by its absence

The container is that of `box/plain_tar.py`. No secrets: Wi-Fi networks and keys are not in it. May block (disk).
"""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import appliance
from appliance import storage
from appliance.box import plain_tar
from appliance.errors import ApplianceError
from appliance.library.items import ModelItem
from appliance.library.presets import PRESETS_SCHEMA
from appliance.library.setlists import SETLISTS_SCHEMA
from appliance.library.store import Library
from appliance.panel import kept

FORMAT = 1
ENDING = ".pedal-backup"
HEAD, CONTENT = "pedal-backup.txt", "backup.json"
# Each file of settings in the backup, and the schema of it that this version keeps.
SETTINGS = {"presets": PRESETS_SCHEMA, "setlists": SETLISTS_SCHEMA, "controls": kept.SCHEMA}
_LARGEST_WIRING_BYTES = 1 << 20


@dataclass(frozen=True)
class Written:
    """What went into a backup. `notes`: what could not, in words."""

    models: int
    cabinets: int
    presets: int
    notes: tuple[str, ...]


def file_name() -> str:
    """For a backup made today."""
    return f"pedal-{datetime.datetime.now():%Y-%m-%d}{ENDING}"


def write(stream: IO[bytes], library: Library, data: Path, wiring: Path | None) -> Written:
    """Write a backup. `stream` may be a pipe; `wiring`: the box's `appliance.toml`. Raises OSError."""
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    plain_tar.write(stream, HEAD, f"A backup of a pedal, made {made}. To restore: appliance restore FILE\n".encode())
    items: list[dict[str, str]] = []
    notes: list[str] = []
    for item in (*library.models(), *library.cabinets()):
        if item.factory:
            continue
        kind = "model" if isinstance(item, ModelItem) else "cabinet"
        try:
            source = library.source(item.id)
            content = source.read_bytes()
            if hashlib.sha256(content).hexdigest()[:16] != item.id:
                raise OSError("it is damaged on the disk")
        except (ApplianceError, OSError) as error:
            notes.append(f"{item.name} is left out: {error}")
            continue
        member = f"{kind}-{item.id}{source.suffix}"
        plain_tar.write(stream, member, content)
        items.append({"id": item.id, "kind": kind, "name": item.name, "file_name": item.file_name, "member": member})
    settings: dict[str, Any] = {}
    for name, schema in SETTINGS.items():
        loaded = storage.load_json(data / f"{name}.json", schema)
        settings[name] = {"schema": schema, "content": loaded.content}
        if loaded.note:
            notes.append(loaded.note)
    content_json = {
        "product": "appliance",
        "format": FORMAT,
        "version": appliance.__version__,
        "made": made,
        "items": items,
        "settings": settings,
        "wiring": _text(wiring),
        "notes": notes,
    }
    plain_tar.write(stream, CONTENT, json.dumps(content_json, indent=1, ensure_ascii=False).encode())
    plain_tar.finish(stream)
    stream.flush()
    presets = (settings["presets"]["content"] or {}).get("presets", ())
    models = sum(item["kind"] == "model" for item in items)
    return Written(models, len(items) - models, len(presets), tuple(notes))


def save(path: Path, library: Library, data: Path, wiring: Path | None) -> Written:
    """Write a backup into a file, which appears whole or not at all. Raises StorageError."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as stream:
            written = write(stream, library, data, wiring)
        storage.sync_file(temporary)
        temporary.replace(path)
        storage.sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage.storage_error(f"{path.name} could not be written", error) from error
    return written


def _text(wiring: Path | None) -> str | None:
    try:
        if wiring is None or wiring.stat().st_size > _LARGEST_WIRING_BYTES:
            return None
        return wiring.read_text(errors="replace")
    except OSError:
        return None
