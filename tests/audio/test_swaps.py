"""A thousand model changes while the demo card plays: nothing is lost, nothing grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from appliance.bridge.layout import AudioState
from appliance.engine.packing import pack_model
from tests.audio.running import AudioProcess, Panel, Report, audio_process
from tests.models import random_recurrent, random_wavenet

SWAPS = 1_000
WARM_UP_SWAPS = 100
ROUNDS = 10


@dataclass
class Lost:
    """What went missing while something was done."""

    seconds: float = 0.0
    xruns: int = 0
    late_periods: int = 0

    def watch(self, audio: AudioProcess, action: Callable[[], None]) -> None:
        """Add what the action cost."""
        before, begun = audio.status(), time.monotonic()
        action()
        after = audio.status()
        self.seconds += time.monotonic() - begun
        self.xruns += after.xruns - before.xruns
        self.late_periods += after.late_periods - before.late_periods


def swap(audio: AudioProcess, panel: Panel, blobs: list[bytes], count: int) -> None:
    """As fast as the fades allow: each is asked for when the last one has begun to sound."""
    for _ in range(count):
        wanted = panel.select_blob(blobs[panel.generation % len(blobs)])
        audio.wait_for(lambda status, wanted=wanted: status.generation == wanted, seconds=5)


@pytest.mark.timeout(170)
def test_a_thousand_swaps_lose_no_period_and_leak_no_memory(tmp_path: Path, report: Report) -> None:
    rng = np.random.default_rng(1)
    blobs = [pack_model(random_recurrent(rng, hidden=8)), pack_model(random_wavenet(rng))]
    panel = Panel(tmp_path)
    panel.select_blob(blobs[0])
    with audio_process(tmp_path, "--demo") as audio:
        audio.wait_for(lambda status: status.generation == 1 and status.frames > 24_000)
        swap(audio, panel, blobs, WARM_UP_SWAPS)
        before, resident_kb = audio.status(), audio.resident_kb()
        swapping, quiet = Lost(), Lost()
        for _ in range(ROUNDS):
            swapping.watch(audio, lambda: swap(audio, panel, blobs, SWAPS // ROUNDS))
            quiet.watch(audio, lambda: time.sleep(0.6))
        after, growth_kb = audio.status(), audio.resident_kb() - resident_kb
        code, words = audio.stop()
    expected = quiet.xruns * swapping.seconds / quiet.seconds
    report(
        f"{after.swaps - before.swaps} swaps in {swapping.seconds:.1f} s: {swapping.xruns} xruns (without swaps as "
        f"long: {expected:.0f}), {swapping.late_periods} late periods, memory {growth_kb:+} kB"
    )
    assert code == 0, words
    assert after.state == AudioState.PLAYING
    assert after.swaps - before.swaps == SWAPS
    assert after.failed_generation == 0
    assert after.bad_blocks == 0
    assert growth_kb < 2_048
    # A busy machine wakes late now and then whatever runs. A swap that costs periods would cost them at every swap or
    # at every so many; one in fifty is far above what was ever seen by chance.
    assert swapping.xruns <= 2 * expected + SWAPS // 50
    assert swapping.late_periods <= SWAPS // 50
