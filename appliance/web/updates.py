"""Updates, backup and restore over HTTP. Files come by `transfer.py`; the panel and root judge what they are."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path

from flask import Blueprint, Response

from appliance.errors import StorageError
from appliance.web.answers import ok
from appliance.web.control import ask_panel, bad, body_of, only
from appliance.web.transfer import sent_file

blueprint = Blueprint("updates", __name__, url_prefix="/api")

_CHECK_TIMEOUT_S = 120.0  # hundreds of megabytes are read from a card and hashed
_PIPE_TIMEOUT_MS = 20_000
_READ_BYTES = 1 << 16
_TAR_END = bytes(1024)


def _flag(body: dict[str, object], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise bad(f"{name} must be true or false.")
    return value


@blueprint.get("/update")
def standing() -> Response:
    """Which version runs, which one can be gone back to, what is on the way."""
    return ok(ask_panel("update"))


@blueprint.post("/update/check")
def check() -> Response:
    """What a transferred bundle is."""
    body = body_of()
    only(body, "transfer")
    return ok(ask_panel("update", _CHECK_TIMEOUT_S, do="check", path=sent_file(body)))


@blueprint.post("/update/install")
def install() -> Response:
    """Begin to install it. Answers at once; `GET /update` tells how it goes."""
    body = body_of()
    only(body, "transfer")
    return ok(ask_panel("update", do="install", path=sent_file(body)))


@blueprint.post("/update/back")
def back() -> Response:
    """Begin to go back to the version before."""
    only(body_of())
    return ok(ask_panel("update", do="back"))


@blueprint.get("/backup")
def backup() -> Response:
    """A backup as a download, made while it is sent."""
    made = ask_panel("backup", do="write")
    name = "".join(c for c in str(made["name"]) if c.isalnum() or c in "-._")
    pieces = _read_pipe(Path(made["pipe"]))
    response = Response(pieces, mimetype="application/x-tar", direct_passthrough=True)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@blueprint.get("/restore")
def restoring() -> Response:
    """How a restore goes; `restoring` is null when none is under way."""
    return ok(ask_panel("backup"))


@blueprint.post("/restore/check")
def look_through() -> Response:
    """What a transferred backup holds."""
    body = body_of()
    only(body, "transfer")
    return ok(ask_panel("backup", _CHECK_TIMEOUT_S, do="check", path=sent_file(body)))


@blueprint.post("/restore")
def restore() -> Response:
    """Begin to restore it. Answers at once; the panel starts anew when it is done."""
    body = body_of()
    only(body, "transfer", "replace")
    return ok(ask_panel("backup", do="restore", path=sent_file(body), replace=_flag(body, "replace")))


def _read_pipe(pipe: Path) -> Iterator[bytes]:
    """What the panel writes, to its end. A panel that dies meanwhile breaks the download off, so the phone notices.

    Raises StorageError.
    """
    tail = b""
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        while waiting.poll(_PIPE_TIMEOUT_MS):  # before anybody writes there is nothing, not even an end
            piece = os.read(descriptor, _READ_BYTES)
            if not piece:
                break
            tail = (tail + piece)[-len(_TAR_END) :]
            yield piece
    finally:
        os.close(descriptor)
    if tail != _TAR_END:
        raise StorageError("The backup was cut off.")
