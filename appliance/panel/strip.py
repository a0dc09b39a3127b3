"""One strip of addressable LEDs (WS2812, SK6812) on an SPI bus of its own, through pi5neo (any Pi, no root needed)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from appliance.errors import NotInstalled
from appliance.panel.wiring import Colour


class Strip:
    """Sends only what changed, and all of it at once: call `show` when the colours of a look are set."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._colours: dict[int, Colour] = {}
        self._changed = True

    def set(self, place: int, colour: Colour) -> None:
        """The colour of one LED, from the next `show` on."""
        if self._colours.get(place) != colour:
            self._colours[place] = colour
            self._driver.set_led_color(place, *(round(255 * part) for part in colour))
            self._changed = True

    def show(self) -> None:
        """Send; takes about 0.3 ms for 8 LEDs. Raises OSError."""
        if self._changed:
            self._driver.update_strip(sleep_duration=None)
            self._changed = False

    def close(self) -> None:
        """Put the LEDs out and let go of the bus."""
        self._driver.clear_strip()
        self._driver.update_strip(sleep_duration=None)
        self._driver.close()


def open_strip(device: str, count: int) -> Strip:
    """The strip at an SPI device such as `/dev/spidev1.0`. Raises OSError, NotInstalled."""
    try:
        from pi5neo import Pi5Neo
    except ImportError as error:
        raise NotInstalled("a strip of addressable LEDs needs pi5neo: pip install 'appliance[strip]'") from error
    if not Path(device).exists():
        raise FileNotFoundError(f"there is no {device}: switch that SPI bus on in config.txt")
    return Strip(Pi5Neo(device, count, quiet_mode=True))
