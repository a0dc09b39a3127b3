"""The panel process: open library and state, serve the socket, look after both until told to stop."""

from __future__ import annotations

import logging
import signal
import threading
import time
from pathlib import Path
from types import FrameType

from appliance import paths
from appliance.bridge.server import PanelServer
from appliance.errors import StorageError
from appliance.library.store import Library
from appliance.notify import Notifier
from appliance.panel import restore_journal
from appliance.panel.crash_guard import SHORT_LIFE_S, PanelStarts
from appliance.panel.hands_service import HandsBackend, HandsService
from appliance.panel.panel import Panel

log = logging.getLogger(__name__)

_TICK_S = 0.2


def run() -> None:
    """Run until SIGTERM or SIGINT. Raises ApplianceError when it can't begin (another panel, no storage)."""
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    runtime, data = paths.runtime_dir(), paths.data_dir()
    runtime.mkdir(parents=True, exist_ok=True, mode=0o750)
    with PanelServer(paths.panel_socket()) as server:  # first, because it refuses a second panel
        restored = _end_restore(data)
        starts = PanelStarts(runtime / "starts.json")
        fell_again = starts.begin(data / "state.json")
        library = Library(data)
        for note in library.notes:
            log.warning("%s", note)
        panel = Panel(
            library=library,
            state_file=data / "state.json",
            controls=paths.controls_file(),
            status=paths.status_file(),
            patches=runtime / "patches",
            tap=paths.tap_file(),
            safe="the pedal ended within seconds again and again" if fell_again else None,
            kept=paths.kept_dir(),
        )
        steady_s = time.monotonic() + SHORT_LIFE_S
        hands = HandsService(panel.performer, panel.say, data / "controls.json")
        server.start(HandsBackend(panel, hands))
        hands.start()
        notifier = Notifier()
        notifier.ready()
        factory = threading.Thread(target=_add_factory_items, args=(panel,), name="panel-factory", daemon=True)
        factory.start()
        ahead = threading.Thread(target=_prepare_ahead, args=(panel, stop), name="panel-ahead", daemon=True)
        ahead.start()
        levels = threading.Thread(target=_level_presets, args=(panel, stop), name="panel-levels", daemon=True)
        levels.start()
        log.info("ready: %d models, %d cabinets", len(library.models()), len(library.cabinets()))
        if restored is not None:
            panel.say(restored)
        while not (stop.wait(_TICK_S) or panel.updates.afresh.is_set()):
            panel.tick(now_s := time.monotonic())
            panel.updates.look(now_s)
            hands.save()
            notifier.alive()
            if now_s > steady_s:
                starts.settled()
        notifier.stopping()
        log.info("stopping")
        hands.close()
        ahead.join(timeout=2.0)
    panel.close()
    starts.settled()


def _end_restore(data: Path) -> str | None:
    """Carry out a restore that was decided on. Words for the player; None: there was none."""
    try:
        return restore_journal.finish(data)
    except StorageError as error:  # room on the card is made with a panel that runs
        log.error("the restore waits for the next start: %s", error)
        return f"The restore waits for the next start: {error}"


def _prepare_ahead(panel: Panel, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            panel.prepare_ahead(_TICK_S)
        except Exception:
            log.exception("the next presets could not be made ready; a change to them takes a moment longer")


def _level_presets(panel: Panel, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            panel.level_presets(_TICK_S, lambda: not stop.is_set())
        except Exception:
            log.exception("presets could not be measured; they keep their own loudness")


def _add_factory_items(panel: Panel) -> None:
    try:
        panel.add_factory_items(paths.assets("models"))
    except Exception:
        log.exception("the factory models could not be taken in")
