"""Reads `appliance.toml` into `wiring.py`'s values, and refuses it in words that name the line and the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from appliance.errors import BadRequest, BadSettings
from appliance.panel import wiring_rules
from appliance.panel import wiring_values as values
from appliance.panel.actions import Action, Kind, parse
from appliance.panel.midi_messages import parse_message
from appliance.panel.pots import Travel
from appliance.panel.wiring import (
    CURVES,
    DEFAULT_TEXT,
    PICKUPS,
    Chip,
    Converter,
    EncoderWiring,
    LedWiring,
    MidiWiring,
    PotWiring,
    StripWiring,
    SwitchWiring,
    Wiring,
)
from appliance.spelling import did_you_mean

_LARGEST_FILE_BYTES = 1 << 20
_SECTIONS = ("converter", "pot", "pedal", "switch", "chord", "encoder", "led", "strip", "midi")
_NO_ACTIONS: tuple[Action, ...] = ()
_TWO_PINS: tuple[int, ...] = (0, 0)
_T = TypeVar("_T")
_D = TypeVar("_D")


def load(path: Path | None) -> Wiring:
    """The wiring that a file says, or the default plan where `path` is None. May block.

    Raises BadSettings: the file can't be read, is no TOML, or says something that can't be (every fault is named).
    """
    if path is None:
        return read(DEFAULT_TEXT, "the default plan")
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise BadSettings(f"{path} can't be read: {error.strerror or error}") from error
    if len(data) > _LARGEST_FILE_BYTES:
        raise BadSettings(f"{path} is larger than {_LARGEST_FILE_BYTES >> 20} MB: that is no settings file")
    return read(data.decode("utf-8", errors="replace"), str(path))


def read(text: str, name: str) -> Wiring:
    """The same from text; `name` is what the errors call it."""
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadSettings(f"{name} is no TOML: {error}") from error
    reader = _Reader(text)
    wiring = _wiring(reader, content)
    if not reader.faults:
        reader.faults = [reader.fault(where, key, words) for where, key, words in wiring_rules.faults(wiring)]
    if reader.faults:
        raise BadSettings(f"{name}: " + "; ".join(dict.fromkeys(reader.faults)))
    return wiring


class _Reader:
    """Collects faults, each with the line its key stands on."""

    def __init__(self, text: str) -> None:
        self.faults: list[str] = []
        self._lines: dict[tuple[str, str], int] = {}
        section = ""
        for number, line in enumerate(text.splitlines(), 1):
            if header := re.match(r"\s*\[{1,2}\s*([^\]]+?)\s*\]", line):
                section = header[1].replace('"', "")
                self._lines.setdefault((section, ""), number)
                self._lines.setdefault(("", section.partition(".")[0]), number)
            elif key := re.match(r"""\s*["']?([^"'=#]+?)["']?\s*=""", line):
                self._lines.setdefault((section, key[1].strip()), number)

    def fault(self, where: str, key: str, words: str) -> str:
        """A sentence with its place."""
        line = self._lines.get((where, key)) or self._lines.get((where, ""))
        place = f"line {line}, " if line else ""
        section = f"[{where}]" if where else ""
        return f"{place}{' '.join(filter(None, (section, key)))}: {words}"

    def note(self, where: str, key: str, words: str) -> None:
        """Remember a fault."""
        self.faults.append(self.fault(where, key, words))


class _Table:
    """One table: its keys are taken one by one, and what is left over is a fault."""

    def __init__(self, reader: _Reader, where: str, content: Any) -> None:
        self._reader = reader
        self._where = where
        if not isinstance(content, dict):
            reader.note(where, "", f"should be a table, not {content!r:.40}")
            content = {}
        self._left = dict(content)
        self._known: list[str] = []

    def take(self, key: str, convert: Callable[[Any], _T], default: _D) -> _T | _D:
        """The value of a key, or the default; `convert` raises BadRequest for what can't be, which becomes a fault."""
        self._known.append(key)
        if key not in self._left:
            return default
        try:
            return convert(self._left.pop(key))
        except BadRequest as error:
            self.fault(key, str(error))
            return default

    def need(self, key: str, convert: Callable[[Any], _T], default: _T) -> _T:
        """The value of a key that has to be there; the default stands in where a fault was noted."""
        if key not in self._left:
            self.fault("", f"{key} is missing")
        return self.take(key, convert, default)

    def fault(self, key: str, words: str) -> None:
        """Note a fault."""
        self._reader.note(self._where, key, words)

    def rest(self) -> dict[str, Any]:
        """All keys not taken, for tables whose keys are names."""
        left, self._left = self._left, {}
        return left

    def end(self) -> None:
        """What is left is not known."""
        for key in self._left:
            self.fault(key, f"there is no such key{did_you_mean(key, self._known)}")


