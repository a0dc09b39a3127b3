"""A pedal that does as it is told: the real panel socket with a scripted state behind it, and an audio side that writes
real shared memory. For what can't be had from a real pedal at will: refusals, silence, a panel that goes away."""

from __future__ import annotations

import copy
import ctypes
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from appliance.bridge import layout
from appliance.bridge.server import PanelServer
from appliance.bridge.shared_memory import open_shared
from appliance.errors import BadModelFile, NotAllowed, NotFound

RATE_HZ = 48_000

MODELS: list[dict[str, Any]] = [
    {
        "id": "m-clean",
        "name": "Vox AC15 chime",
        "file_name": "vox-ac15.nam",
        "format": "NAM 0.5.2",
        "architecture": "WaveNet A1 standard",
        "sample_rate_hz": 48_000,
        "knobs": [],
        "loudness_db": -18.2,
        "esr": 0.0034,
        "licence": None,
        "factory": True,
        "notes": [],
    },
    {
        "id": "m-drive",
        "name": "Mesa IIC+ drive",
        "file_name": "proteus-Mesa_IICplus_DriveKnob_DirectOut.json",
        "format": "GuitarML Proteus",
        "architecture": "LSTM 1×40",
        "sample_rate_hz": 44_100,
        "knobs": [
            {
                "name": "Drive",
                "minimum": 0.0,
                "maximum": 1.0,
                "default": 0.5,
                "unit": "",
                "heard": [0.0, 0.25, 0.5, 0.75, 1.0],
            }
        ],
        "loudness_db": -16.0,
        "esr": 0.012,
        "licence": "GPL-3.0",
        "factory": False,
        "notes": [
            "Made at 44.1 kHz and played at 48 kHz without resampling: it sounds a little brighter than the amp."
        ],
    },
    {
        "id": "m-three",
        "name": "Blues Deluxe with the long name of a proud capturer (v3 final)",
        "file_name": "aidax-tw40-blues-deluxe.json",
        "format": "AIDA-X",
        "architecture": "GRU 2×24",
        "sample_rate_hz": 48_000,
        "knobs": [
            {"name": "Gain", "minimum": 0.0, "maximum": 1.0, "default": 0.5, "unit": "", "heard": [0.1, 0.5, 0.9]},
            {"name": "Tone", "minimum": -6.0, "maximum": 6.0, "default": 0.0, "unit": "dB", "heard": []},
            {"name": "Presence", "minimum": 0.0, "maximum": 1.0, "default": 0.5, "unit": "", "heard": []},
        ],
        "loudness_db": None,
        "esr": None,
        "licence": "CC BY 4.0",
        "factory": False,
        "notes": [],
    },
]
CABINETS: list[dict[str, Any]] = [
    {
        "id": "c-uk",
        "name": "Vintage UK 4×12",
        "file_name": "Vintage-UK-001.wav",
        "sample_rate_hz": 48_000,
        "frames": 9_600,
        "channels": 1,
        "factory": True,
        "notes": [],
    }
]


class ScriptedPanel:
    """A `bridge.server.Backend` with an invented library. `imports` judges what is brought in."""

    def __init__(self) -> None:
        self.news = threading.Condition()
        self.imports: Callable[[Path], dict[str, Any]] | None = None
        self.requests: list[dict[str, Any]] = []
        self.reading: dict[str, Any] | None = None
        self.network: dict[str, Any] | None = None
        self.settled: list[str] = []
        self.controls: dict[str, Any] | None = None
        self.box: dict[str, Any] = {"installed": True, "missing": None}
        self.state: dict[str, Any] = {
            "revision": 1,
            "model": "m-drive",
            "cabinet": "c-uk",
            "generation": 1,
            "bypass": False,
            "mute": False,
            "normalise": True,
            "input_gain_db": 0.0,
            "gate_threshold_db": -120.0,
            "level_db": 0.0,
            "oversample": 1,
            "knobs": {"Drive": 0.62},
            "models": copy.deepcopy(MODELS),
            "cabinets": copy.deepcopy(CABINETS),
            "message": None,
        }

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """See Backend.answer."""
        asked = dict(request)
        with self.news:
            self.requests.append(asked)
        kind = asked["request"]
        if kind == "tuner" and "on" not in asked:
            return {"reading": self.reading}
        if kind in ("controls", "calibrate", "learn", "unlearn"):
            if self.controls is None:
                raise NotFound("no GPIO header here, so no pots and switches")
            return {"controls": self.controls}
        if kind == "box":
            return {"box": self.box}
        if kind == "power":
            self.change(leaving=asked["do"])
        if kind == "network":
            if asked.get("do") == "settle":
                self.settled.append(asked["address"])
            return {"network": {"report": self.network, "settled": list(self.settled)}}
        if kind == "import":
            assert self.imports is not None
            return {"item": self.imports(Path(asked["path"]))}
        if kind == "select":
            self._select(asked)
        elif kind == "set":
            values = {key: value for key, value in asked.items() if key not in ("id", "request", "knobs")}
            self.change(knobs=self.state["knobs"] | asked.get("knobs", {}), **values)
        elif kind == "rename":
            self._item(asked["item"])["name"] = asked["name"]
            self.change()
        elif kind == "remove":
            item = self._item(asked["item"])
            self.change(models=[model for model in self.state["models"] if model is not item])
        with self.news:
            return {"state": copy.deepcopy(self.state)}

    def state_after(self, revision: int, timeout_s: float) -> dict[str, Any] | None:
        """See Backend.state_after."""
        with self.news:
            if self.news.wait_for(lambda: self.state["revision"] != revision, timeout_s):
                return copy.deepcopy(self.state)
            return None

    def change(self, **values: Any) -> None:
        """A change as another phone or a pot would make it."""
        with self.news:
            self.state.update(values, revision=self.state["revision"] + 1)
            self.news.notify_all()

    def refuse_files(self, words: str) -> None:
        """From now on every import is a bad file."""

        def judge(_path: Path) -> dict[str, Any]:
            raise BadModelFile(words)

        self.imports = judge

    def _select(self, asked: dict[str, Any]) -> None:
        generation = self.state["generation"] + 1
        if "cabinet" in asked:
            self.change(cabinet=asked["cabinet"], generation=generation)
            return
        model = next((model for model in self.state["models"] if model["id"] == asked["model"]), None)
        if model is None:
            raise NotFound(f"there is no model {asked['model']!r} in the library: choose one of the list")
        knobs = {knob["name"]: knob["default"] for knob in model["knobs"]}
        self.change(model=model["id"], knobs=knobs, generation=generation)

    def _item(self, identifier: str) -> dict[str, Any]:
        for item in self.state["models"]:
            if item["id"] == identifier:
                if item["factory"]:
                    raise NotAllowed(f"{item['name']} came with the pedal and stays")
                return item
        raise NotFound(f"there is no item {identifier!r} in the library")


