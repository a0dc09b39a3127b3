"""ADS1015 and ADS1115 converters on I2C, through smbus2. Source: Texas Instruments' data sheets SBAS473 and SBAS444.

Two registers of a chip are all that is needed, so smbus2 (pure Python, one file) carries them, in place of a driver
that brings a hardware layer of its own. A conversion takes 1.2 ms (ADS1115) or 0.3 ms (ADS1015), so each look fetches
what was begun at the look before and does one more: two channels a look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from appliance.errors import NotInstalled

_CONVERSION, _CONFIGURATION = 0, 1  # registers
_START = 0x8000  # written: begin; read: done
_SINGLE_ENDED = 0x4000  # + channel << 12
_RANGE_4_096_V = 0x0200
_ONE_SHOT = 0x0100
_FASTEST = 0x00E0  # 860 a second (ADS1115), 3,300 (ADS1015)
_NO_COMPARATOR = 0x0003
_FULL_SCALE = 32_768 * 3.3 / 4.096  # the pots hang on 3.3 V
_PATIENCE = 4


class Bus(Protocol):
    """An I2C bus (`smbus2.SMBus` is one)."""

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: Sequence[int]) -> None:
        """Write bytes to a register. Raises OSError."""
        ...

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        """Read bytes of a register. Raises OSError."""
        ...

    def close(self) -> None:
        """Let go of the bus."""
        ...


class Ads1x15:
    """A `ConverterReader`. `conversion_s`: what the chip needs for one reading."""

    def __init__(
        self, bus: Bus, address: int, conversion_s: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._bus = bus
        self._address = address
        self._conversion_s = conversion_s
        self._sleep = sleep
        self._begun: int | None = None
        self._next = 0

    def read(self, channels: Sequence[int]) -> Mapping[int, float]:
        """See `ConverterReader`; blocks for one conversion."""
        found: dict[int, float] = {}
        begun, self._begun = self._begun, None
        if begun is None:
            begun = self._begin(channels)
            self._sleep(self._conversion_s)
        found[begun] = self._fetch()
        if len(channels) > 1:
            second = self._begin(channels)
            self._sleep(self._conversion_s)
            found[second] = self._fetch()
        self._begun = self._begin(channels)
        return found

    def close(self) -> None:
        """See `ConverterReader`."""
        self._bus.close()

    def _begin(self, channels: Sequence[int]) -> int:
        channel = channels[self._next % len(channels)]
        self._next += 1
        word = _START | _SINGLE_ENDED | channel << 12 | _RANGE_4_096_V | _ONE_SHOT | _FASTEST | _NO_COMPARATOR
        self._bus.write_i2c_block_data(self._address, _CONFIGURATION, list(word.to_bytes(2, "big")))
        return channel

    def _fetch(self) -> float:
        for _ in range(_PATIENCE):
            if self._bus.read_i2c_block_data(self._address, _CONFIGURATION, 2)[0] << 8 & _START:
                high, low = self._bus.read_i2c_block_data(self._address, _CONVERSION, 2)
                value = int.from_bytes(bytes((high, low)), "big", signed=True)
                return min(max(value / _FULL_SCALE, 0.0), 1.0)
            self._sleep(self._conversion_s / 4)
        raise OSError("a conversion did not end")


def open_ads1x15(bus: int, address: int, *, fast: bool) -> Ads1x15:
    """Open the chip on `/dev/i2c-<bus>`. `fast`: an ADS1015. Raises OSError, NotInstalled."""
    try:
        from smbus2 import SMBus
    except ImportError as error:
        raise NotInstalled("an ADS1x15 needs smbus2: pip install 'appliance[pi]'") from error
    opened = SMBus(bus)
    try:
        opened.read_i2c_block_data(address, _CONFIGURATION, 2)
    except OSError:
        opened.close()
        raise
    return Ads1x15(opened, address, 0.00035 if fast else 0.0013)
