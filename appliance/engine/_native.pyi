"""Types of the compiled engine (`native/bindings*.cpp`). Buffers are anything with the buffer protocol."""

from collections.abc import Callable
from typing import Protocol, TypedDict

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

# Layout of the shared memory as the C++ sees it: {"controls": {"size": …, "flags": offset, …}, …}. A test compares
# it with bridge/layout.py.
def shared_memory_layout() -> dict[str, dict[str, int]]: ...

class RatePlanDict(TypedDict):
    """How a model plays at a session's rate (native/rates.hpp)."""

    method: int
    oversample: int
    stretch: float
    latency_frames: int

# Frames of silence after which recurrent nets are held to have forgotten their past (native/recurrent.hpp).
RECURRENT_SETTLE_FRAMES: int

class Model:
    """A model alone (render, bench, tests). `blob` comes from engine/packing.py.

    session_rate_hz: the rate of the audio, 0 for the model's own; oversample: 1, 2 or 4 (engine/rates.py).
    """

    def __init__(
        self, blob: bytes, max_block_frames: int = 1024, session_rate_hz: int = 0, oversample: int = 1
    ) -> None: ...
    knob_count: int
    latency_frames: int
    receptive_field_frames: int
    def process(
        self, audio: npt.NDArray[np.float32], knobs: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]: ...
    def time_blocks(self, audio: npt.NDArray[np.float32], repeats: int) -> list[int]:
        """Run the block `repeats` times, knobs at 0.5; nanoseconds each took inside compiled code."""

    def reset(self) -> None: ...

class Pedal:
    """The whole chain: bytes in, bytes out, one call per period.

    controls/status/tap: shared memory (mmap objects) in the layout of `bridge/layout.py`; the pedal reads controls
    and writes status and tap. Pass None to do without.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        period_frames: int,
        controls: Buffer | None = None,
        status: Buffer | None = None,
        tap: Buffer | None = None,
    ) -> None: ...
    def configure_io(
        self,
        capture_format: str,  # "S16_LE" | "S24_3LE" | "S24_LE" | "S32_LE" | "FLOAT_LE"
        capture_channels: int,
        capture_channel: int,  # which one carries the guitar, from 0
        playback_format: str,
        playback_channels: int,  # every one gets the sound
    ) -> None: ...
    def process(self, capture: Buffer, playback: Buffer) -> None:
        """One period (any number of frames up to period_frames, taken from len(capture)). Real-time safe."""

    def process_float(self, audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The same chain without decode and encode (offline). Allocates its result."""

    def start_loader(self) -> None:
        """Start the native thread that loads the patch the controls ask for, away from the audio thread."""

    def stop_loader(self) -> None: ...
    def load_patch(
        self, patch: bytes, model: Callable[..., npt.NDArray[np.float32]] | None = None, receptive_field: int = 0
    ) -> None:
        """Load a patch at once, no fade (offline; may block). Raises ValueError for a damaged one.

        model: a Python engine's `process`, used in place of the patch's own model and warmed over `receptive_field`
        frames of silence.
        """

    def swap_patch(self, patch: bytes) -> None:
        """Prepare a patch on this thread and cross-fade to it from the next period on (offline, tests)."""

    def begin_with(self, patch: bytes, payload: bytes) -> None:
        """Fade a patch in from silence with the first period, before `start_loader`. May block (it is warmed up).

        The controls in shared memory take over with their first change; where they want this patch's generation it
        plays on. Raises ValueError for a patch that is damaged or made for another rate.
        """

    def set_controls(self, payload: bytes) -> None:
        """Take a controls payload (bridge/layout.py) directly instead of from shared memory (offline, tests)."""

    def set_state(self, state: int) -> None:
        """Publish an AudioState in status. Real-time safe."""

    def fade_out(self) -> None:
        """The sound fades to silence within some 50 ms and stays silent. Real-time safe."""

    def count_xrun(self) -> None: ...
    def count_recovery(self) -> None: ...
    @property
    def last_engine_ns(self) -> int:
        """Time the last process() call took inside compiled code."""

    @property
    def latency_frames(self) -> int:
        """How late the patch that sounds comes out (a model at another rate, or oversampled)."""

    @property
    def is_fading(self) -> bool: ...
    def reset(self) -> None: ...

def rate_plan(kind: int, model_rate_hz: int, session_rate_hz: int, oversample: int) -> RatePlanDict: ...
def cpu_features() -> str:
    """Vector width and instruction set this build uses, for people."""

def peak_gflops() -> float:
    """Multiply-adds this core can do at best, in billions of floating-point operations a second. Takes about 20 ms."""

class CardClock(Protocol):
    """Time for a `DemoCard` other than the machine's."""

    def now_ns(self) -> int: ...
    def sleep_until_ns(self, due_ns: int, /) -> None: ...

class DemoCard:
    """The demo card (audio/demo.py): a recording (mono, 16 bit) in a loop on CLOCK_MONOTONIC.

    xrun: raised by read and write when their deadline was missed; then start() again.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        period_frames: int,
        periods: int,
        xrun: type[Exception],
        clock: CardClock | None = None,
    ) -> None: ...
    def load(self, recording: Buffer) -> None: ...
    def start(self) -> None: ...
    def unload(self) -> None: ...
    def read(self) -> bytes:
        """Wait for the next period and return it. Real-time safe but for the bytes object, made before the wait.
        Keeps the interpreter lock. Raises ValueError when nothing is loaded."""

    def write(self, buffer: Buffer) -> None:
        """Hand over a period. Real-time safe."""

    def note(self, wake_ns: Buffer, busy_ns: Buffer, engine_ns: Buffer, warm_up_periods: int, pedal: Pedal) -> None:
        """For `bench loop`: after a warm-up fill the three arrays of int64 with the times of the periods played,
        one entry each: how late the wake-up was, from there until the next read, and the engine's part of it."""

    def is_noted(self) -> bool:
        """The arrays are full. Real-time safe."""

    @property
    def missed(self) -> int:
        """Deadlines missed while noting, each followed by a start()."""

class CardLoop:
    """The audio loop on a demo card, compiled (audio/loop.py). The pedal must have been told the card's format.

    Keeps the interpreter lock: no other Python thread runs meanwhile, and signals wait for its end.
    """

    def __init__(self, card: DemoCard, pedal: Pedal, out: Buffer) -> None: ...
    def play(self, periods: int) -> None:
        """Read, process and write so many periods. Raises the card's xrun. Real-time safe."""

    @property
    def moved(self) -> int:
        """Periods that went well in the last play()."""

    def play_until_noted(self) -> None:
        """Play without Python, whatever is missed, until the card has noted all its times (`bench loop`)."""

class Convolver:
    """The cabinet's convolution alone (bench, tests), in periods of `period_frames` as the pedal would call it."""

    def __init__(self, taps: npt.NDArray[np.float32], period_frames: int) -> None: ...
    def process(self, audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]: ...
    def time_periods(self, audio: npt.NDArray[np.float32]) -> list[int]:
        """Run the whole periods in `audio`; nanoseconds each took inside compiled code."""

class DirectFir:
    """The same by the definition of a convolution: what `bench cabinet` compares with. Nothing plays it."""

    def __init__(self, taps: npt.NDArray[np.float32], period_frames: int) -> None: ...
    def process(self, audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]: ...
    def time_periods(self, audio: npt.NDArray[np.float32]) -> list[int]: ...
