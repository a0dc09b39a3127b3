"""A panel in this process with everything it touches in one folder; the audio side is played by the test."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from appliance.bridge import layout
from appliance.bridge.shared_memory import open_shared
from appliance.library.store import Library
from appliance.panel.panel import Panel


class Bench:
    """A panel with everything it touches in one folder."""

    def __init__(self, folder: Path, stock: Path | None = None) -> None:
        self.folder = folder
        if stock is not None:
            shutil.copytree(stock, folder / "data")
        self.panel = self.switch_on()
        self.ids = {item["name"]: item["id"] for kind in ("models", "cabinets") for item in self.state[kind]}

    def switch_on(self) -> Panel:
        self.panel = Panel(
            library=Library(self.folder / "data"),
            state_file=self.folder / "data" / "state.json",
            controls=self.folder / "controls",
            status=self.folder / "status",
            patches=self.folder / "patches",
            tap=self.folder / "tap",
            kept=self.folder / "data" / "kept",
        )
        return self.panel

    def ask(self, request: str, **fields: Any) -> dict[str, Any]:
        return self.panel.answer({"id": 1, "request": request, **fields})

    @property
    def state(self) -> dict[str, Any]:
        return self.panel.state()

    @property
    def controls(self) -> layout.ControlsPayload:
        block = layout.ControlsBlock.from_buffer_copy((self.folder / "controls").read_bytes())
        assert layout.controls_checksum(block.sequence, bytes(block.payload)) == block.checksum
        return block.payload

    @property
    def patch(self) -> bytes:
        return Path(self.controls.patch_path.decode()).read_bytes()

    def audio_says(self, **fields: Any) -> None:
        block = layout.StatusBlock()
        block.magic, block.version, block.sequence = layout.STATUS_MAGIC, layout.LAYOUT_VERSION, 2
        for name, value in fields.items():
            setattr(block, name, value)
        memory = open_shared(self.folder / "status", layout.STATUS_BYTES, writable=True)
        memory[: layout.STATUS_BYTES] = bytes(block)
        memory.close()
