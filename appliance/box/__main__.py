"""`python -m appliance.box`: fulfil the wishes that wait (see `wishes.py`), as root, then end. Started by systemd."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

from appliance.box import wishes
from appliance.box.wishes import Answer, Wish
from appliance.errors import ApplianceError, ExitCode, StorageError

log = logging.getLogger(__name__)

Handler = Callable[[Mapping[str, Any]], Answer]


def handlers() -> dict[str, Handler]:
    """Everything that may be wished for, by its name."""
    return {"poweroff": _power_off, "restart": _restart, "network": _network, "update": _update}


def _power_off(arguments: Mapping[str, Any]) -> Answer:
    from appliance.box.power import power_off

    return power_off(arguments)


def _restart(arguments: Mapping[str, Any]) -> Answer:
    from appliance.box.power import restart

    return restart(arguments)


def _network(arguments: Mapping[str, Any]) -> Answer:
    from appliance.box.network_wishes import fulfil

    return fulfil(arguments)


def _update(arguments: Mapping[str, Any]) -> Answer:
    from appliance.box import update_service

    return update_service.ask(arguments)


def fulfil(wish: Wish) -> Answer:
    """Do it, or say why not. Never raises: a bug in one handler must not keep the next wish waiting."""
    handler = handlers().get(wish.name)
    if wish.fault is not None:
        return Answer("refused", f"The wish {wish.name!r} can't be taken: {wish.fault}.")
    if handler is None:
        return Answer("refused", f"Nobody here does {wish.name!r}.")
    try:
        return handler(wish.arguments)
    except ApplianceError as error:
        return Answer("refused", str(error))
    except Exception as error:
        log.exception("%s failed", wish.name)
        return Answer("failed", f"{wish.name} failed: {error}. The log of appliance-wishes has more.")


def main() -> int:
    """Fulfil what waits. Returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for wish in wishes.take():
        if wish.fault is None:
            _tell(wish.name, Answer("working", ""))
        answer = fulfil(wish)
        log.info("%s: %s – %s", wish.name, answer.status, answer.words)
        _tell(wish.name, answer)
    return ExitCode.OK


def _tell(name: str, answer: Answer) -> None:
    """Nobody to tell is no reason to leave the box switched on."""
    try:
        wishes.tell(name, answer)
    except StorageError as error:
        log.error("%s", error)


if __name__ == "__main__":
    sys.exit(main())
