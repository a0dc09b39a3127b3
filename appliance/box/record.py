"""What the installer did to this system: for doing only what is missing, and for undoing all of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from appliance import storage
from appliance.errors import StorageError


@dataclass
class Record:
    """All paths are from the root, without a slash in front."""

    files: list[str] = field(default_factory=list)  # laid from system/root
    folders: list[str] = field(default_factory=list)  # made for them
    set_aside: list[str] = field(default_factory=list)  # of others, kept to be brought back
    groups: list[str] = field(default_factory=list)  # that did not exist before
    boot: list[str] = field(default_factory=list)  # boot files with a part of ours
    own: list[str] = field(default_factory=list)  # further files made by the installer
    name_before: str | None = None  # what the box was called, where it has got its name from us
    choices: dict[str, Any] = field(default_factory=dict)  # what was asked for, kept for the next time


def load(path: Path) -> Record:
    """The record; an empty one where nothing was installed. Raises StorageError when it is damaged."""
    try:
        return Record(**json.loads(path.read_text()))
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(
            f"{path}, which says what was installed here, can't be read ({error}): move it away to install afresh; "
            "what is there is then taken for somebody else's"
        ) from error


def save(path: Path, record: Record) -> None:
    """Replace the record, all or nothing, unless it says that already. Raises StorageError."""
    data = (json.dumps(asdict(record), indent=1) + "\n").encode()
    try:
        if path.read_bytes() == data:
            return
    except OSError:
        pass
    storage.save(path, data)
