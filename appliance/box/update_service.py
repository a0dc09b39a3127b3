"""`python -m appliance.box.update_service`: the update or the way back that the panel asked for, as root.

Started by appliance-wishes for the wish `update` (`ask`); a unit of its own, because it takes minutes and other wishes
must not wait. What it is at, and how it ended, stands where the panel reads the answer to that wish.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from appliance import storage
from appliance.box import updating
from appliance.box.quiet import be_quiet
from appliance.box.run import run as run_program
from appliance.box.trial import tell
from appliance.box.wishes import Answer
from appliance.errors import ApplianceError, BadRequest, ExitCode

log = logging.getLogger(__name__)

REQUEST = Path("/run/appliance-update.json")  # root's own
UNIT = "appliance-update.service"
_LONGEST_PATH = 1000


def ask(arguments: Mapping[str, Any], run: Callable[..., str] = run_program, file: Path = REQUEST) -> Answer:
    """Fulfil the wish `update` {do: "install", path} or {do: "back"}: have the unit begin.

    Raises BadRequest, StorageError, SystemRefused.
    """
    storage.save(file, json.dumps(_checked(arguments)).encode(), mode=0o600)
    run(["systemctl", "start", "--no-block", UNIT])
    return Answer("working", "The update begins.", {"share": 0.0})


def _checked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    match dict(arguments):
        case {"do": "back", **rest} if not rest:
            return {"do": "back"}
        case {"do": "install", "path": str(path), **rest} if not rest:
            if not path.startswith("/") or "\0" in path or len(path) > _LONGEST_PATH:
                raise BadRequest("an update is a file by its whole path")
            return {"do": "install", "path": path}  # never an older version: that takes root at the command line
    raise BadRequest('update takes do: "install" with a path, or do: "back"')


def carry_out(request: Mapping[str, Any]) -> None:
    """Do it and tell how it goes. Raises ApplianceError."""
    if request["do"] == "back":
        name = updating.go_back()
        tell("working", f"Going back to {name}.", 1.0)
    else:
        name = updating.install(
            Path(request["path"]),
            tell=lambda words, share: tell("working", f"{words}.", share),
            follow_links=False,
        )
        log.info("%s is made; its trial begins", name)


def main() -> int:
    """Do what the request file says. Returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    be_quiet()
    try:
        request = json.loads(REQUEST.read_bytes())
        REQUEST.unlink()  # one that fells this process is not tried for ever
        carry_out(request)
    except ApplianceError as error:
        log.error("%s", error)
        tell("refused", str(error))
        return error.exit_code
    except Exception as error:
        log.exception("the update failed")
        tell("failed", f"The update failed: {error}. What plays stays as it is; the log of {UNIT} has more.")
        return ExitCode.INTERNAL
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
