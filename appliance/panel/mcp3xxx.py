"""MCP3008 (10 bits) and MCP3208 (12 bits) converters on SPI. Source: Microchip's data sheets DS21295 and DS21298.

A reading is three bytes: a start bit, single-ended, the channel; after one null bit the chip answers. A bus without a
chip on it gives all ones, so a null bit that is one means that nobody answers; a bus that rests low can only be told by
every channel falling to zero at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

_CLEARLY_UP = 0.02


class Spi(Protocol):
    """An SPI device that is already selected by its chip select (`gpiozero.SPI` is one)."""

    def transfer(self, data: Sequence[int]) -> Sequence[int]:
        """Send bytes and get as many back. Raises OSError."""
        ...

    def close(self) -> None:
        """Let go of the bus."""
        ...


class Mcp3xxx:
    """A `ConverterReader`. `bits`: 10 or 12."""

    def __init__(self, spi: Spi, bits: int) -> None:
        self._spi = spi
        self._bits = bits
        self._request: Callable[[int], tuple[int, int, int]] = _ask_3008 if bits == 10 else _ask_3208
        self._were_up = 0
        self._all_fell = False

    def read(self, channels: Sequence[int]) -> Mapping[int, float]:
        """See `ConverterReader`; about 0.1 ms a channel on a real bus."""
        found = {channel: self._one(channel) for channel in channels}
        up = sum(reading > _CLEARLY_UP for reading in found.values())
        if any(found.values()):
            self._all_fell = False
        elif self._were_up >= 2:
            self._all_fell = True
        self._were_up = up
        if self._all_fell:
            raise OSError("every channel fell to zero at once")
        return found

    def close(self) -> None:
        """See `ConverterReader`."""
        self._spi.close()

    def _one(self, channel: int) -> float:
        _, high, low = self._spi.transfer(self._request(channel))
        word = high << 8 | low
        if word >> self._bits & 1:
            raise OSError("no chip answers on the SPI bus")
        top = (1 << self._bits) - 1
        return (word & top) / top


def _ask_3008(channel: int) -> tuple[int, int, int]:
    return 0b1, 0b1000_0000 | channel << 4, 0


def _ask_3208(channel: int) -> tuple[int, int, int]:
    return 0b110 | channel >> 2, (channel & 0b11) << 6, 0
