"""Converters at the level of bits and registers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

pytest.importorskip("gpiozero", reason="gpiozero is not installed")

from appliance.panel.ads1x15 import Ads1x15
from appliance.panel.mcp3xxx import Mcp3xxx
from appliance.panel.pins import open_board
from appliance.panel.simulated import SimulatedBox
from appliance.panel.wiring_file import load, read


@pytest.fixture
def box() -> SimulatedBox:
    return SimulatedBox(load(None))


def test_every_code_of_every_channel_comes_over_the_wires_bit_by_bit() -> None:
    text = "".join(f"[pot.p{channel}]\nchannel = {channel}\nturns = 'morph'\n" for channel in range(8))
    box = SimulatedBox(read(text, "x"))
    converter = box.board.converter
    assert converter is not None
    for code in (0, 1, 2, 341, 511, 512, 682, 1022, 1023):
        for channel in range(8):
            box.chip.levels = [1.0 - code / 1023] * 8
            box.chip.levels[channel] = code / 1023
            assert converter.read([channel]) == {channel: code / 1023}
    box.board.close()


def test_a_bus_without_a_chip_is_no_reading(box: SimulatedBox) -> None:
    converter = box.board.converter
    assert converter is not None
    box.chip.connected = False
    with pytest.raises(OSError, match="no chip answers"):
        converter.read([0])
    box.chip.connected = True
    assert converter.read([0]) == {0: pytest.approx(0.5, abs=0.001)}


class Scripted3208:
    """An MCP3208 as its data sheet (DS21298, figure 6-1) has the bytes."""

    def __init__(self, values: Sequence[int]) -> None:
        self.values = values

    def transfer(self, data: Sequence[int]) -> Sequence[int]:
        bits = int.from_bytes(bytes(data), "big")
        assert bits >> 17 == 0b11  # seven bits in: start, single-ended; then the channel
        return list(self.values[bits >> 14 & 0b111].to_bytes(3, "big"))

    def close(self) -> None:
        pass


def test_a_3208_has_twelve_bits() -> None:
    values = [0, 1, 1000, 2047, 2048, 4094, 4095, 7]
    converter = Mcp3xxx(Scripted3208(values), 12)
    assert converter.read(range(8)) == {channel: value / 4095 for channel, value in enumerate(values)}
    converter = Mcp3xxx(Scripted3208([0x1FFF] * 8), 12)
    with pytest.raises(OSError, match="no chip"):
        converter.read([0])


class ScriptedAds1115:
    """An ADS1115's registers (SBAS444, 8.1): a conversion is there some looks after it was begun."""

    def __init__(self, volts: list[float], looks_needed: int = 1) -> None:
        self.volts = volts
        self.looks_needed = looks_needed
        self.present = True
        self._result, self._looks_left = 0, 0

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: Sequence[int]) -> None:
        self._answer(i2c_addr)
        word = int.from_bytes(bytes(data), "big")
        assert register == 1
        assert word & 0x8000, "begins a conversion"
        assert word >> 12 & 0b100, "single-ended"
        assert word >> 9 & 0b111 == 0b001, "±4.096 V"
        assert word & 0x0100, "one shot"
        self._result = min(round(self.volts[word >> 12 & 0b11] / 4.096 * 32768), 32767)
        self._looks_left = self.looks_needed

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        self._answer(i2c_addr)
        assert length == 2
        if register == 1:
            self._looks_left -= 1
            return [0x80 if self._looks_left < 0 else 0x00, 0x03]
        assert self._looks_left < 0, "read before it was done"
        return list(self._result.to_bytes(2, "big", signed=True))

    def close(self) -> None:
        pass

    def _answer(self, address: int) -> None:
        if not self.present or address != 0x48:
            raise OSError(121, "Remote I/O error")


def test_an_ads1115_gives_two_channels_a_look_in_turn() -> None:
    slept: list[float] = []
    converter = Ads1x15(ScriptedAds1115([0.0, 1.1, 2.2, 3.3]), 0x48, 0.0013, slept.append)
    found: dict[int, float] = {}
    looks = [converter.read([0, 1, 2, 3]) for _ in range(4)]
    assert all(len(look) == 2 for look in looks)
    for look in looks[:2]:
        found |= look
    assert found == {channel: pytest.approx(channel / 3, abs=1e-4) for channel in range(4)}
    assert all(math.isclose(look[channel], found[channel]) for look in looks for channel in look)


def test_an_ads1115_that_is_pulled_out_is_an_error_and_comes_back() -> None:
    chip = ScriptedAds1115([1.65] * 4)
    converter = Ads1x15(chip, 0x48, 0.0, lambda _: None)
    converter.read([0])
    chip.present = False
    for _ in range(3):
        with pytest.raises(OSError, match="Remote I/O"):
            converter.read([0])
    chip.present = True
    assert converter.read([0])[0] == pytest.approx(0.5, abs=1e-3)
    chip.looks_needed = 99
    converter.read([0])  # begun before the chip became slow
    with pytest.raises(OSError, match="did not end"):
        converter.read([0])


def test_a_pin_that_is_taken_is_a_fault_and_the_rest_works(box: SimulatedBox) -> None:
    again = open_board(load(None), box._pins)
    assert len(again.faults) == 7  # three switches, three LEDs and the converter: nothing is left
    assert again.switches == {}
    assert all("can't be used" in fault for fault in again.faults)
    box.press("left", True)
    assert box.board.switches["left"]() is True
