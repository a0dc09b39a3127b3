"""The simulated box on the keyboard: which key moves what. Pure but for what it asks of the panel.

A terminal tells no key's release, so a switch has two keys: one taps it, the one below holds it down or lets it go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

_TAPS, _HOLDS = "123456789", "qwertyuio"
_UPS, _DOWNS = "asdfghjkl", "zxcvbnm,."
_STEP = 0.05
_TAP_S = 0.12


class Keys:
    """Moves a box by keys. `ask`: `PanelClient.request`; `sleep`: waits some seconds."""

    def __init__(self, ask: Callable[..., Any], sleep: Callable[[float], None], report: Mapping[str, Any]) -> None:
        self._ask = ask
        self._sleep = sleep
        self._switches = list(report["switches"])[: len(_TAPS)]
        self._turned = [*report["pots"], *report["encoders"]][: len(_UPS)]
        self._levels = {name: pot["raw"] or 0.0 for name, pot in report["pots"].items()}
        self._down: set[str] = set()

    def help(self) -> Sequence[str]:
        """One line for each pair of keys."""
        switches = [
            f"  {tap} taps {name}, {hold} holds it down or lets it go"
            for name, tap, hold in zip(self._switches, _TAPS, _HOLDS, strict=False)
        ]
        pots = [f"  {up} and {down} turn {name}" for name, up, down in zip(self._turned, _UPS, _DOWNS, strict=False)]
        return [*switches, *pots, "  Escape or Ctrl-C ends"]

    def press(self, key: str) -> None:
        """Do what a key means; other keys mean nothing."""
        if (at := _TAPS.find(key)) >= 0 and at < len(self._switches):
            self._ask("sim", switch=self._switches[at], down=True)
            self._sleep(_TAP_S)
            self._ask("sim", switch=self._switches[at], down=False)
            self._down.discard(self._switches[at])
        elif (at := _HOLDS.find(key)) >= 0 and at < len(self._switches):
            name = self._switches[at]
            self._down ^= {name}
            self._ask("sim", switch=name, down=name in self._down)
        elif (at := _UPS.find(key)) >= 0 and at < len(self._turned):
            self._turn(self._turned[at], 1)
        elif (at := _DOWNS.find(key)) >= 0 and at < len(self._turned):
            self._turn(self._turned[at], -1)

    def _turn(self, name: str, way: int) -> None:
        if name in self._levels:
            self._levels[name] = min(max(self._levels[name] + way * _STEP, 0.0), 1.0)
            self._ask("sim", pot=name, level=self._levels[name])
        else:
            self._ask("sim", encoder=name, clicks=way)
