"""Large files from a phone, piece by piece: updates and backups.

A phone loses its Wi-Fi, and a server that takes hundreds of megabytes in one request holds them twice. So the page
sends pieces of a few megabytes and may go on where a piece was lost; each is appended to a file in the inbox, which is
handed to the panel by its path. Nothing here looks inside.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, current_app, request

from appliance.bridge.commands import Status
from appliance.errors import StorageError
from appliance.web.answers import RefusedError, ok
from appliance.web.control import bad, body_of, identifier, only
from appliance.web.upload import shown_name, stored_name

blueprint = Blueprint("transfer", __name__, url_prefix="/api")

PIECE_BYTES = 4 << 20
LARGEST = {".whl-bundle": 768 << 20, ".pedal-backup": 8 << 30}  # as the panel takes them
MOST_TRANSFERS = 2
SPARE_BYTES = 32 << 20  # left free on the card
_FOLDER = "transfer-"


@dataclass
class Transfer:
    """A file that is being sent. `at`: bytes that are here."""

    path: Path
    size_bytes: int
    at: int = 0
    touched_s: float = 0.0


class Transfers:
    """Those under way, by their id. Thread-safe."""

    def __init__(self, inbox: Path) -> None:
        self._inbox = inbox
        self._guard = threading.Lock()
        self._known: dict[str, Transfer] = {}

    def begin(self, name: str, size_bytes: int) -> str:
        """Make room for a file; its id. The oldest one gives way to it. Raises RefusedError, StorageError."""
        limit = next((largest for ending, largest in LARGEST.items() if name.endswith(ending)), None)
        if limit is None:
            raise bad(f"{name} is neither an update (.whl-bundle) nor a backup (.pedal-backup).")
        if not 0 < size_bytes <= limit:
            raise RefusedError(Status.TOO_LARGE.value, f"{name} is empty, or larger than {limit >> 20} MB.")
        with self._guard:
            while len(self._known) >= MOST_TRANSFERS:
                self._drop(min(self._known, key=lambda known: self._known[known].touched_s))
            identity = secrets.token_hex(16)
            folder = self._inbox / f"{_FOLDER}{identity}"
            try:
                self._inbox.mkdir(mode=0o770, parents=True, exist_ok=True)
                self._clear()
                self._check_room(name, size_bytes)
                folder.mkdir(mode=0o770)
                path = folder / stored_name(name)
                path.touch(mode=0o640)
            except OSError as error:
                raise StorageError(f"{name} could not be stored: {error.strerror}.") from error
            self._known[identity] = Transfer(path, size_bytes, touched_s=time.monotonic())
        return identity

    def append(self, identity: str, at: int, piece: bytes) -> int:
        """Add a piece; how many bytes are here now. One that was sent twice is taken once.

        Raises RefusedError, StorageError (disk full).
        """
        with self._guard:
            transfer = self._find(identity)
            transfer.touched_s = time.monotonic()
            if at > transfer.at or at + len(piece) > transfer.size_bytes:
                raise bad("This piece does not belong here. Send the file again.")
            if at + len(piece) <= transfer.at:
                return transfer.at
            try:
                with transfer.path.open("r+b") as file:
                    file.seek(at)
                    file.write(piece)
            except OSError as error:
                self._drop(identity)
                raise StorageError(
                    f"The file could not be stored: {error.strerror}. Make room and try again."
                ) from error
            transfer.at = at + len(piece)
            return transfer.at

    def whole(self, identity: str) -> Path:
        """The file, when all of it is here. Raises RefusedError."""
        with self._guard:
            transfer = self._find(identity)
            if transfer.at < transfer.size_bytes:
                raise bad("The file is not here whole yet. Send the rest of it.")
            transfer.touched_s = time.monotonic()
            return transfer.path

    def _find(self, identity: str) -> Transfer:
        if identity not in self._known:
            raise RefusedError(Status.NOT_FOUND.value, "That file is not here any more. Send it again.")
        return self._known[identity]

    def _drop(self, identity: str) -> None:
        shutil.rmtree(self._known.pop(identity).path.parent, ignore_errors=True)

    def _clear(self) -> None:
        """What an earlier run of this process left."""
        for folder in self._inbox.glob(f"{_FOLDER}*"):
            if folder.name.removeprefix(_FOLDER) not in self._known:
                shutil.rmtree(folder, ignore_errors=True)

    def _check_room(self, name: str, size_bytes: int) -> None:
        held = sum(other.size_bytes - other.at for other in self._known.values())
        found = os.statvfs(self._inbox)
        free = found.f_bavail * found.f_frsize - held
        if size_bytes + SPARE_BYTES > free:
            raise RefusedError(
                Status.STORAGE_FULL.value,
                f"{name} takes {-(-size_bytes >> 20)} MB and {max(0, free - SPARE_BYTES) >> 20} MB are free for it. "
                "Remove models you don't need and try again.",
            )


def transfers() -> Transfers:
    """Those of this app."""
    found: Transfers = current_app.config["TRANSFERS"]
    return found


@blueprint.post("/transfer")
def begin() -> Response:
    """Announce a file: {name, bytes} → {transfer, piece_bytes}."""
    body = body_of()
    only(body, "name", "bytes")
    size_bytes = body.get("bytes")
    if isinstance(size_bytes, bool) or not isinstance(size_bytes, int) or not isinstance(body.get("name"), str):
        raise bad("A transfer has a name and a number of bytes.")
    identity = transfers().begin(shown_name(body["name"]), size_bytes)
    return ok({"transfer": identity, "piece_bytes": PIECE_BYTES})


@blueprint.post("/transfer/<identity>")
def append(identity: str) -> Response:
    """The next piece, as the body; `?at=` its place. Answers {at}: where the next one begins."""
    at = request.args.get("at", "")
    if not at.isascii() or not at.isdigit() or len(at) > 12:
        raise bad("A piece has its place: ?at=0 for the first.")
    if (request.content_length or 0) > PIECE_BYTES:
        raise RefusedError(Status.TOO_LARGE.value, f"A piece has at most {PIECE_BYTES >> 20} MB.")
    return ok({"at": transfers().append(identity, int(at), request.get_data(cache=False))})


def sent_file(body: dict[str, object]) -> str:
    """The path of the file that a request names by its transfer. Raises RefusedError."""
    return str(transfers().whole(identifier(body.get("transfer"), "transfer")))
