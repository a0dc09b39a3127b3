"""One reader of the panel and of the meters for any number of phones.

Two threads of the web process (never of the audio process) publish texts under a few topics; a phone that is slow or
far away simply finds the newest text of each topic when it next looks, so nothing can pile up.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from appliance.bridge.client import PanelClient
from appliance.bridge.status import StatusReader
from appliance.errors import ApplianceError
from appliance.web.answers import BUSY, PANEL_AWAY, PANEL_AWAY_WORDS, RefusedError
from appliance.web.control import without_lists
from appliance.web.meters import Meters
from appliance.web.settings import MAX_PHONES, WebSettings

log = logging.getLogger(__name__)

METERS_PER_SECOND = 15
PANEL_PATIENCE_S = 1.0  # a panel that restarts within this isn't worth a word
PANEL_RETRY_S = 0.5

Event = tuple[str, str]  # topic, JSON text


class Subscription:
    """One phone's view: which text of each topic it has seen."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seen: dict[str, int] = {}

    def wait(self, timeout_s: float) -> list[Event]:
        """Texts published since the last call, oldest first, one per topic; empty after `timeout_s`. Blocks."""
        return self._hub.wait_for_news(self._seen, timeout_s)


class Hub:
    """Topics: `state` (less the lists), `library` (models, cabinets), `stage` (presets, set lists), `away` (the panel
    doesn't answer), `meters`, and `tuner` while it is on."""

    def __init__(self, settings: WebSettings) -> None:
        self._settings = settings
        self._news = threading.Condition()
        self._latest: dict[str, tuple[int, str]] = {}
        self._count = 0
        self._phones = 0
        self._tuning = False
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Follow everything from now on. Raises RefusedError (503) when too many phones already do."""
        with self._news:
            if self._phones >= MAX_PHONES:
                raise RefusedError(BUSY, f"{MAX_PHONES} phones have this page open already. Close it on one of them.")
            self._phones += 1
            if not self._threads:
                self._start()
        try:
            yield Subscription(self)
        finally:
            with self._news:
                self._phones -= 1

    def close(self) -> None:
        """End both threads and every open stream, within about half a second."""
        self._stop.set()
        with self._news:
            self._news.notify_all()

    def wait_for_news(self, seen: dict[str, int], timeout_s: float) -> list[Event]:
        """See Subscription.wait; `seen` is brought up to date."""
        with self._news:
            self._news.wait_for(lambda: self._stop.is_set() or self._unseen(seen), timeout_s)
            news = sorted((self._latest[topic][0], topic, self._latest[topic][1]) for topic in self._unseen(seen))
            seen.update({topic: serial for serial, topic, _ in news})
            return [(topic, text) for _, topic, text in news]

    @property
    def is_closed(self) -> bool:
        """Whether close() was called: open event streams then end."""
        return self._stop.is_set()

    def _unseen(self, seen: dict[str, int]) -> list[str]:
        return [topic for topic, (serial, _) in self._latest.items() if seen.get(topic) != serial]

    def _start(self) -> None:
        for work in (self._follow_panel, self._follow_status):
            thread = threading.Thread(target=work, name=work.__name__, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _publish(self, topic: str, content: dict[str, Any], *, only_changes: bool = False) -> None:
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
        with self._news:
            if only_changes and topic in self._latest and self._latest[topic][1] == text:
                return
            self._count += 1
            self._latest[topic] = (self._count, text)
            self._news.notify_all()

    def _withdraw(self, *topics: str) -> None:
        """Forget topics, so that what is published next under them counts as a change."""
        with self._news:
            for topic in topics:
                self._latest.pop(topic, None)

    def _follow_panel(self) -> None:
        client = PanelClient(self._settings.panel_socket)
        while not self._stop.is_set():
            try:
                for state in client.watch(stop=self._stop, patience_s=PANEL_PATIENCE_S):
                    self._publish_state(state)
            except ApplianceError as error:
                log.debug("%s", error)
                self._withdraw("state", "library", "stage")
                self._publish("away", {"status": PANEL_AWAY, "message": PANEL_AWAY_WORDS}, only_changes=True)
                self._stop.wait(PANEL_RETRY_S)

    def _publish_state(self, state: dict[str, Any]) -> None:
        self._withdraw("away")
        lists = {"models": state.get("models", []), "cabinets": state.get("cabinets", [])}
        self._publish("library", lists, only_changes=True)
        stage = {"presets": state.get("presets", []), "setlists": state.get("setlists", [])}
        self._publish("stage", stage, only_changes=True)
        self._tuning = bool(state.get("tuner"))
        self._publish("state", without_lists(state) | {"demo": self._settings.demo})

    def _follow_status(self) -> None:
        reader = StatusReader(self._settings.status_file)
        meters = Meters()
        client = PanelClient(self._settings.panel_socket, timeout_s=1.0)
        while not self._stop.wait(1 / METERS_PER_SECOND):
            with self._news:
                watched = self._phones > 0
            if watched:
                self._publish("meters", meters.read(reader.read(), time.monotonic()))
            if watched and self._tuning:
                self._publish_reading(client)

    def _publish_reading(self, client: PanelClient) -> None:
        try:
            reading = client.request("tuner").get("reading")
        except ApplianceError as error:
            log.debug("%s", error)  # the other thread tells the phones
            return
        if reading is not None:
            self._publish("tuner", reading, only_changes=True)
