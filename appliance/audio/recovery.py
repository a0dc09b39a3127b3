"""What follows which fault. One policy for every port; one sequence for both directions.

| fault                       | first                                   | if that fails                          |
|-----------------------------|-----------------------------------------|----------------------------------------|
| xrun, short transfer        | restart both directions at once         | open the card again                    |
| suspended, stalled          | restart both directions, once           | open the card again                    |
| gone, busy, refused, other  | open the card again, in 0.25, 0.5 … 2 s | go on trying for as long as the pedal is on |

Nothing here is in the way of a period that goes well. May block.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from typing import Protocol

from appliance.audio.ports import Port, PortFault, ShortTransfer, Stalled, Suspended, Xrun
from appliance.bridge.layout import AudioState

REOPEN_DELAY_S = (0.25, 0.5, 1.0, 2.0)  # the last one again and again
_SLEEP_SLICE_S = 0.05  # how soon a wish to stop is seen while waiting


class Counters(Protocol):
    """Where the audio process publishes what it does (the engine's `Pedal`)."""

    def set_state(self, state: int) -> None: ...
    def count_xrun(self) -> None: ...
    def count_recovery(self) -> None: ...


class Recovery:
    """Brings the sound back after a fault."""

    def __init__(
        self,
        port: Port,
        counters: Counters,
        should_stop: Callable[[], bool],
        *,
        on_sign_of_life: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """on_sign_of_life: called after each try to open a card that answered, if only with a refusal."""
        self._port = port
        self._counters = counters
        self._should_stop = should_stop
        self._on_sign_of_life = on_sign_of_life
        self._sleep = sleep
        self._say = say or _to_stderr
        self._restarted_for_nothing = False

    def handle(self, fault: PortFault) -> None:
        """Return when the port runs again, or when it is time to stop. Counts and publishes."""
        counters = self._counters
        if isinstance(fault, Xrun | ShortTransfer):
            counters.count_xrun()
        counters.set_state(AudioState.RECOVERING)
        if self._restart_may_help(fault):
            self._restarted_for_nothing = isinstance(fault, Stalled | Suspended)
            try:
                self._port.recover()
            except PortFault as next_fault:
                fault = next_fault
            else:
                counters.count_recovery()
                counters.set_state(AudioState.PLAYING)
                return
        self._port.close()
        self._say(str(fault))
        if self.open_until_it_works(wait_first=True):
            counters.count_recovery()

    def sound_flows(self) -> None:
        """The loop says that frames have moved for a while: old restarts no longer count against the card."""
        self._restarted_for_nothing = False

    def open_until_it_works(self, *, wait_first: bool = False) -> bool:
        """Try for as long as it takes. False: it is time to stop. A reason is said once, not at every try."""
        self._counters.set_state(AudioState.NO_DEVICE)
        delays_s = itertools.chain(REOPEN_DELAY_S, itertools.repeat(REOPEN_DELAY_S[-1]))
        said = ""
        if wait_first:
            self._pause(next(delays_s))
        while not self._should_stop():
            try:
                self._port.open()
            except PortFault as fault:
                self._on_sign_of_life()
                if str(fault) != said:
                    said = str(fault)
                    self._say(f"{said} (trying again)")
                self._pause(next(delays_s))
                continue
            self._restarted_for_nothing = False
            self._counters.set_state(AudioState.PLAYING)
            self._say(self._port.describe())
            return True
        return False

    def _restart_may_help(self, fault: PortFault) -> bool:
        if isinstance(fault, Xrun | ShortTransfer):
            return True
        return isinstance(fault, Stalled | Suspended) and not self._restarted_for_nothing

    def _pause(self, seconds: float) -> None:
        while seconds > 0 and not self._should_stop():
            self._sleep(min(seconds, _SLEEP_SLICE_S))
            seconds -= _SLEEP_SLICE_S


def _to_stderr(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
