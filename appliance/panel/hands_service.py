"""The hands inside the panel process: opened and run in a thread of their own, and asked over the panel's socket.

Without hardware the panel goes on without them. $APPLIANCE_HANDS: `sim` for a simulated box, `off` for none.
$APPLIANCE_MIDI: the folder of the raw MIDI devices, if not /dev/snd.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from appliance import paths
from appliance.bridge.server import Backend
from appliance.errors import ApplianceError, BadRequest, NotAllowed, NotFound, NotInstalled, StorageError
from appliance.panel import wiring_file
from appliance.panel import wiring_values as values
from appliance.panel.actions import Names, Performer, Stage
from appliance.panel.board import Board, has_header
from appliance.panel.hands import Hands
from appliance.panel.kept import Kept
from appliance.panel.midi import MidiIn
from appliance.panel.wiring import Wiring

if TYPE_CHECKING:
    from appliance.panel.simulated import SimulatedBox

log = logging.getLogger(__name__)

_PAUSE_AFTER_FAULT_S = 1.0
_BOOT_S = 120.0  # the slowest Pi with its card checked is up by then
_NO_HEADER = "no GPIO header here, so no pots and switches"


class Acting(Performer, Stage, Protocol):
    """Performs, and shows what stands where."""


class HandsService:
    """Runs the hands from `start` to `close`. `say` is called from their thread."""

    def __init__(self, acting: Acting, say: Callable[[str], None], kept_file: Path) -> None:
        self._acting = acting
        self._say = say
        self._kept_file = kept_file
        self._kept: Kept | None = None
        self._hands: Hands | None = None
        self._box: SimulatedBox | None = None
        self._why_not = "the controls are being opened"
        self._missing: str | None = None  # why there is MIDI alone
        self._save_failed = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="panel-hands", daemon=True)

    def start(self) -> None:
        """Open and run, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop, put the LEDs out, save."""
        self._stop.set()
        self._thread.join(timeout=2.0)
        self.save()

    def save(self) -> None:
        """Save what was learnt, if anything was. May block; failure is said once and tried again."""
        if self._kept is None:
            return
        try:
            self._kept.save()
            self._save_failed = False
        except StorageError as error:
            if not self._save_failed:
                self._save_failed = True
                self._say(f"What the controls learnt is not saved: {error}")

    # ---- requests ----

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The requests `controls`, `calibrate`, `learn`, `unlearn` and `sim` (`bridge/commands.py`)."""
        hands = self._hands
        if hands is None:
            raise NotFound(self._why_not)
        fields = {name: value for name, value in request.items() if name not in ("id", "request")}
        requests = {
            "controls": lambda: None,
            "calibrate": lambda: self._calibrate(hands, fields),
            "learn": lambda: self._learn(hands, fields),
            "unlearn": lambda: hands.unlearn(_text(fields, "message")),
            "sim": lambda: self._simulate(fields),
        }
        requests[request["request"]]()
        report = hands.report(self._acting.turns if isinstance(self._acting, Names) else lambda _: None)
        return {"controls": {**report, "simulated": self._box is not None, "missing": self._missing}}

    @staticmethod
    def _calibrate(hands: Hands, fields: Mapping[str, Any]) -> None:
        hands.calibrate(_text(fields, "pot"), _text(fields, "step"), time.monotonic())

    @staticmethod
    def _learn(hands: Hands, fields: Mapping[str, Any]) -> None:
        action = fields.get("action")
        hands.learn(None if action is None else values.from_afar(action))

    def _simulate(self, fields: Mapping[str, Any]) -> None:
        box = self._box
        if box is None:
            raise NotAllowed("these controls are real: only a simulated box can be moved from here")
        if "switch" in fields:
            box.press(_text(fields, "switch"), fields.get("down") is True)
        elif "pot" in fields:
            box.turn(_text(fields, "pot"), _number(fields, "level"))
        elif "encoder" in fields:
            box.click(_text(fields, "encoder"), round(min(max(_number(fields, "clicks"), -100.0), 100.0)))
        else:
            raise BadRequest("sim takes a switch and down, a pot and its level, or an encoder and clicks")

    # ---- the thread ----

    def _run(self) -> None:
        try:
            hands = self._open()
        except ApplianceError as error:
            self._why_not = str(error)
            log.warning("no pots and switches: %s", error)
            self._say(f"Pots and switches are off: {error}")
            return
        except Exception:
            self._why_not = "the controls could not be opened; the panel's log has the details"
            log.exception("no pots and switches")
            return
        if hands is None:
            log.info("%s", self._why_not)
            return
        self._hands = hands
        delay_s = 0.0
        while not self._stop.wait(delay_s):
            begun_s = time.monotonic()
            try:
                delay_s = max(0.0005, hands.tick(begun_s) - (time.monotonic() - begun_s))
            except Exception:
                log.exception("a look at the controls failed")
                delay_s = _PAUSE_AFTER_FAULT_S
        hands.close()

    def _open(self) -> Hands | None:
        mode = os.environ.get("APPLIANCE_HANDS", "")
        if mode == "off":
            self._why_not = "pots and switches are switched off here"
            return None
        settings = paths.settings_file()
        wiring = wiring_file.load(settings)
        self._kept = kept = Kept(self._kept_file)
        if kept.note:
            self._say(kept.note)
        midi = _midi(wiring, asked_for=settings is not None)
        board = self._board(wiring, mode)
        if board is None:
            if midi is None:
                self._why_not = _NO_HEADER
                return None
            board = Board()
            wiring = replace(wiring, pots={}, chords={})  # what the plan names is not there
            self._missing = _NO_HEADER
        return Hands(
            wiring,
            board,
            self._acting,
            self._acting,
            self._say,
            kept=kept,
            midi=midi,
            fresh=self._box is not None or _just_booted(),
        )

    def _board(self, wiring: Wiring, mode: str) -> Board | None:
        if mode == "sim":
            from appliance.panel.simulated import SimulatedBox

            self._box = SimulatedBox(wiring)
            return self._box.board
        return real_board(wiring)


