"""A whole pedal in one thread and in played time: real hands, panel and engine; lines simulated, or of the kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.bridge import layout
from appliance.bridge.shared_memory import open_shared
from appliance.engine import _native
from appliance.library.store import Library
from appliance.panel import wiring_file
from appliance.panel.hands import Hands
from appliance.panel.kept import Kept
from appliance.panel.midi import MidiIn
from appliance.panel.panel import Panel
from appliance.panel.simulated import SimulatedBox
from appliance.panel.wiring import DEFAULT_TEXT
from tests.panel.real_lines import BoxOnRealLines, are_wanted

RATE_HZ = 48_000
PERIOD_FRAMES = 64
PERIOD_S = PERIOD_FRAMES / RATE_HZ

SWITCHES = "".join(  # the default plan without what a converter reads: quicker to simulate
    f"[{part}" for part in DEFAULT_TEXT.split("[") if part.startswith(("switch", "chord", "led"))
)

Audio = npt.NDArray[np.float32]


class Rig:
    """Time passes only in `play`."""

    def __init__(
        self,
        folder: Path,
        text: str = DEFAULT_TEXT,
        fill: Callable[[Library], Any] = lambda _: None,
        midi: MidiIn | None = None,
        before: Callable[[SimulatedBox], Any] = lambda _: None,
    ) -> None:
        self.said: list[str] = []
        self.now_s = 0.0
        self.frames = 0
        self.box = (BoxOnRealLines if are_wanted() else SimulatedBox)(wiring_file.read(text, "test.toml"))
        self.box.board.rest_s, self.box.board.busy_s = 0.005, 0.002  # as real pins have it
        self.library = Library(folder / "data")
        fill(self.library)
        self.panel = Panel(
            library=self.library,
            state_file=folder / "data" / "state.json",
            controls=folder / "controls",
            status=folder / "status",
            patches=folder / "patches",
            tap=folder / "tap",
            kept=folder / "data" / "kept",
        )
        self._controls = open_shared(folder / "controls", layout.CONTROLS_BYTES, writable=True)
        self._status = open_shared(folder / "status", layout.STATUS_BYTES, writable=True)
        self.pedal = _native.Pedal(RATE_HZ, PERIOD_FRAMES, self._controls, self._status)
        self.pedal.set_state(layout.AudioState.PLAYING)
        self.performer = self.panel.performer
        self.kept = Kept(folder / "controls.json")
        before(self.box)
        self.hands = Hands(
            self.box.wiring, self.box.board, self.performer, self.performer, self.said.append, kept=self.kept, midi=midi
        )
        self._next_look_s = 0.0
        self.load()

    def load(self) -> None:
        """Let the engine take the patch that the panel asks for, at once."""
        block = layout.ControlsBlock.from_buffer_copy(self._controls)
        self.pedal.load_patch(Path(block.payload.patch_path.decode()).read_bytes())

    def play(self, seconds: float, hand: Callable[[float], Any] = lambda _: None) -> Audio:
        """What sounds while time passes; before each period `hand` is called with the seconds since the start."""
        begun_s, heard = self.now_s, []
        while self.now_s < begun_s + seconds:
            hand(self.now_s - begun_s)
            if self.now_s >= self._next_look_s:
                self._next_look_s = self.now_s + self.hands.tick(self.now_s)
            heard.append(self.pedal.process_float(sine(self.frames, PERIOD_FRAMES)))
            self.frames += PERIOD_FRAMES
            self.now_s = self.frames / RATE_HZ
        return np.concatenate(heard)

    def tap(self, switch: str, down_s: float = 0.1) -> Audio:
        """Press, and let go."""
        self.box.press(switch, True)
        heard = self.play(down_s)
        self.box.press(switch, False)
        return np.concatenate([heard, self.play(0.1)])

    @property
    def state(self) -> dict[str, Any]:
        return self.panel.state()

    @property
    def report(self) -> dict[str, Any]:
        return self.hands.report(self.performer.turns)

    @property
    def status(self) -> layout.StatusBlock:
        """What the engine says of itself."""
        return layout.StatusBlock.from_buffer_copy(self._status)

    @property
    def sequence(self) -> int:
        """Grows with every change of the controls."""
        return int(layout.ControlsBlock.from_buffer_copy(self._controls).sequence)

    def close(self) -> None:
        self.hands.close()
        self.panel.close()


@contextmanager
def rig(folder: Path, *arguments: Any, **options: Any) -> Iterator[Rig]:
    made = Rig(folder, *arguments, **options)
    try:
        yield made
    finally:
        made.close()


def sine(first_frame: int, frames: int, hz: float = 997.0) -> Audio:
    """A tone that goes on from call to call."""
    at = np.arange(first_frame, first_frame + frames)
    return (0.1 * np.sin(2 * math.pi * hz / RATE_HZ * at)).astype(np.float32)


def loudness(audio: Audio) -> float:
    """RMS."""
    return float(np.sqrt(np.mean(np.square(audio.astype(np.float64)))))
