"""The controls as text, for `appliance panel test`: from a report (`bridge/commands.py`) to lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BAR = 24


def lines(report: Mapping[str, Any]) -> list[str]:
    """One line for each control, and what is to be known of it."""
    switches, pots, leds = report["switches"], report["pots"], report["leds"]
    shown = [f"Switch {name:<12} {_switch(switch)}" for name, switch in switches.items()]
    shown += [f"Chord  {name:<12} {last or ''}" for name, last in report["chords"].items()]
    shown += [f"Pot    {name:<12} {_pot(pot)}" for name, pot in pots.items()]
    shown += [f"Knob   {name:<12} {clicks:+d} clicks" for name, clicks in report["encoders"].items()]
    shown += [f"LED    {name:<12} {'on' if on else 'off'}" for name, on in leds.items()]
    midi = report["midi"]
    if midi["devices"]:
        shown.append(f"MIDI   {', '.join(midi['devices']):<12} {midi['last'] or 'nothing came yet'}")
    else:
        shown.append("MIDI   no device")
    shown += [f"! {note}" for note in report["notes"]]
    return shown


def _switch(switch: Mapping[str, Any]) -> str:
    if switch["stuck"]:
        return "held down since the start, or shorted: ignored"
    return f"{'DOWN' if switch['down'] else 'up  '}  {switch['last'] or ''}"


def _pot(pot: Mapping[str, Any]) -> str:
    if pot["position"] is None:
        return pot["fault"] or "not read yet"
    full = round(pot["position"] * _BAR)
    bar = "█" * full + "·" * (_BAR - full)
    raw = "  ---" if pot["raw"] is None else f"{pot['raw']:.3f}"
    what = f"→ {pot['turns']}" if pot["turns"] else "→ nothing in this sound"
    if pot["learning"]:
        what = "learns its ends: move it from one to the other and back"
    elif pot["fault"]:
        what = pot["fault"]
    elif pot["waiting"]:
        what += f" (waits at {pot['stands_at']:.2f})"
    return f"{bar} {pot['position']:.3f}  reads {raw}  {what}"