def _wiring(reader: _Reader, content: Mapping[str, Any]) -> Wiring:
    root = _Table(reader, "", content)
    tables: dict[str, Any] = {name: root.take(name, _anything, {}) for name in _SECTIONS}
    root.end()
    pots = _named(reader, "pot", tables["pot"], _pot)
    pedals = _named(reader, "pedal", tables["pedal"], _pot)
    for name in pots.keys() & pedals.keys():
        reader.note(f"pedal.{name}", "", "a pot has the same name: give each its own")
    return Wiring(
        converter=_converter(_Table(reader, "converter", tables["converter"])),
        pots={**pots, **{name: replace(pedal, pedal=True) for name, pedal in pedals.items()}},
        switches=_named(reader, "switch", tables["switch"], _switch),
        encoders=_named(reader, "encoder", tables["encoder"], _encoder),
        chords=_chords(reader, tables["chord"]),
        leds=_named(reader, "led", tables["led"], _led),
        strip=_strip(_Table(reader, "strip", tables["strip"])) if tables["strip"] else None,
        midi=_midi(_Table(reader, "midi", tables["midi"])),
    )


def _anything(value: Any) -> Any:
    return value


def _named(reader: _Reader, kind: str, content: Any, make: Callable[[_Table], _T]) -> dict[str, _T]:
    if not isinstance(content, dict):
        reader.note(kind, "", f"has named parts, such as [{kind}.left], and is not {content!r:.40}")
        return {}
    made = {}
    for name, part in content.items():
        table = _Table(reader, f"{kind}.{name}", part)
        made[name] = make(table)
        table.end()
    return made


def _converter(table: _Table) -> Converter:
    plain = Converter()
    chip = table.take("chip", values.one_of({chip.value: chip for chip in Chip}), plain.chip)
    if chip.on_i2c:
        bus = table.take("bus", values.whole(0, 20), plain.bus)
        made = Converter(chip, bus=bus, address=table.take("address", values.whole(0x48, 0x4B), plain.address))
    else:
        made = Converter(chip, select=table.take("select", values.whole(0, 1), plain.select))
    table.end()
    return made


def _pot(table: _Table) -> PotWiring:
    plain = PotWiring(0, (), Travel())
    channel = table.need("channel", values.whole(0, 7), 0)
    turns = table.need("turns", values.turned, _NO_ACTIONS)
    travel = Travel(
        table.take("low", values.share, plain.travel.low),
        table.take("high", values.share, plain.travel.high),
        table.take("curve", values.one_of(CURVES), plain.travel.curve),
        table.take("invert", values.flag, plain.travel.invert),
    )
    return PotWiring(channel, turns, travel, table.take("pickup", values.one_of(PICKUPS), plain.pickup))


def _switch(table: _Table) -> SwitchWiring:
    pin = table.need("pin", values.pin, 0)
    actions = {key: table.take(key, values.pressed, None) for key in ("press", "tap", "hold", "double", "boot")}
    return SwitchWiring(pin, **actions, hold_s=table.take("hold_s", values.number(0.2, 10.0), SwitchWiring.hold_s))


def _encoder(table: _Table) -> EncoderWiring:
    first, second = table.need("pins", values.pins(2), _TWO_PINS)
    turns = table.need("turns", values.turned, _NO_ACTIONS)
    return EncoderWiring((first, second), turns, table.take("step", values.number(0.001, 0.5), EncoderWiring.step))


def _led(table: _Table) -> LedWiring:
    strip = table.take("strip", values.whole(0, 1023), None)
    pins = table.take("pins", values.pins(3), ())
    if not pins and strip is None:
        pins = (table.need("pin", values.pin, 0),)
    return LedWiring(
        shows=table.need("shows", parse, Action(Kind.BYPASS)),
        pins=pins,
        strip=strip,
        invert=table.take("invert", values.flag, False),
        pwm=table.take("pwm", values.flag, False),
        brightness=table.take("brightness", values.share, 1.0),
        colour=table.take("colour", values.colour, LedWiring.colour),
    )


def _strip(table: _Table) -> StripWiring:
    device = table.take("device", values.text, StripWiring.device)
    made = StripWiring(device, table.take("count", values.whole(1, 1024), StripWiring.count))
    table.end()
    return made


def _midi(table: _Table) -> MidiWiring:
    plain = MidiWiring()
    bindings = _bindings(table)
    made = MidiWiring(
        table.take("enabled", values.flag, plain.enabled),
        table.take("channel", values.whole(1, 16), plain.channel),
        table.take("program_change", values.flag, plain.program_change),
        bindings,
    )
    table.end()
    return made


def _bindings(table: _Table) -> dict[str, Action]:
    found: dict[str, Action] = {}
    for text, action in table.take("bind", _a_table, {}).items():
        try:
            found[str(parse_message(text))] = values.from_afar(action)
        except BadRequest as error:
            table.fault("bind", f"{text!r}: {error}")
    return found


def _a_table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"should be a table such as [midi.bind], not {value!r:.40}")
    return value


def _chords(reader: _Reader, content: Any) -> dict[tuple[str, str], Action]:
    table = _Table(reader, "chord", content)
    found: dict[tuple[str, str], Action] = {}
    for text, action in table.rest().items():
        names = [name.strip() for name in text.split("+")]
        try:
            if len(names) != 2 or not all(names) or names[0] == names[1]:
                raise BadRequest('a chord is two switches, such as "left+middle"')
            found[names[0], names[1]] = values.pressed(action)
        except BadRequest as error:
            reader.note("chord", text, str(error))
    return found