class HandsBackend:
    """What the panel's socket serves: the hands' requests, and the panel's own."""

    _OURS = ("controls", "calibrate", "learn", "unlearn", "sim")

    def __init__(self, panel: Backend, hands: HandsService) -> None:
        self._panel = panel
        self._hands = hands

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """See `server.Backend`."""
        return (self._hands if request["request"] in self._OURS else self._panel).answer(request)

    def state_after(self, revision: int, timeout_s: float) -> dict[str, Any] | None:
        """See `server.Backend`."""
        return self._panel.state_after(revision, timeout_s)


def real_board(wiring: Wiring) -> Board | None:
    """The board of the GPIO header; None where there is no header. May block for a second.

    Raises NotInstalled (gpiozero, lgpio), DeviceError.
    """
    if not has_header():
        return None
    try:
        from appliance.panel import pins
    except ImportError as error:
        raise NotInstalled("the GPIO header needs gpiozero: pip install 'appliance[pi]'") from error
    return pins.open_board(wiring, pins.real_pins())


def _just_booted() -> bool:
    """Was the machine switched on just now? A panel that starts later says nothing of switches held at power-on."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) < _BOOT_S


def _midi(wiring: Wiring, *, asked_for: bool) -> MidiIn | None:
    folder = Path(os.environ.get("APPLIANCE_MIDI") or "/dev/snd")
    if not wiring.midi.enabled or not folder.is_dir():
        return None
    try:
        return MidiIn(folder)
    except NotInstalled as error:
        (log.warning if asked_for else log.info)("no MIDI: %s", error)
        return None


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"{name} is text, not {value!r:.40}")
    return value


def _number(fields: Mapping[str, Any], name: str) -> float:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise BadRequest(f"{name} is a number, not {value!r:.40}")
    return float(value)
