"""Where things are. Everything else asks here; nothing else builds a path from an environment variable.

| folder  | what is in it                              | on an installed box   | on a PC                        |
|---------|--------------------------------------------|-----------------------|--------------------------------|
| data    | library: models, cabinets, live state      | /var/lib/appliance    | ~/.local/share/appliance       |
| runtime | sockets and shared memory; gone on reboot  | /run/appliance        | /dev/shm/appliance-UID         |
| assets  | page, factory models, the box's system    | inside the package    | the repository's web/, models/ |
"""

from __future__ import annotations

import os
from pathlib import Path

from appliance.errors import NotAllowed

PACKAGE = Path(__file__).parent
_BOX = Path("/opt/appliance")  # a package that lies here is an installed box's, and means its folders
SETTINGS = "appliance.toml"


def assets(name: str) -> Path:
    """Folder `web`, `models` or `system`: inside an installed wheel, or beside the package in a checkout."""
    packed = PACKAGE / "assets" / name
    return packed if packed.is_dir() else PACKAGE.parent / name


def is_box() -> bool:
    """Whether this is the package of an installed box: then a command typed there means the box's pedal."""
    return PACKAGE.is_relative_to(_BOX)


def data_dir() -> Path:
    """Where the library and the live state are kept. $APPLIANCE_DATA wins (tests, several pedals on one PC)."""
    for variable in ("APPLIANCE_DATA", "STATE_DIRECTORY"):
        if value := os.environ.get(variable):
            return Path(value)
    if is_box():
        return Path("/var/lib/appliance")
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "appliance"


def own_data_dir() -> Path:
    """The same, for who changes it while no panel runs. Raises NotAllowed where it is another user's: what we write
    there would be out of that user's reach, root's most of all."""
    folder = data_dir()
    if folder.is_dir() and folder.stat().st_uid != os.geteuid():
        raise NotAllowed(
            f"what is in {folder} is the pedal's alone, and its panel does not run. Start it, then try again: "
            "sudo systemctl start appliance-panel"
        )
    return folder


def kept_dir() -> Path:
    """The sound that played last, ready to be played (`bridge/kept_sound.py`). The panel writes, audio only reads."""
    return data_dir() / "kept"


def runtime_dir() -> Path:
    """Where the processes meet: shared memory and sockets, in memory only. $APPLIANCE_RUNTIME wins."""
    for variable in ("APPLIANCE_RUNTIME", "RUNTIME_DIRECTORY"):
        if value := os.environ.get(variable):
            return Path(value)
    return Path("/run/appliance") if is_box() else Path("/dev/shm") / f"appliance-{os.getuid()}"


def controls_file() -> Path:
    """Shared memory panel → audio (`bridge/layout.py`)."""
    return runtime_dir() / "controls"


def status_file() -> Path:
    """Shared memory audio → all: meters, state, counters."""
    return runtime_dir() / "status"


def tap_file() -> Path:
    """Shared memory audio → all: the last seconds of input and output."""
    return runtime_dir() / "tap"


def settings_file() -> Path | None:
    """`appliance.toml`: what is wired to the box and bound to what. None: there is none, the default plan holds.

    $APPLIANCE_CONFIG wins, whether it is there or not; else the first that is there: in the data folder, in the user's
    configuration, in the system's.
    """
    if value := os.environ.get("APPLIANCE_CONFIG"):
        return Path(value)
    base = os.environ.get("XDG_CONFIG_HOME")
    own = (Path(base) if base else Path.home() / ".config") / "appliance"
    places = (data_dir(), own, Path("/etc/appliance"))
    return next((path for place in places if (path := place / SETTINGS).is_file()), None)


def panel_socket() -> Path:
    """Unix socket on which the panel answers commands (`bridge/commands.py`)."""
    return runtime_dir() / "panel.sock"


def inbox_dir() -> Path:
    """Where the web puts what a phone sends until the panel has looked at it. $APPLIANCE_INBOX wins: on a Pi it is on
    the card, memory is short there."""
    if value := os.environ.get("APPLIANCE_INBOX"):
        return Path(value)
    return (data_dir() if is_box() else runtime_dir()) / "inbox"


def network_file() -> Path:
    """What the network service tells (`box/network_settings.py`); absent where there is none, such as on a PC."""
    return runtime_dir() / "network.json"


def wishes_dir() -> Path:
    """Where the panel asks root for what it may not do itself (`box/wishes.py`); absent where no box is installed."""
    return runtime_dir() / "wishes"


def answers_dir() -> Path:
    """Where root answers."""
    return runtime_dir() / "answers"
