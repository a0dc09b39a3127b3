"""What the web process was started with, in one immutable place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from appliance import paths

MAX_MODEL_BYTES = 32 << 20
MAX_CABINET_BYTES = 16 << 20
MAX_UPLOAD_BYTES = 2 * MAX_MODEL_BYTES  # of one request; the phone sends one file at a time

# Each open page and each listener holds one thread of the server for as long as it is there, so both are counted and
# capped, and SPARE_THREADS remain for everything that is over at once.
MAX_PHONES = 16
MAX_LISTENERS = 4
SPARE_THREADS = 8


@dataclass(frozen=True)
class WebSettings:
    """Where the rest of the pedal is, and what the page offers."""

    panel_socket: Path = field(default_factory=paths.panel_socket)
    status_file: Path = field(default_factory=paths.status_file)
    tap_file: Path = field(default_factory=paths.tap_file)
    inbox: Path = field(default_factory=paths.inbox_dir)
    network_file: Path = field(default_factory=paths.network_file)
    assets: Path = field(default_factory=lambda: paths.assets("web"))
    demo: bool = False  # the demo sound card: the page offers Listen
    host_names: frozenset[str] = frozenset()  # more names this pedal may be called by; see safety.py
