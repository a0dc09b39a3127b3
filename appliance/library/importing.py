"""Put a file into the pedal's library from the command line: through the panel where one runs, else directly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from appliance import paths
from appliance.bridge.client import PanelClient
from appliance.bridge.commands import Status
from appliance.errors import BadModelFile, NotRunning
from appliance.library.store import Library

_TIMEOUT_S = 60.0


def import_file(path: Path) -> dict[str, Any]:
    """Import a model or cabinet; the item, as the panel's state lists it. Blocks for seconds.

    Raises BadModelFile or BadAudioFile (in words), StorageError, NotAllowed.
    """
    try:
        reply = PanelClient().request("import", timeout_s=_TIMEOUT_S, path=str(path.resolve()))
    except NotRunning:
        # Nobody owns the library at the moment, so it can be opened here.
        return Library(paths.own_data_dir()).import_file(path).to_state()
    if reply["status"] != Status.OK.value:
        raise BadModelFile(reply["message"])
    item: dict[str, Any] = reply["item"]
    return item