class ScriptedAudio:
    """The audio side: status and tap as they would be written, moved on by hand."""

    def __init__(self, folder: Path) -> None:
        self.status = open_shared(folder / "status", layout.STATUS_BYTES, writable=True)
        self.tap = open_shared(folder / "tap", layout.TAP_BYTES, writable=True)
        self.block = layout.StatusBlock()
        self.block.magic, self.block.version = layout.STATUS_MAGIC, layout.LAYOUT_VERSION
        self.block.sample_rate_hz, self.block.period_frames = RATE_HZ, 64
        self.block.gate_gain = self.block.limiter_gain = 1.0
        self.head = layout.TapHeader(layout.TAP_MAGIC, layout.LAYOUT_VERSION, layout.TAP_FRAMES, RATE_HZ, 0)
        self.tell(state=int(layout.AudioState.PLAYING), generation=1)
        self._put_head()

    def tell(self, **fields: Any) -> None:
        """Publish a status with these fields changed."""
        for name, value in fields.items():
            setattr(self.block, name, value)
        self.block.sequence += 2
        self.status[: layout.STATUS_BYTES] = bytes(self.block)

    def play(self, output: np.ndarray) -> None:
        """Put frames into the tap's output ring and count them."""
        start = ctypes.sizeof(layout.TapHeader) + 4 * layout.TAP_FRAMES
        for index, sample in zip(
            range(self.head.written_frames, self.head.written_frames + len(output)), output, strict=True
        ):
            at = start + 4 * (index % layout.TAP_FRAMES)
            self.tap[at : at + 4] = np.float32(sample).tobytes()
        self.head.written_frames += len(output)
        self._put_head()
        self.tell(frames=self.head.written_frames)

    def _put_head(self) -> None:
        self.tap[: ctypes.sizeof(layout.TapHeader)] = bytes(self.head)


class ScriptedPedal:
    """Panel and audio in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.panel = ScriptedPanel()
        self.audio = ScriptedAudio(folder)
        self.server: PanelServer | None = None
        self.open()

    def open(self) -> None:
        """Let the panel answer."""
        self.server = PanelServer(self.folder / "panel.sock")
        self.server.start(self.panel)

    def close(self) -> None:
        """Let the panel go away."""
        if self.server is not None:
            self.server.close()
            self.server = None


def main(folder: Path) -> None:
    """Play a sine for ever, for looking at the page by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    pedal = ScriptedPedal(folder)
    start = time.monotonic()
    while True:
        time.sleep(0.02)
        frames = int((time.monotonic() - start) * RATE_HZ) - pedal.audio.head.written_frames
        at = pedal.audio.head.written_frames + np.arange(frames)
        pedal.audio.play(0.2 * np.sin(2 * np.pi * 220 * at / RATE_HZ).astype(np.float32))
        swing = 0.5 + 0.5 * np.sin(time.monotonic() * 2)
        pedal.audio.tell(
            input_peak=0.5 * swing, input_rms=0.2 * swing, output_peak=0.9 * swing, output_rms=0.3 * swing, load=0.23,
            limiter_gain=1.0 - 0.2 * (swing > 0.95), xruns=2, late_periods=1,
            generation=pedal.panel.state["generation"],
        )  # fmt: skip


if __name__ == "__main__":
    import sys

    main(Path(sys.argv[1]))
