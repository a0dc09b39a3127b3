"""A thousand model changes while the demo card plays: nothing is lost, nothing grows."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from appliance.bridge.layout import AudioState
from appliance.engine.packing import pack_model
from tests.audio.running import AudioProcess, Panel, Report, audio_process
from tests.models import random_recurrent, random_wavenet

SWAPS = 1_000
WARM_UP_SWAPS = 100
QUIET_S = 5.0


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
        before, resident_kb, begun = audio.status(), audio.resident_kb(), time.monotonic()
        swap(audio, panel, blobs, SWAPS)
        seconds = time.monotonic() - begun
        after, growth_kb = audio.status(), audio.resident_kb() - resident_kb
        time.sleep(min(seconds, QUIET_S))
        quiet = audio.status()
        code, words = audio.stop()
    xruns, share = after.xruns - before.xruns, min(seconds, QUIET_S) / seconds
    quiet_xruns = (quiet.xruns - after.xruns) / share
    report(
        f"{after.swaps - before.swaps} swaps in {seconds:.1f} s: {xruns} xruns (without swaps as long: "
        f"{quiet_xruns:.0f}), {after.late_periods - before.late_periods} late periods, memory {growth_kb:+} kB"
    )
    assert code == 0, words
    assert quiet.state == AudioState.PLAYING
    assert after.swaps - before.swaps == SWAPS
    assert after.failed_generation == 0
    assert after.bad_blocks == 0
    assert growth_kb < 2_048
    # This machine wakes late now and then whatever runs; swaps must not add to it.
    assert xruns <= 2 * quiet_xruns + 10
    assert after.late_periods - before.late_periods <= 5
