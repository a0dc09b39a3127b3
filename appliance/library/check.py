"""Read one file that a stranger made, in a process that may be lost: `python -P -m appliance.library.check`.

Arguments: FILE KIND [NAME]; KIND is model, cabinet or auto (told by content). Writes what the engine is fed from beside
the file and prints one JSON line: {"ok": true, "kind", "about", "prepared"} or {"ok": false, "error", "message"}.
The parent (`sandbox.py`) never opens the file with a parser.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # nothing big is imported before the limits are set
    from appliance.formats.description import Description

_ADDRESS_SPACE_BYTES = 1536 << 20
_CPU_S = 20
_LARGEST_FILE_BYTES = 64 << 20
PREPARED_MODEL = "model.blob"
PREPARED_CABINET = "impulse.f32"  # float32 little-endian mono at the source's rate
CABINET_VERSION = 1
_QUIET_DB = -60.0


def main(arguments: list[str]) -> int:
    """Check the file named by the arguments; 0 when the line says what was found, good or bad."""
    _limit()
    file, kind = Path(arguments[0]), arguments[1]
    name = arguments[2] if len(arguments) > 2 else file.name
    from appliance.errors import ApplianceError, ExitCode

    try:
        result = check(file, kind, name)
    except ApplianceError as error:
        result = {"ok": False, "error": type(error).__name__, "message": str(error)}
    except MemoryError:
        text = f"{name} needs more memory than a model or cabinet may take: is this the right file?"
        result = {"ok": False, "error": "BadModelFile", "message": text}
    except OSError as error:
        result = {"ok": False, "error": "StorageError", "message": f"{name} could not be prepared: {error.strerror}"}
    sys.stdout.write(json.dumps(result) + "\n")
    return ExitCode.OK


def check(file: Path, kind: str, name: str) -> dict[str, Any]:
    """Read, measure and prepare the file. Raises BadModelFile or BadAudioFile in words for the player."""
    if kind == "auto":
        with file.open("rb") as opened:
            kind = "cabinet" if opened.read(4) in (b"RIFF", b"RF64", b"fLaC") else "model"
    return _check_cabinet(file, name) if kind == "cabinet" else _check_model(file, name)


def _check_model(file: Path, name: str) -> dict[str, Any]:
    from appliance.engine import packing, pi_cost
    from appliance.errors import BadModelFile
    from appliance.formats.description import architecture_name
    from appliance.formats.read import read_model_bytes
    from appliance.library.loudness import model_loudness_db

    description = read_model_bytes(file.read_bytes(), name)
    blob = packing.pack_model(description)
    try:
        loudness_db = model_loudness_db(description)
    except ValueError as error:
        raise BadModelFile(f"{name} can't be played: {error}. Download or train it again.") from error
    about = {
        "name": description.name,
        "format": description.source_format,
        "architecture": architecture_name(description.architecture),
        "sample_rate_hz": description.sample_rate_hz,
        "knobs": [
            {
                "name": knob.name,
                "minimum": knob.minimum,
                "maximum": knob.maximum,
                "default": knob.default,
                "unit": knob.unit,
                "heard": list(knob.heard),
            }
            for knob in description.knobs
        ],
        "loudness_db": round(loudness_db, 2),
        "esr": description.esr if description.esr is not None and math.isfinite(description.esr) else None,
        "licence": description.licence,
        "notes": _model_notes(description, loudness_db),
        "pi_estimates": pi_cost.estimates(description),
    }
    prepared = _write(file.with_name(PREPARED_MODEL), blob, packing.MODEL_VERSION)
    return {"ok": True, "kind": "model", "about": about, "prepared": prepared}


def _model_notes(description: Description, loudness_db: float) -> list[str]:
    """What a player should know before choosing the model."""
    from appliance.formats.summary import notes_for

    notes = notes_for(description)
    if description.variant is not None:
        notes.append(f"The file holds several sizes of the model; this is {description.variant}.")
    if loudness_db <= _QUIET_DB:
        notes.append(f"Nearly silent on ordinary guitar ({loudness_db:.0f} dB).")
    return notes


def _check_cabinet(file: Path, name: str) -> dict[str, Any]:
    from appliance.library.cabinet import MAX_SECONDS, read_impulse_response

    samples, rate_hz, channels = read_impulse_response(file, name)
    notes = []
    if channels == 2:
        notes.append("Stereo: both sides are mixed to one.")
    if len(samples) > MAX_SECONDS * rate_hz:
        notes.append(f"{len(samples) / rate_hz:.1f} s long: the first {MAX_SECONDS:g} s are used.")
    about = {
        "name": Path(name).stem,
        "sample_rate_hz": rate_hz,
        "frames": len(samples),
        "channels": channels,
        "notes": notes,
    }
    prepared = _write(file.with_name(PREPARED_CABINET), samples.astype("<f4").tobytes(), CABINET_VERSION)
    return {"ok": True, "kind": "cabinet", "about": about, "prepared": prepared}


def _write(path: Path, data: bytes, version: int) -> dict[str, Any]:
    path.write_bytes(data)
    return {"file_name": path.name, "size_bytes": len(data), "crc32": zlib.crc32(data), "version": version}


def _limit() -> None:
    """Before anything is imported or read: memory, time, file size; no core file; behind everything else in line."""
    for what, limit in (
        (resource.RLIMIT_AS, _ADDRESS_SPACE_BYTES),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_FSIZE, _LARGEST_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (allowed, allowed))
    os.nice(10)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
