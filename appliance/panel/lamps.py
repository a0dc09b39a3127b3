"""What an LED shows: lit at once when its switch is pressed, confirmed by the engine, blinking when not so. Pure."""

from __future__ import annotations

_PATIENCE_S = 0.5  # for the engine to follow
_SEEN_S = 0.15  # a press shows at least so long
_BLINK_HZ = 4.0
_FAILED_S = 2.0
_LEARN_HZ = 8.0
_LEAVE_HZ = 1.0
_HELD_HZ = 5.0
_SAFE_EVERY_S = 2.0
_SAFE_FLASH_S = 0.12
_UPDATE_EVERY_S = 0.5
_UPDATE_FLASH_S = 0.06


class Lamp:
    """One LED. `step` is called with each look; `now_s` never goes back."""

    def __init__(self, *, invert: bool = False) -> None:
        self._invert = invert
        self._wanted: bool | None = None
        self._since_s = 0.0
        self._pressed_s: float | None = None
        self._refused_s: float | None = None

    def pressed(self, now_s: float) -> None:
        """What it shows was asked for just now."""
        self._pressed_s = now_s
        self._refused_s = None

    def refused(self, now_s: float) -> None:
        """… and could not be done."""
        self._pressed_s = None
        self._refused_s = now_s

    def step(self, now_s: float, lit: bool | None, confirmed: bool | None) -> bool:
        """On or off. `lit`, `confirmed`: as `actions.Stage` has them."""
        if self._refused_s is not None and now_s - self._refused_s < _FAILED_S:
            return _blinking(now_s, _BLINK_HZ)
        if lit is None:
            return self._show_press(now_s, confirmed)
        wanted = lit != self._invert
        if wanted != self._wanted:
            self._wanted, self._since_s = wanted, now_s
        if confirmed is False and now_s - self._since_s >= _PATIENCE_S:
            return _blinking(now_s, _BLINK_HZ)
        return wanted

    def _show_press(self, now_s: float, confirmed: bool | None) -> bool:
        """An action without a state: from the press until the engine plays what it brought."""
        if self._pressed_s is None:
            return False
        passed_s = now_s - self._pressed_s
        if confirmed is False and passed_s >= _PATIENCE_S:
            if passed_s < _PATIENCE_S + _FAILED_S:
                return _blinking(now_s, _BLINK_HZ)
            self._pressed_s = None
        if confirmed and passed_s >= _SEEN_S:
            self._pressed_s = None
        return self._pressed_s is not None


def learning(now_s: float) -> bool:
    """All LEDs while a pot learns its ends: fast blinking."""
    return _blinking(now_s, _LEARN_HZ)


def leaving(now_s: float) -> bool:
    """All LEDs while the box is being switched off: slow blinking, then dark."""
    return _blinking(now_s, _LEAVE_HZ)


def held_for(now_s: float) -> bool:
    """All LEDs while a switch is held for something that has to be meant: quick flashes."""
    return now_s * _HELD_HZ % 1.0 < 0.25


def in_safe_mode(now_s: float, on: bool) -> bool:
    """One LED in safe mode: what it shows, turned over for a moment every two seconds."""
    return on != (now_s % _SAFE_EVERY_S < _SAFE_FLASH_S)


def updating(now_s: float, on: bool) -> bool:
    """One LED while a new version is made or tried: what it shows, turned over twice a second for a moment."""
    return on != (now_s % _UPDATE_EVERY_S < _UPDATE_FLASH_S)


def _blinking(now_s: float, hz: float) -> bool:
    return int(now_s * hz * 2.0) % 2 == 0
