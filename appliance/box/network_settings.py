"""What the network service keeps, and what it tells: settings on disk (root's), a report in memory (the services').

/var/lib/appliance-network/settings.json   name, pass-phrase, country, wish; made at first boot
/run/appliance/network.json                what the page shows and the card prints: readable by the group
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance import paths, storage
from appliance.box import hotspot
from appliance.box.hotspot_policy import Wish
from appliance.errors import BadRequest, StorageError

log = logging.getLogger(__name__)

FOLDER = Path("var/lib/appliance-network")  # below the root
SCHEMA = 1
_SERIALS = ("proc/device-tree/serial-number", "etc/machine-id")


@dataclass(frozen=True)
class Settings:
    """What is kept of the hotspot. `country`: two letters, or None: the system's own setting holds. `wpa3`: wanted,
    where the radio does it."""

    ssid: str
    passphrase: str
    country: str | None = None
    wish: Wish = Wish.AUTO
    wpa3: bool = False


def settings_path(root: Path) -> Path:
    """The file of the settings."""
    return root / FOLDER / "settings.json"


def load(root: Path) -> Settings | None:
    """The settings; None: there are none yet, or none that can be used."""
    content: Any = storage.load_json(settings_path(root), SCHEMA).content
    try:
        return Settings(
            hotspot.check_ssid(content["ssid"]),
            hotspot.check_passphrase(content["passphrase"]),
            None if content["country"] is None else check_country(content["country"]),
            Wish(content["wish"]),
            content["wpa3"] is True,
        )
    except (TypeError, KeyError, ValueError):
        return None


def save(root: Path, settings: Settings) -> None:
    """Keep the settings, for root's eyes. Raises StorageError."""
    try:
        (root / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise storage.storage_error("the settings of the network could not be saved", error) from error
    storage.save_json(settings_path(root), SCHEMA, asdict(settings) | {"wish": settings.wish.value}, mode=0o600)


def load_or_make(root: Path) -> Settings:
    """The settings; at first boot they are made, pass-phrase and all. Where they can't be kept, they last until the
    next start."""
    found = load(root)
    if found is None:
        found = Settings(hotspot.make_ssid(_serial(root)), hotspot.make_passphrase())
        try:
            save(root, found)
        except StorageError as error:
            log.warning("%s", error)
    return found


def check_country(code: object) -> str:
    """An ISO 3166 code. Raises BadRequest."""
    if not isinstance(code, str) or not re.fullmatch(r"[A-Za-z]{2}", code):
        raise BadRequest(f"a country is two letters, such as GB or DE, not {code!r:.40}")
    return code.upper()


def report_path(root: Path = Path("/")) -> Path:
    """The file of the report: below a given root, or in this system's runtime folder."""
    return paths.network_file() if root == Path("/") else root / "run/appliance/network.json"


def read_report(path: Path | None = None) -> dict[str, Any] | None:
    """What the service told last; None where no such service runs. Raises PermissionError for strangers.

    `report`'s fields: docs/network.md.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
        found = json.loads((path or report_path()).read_text())
        return found if isinstance(found, dict) else None
    return None


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Tell. In memory only; the folder's group may read it. Raises OSError."""
    temporary = path.with_name(".network")
    temporary.unlink(missing_ok=True)
    # Opened once: between two looks at the name, one of the group could lay a link there that leads root anywhere.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps(report))
    temporary.replace(path)


def _serial(root: Path) -> str:
    for name in _SERIALS:
        with contextlib.suppress(OSError):
            if text := (root / name).read_text(errors="replace").strip("\0\n "):
                return text
    return ""
