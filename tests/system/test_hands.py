"""Feet and hands: real gpiozero, lgpio and smbus2 on the kernel's simulated lines and converter."""

from __future__ import annotations

import pytest

from tests.system.conftest import ask
from tests.system.machine import Machine

pytestmark = pytest.mark.timeout(900)

SWITCH_LINE, LED_LINE, BUS = 6, 26, 0
PLAN = f"""
[converter]
chip = "ads1115"
bus = {BUS}
address = 0x48

[pot.gain]
channel = 0
turns = "knob Gain"
pickup = "jump"

[switch.middle]
pin = {SWITCH_LINE}
tap = "next-preset"

[switch.right]
pin = 13
press = "bypass"

[led.right]
pin = {LED_LINE}
shows = "bypass"
"""
_FULL_SCALE = 32_768 * 3.3 / 4.096


@pytest.fixture(scope="module")
def wired(machine: Machine) -> Machine:
    """A pedal with that plan, and two presets."""
    machine.put("/etc/appliance/appliance.toml", PLAN.encode())
    turn_pot(machine, 0.5)
    machine.run("systemctl restart appliance-panel && systemctl is-active appliance-panel")
    machine.wait_until("journalctl -b -u appliance-panel --no-pager | grep -q .")
    for name in ("First", "Second"):
        ask(machine, "preset_add", name=name)
    return machine


def tap(machine: Machine, line: int) -> None:
    """A foot on a switch and off again: it connects the line to ground."""
    pull = f"/run/appliance-test-pins/sim_gpio{line}/pull"
    machine.run(f"echo pull-down > {pull}; sleep 0.15; echo pull-up > {pull}; sleep 0.5")


def turn_pot(machine: Machine, place: float) -> None:
    """Let the converter read `place` (0…1). Of a simulated chip only the high byte of a reading can be chosen: the low
    one stands where the chip's next register begins."""
    machine.run(f"i2cset -y {BUS} 0x48 0x00 {round(place * _FULL_SCALE) >> 8}")


def test_the_panel_took_the_header_as_it_is_wired(wired: Machine) -> None:
    said = wired.run("journalctl -b -u appliance-panel --no-pager -o cat").stdout
    assert "can't be used" not in said, said
    users = wired.run("gpioinfo gpiochip0 | grep -v unused").stdout
    assert f"{SWITCH_LINE}:" in users, users


def test_a_foot_on_the_switch_changes_the_preset(wired: Machine) -> None:
    first, second = (preset["id"] for preset in ask(wired)["presets"][-2:])
    ask(wired, "preset_recall", preset=first)
    tap(wired, SWITCH_LINE)
    assert ask(wired)["preset"] == second


def test_the_bypass_switch_bypasses_and_its_led_says_so(wired: Machine) -> None:
    lamp = f"cat /run/appliance-test-pins/sim_gpio{LED_LINE}/value"
    before, lit = ask(wired)["bypass"], wired.run(lamp).stdout
    tap(wired, 13)
    assert ask(wired)["bypass"] is not before
    assert wired.run(lamp).stdout != lit
    tap(wired, 13)
    assert ask(wired)["bypass"] is before
    assert wired.run(lamp).stdout == lit


def test_the_pot_turns_the_models_gain(wired: Machine) -> None:
    state = ask(wired)
    gained = next(model for model in state["models"] if any(knob["name"] == "Gain" for knob in model["knobs"]))
    ask(wired, "select", model=gained["id"])
    knob = next(knob for knob in gained["knobs"] if knob["name"] == "Gain")
    span = knob["maximum"] - knob["minimum"]
    for place in (0.9, 0.2, 0.6):
        turn_pot(wired, place)
        wired.run("sleep 0.5")
        (gain,) = (value for name, value in ask(wired)["knobs"].items() if name == "Gain")
        assert abs((gain - knob["minimum"]) / span - place) < 0.03, (place, gain, knob)
