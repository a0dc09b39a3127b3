"""`device.toml`: which knobs a device has, and which file was recorded at which position (docs/data.md)."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from appliance.capture.take import ACCEPTABLE
from appliance.errors import BadDataSet
from appliance.formats.description import Knob
from appliance.spelling import nearest
from appliance.training.splits import SplitWish

NAME = "device.toml"
_TOP = ("name", "input", "knobs", "takes", "split", "accept", "sample_rate")
_KNOB = ("name", "unit", "minimum", "maximum", "default")
_TAKE = ("output", "input", "knobs", "held_out", "invert", "accept")
_SPLIT = ("validation", "test")
_RATES_HZ = (8_000, 192_000)


@dataclass(frozen=True)
class ManifestTake:
    """One recording. knobs: values in the order of the manifest's knobs, in their units."""

    output: Path
    input: Path
    knobs: tuple[float, ...]
    held_out: bool
    invert: bool
    accept: frozenset[str]


@dataclass(frozen=True)
class Manifest:
    """A data set as its owner describes it; paths are whole, and not yet looked at."""

    name: str
    knobs: tuple[Knob, ...]
    takes: tuple[ManifestTake, ...]
    split: SplitWish
    sample_rate_hz: int | None


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest. Raises BadDataSet: one sentence with the file, what was found and what to do."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadDataSet(
            f"{path.parent} has no {path.name}: write one that names the takes (docs/data.md shows how)."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataSet(f"{path} can't be read ({error}).") from error
    except tomllib.TOMLDecodeError as error:
        raise BadDataSet(f"{path} is not valid TOML: {error}. Text goes in quotes, lists in [ ].") from error
    return _Reader(path).manifest(content)


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path

    def manifest(self, content: Mapping[str, Any]) -> Manifest:
        self._known(content, _TOP, "the manifest")
        knobs = tuple(self._knob(each, i) for i, each in enumerate(self._tables(content, "knobs")))
        names = [knob.name.casefold() for knob in knobs]
        for name in names:
            if names.count(name) > 1:
                self._fail(f"has two knobs called {name}: give each its own name")
        accept = self._accepted(content, "the manifest")
        shared = self._text(content, "input", "the manifest") if "input" in content else None
        tables = self._tables(content, "takes")
        if not tables:
            self._fail('names no takes: add [[takes]] with output = "file.wav" for each recording')
        takes = tuple(self._take(each, i, knobs, shared, accept) for i, each in enumerate(tables))
        self._check_takes(takes, knobs)
        rate_hz = content.get("sample_rate")
        if rate_hz is not None and not (type(rate_hz) is int and _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]):
            self._fail(f"has sample_rate = {rate_hz!r}; a whole number of Hz is wanted, such as 48000")
        name = self._text(content, "name", "the manifest") if "name" in content else self._path.parent.resolve().name
        return Manifest(name, knobs, takes, self._split(content.get("split", {})), rate_hz)

    def _knob(self, table: Mapping[str, Any], index: int) -> Knob:
        where = f"knob number {index + 1}"
        self._known(table, _KNOB, where)
        name = self._text(table, "name", where)
        low, high = (self._number(table.get(key, usual), key, name) for key, usual in (("minimum", 0), ("maximum", 1)))
        if not low < high:
            self._fail(f"has knob {name} from {low:g} to {high:g}; its minimum must be below its maximum")
        default = self._number(table.get("default", (low + high) / 2), "default", name)
        if not low <= default <= high:
            self._fail(f"has knob {name} with default {default:g}, outside of {low:g} to {high:g}")
        unit = self._text(table, "unit", where) if "unit" in table else ""
        return Knob(name, low, high, default, unit)

    def _take(
        self,
        table: Mapping[str, Any],
        index: int,
        knobs: tuple[Knob, ...],
        shared: str | None,
        accept: frozenset[str],
    ) -> ManifestTake:
        where = f"take number {index + 1}"
        self._known(table, _TAKE, where)
        output = self._text(table, "output", where)
        where = f"take {output}"
        source = self._text(table, "input", where) if "input" in table else shared
        if source is None:
            self._fail(f'says for {where} no input: add input = "signal.wav" to it, or at the top for all takes')
        values = table.get("knobs", {})
        if not isinstance(values, dict):
            self._fail(f"has knobs = {values!r} in {where}; write knobs = {{ Gain = 3 }}")
        return ManifestTake(
            self._path.parent / output,
            self._path.parent / source,
            self._positions(values, knobs, where),
            self._flag(table, "held_out", where),
            self._flag(table, "invert", where),
            accept | self._accepted(table, where),
        )

    def _positions(self, values: Mapping[str, Any], knobs: tuple[Knob, ...], where: str) -> tuple[float, ...]:
        by_name = {name.casefold(): (name, value) for name, value in values.items()}
        for folded, (name, _) in by_name.items():
            if folded not in {knob.name.casefold() for knob in knobs}:
                names = [knob.name for knob in knobs]
                has = f"the knobs are {', '.join(names)}" if names else "no [[knobs]] are defined"
                self._fail(f"sets a knob {name} in {where}; {has}{_did_you_mean(name, names)}")
        positions = []
        for knob in knobs:
            if knob.name.casefold() not in by_name:
                self._fail(f"does not say where {knob.name} stood in {where}: add it to its knobs")
            value = self._number(by_name[knob.name.casefold()][1], knob.name, where)
            if not knob.minimum <= value <= knob.maximum:
                self._fail(f"has {knob.name} = {value:g} in {where}; it goes from {knob.minimum:g} to {knob.maximum:g}")
            positions.append(value)
        return tuple(positions)

    def _check_takes(self, takes: tuple[ManifestTake, ...], knobs: tuple[Knob, ...]) -> None:
        outputs = [take.output for take in takes]
        for output in outputs:
            if outputs.count(output) > 1:
                self._fail(f"names {output.name} in two takes: a recording has one knob position")
        if all(take.held_out for take in takes):
            self._fail("holds out every take: at least one is needed to train on")
        for index, knob in enumerate(knobs):
            if len({take.knobs[index] for take in takes if not take.held_out}) < 2:
                self._fail(
                    f"has {knob.name} at one position only: record at two at least (five make a good model), or leave "
                    "the knob out"
                )

    def _split(self, table: Any) -> SplitWish:
        if not isinstance(table, dict):
            self._fail(f"has split = {table!r}; write a [split] table")
        self._known(table, _SPLIT, "[split]")
        wishes: list[float | tuple[tuple[float, float], ...] | None] = []
        for key in _SPLIT:
            value = table.get(key)
            if isinstance(value, list) and value and all(isinstance(span, list) and len(span) == 2 for span in value):
                pairs = [(self._number(a, key, "[split]"), self._number(b, key, "[split]")) for a, b in value]
                wishes.append(tuple(pairs))
            elif value is None:
                wishes.append(None)
            else:
                seconds = self._number(value, key, "[split]")
                if seconds <= 0:
                    self._fail(f"has {key} = {seconds:g} in [split]; seconds above 0 are wanted")
                wishes.append(seconds)
        return SplitWish(*wishes)

    def _accepted(self, table: Mapping[str, Any], where: str) -> frozenset[str]:
        names = table.get("accept", [])
        if not isinstance(names, list):
            self._fail(f'has accept = {names!r} in {where}; write a list, such as accept = ["repeat"]')
        for name in names:
            if name not in ACCEPTABLE:
                self._fail(
                    f"accepts {name!r} in {where}; it can be {', '.join(ACCEPTABLE)}"
                    + _did_you_mean(str(name), ACCEPTABLE)
                )
        return frozenset(names)

    def _tables(self, content: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        tables = content.get(key, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self._fail(f"has {key} in a form that is not read: write [[{key}]] (two brackets) above each of them")
        return list(tables)

    def _known(self, table: Mapping[str, Any], keys: Collection[str], where: str) -> None:
        for key in table:
            if key not in keys:
                hint = _did_you_mean(key, keys) or f"; known are {', '.join(keys)}"
                self._fail(f"has an unknown key {key} in {where}{hint}")

    def _text(self, table: Mapping[str, Any], key: str, where: str) -> str:
        value = table.get(key)
        if not isinstance(value, str) or not value.strip():
            found = "no" if value is None else f"{value!r} as"
            self._fail(f'has {found} {key} in {where}: write {key} = "…"')
        return str(value)

    def _number(self, value: Any, key: str, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            self._fail(f"has {key} = {value!r} in {where}; a number is wanted")
        return float(value)

    def _flag(self, table: Mapping[str, Any], key: str, where: str) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            self._fail(f"has {key} = {value!r} in {where}; write true or false")
        return bool(value)

    def _fail(self, what: str) -> NoReturn:
        raise BadDataSet(f"{self._path} {what}{'' if what.endswith('?') else '.'}")


def _did_you_mean(name: str, known: Collection[str]) -> str:
    close = nearest(name, known)
    return f". Did you mean {close}?" if close is not None else ""
