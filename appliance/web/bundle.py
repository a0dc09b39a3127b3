"""The page's static files, read once at start: compressed, and named by what is in them.

The address holds a hash of all of them (`/static/<build>/main.js`), so a browser may keep them for ever and relative
imports between them stay within one build. What a client sends is only ever looked up in a dictionary, never opened.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import StorageError

_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml", ".webmanifest": "application/manifest+json"}


@dataclass(frozen=True)
class Asset:
    """One file, plain and gzipped."""

    content_type: str
    plain: bytes
    gzipped: bytes


@dataclass(frozen=True)
class Bundle:
    """All files by name, and the hash of the lot."""

    build: str
    files: dict[str, Asset]


def load(folder: Path) -> Bundle:
    """Read the static files of the page. Raises StorageError when there are none (a broken installation)."""
    files: dict[str, Asset] = {}
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        plain = path.read_bytes()
        digest.update(path.name.encode() + b"\0" + plain)
        guessed = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        textual = guessed.startswith("text/") or guessed in _TYPES.values()
        files[path.name] = Asset(
            f"{guessed}; charset=utf-8" if textual else guessed, plain, gzip.compress(plain, 9, mtime=0)
        )
    if "main.js" not in files:
        raise StorageError(f"The page is not in {folder}: main.js is missing. Install the package again.")
    return Bundle(digest.hexdigest()[:12], files)
