"""The way off: fade the sound, save, then ask root to switch the box off or start it anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from appliance.box import wishes
from appliance.box.wishes import Answer
from appliance.errors import ApplianceError, BadRequest, NotAllowed

NOT_A_BOX = (
    "this pedal runs as a program on a computer: end it there, with Ctrl-C. Only an installed box switches itself off"
)
_WISHES = {"off": "poweroff", "restart": "restart"}
_WORDS = {
    "off": "Shutting down. Pull the plug when the green light of the Pi has stopped blinking",
    "restart": "Restarting: the sound is back in a moment",
}
_FADED_S = 0.4  # the engine takes the mute at its next period and glides; one look of the panel saves meanwhile
_PATIENCE_S = 20.0  # for root to begin


class Leaving:
    """From the wish to leave until the power is off. Not thread-safe: the panel calls it with its lock held."""

    def __init__(
        self,
        wish: Callable[..., None] = wishes.wish,
        granted: Callable[[], bool] = wishes.granted,
        answer: Callable[[str], Answer | None] = wishes.answer,
    ) -> None:
        self._wish = wish
        self._granted = granted
        self._answer = answer
        self._begun_s: float | None = None
        self._asked_s: float | None = None
        self.going: str | None = None

    @property
    def why_not(self) -> str | None:
        """Why this pedal can't be switched off from here; None: it can."""
        return None if self._granted() else NOT_A_BOX

    def begin(self, do: Any) -> str:
        """Want to leave: `off` or `restart`. The sound should fade from now on. Returns the words for the player.

        Raises BadRequest, NotAllowed (not installed as a box, or on the way already).
        """
        if not isinstance(do, str) or do not in _WISHES:
            raise BadRequest(f"power takes do, {' or '.join(map(repr, _WISHES))}, not {do!r:.40}")
        if (why_not := self.why_not) is not None:
            raise NotAllowed(why_not)
        if self.going is not None and self.going != do:
            raise NotAllowed("the box is on its way already: wait until it is off or back")
        self.going = do
        return _WORDS[do]

    def ready(self, now_s: float) -> bool:
        """Whether the sound has had its time to fade, so that what is unsaved should be saved now and `ask` called."""
        if self.going is None or self._asked_s is not None:
            return False
        if self._begun_s is None:
            self._begun_s = now_s
        return now_s - self._begun_s >= _FADED_S

    def ask(self, now_s: float) -> str | None:
        """Ask root. Returns why not, in words, where it can't be asked: the box then stays on."""
        assert self.going is not None
        try:
            self._wish(_WISHES[self.going])
        except ApplianceError as error:
            self._stay()
            return str(error)
        self._asked_s = now_s
        return None

    def refused(self, now_s: float) -> str | None:
        """Why root did not do it; None: it did, or has not said yet. The box then stays on."""
        if self._asked_s is None or self.going is None:
            return None
        found = self._answer(_WISHES[self.going])
        if found is not None and found.status in ("refused", "failed"):
            self._stay()
            return found.words
        if now_s - self._asked_s > _PATIENCE_S:
            self._stay()
            return "The box was asked and did nothing: wait a moment and pull the plug, nothing is unsaved"
        return None

    def _stay(self) -> None:
        self.going = self._begun_s = self._asked_s = None
