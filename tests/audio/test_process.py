"""The audio process from outside: start, play, swap, stop, exit codes, imports."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from appliance.audio.process import main, parse
from appliance.bridge.layout import CONTROLS_BYTES, STATUS_BYTES, TAP_BYTES, AudioState, Flag
from appliance.errors import ExitCode
from tests.audio.running import Panel, audio_process
from tests.models import random_linear, random_recurrent, random_wavenet


def test_the_demo_plays_a_model_and_its_output_is_metered(tmp_path: Path) -> None:
    generation = Panel(tmp_path).select(random_recurrent(np.random.default_rng(1)))
    with audio_process(tmp_path, "--demo") as audio:
        status = audio.wait_for(lambda status: status.generation == generation and status.frames > 48_000)
        assert (status.state, status.sample_rate_hz, status.period_frames) == (AudioState.PLAYING, 48_000, 64)
        assert status.input_peak > 0.001
        assert status.output_peak > 0.0
        assert status.pid == audio.process.pid
        code, words = audio.stop()
    assert code == ExitCode.OK
    assert "demo card: 48000 Hz, 64 frames a period" in words
    assert audio.status().state == AudioState.STOPPED


def test_a_model_swapped_through_the_controls_sounds_within_a_second(tmp_path: Path) -> None:
    panel = Panel(tmp_path)
    with audio_process(tmp_path, "--demo", "--period", "128", "--rate", "44100") as audio:
        audio.wait_for(lambda status: status.frames > 10_000)
        generation = panel.select(random_linear(np.random.default_rng(2)), sample_rate_hz=44_100)
        status = audio.wait_for(lambda status: status.generation == generation, seconds=1)
        assert (status.sample_rate_hz, status.period_frames) == (44_100, 128)


def test_a_patch_that_is_no_patch_is_refused_in_words_and_the_sound_goes_on(tmp_path: Path) -> None:
    panel = Panel(tmp_path)
    good = panel.select(random_linear(np.random.default_rng(3)))
    with audio_process(tmp_path, "--demo") as audio:
        audio.wait_for(lambda status: status.generation == good)
        bad = panel.select_blob(b"no model at all, but some other bytes")
        status = audio.wait_for(lambda status: status.failed_generation == bad)
        assert status.message
        assert status.generation == good
        audio.wait_for(lambda later: later.frames > status.frames + 4_800)


def test_a_model_that_memory_was_short_for_is_tried_again_while_it_is_wanted(tmp_path: Path) -> None:
    panel = Panel(tmp_path)
    rng = np.random.default_rng(4)
    good = panel.select(random_linear(rng))
    with audio_process(tmp_path, "--demo") as audio:
        audio.wait_for(lambda status: status.generation == good)
        limit = (audio.mapped_bytes() + (8 << 20), resource.RLIM_INFINITY)
        before = resource.prlimit(audio.process.pid, resource.RLIMIT_AS, limit)
        # remembers 400,000 frames of 16 channels before and after: 50 MB
        large = panel.select(random_wavenet(rng, channels=(16,), dilations=((400_000,),)))
        status = audio.wait_for(lambda status: status.failed_generation == large)
        assert status.message == b"not enough memory for this model"
        assert status.generation == good
        resource.prlimit(audio.process.pid, resource.RLIMIT_AS, before)
        status = audio.wait_for(lambda status: status.generation == large)
        assert status.failed_generation == 0


def test_shared_memory_is_made_when_absent_and_kept_when_good(tmp_path: Path) -> None:
    with audio_process(tmp_path / "run", "--demo") as audio:
        audio.wait_for(lambda status: status.frames > 0)
        sizes = {file.name: file.stat().st_size for file in audio.runtime.iterdir()}
        assert sizes == {"controls": CONTROLS_BYTES, "status": STATUS_BYTES, "tap": TAP_BYTES}
        before = {file.name: file.stat().st_ino for file in audio.runtime.iterdir()}
        audio.stop(signal.SIGINT)
    with audio_process(tmp_path / "run", "--demo") as audio:
        audio.wait_for(lambda status: status.pid == audio.process.pid and status.frames > 0)
        assert {file.name: file.stat().st_ino for file in audio.runtime.iterdir()} == before


def test_both_stop_signals_end_it_cleanly_and_soon(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with audio_process(tmp_path, "--demo") as audio:
            audio.wait_for(lambda status: status.pid == audio.process.pid and status.state == AudioState.PLAYING)
            begun = time.monotonic()
            assert audio.stop(number)[0] == ExitCode.OK
            assert time.monotonic() - begun < 5.0


def test_systemd_hears_ready_then_the_watchdog_while_frames_move(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        with audio_process(tmp_path / "run", "--demo", NOTIFY_SOCKET=str(tmp_path / "notify")) as audio:
            assert listener.recv(100) == b"READY=1"
            fed = [(listener.recv(100), time.monotonic()) for _ in range(5)]
            assert {message for message, _ in fed} == {b"WATCHDOG=1"}
            assert (fed[-1][1] - fed[0][1]) / 4 == pytest.approx(0.25, abs=0.15)
            os.kill(audio.process.pid, signal.SIGSTOP)  # a hung process feeds no watchdog
            time.sleep(0.2)
            listener.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while listener.recv(100):
                    pass
            time.sleep(0.6)
            with pytest.raises(BlockingIOError):
                listener.recv(100)


def test_an_absent_card_ends_it_with_a_sentence_and_its_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "appliance.audio", "--runtime", str(tmp_path), "--input", "no_such_card"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.NO_DEVICE
    assert "no_such_card (playback): No such file or directory: there is no such device" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_wait_it_waits_for_an_absent_card_and_still_stops_when_told(tmp_path: Path) -> None:
    with audio_process(tmp_path, "--input", "no_such_card", "--wait") as audio:
        audio.wait_for(lambda status: status.state == AudioState.NO_DEVICE)
        time.sleep(1.0)
        code, words = audio.stop()
    assert code == ExitCode.OK
    assert words.count("trying again") == 1


def test_a_missing_guitar_is_a_bad_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "appliance.audio", "--demo", "--runtime", str(tmp_path), "--guitar", "none.wav"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.BAD_FILE
    assert "none.wav does not exist" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say either --demo or"),
        (["--demo", "--input", "hw:0"], "say either --demo or"),
        (["--demo", "--period", "8"], "--period is 8; it must be 16…1024"),
        (["--demo", "--periods", "1"], "--periods is 1; it must be 2…8"),
        (["--demo", "--rate", "100"], "--rate is 100; it must be 8000…192000"),
        (["--demo", "--core", "last"], "'last' is neither a number nor"),
        (["--input", "hw:0", "--format", "MP3"], "invalid choice: 'MP3'"),
    ],
)
def test_a_senseless_command_line_is_refused_with_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == ExitCode.USAGE
    assert words in capsys.readouterr().err


def test_one_device_serves_both_directions_and_the_defaults_are_the_stage_values() -> None:
    options = parse(["--input", "hw:0"])
    assert (options.input, options.output) == ("hw:0", "hw:0")
    assert (options.rate, options.period, options.periods, options.channel) == (48_000, 64, 2, 1)
    assert (options.format, options.core, options.wait) == (None, None, False)


FORBIDDEN = {"numpy", "torch", "flask", "gpiozero", "soundfile", "onnxruntime", "onnx", "click", "soxr", "scipy"} | {
    "tempfile",
    "random",
    "logging",
}
IMPORTS = """
import json, sys, threading, signal, os
from appliance.audio import process
threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
code = process.main(sys.argv[1:])
print(json.dumps({"code": code, "modules": sorted(sys.modules)}))
"""


@pytest.mark.parametrize("card", ["--demo", "--input=null"])
def test_the_audio_process_imports_nothing_but_what_plays(tmp_path: Path, card: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, "--runtime", str(tmp_path), "--core", "none", card],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    modules = {name.partition(".")[0] for name in found["modules"]}
    assert modules.isdisjoint(FORBIDDEN)
    own = {name for name in found["modules"] if name.startswith("appliance.") and name.count(".") == 1}
    assert own == {f"appliance.{name}" for name in ("audio", "bridge", "engine", "errors", "notify", "paths")}
    assert ("alsaaudio" in modules) == (card != "--demo")


def test_bypass_carries_the_guitar_through_unchanged(tmp_path: Path) -> None:
    panel = Panel(tmp_path)
    panel.select(None, Flag.BYPASS)
    with audio_process(tmp_path, "--demo") as audio:
        status = audio.wait_for(lambda status: status.frames > 24_000)
        assert status.output_rms == pytest.approx(status.input_rms, rel=0.2)
