"""A real duplex ALSA device with a clock of its own: ALSA's JACK plugin on a JACK server with a dummy card.

This machine may be a busy one, so missed deadlines are reported and only loosely limited; what is exact is that frames
go round in order, that faults are seen and that swaps lose nothing.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from appliance.audio import loop
from appliance.audio.alsa import open_card
from appliance.audio.card import CardPort, CardSettings
from appliance.audio.ports import DeviceRefused, Xrun
from appliance.bridge.layout import AudioState
from tests.audio.alsa_configuration import HEAD, jack_connect, jack_device, jack_ports, jack_server
from tests.audio.copy_pedal import CopyPedal
from tests.audio.running import Panel, Report, audio_process
from tests.models import random_recurrent, random_wavenet


@pytest.fixture(scope="module")
def jack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment in which the ALSA device `card` is the JACK server's."""
    folder = tmp_path_factory.mktemp("jack")
    (folder / "asound.conf").write_text(HEAD + jack_device("card"))
    with jack_server(folder) as environment:
        yield environment | {"ALSA_CONFIG_PATH": str(folder / "asound.conf")}


@pytest.fixture
def card(jack: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[CardPort]:
    for name, value in jack.items():
        monkeypatch.setenv(name, value)
    port = open_card(CardSettings("card", "card"))
    yield port
    port.close()


def test_frames_go_round_in_order_with_a_steady_latency(card: CardPort, jack: dict[str, str], report: Report) -> None:
    """Playback is connected to capture, so what is written comes back; each frame carries its number."""
    card.open()
    assert (card.capture_format, card.playback_format) == ("FLOAT_LE", "FLOAT_LE")
    assert card.backlog_frames() == 128
    ours = [name for name in jack_ports(jack) if not name.startswith("system:")]
    (source,) = (name for name in ours if "out_" in name)
    (target,) = (name for name in ours if "in_" in name)
    jack_connect(jack, source, target)
    sent, round_trips, xruns, whole = 1, [], 0, 0
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            heard = struct.unpack("<64f", card.read())
            card.write(struct.pack("<64f", *(float(n) for n in range(sent, sent + 64))))
        except Xrun:
            card.recover()
            xruns += 1
            continue
        if all(heard):
            assert [b - a for a, b in pairwise(heard)] == [1.0] * 63
            round_trips.append(sent - int(heard[0]))
            whole += 1
        sent += 64
    report(f"{whole} periods went round, {xruns} xruns, round trips of {sorted(set(round_trips))} frames")
    assert whole > 1_000
    steady = max(set(round_trips), key=round_trips.count)
    # the numbers in flight at an xrun are lost, and those right after it have a gap behind them
    assert round_trips.count(steady) >= whole - 4 * (xruns + 1)


def test_frames_are_counted_at_the_cards_pace(card: CardPort) -> None:
    card.open()
    pedal = CopyPedal()
    begun = time.monotonic()
    loop.run(card, pedal, lambda: time.monotonic() - begun > 2.0)
    seconds = time.monotonic() - begun
    check_frames(pedal.periods * 64, seconds, pedal.xruns)


def check_frames(frames: int, seconds: float, xruns: int) -> None:
    """As many as the card's clock made, less what each missed deadline may cost on a busy machine."""
    assert 48_000 * (seconds * 0.98 - 0.05 - xruns * 0.02) <= frames <= 48_000 * (seconds * 1.02 + 0.05)


def doze(card: CardPort) -> None:
    """Play, but never in time."""
    for _ in range(1_000):
        card.read()
        card.write(bytes(256))
        time.sleep(0.05)


def test_a_pedal_that_sleeps_too_long_gets_an_xrun_and_its_latency_back(card: CardPort) -> None:
    card.open()
    backlog = card.backlog_frames()
    for _ in range(5):
        with pytest.raises(Xrun):
            doze(card)
        card.recover()
        assert card.backlog_frames() == backlog


def test_a_rate_that_the_server_does_not_run_at_is_refused_in_words(card: CardPort) -> None:
    with pytest.raises(DeviceRefused, match=r"runs at 48000 Hz where 44100 Hz was asked for: use --rate 48000"):
        open_card(CardSettings("card", "card", rate_hz=44_100)).open()


def test_a_period_that_the_server_does_not_have_is_refused_in_words(card: CardPort) -> None:
    with pytest.raises(DeviceRefused, match=r"periods of \d+ frames where 100 were asked for|buffer|holds"):
        open_card(CardSettings("card", "card", period_frames=100)).open()


@pytest.mark.timeout(150)
def test_sixty_seconds_at_64_frames_with_a_model_swap_every_second(
    jack: dict[str, str], tmp_path: Path, report: Report
) -> None:
    rng = np.random.default_rng(1)
    models = [random_recurrent(rng, hidden=16), random_wavenet(rng)]
    panel = Panel(tmp_path)
    panel.select(models[0])
    with audio_process(tmp_path, "--input", "card", **jack) as audio:
        first = audio.wait_for(lambda status: status.generation == 1)
        begun = time.monotonic()
        late_swaps = 0
        for second in range(60):
            time.sleep(max(0.0, begun + second + 0.5 - time.monotonic()))
            wanted = panel.select(models[second % 2])
            asked = time.monotonic()
            audio.wait_for(lambda status, wanted=wanted: status.generation == wanted, seconds=5)
            late_swaps += time.monotonic() - asked > 0.5
        time.sleep(max(0.0, begun + 60 - time.monotonic()))
        status = audio.status()
        seconds = time.monotonic() - begun
        code, words = audio.stop()
    report(
        f"60 s at 64 frames: {status.periods} periods, {status.swaps - first.swaps} swaps, "
        f"{status.late_periods} late periods, {status.xruns} xruns, {status.recoveries} recoveries, busy "
        f"{status.busy_us:.0f} µs (max {status.busy_us_max:.0f} µs) of 1333 µs; {late_swaps} swaps took over 0.5 s"
    )
    assert code == 0, words
    assert status.state == AudioState.PLAYING
    assert status.swaps - first.swaps == 60
    assert status.failed_generation == 0
    assert status.bad_blocks == 0
    check_frames(status.frames - first.frames, seconds, status.xruns)
    assert status.late_periods < status.periods * 0.01
    assert status.recoveries == status.xruns


def test_jack_threads_do_not_keep_the_process_from_stopping(jack: dict[str, str], tmp_path: Path) -> None:
    assert threading.active_count() < 10  # what the library starts is not Python's
    with audio_process(tmp_path, "--input", "card", **jack) as audio:
        audio.wait_for(lambda status: status.frames > 4_800)
        assert audio.stop()[0] == 0
