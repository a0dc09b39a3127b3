"""Uploads: files from a phone, stored in folders of our own and handed to the panel, which judges them.

Nothing here looks inside a file. The panel validates it in a child process with limits, while the sound goes on.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path, PurePosixPath
from typing import IO, Any

from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.datastructures import FileStorage

from appliance.bridge.commands import Status
from appliance.errors import ApplianceError, NotRunning, StorageError
from appliance.web.answers import PANEL_AWAY, PANEL_AWAY_WORDS, RefusedError, http_code, status_of
from appliance.web.control import MAX_NAME_CHARACTERS, ask_panel
from appliance.web.safety import settings
from appliance.web.settings import MAX_CABINET_BYTES, MAX_MODEL_BYTES

blueprint = Blueprint("upload", __name__, url_prefix="/api")

_COPY_BYTES = 1 << 16
IMPORT_TIMEOUT_S = 60.0  # the panel checks a file in a process of its own
_CABINET_ENDINGS = frozenset({".wav", ".flac", ".aif", ".aiff"})
_STORED_BYTES = 200


def shown_name(sent: str | None) -> str:
    """The file's name as the player knows it: no folders (of either kind), one printable line, not too long."""
    base = PurePosixPath((sent or "").replace("\\", "/")).name
    line = " ".join("".join(c if c.isprintable() else " " for c in base).split())
    if len(line) > MAX_NAME_CHARACTERS:
        stem, dot, ending = line.rpartition(".")
        kept = dot + ending if stem and len(ending) <= 8 else ""
        line = (stem if kept else line)[: MAX_NAME_CHARACTERS - len(kept)] + kept
    return line or "unnamed file"


def stored_name(name: str) -> str:
    """The name on disk: letters, digits and a few signs of the shown one, since the panel's words and the library's
    names come from it. Never hidden, never a folder, at most 200 bytes."""
    kept = "".join(c if c.isalnum() or c in " ._-+()#&" else "_" for c in name)
    return kept.encode()[-_STORED_BYTES:].decode(errors="ignore").lstrip(". ") or "file"


def _discard(path: Path) -> None:
    with contextlib.suppress(OSError):  # a file that can't be removed must not hide what is said about it
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def store(source: IO[bytes], inbox: Path, name: str) -> Path:
    """Copy an upload into a fresh folder of the inbox. Raises RefusedError (413), StorageError. May block."""
    ending = PurePosixPath(name).suffix.lower()
    limit = MAX_CABINET_BYTES if ending in _CABINET_ENDINGS else MAX_MODEL_BYTES
    kind = "Cabinets" if ending in _CABINET_ENDINGS else "Models"
    path = inbox / secrets.token_hex(16) / stored_name(name)
    try:
        inbox.mkdir(mode=0o770, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o770)
        with path.open("xb") as file:
            path.chmod(0o640)
            size = 0
            while chunk := source.read(_COPY_BYTES):
                size += len(chunk)
                if size > limit:
                    raise RefusedError(
                        Status.TOO_LARGE.value,
                        f"{name} is larger than {limit >> 20} MB. {kind} may not be larger than that.",
                    )
                file.write(chunk)
    except OSError as error:
        _discard(path)
        raise StorageError(
            f"{name} could not be stored: {error.strerror}. Make room on the pedal and try again."
        ) from error
    except RefusedError:
        _discard(path)
        raise
    if size == 0:
        _discard(path)
        raise RefusedError(Status.BAD_FILE.value, f"{name} is empty. Pick the file again, or fetch it anew.")
    return path


def _take_in(file: FileStorage) -> dict[str, Any]:
    """One file: store, ask the panel, clean up. Never raises for a file's own faults."""
    name = shown_name(file.filename)
    path: Path | None = None
    try:
        path = store(file.stream, settings().inbox, name)
        return {
            "file": name,
            "status": Status.OK.value,
            "item": ask_panel("import", IMPORT_TIMEOUT_S, path=str(path)),
        }
    except RefusedError as error:
        return {"file": name, "status": error.status, "message": error.message}
    except NotRunning as error:
        current_app.logger.warning("%s", error)
        return {"file": name, "status": PANEL_AWAY, "message": PANEL_AWAY_WORDS}
    except ApplianceError as error:
        return {"file": name, "status": status_of(error), "message": str(error)}
    finally:
        if path is not None:
            _discard(path)


@blueprint.post("/upload")
def upload() -> Response:
    """Take in one or more files (multipart, field `file`); answers for each. An error code only if all were refused."""
    files = [file for file in request.files.getlist("file") if file.filename]
    if not files:
        raise RefusedError(
            Status.BAD_REQUEST.value, "No file came with the request. Choose a model (.nam, .json) or an IR (.wav)."
        )
    try:
        results = [_take_in(file) for file in files]
    finally:
        for file in files:
            file.close()
    response = jsonify(results=results)
    refused = [result for result in results if result["status"] != Status.OK.value]
    if len(refused) == len(results):
        response = jsonify(results=results, status=refused[0]["status"], message=refused[0]["message"])
        response.status_code = int(http_code(refused[0]["status"]))
    return response
