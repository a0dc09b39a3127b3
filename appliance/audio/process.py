"""The audio process from start to stop: memory, engine, real-time set-up, card, loop.

    python -m appliance.audio --demo
    python -m appliance.audio --input hw:CARD=Pedal --output hw:CARD=Pedal

Imports are kept to what plays: no numpy, no web, no pins (a test looks).
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from appliance.audio import first_sound, loop, realtime
from appliance.audio.card import CardSettings
from appliance.audio.demo import DemoPort
from appliance.audio.ports import PERIOD_FRAMES_MAX, PERIOD_FRAMES_MIN, SAMPLE_BYTES, Port
from appliance.audio.recovery import Recovery
from appliance.audio.start_clock import StartClock, say
from appliance.bridge.layout import CONTROLS_BYTES, STATUS_BYTES, TAP_BYTES, AudioState
from appliance.bridge.shared_memory import open_shared
from appliance.errors import ApplianceError, ExitCode
from appliance.notify import Notifier
from appliance.paths import controls_file, kept_dir, status_file, tap_file

_EPILOG = """examples:
  python -m appliance.audio --demo
  python -m appliance.audio --input hw:CARD=Pedal --output hw:CARD=Pedal --period 64 --channel 1
"""


class StopWish:
    """Set by SIGTERM and SIGINT; the loop looks at it between periods."""

    def __init__(self) -> None:
        self._wished = False

    def is_set(self) -> bool:
        """Real-time safe."""
        return self._wished

    def listen(self) -> None:
        """Take the signals over."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._set)

    def _set(self, number: int, frame: FrameType | None) -> None:
        self._wished = True


def main(arguments: Sequence[str] | None = None, *, begun_s: float | None = None) -> int:
    """Play until told to stop. Returns the exit code (`errors.ExitCode`). begun_s: when Python began (monotonic)."""
    imported_s = time.monotonic()
    options = parse(arguments)
    clock = StartClock(say, tells_steps=options.times)
    clock.done("python", imported_s if begun_s is None else begun_s)
    clock.done("imports", imported_s)
    if options.runtime is not None:
        os.environ["APPLIANCE_RUNTIME"] = str(options.runtime)
    try:
        play(options, clock)
    except ApplianceError as error:
        say(str(error))
        return error.exit_code
    return ExitCode.OK


def play(options: argparse.Namespace, clock: StartClock) -> None:
    """Everything in the order it must happen. Errors: DeviceError, StorageError, NotInstalled, BadAudioFile."""
    from appliance.engine._native import Pedal  # here: `--help` works before the engine is built

    clock.done("engine")
    stop = StopWish()
    stop.listen()
    notifier = Notifier()
    open_shared(controls_file(), CONTROLS_BYTES, writable=True).close()  # makes it; this process only reads it
    controls = open_shared(controls_file(), CONTROLS_BYTES, writable=False)
    pedal = Pedal(
        options.rate,
        options.period,
        controls,
        open_shared(status_file(), STATUS_BYTES, writable=True, mode=0o640),
        open_shared(tap_file(), TAP_BYTES, writable=True, mode=0o640),
    )
    pedal.set_state(AudioState.STARTING)
    clock.sounds = first_sound.begin(pedal, controls[:], kept_dir(), options.rate, say)
    clock.done("patch")
    pedal.start_loader()  # before the set-up below, which this thread must not inherit
    try:
        port = make_port(options)
        granted = realtime.set_up(options.core)
        for warning in granted.warnings:
            say(warning)
        say(in_words(granted))
        clock.done("real-time set-up")
        recovery = Recovery(port, pedal, stop.is_set, on_sign_of_life=notifier.alive)
        if options.wait:
            notifier.ready()
            if not recovery.open_until_it_works():
                return
        else:
            port.open()
            say(port.describe())
            notifier.ready()
        clock.done("card")

        def beat() -> None:
            notifier.alive()
            clock.beat()

        loop.run(port, pedal, stop.is_set, beat=beat, beats_at_first=True, recovery=recovery)
    finally:
        notifier.stopping()
        pedal.stop_loader()
        pedal.set_state(AudioState.STOPPED)
        notifier.close()


def make_port(options: argparse.Namespace) -> Port:
    """The demo card or ALSA's."""
    if options.demo:
        return DemoPort(options.rate, options.period, options.periods, options.guitar)
    from appliance.audio.alsa import open_card  # here: the demo plays without ALSA

    return open_card(
        CardSettings(
            options.input,
            options.output,
            options.rate,
            options.period,
            options.periods,
            options.channel - 1,
            options.format,
            options.format,
        )
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line; ends the process with a sentence (code 2) when it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m appliance.audio",
        description="The pedal's sound: plays the model that the panel asks for.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--demo", action="store_true", help="a demo sound card: a clean guitar in a loop")
    add("--guitar", type=Path, metavar="WAV", help="what the demo card plays (mono, 16 bit)")
    add("--input", metavar="DEV", help="ALSA capture device (default: that of --output)")
    add("--output", metavar="DEV", help="ALSA playback device (default: that of --input)")
    add("--period", type=int, default=64, metavar="N", help="frames a period, 16…1024 (default 64)")
    add("--periods", type=int, default=2, metavar="N", help="periods in the playback buffer, 2…8 (default 2)")
    add("--rate", type=int, default=48_000, metavar="HZ", help="8000…192000 (default 48000)")
    add("--format", choices=sorted(SAMPLE_BYTES), help="sample format (default: the best the card has)")
    add("--channel", type=int, default=1, metavar="N", help="input channel of the guitar (default 1)")
    add("--core", type=_core, metavar="N", help='core to run on, or "none" (default: the isolated or the last one)')
    add("--wait", action="store_true", help="wait for the card when it is not there yet, instead of ending")
    add("--times", action="store_true", help="say when each step of the start was done (for `appliance bench start`)")
    add("--runtime", type=Path, metavar="DIR", help="folder of the shared memory")
    options = parser.parse_args(arguments)
    options.input, options.output = options.input or options.output, options.output or options.input
    if options.demo == (options.input is not None):
        parser.error("say either --demo or --input and --output")
    for name, low, high in (
        ("period", PERIOD_FRAMES_MIN, PERIOD_FRAMES_MAX),
        ("periods", 2, 8),
        ("rate", 8_000, 192_000),
        ("channel", 1, 64),
    ):
        if not low <= getattr(options, name) <= high:
            parser.error(f"--{name} is {getattr(options, name)}; it must be {low}…{high}")
    return options


def in_words(granted: realtime.Granted) -> str:
    """What the kernel gave, in a sentence."""
    core = "any core" if granted.core is None else f"core {granted.core}"
    priority = "ordinary priority" if granted.priority is None else f"real-time priority {granted.priority}"
    return f"{core}, {priority}, memory {'locked' if granted.memory_locked else 'not locked'}"


def _core(words: str) -> int | str:
    if words == "none":
        return words
    try:
        return int(words)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{words!r} is neither a number nor "none"') from None
