"""How the API says no: JSON `{"status", "message"}` with the HTTP code that fits."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from appliance.bridge.commands import Status
from appliance.errors import (
    ApplianceError,
    BadAudioFile,
    BadModelFile,
    BadRequest,
    NotRunning,
    StorageError,
)

PANEL_AWAY = "away"
PANEL_AWAY_WORDS = "The pedal's controls don't answer. The sound goes on; if this stays, switch the pedal off and on."
BUSY = "busy"  # too many phones or listeners

_HTTP_OF_STATUS: Mapping[str, HTTPStatus] = {
    Status.OK.value: HTTPStatus.OK,
    Status.BAD_REQUEST.value: HTTPStatus.BAD_REQUEST,
    Status.NOT_FOUND.value: HTTPStatus.NOT_FOUND,
    Status.BAD_FILE.value: HTTPStatus.UNPROCESSABLE_ENTITY,
    Status.TOO_LARGE.value: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Status.STORAGE_FULL.value: HTTPStatus.INSUFFICIENT_STORAGE,
    Status.NOT_ALLOWED.value: HTTPStatus.FORBIDDEN,
    Status.INTERNAL.value: HTTPStatus.INTERNAL_SERVER_ERROR,
    PANEL_AWAY: HTTPStatus.SERVICE_UNAVAILABLE,
    BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
}

_WORDS_OF_HTTP: Mapping[int, str] = {
    400: "The request could not be read. Reload the page and try again.",
    404: "There is nothing at this address. The page of the pedal is at /.",
    405: "This address takes another kind of request.",
    413: "That is too large for the pedal. Models may have 32 MB, cabinets 16 MB.",
}


class RefusedError(ApplianceError):
    """A request ends here, with one of the named statuses and a sentence for the player."""

    def __init__(self, status: str, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code if code is not None else int(http_code(status))


def http_code(status: str) -> HTTPStatus:
    """HTTP code of a panel status; one this table doesn't know is an error of the pedal's own."""
    return _HTTP_OF_STATUS.get(status, HTTPStatus.INTERNAL_SERVER_ERROR)


def refusal(status: str, message: str, code: int | None = None) -> Response:
    """JSON answer for a request that was not done."""
    response = jsonify(status=status, message=message)
    response.status_code = code if code is not None else int(http_code(status))
    return response


def status_of(error: ApplianceError) -> str:
    """The named status an error of the pedal stands for."""
    if isinstance(error, NotRunning):
        return PANEL_AWAY
    if isinstance(error, BadModelFile | BadAudioFile):
        return Status.BAD_FILE.value
    if isinstance(error, StorageError):
        return Status.STORAGE_FULL.value
    if isinstance(error, BadRequest):
        return Status.BAD_REQUEST.value
    return Status.INTERNAL.value


def ok(answer: Mapping[str, Any]) -> Response:
    """JSON answer for a request that was done."""
    return jsonify(dict(answer) | {"status": Status.OK.value})


def register(app: Flask) -> None:
    """Turn every error of a request into an answer in words."""

    @app.errorhandler(RefusedError)
    def refused(error: RefusedError) -> Response:
        return refusal(error.status, error.message, error.code)

    @app.errorhandler(NotRunning)
    def away(error: NotRunning) -> Response:
        app.logger.warning("%s", error)  # with paths and commands: not a player's business
        return refusal(PANEL_AWAY, PANEL_AWAY_WORDS)

    @app.errorhandler(ApplianceError)
    def known(error: ApplianceError) -> Response:
        return refusal(status_of(error), str(error))

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        code = error.code or 500
        status = Status.TOO_LARGE if code == 413 else Status.NOT_FOUND if code == 404 else Status.BAD_REQUEST
        if code >= 500:
            status = Status.INTERNAL
        return refusal(status.value, _WORDS_OF_HTTP.get(code, error.description or "The request failed."), code)

    @app.errorhandler(Exception)
    def bug(error: Exception) -> Response:
        app.logger.error("a bug in the web process", exc_info=error)
        return refusal(Status.INTERNAL.value, "The pedal's page made a mistake; its log has the details.")
