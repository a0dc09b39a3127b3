"""/etc/appliance: small files that systemd reads as environment, made once and the owner's from then on."""

from __future__ import annotations

import re
from pathlib import Path

from appliance import storage

ABOUT_AUDIO = """# How the pedal's sound is started: arguments of `python -m appliance.audio` (it has --help).
# After a change: sudo systemctl restart appliance-audio
"""
ABOUT_WEB = """# How the pedal's page is started: arguments of `python -m appliance.web` (it has --help).
# After a change: sudo systemctl restart appliance-web
"""


def value(path: Path, name: str) -> str | None:
    """What the file sets `name` to; None when it doesn't."""
    try:
        found = _line(name).search(path.read_text())
    except FileNotFoundError:
        return None
    return found["value"].strip().strip("\"'") if found else None


def write(path: Path, name: str, new_value: str, about: str) -> None:
    """Set `name` and leave every other line as the owner wrote it. Raises StorageError, OSError."""
    assignment = f'{name}="{new_value}"\n'
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        text = about + assignment
    else:
        before = path.read_text()
        text, replaced = _line(name).subn(lambda _match: assignment, before, count=1)
        if not replaced:
            text = before + ("" if before.endswith("\n") or not before else "\n") + assignment
    storage.save(path, text.encode(), keep_previous=False)
    path.chmod(0o644)


def _line(name: str) -> re.Pattern[str]:
    return re.compile(rf"^[ \t]*{re.escape(name)}=(?P<value>[^\n]*)(?:\n|\Z)", re.MULTILINE)
