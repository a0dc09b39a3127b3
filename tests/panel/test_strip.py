"""A strip of addressable LEDs: the real driver down to the bytes on the bus."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.panel.strip import open_strip

spidev = pytest.importorskip("spidev", reason="spidev is not installed")
pi5neo = pytest.importorskip("pi5neo", reason="pi5neo is not installed")


class Bus:
    """What `spidev.SpiDev` is to pi5neo."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.opened: tuple[int, int] | None = None
        self.max_speed_hz = 0

    def open(self, bus: int, device: int) -> None:
        self.opened = bus, device

    def xfer3(self, data: list[int]) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.opened = None


def decoded(sent: bytes) -> list[tuple[int, int, int]]:
    """Green, red, blue of each LED: a long high is a one (WS2812 data sheet)."""
    bits = [1 if byte.bit_count() >= 4 else 0 for byte in sent]
    parts = [int("".join(map(str, bits[at : at + 8])), 2) for at in range(0, len(bits), 8)]
    return list(zip(parts[0::3], parts[1::3], parts[2::3], strict=True))


def test_colours_reach_the_bus_once_and_only_when_they_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bus = Bus()
    monkeypatch.setattr(spidev, "SpiDev", lambda: bus)
    monkeypatch.setattr("time.sleep", lambda _: None)
    device = tmp_path / "spidev1.0"
    device.touch()
    strip = open_strip(str(device), 3)
    assert bus.opened == (1, 0)
    strip.set(1, (1.0, 0.5, 0.0))
    strip.show()
    assert decoded(bus.sent[-1]) == [(0, 0, 0), (128, 255, 0), (0, 0, 0)]
    count = len(bus.sent)
    strip.set(1, (1.0, 0.5, 0.0))
    strip.show()
    assert len(bus.sent) == count
    strip.close()
    assert decoded(bus.sent[-1]) == [(0, 0, 0)] * 3


def test_a_bus_that_is_switched_off_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.txt"):
        open_strip(str(tmp_path / "spidev9.9"), 3)
