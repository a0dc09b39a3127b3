"""Several files of settings replaced at one stroke: what they shall hold is written down in one file first.

From the moment that `restore.json` is there it has happened: whoever opens the folder next carries it out (`finish`),
as often as a power cut makes it begin anew. May block (fsync).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance import storage

_JOURNAL = "restore.json"
_SCHEMA = 1


def decide(data: Path, words: str, settings: Mapping[str, tuple[int, Any]]) -> None:
    """Write down what the files NAME.json of the folder shall hold: name → (schema, content). Raises StorageError.

    `words`: what is told when it is carried out.
    """
    content = {name: {"schema": schema, "content": held} for name, (schema, held) in settings.items()}
    storage.save_json(data / _JOURNAL, _SCHEMA, {"words": words, "settings": content})


def finish(data: Path) -> str | None:
    """Carry out what was decided on, if anything. Called before the files of the folder are opened.

    The words of it; None: there was nothing. Raises StorageError.
    """
    journal = data / _JOURNAL
    if not journal.exists():
        return None
    decided = storage.load_json(journal, _SCHEMA).content or {"words": "A damaged restore is given up.", "settings": {}}
    for name, held in decided["settings"].items():
        storage.save_json(data / f"{name}.json", held["schema"], held["content"])
    try:
        for path in (storage.previous_copy(journal), journal):  # in this order: the older one alone must never count
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 – the system calls that a test makes fail all stand in `os`
        storage.sync_folder(data)
    except OSError as error:
        raise storage.storage_error("the restore could not be ended", error) from error
    return str(decided["words"])
