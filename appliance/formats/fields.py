"""Reading a stranger's JSON: every value is checked for kind, range and size before it is used.

Messages name the place in the file ("config.layers[2].channels"), what was found and what was wanted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from appliance.errors import BadModelFile
from appliance.formats.description import MAX_WEIGHTS, Array

# A JSON text of this size can't hold more nested lists than any real model has; a hostile one could fill the memory
# with empty ones before a single value is checked.
MAX_JSON_CONTAINERS = 500_000
MAX_TEXT_CHARACTERS = 200
MAX_METADATA_TEXT_CHARACTERS = 4000
MAX_METADATA_BYTES = 64 * 1024
MIN_SAMPLE_RATE_HZ = 8_000
MAX_SAMPLE_RATE_HZ = 384_000

_RELOAD = "The file is damaged or was not exported by the usual program: download or export it again."
_MISSING = object()


def parse_json(data: bytes, file: str) -> Any:
    """JSON from bytes (UTF-8, a byte-order mark is tolerated).

    Raises BadModelFile for text that is cut short, malformed, too deeply nested, or not UTF-8. NaN and infinity come
    through as floats: harmless in metadata, refused where a number is used.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadModelFile(
            f"{file} is not a text file in UTF-8 (byte {error.start} is wrong), as model files are. {_RELOAD}"
        ) from None
    if data.count(b"[") + data.count(b"{") > MAX_JSON_CONTAINERS:
        raise BadModelFile(f"{file} has more than {MAX_JSON_CONTAINERS:,} lists in it; no model has. {_RELOAD}")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        if not text.rstrip().endswith("}"):
            raise BadModelFile(
                f"{file} is cut short: it ends at {where} in the middle of the model. Download or copy it again."
            ) from None
        raise BadModelFile(f"{file} is not valid JSON: {error.msg} at {where}. {_RELOAD}") from None
    except (ValueError, RecursionError):  # numbers of thousands of digits; lists a thousand deep
        raise BadModelFile(f"{file} holds numbers or lists that no model has. {_RELOAD}") from None


def show(value: Any) -> str:
    """A value from the file, short enough for a message."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object {…}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 40 else value[:40] + "…", ensure_ascii=True)
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of many digits"
    return json.dumps(value)


def is_number(value: Any) -> bool:
    """True for a finite JSON number; false for booleans, text, null, NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def clean_text(value: Any, at_most: int = MAX_TEXT_CHARACTERS) -> str | None:
    """One line of printable text, or None when there is none: names and licences are shown on the page."""
    if not isinstance(value, str):
        return None
    printable = "".join(c if c.isprintable() else " " for c in value[: 4 * at_most])
    return " ".join(printable.split())[:at_most] or None


def clean_metadata(value: Any) -> dict[str, Any]:
    """The file's own metadata as plain JSON: NaN becomes null, text is made printable, too much is dropped whole."""

    def clean(item: Any, depth: int) -> Any:
        if depth > 8:
            return None
        if isinstance(item, dict):
            return {clean_text(k) or "": clean(v, depth + 1) for k, v in item.items()}
        if isinstance(item, list):
            return [clean(v, depth + 1) for v in item]
        if isinstance(item, str):
            return clean_text(item, MAX_METADATA_TEXT_CHARACTERS) or ""
        return item if isinstance(item, bool) or is_number(item) else None

    if not isinstance(value, dict):
        return {}
    cleaned: dict[str, Any] = clean(value, 0)
    return cleaned if len(json.dumps(cleaned)) <= MAX_METADATA_BYTES else {}


def optional_number(value: Any, low: float, high: float) -> float | None:
    """A number of the metadata if it is one and makes sense, else None: metadata never stops a model from playing."""
    return float(value) if is_number(value) and low <= value <= high else None


class Fields:
    """A JSON object of a model file, read field by field."""

    def __init__(self, value: Any, file: str, where: str = "") -> None:
        self.file = file
        self.where = where
        if not isinstance(value, dict):
            raise self.error(f"is {show(value)}, but an object {{…}} was wanted")
        self.value: dict[str, Any] = value

    def error(self, problem: str, key: str | int | None = None) -> BadModelFile:
        """The error for a field of this object: place, what was found, what was wanted, what to do."""
        place = self.path(key) if key is not None else self.where
        return BadModelFile(f"{self.file}: {place or 'the model'} {problem}. {_RELOAD}")

    def path(self, key: str | int) -> str:
        """Where a field is: "config.layers[2].channels"."""
        if isinstance(key, int):
            return f"{self.where}[{key}]"
        return f"{self.where}.{key}" if self.where else key

    def __contains__(self, key: str) -> bool:
        return self.value.get(key) is not None

    def get(self, key: str) -> Any:
        """The raw value, None when absent."""
        return self.value.get(key)

    def _take(self, key: str, default: Any) -> Any:
        value = self.value.get(key)
        if value is not None:
            return value
        if default is _MISSING:
            raise self.error("is missing" if key not in self.value else "is null, but a value was wanted", key)
        return default

    def fields(self, key: str) -> Fields:
        """An object inside this one."""
        return Fields(self._take(key, _MISSING), self.file, self.path(key))

    def integer(self, key: str, low: int, high: int, default: Any = _MISSING) -> int:
        """A whole number within low … high (2.0 counts as 2)."""
        return check_integer(self, key, self._take(key, default), low, high)

    def number(self, key: str, low: float = -1e30, high: float = 1e30, default: Any = _MISSING) -> float:
        """A finite number within low … high."""
        return check_number(self, key, self._take(key, default), low, high)

    def flag(self, key: str, default: Any = _MISSING) -> bool:
        """true or false (1 and 0 count)."""
        value = self._take(key, default)
        if isinstance(value, bool) or (is_number(value) and value in (0, 1)):
            return bool(value)
        raise self.error(f"is {show(value)}, but true or false was wanted", key)

    def text(self, key: str) -> str:
        """A text that is not empty."""
        value = self._take(key, _MISSING)
        if not isinstance(value, str) or not value:
            raise self.error(f"is {show(value)}, but a text was wanted", key)
        return value

    def items(self, key: str, at_most: int) -> list[Any]:
        """A list of 1 … at_most values."""
        value = self._take(key, _MISSING)
        if not isinstance(value, list):
            raise self.error(f"is {show(value)}, but a list was wanted", key)
        if not 1 <= len(value) <= at_most:
            raise self.error(f"has {len(value)} entries, but 1 to {at_most} were wanted", key)
        return value

    def objects(self, key: str, at_most: int) -> Iterator[Fields]:
        """A list of 1 … at_most objects."""
        for index, item in enumerate(self.items(key, at_most)):
            yield Fields(item, self.file, f"{self.path(key)}[{index}]")

    def integers(self, key: str, low: int, high: int, at_most: int) -> list[int]:
        """A list of whole numbers, each within low … high."""
        holder = Fields({}, self.file, self.path(key))
        return [check_integer(holder, i, item, low, high) for i, item in enumerate(self.items(key, at_most))]

    def numbers(self, key: str, low: float, high: float, at_most: int) -> list[float]:
        """A list of finite numbers, each within low … high."""
        holder = Fields({}, self.file, self.path(key))
        return [check_number(holder, i, item, low, high) for i, item in enumerate(self.items(key, at_most))]

    def array(self, key: str, shape: Sequence[int]) -> Array:
        """Nested lists of numbers of exactly this shape, as float32."""
        return to_array(self, key, self._take(key, _MISSING), shape)


def check_integer(fields: Fields, key: str | int, value: Any, low: int, high: int) -> int:
    """`value` as a whole number within low … high, or BadModelFile naming the field."""
    if not is_number(value) or int(value) != value:
        raise fields.error(f"is {show(value)}, but a whole number was wanted", key)
    if not low <= value <= high:
        raise fields.error(f"is {show(value)}, but a whole number from {low} to {high} was wanted", key)
    return int(value)


def check_number(fields: Fields, key: str | int, value: Any, low: float, high: float) -> float:
    """`value` as a finite number within low … high, or BadModelFile naming the field."""
    if not is_number(value):
        raise fields.error(f"is {show(value)}, but a number was wanted", key)
    if not low <= value <= high:
        raise fields.error(f"is {show(value)}, but a number from {low:g} to {high:g} was wanted", key)
    return float(value)


def list_shape(value: Any) -> tuple[int, ...]:
    """Shape of nested lists as far as their first elements tell: [[1, 2]] → (1, 2)."""
    shape: tuple[int, ...] = ()
    while isinstance(value, list) and len(shape) < 4:
        shape += (len(value),)
        value = value[0] if value else None
    return shape


def to_array(fields: Fields, key: str | int, value: Any, shape: Sequence[int]) -> Array:
    """Nested lists of numbers of exactly `shape` as a float32 array; anything else is BadModelFile."""
    if list_shape(value) != tuple(shape):
        wanted, found = " × ".join(map(str, shape)), " × ".join(map(str, list_shape(value)))
        raise fields.error(f"is {found or show(value)}, but {wanted} numbers were wanted", key)
    rows = [value]
    for length in shape:
        if not all(isinstance(row, list) and len(row) == length for row in rows):
            raise fields.error(
                f"has rows of unequal length, but {' × '.join(map(str, shape))} numbers were wanted", key
            )
        rows = [inner for row in rows for inner in row]
    return flat_array(fields, key, rows).reshape(shape)


def flat_array(fields: Fields, key: str | int, values: list[Any]) -> Array:
    """A flat list of numbers as float32, all finite."""
    if len(values) > MAX_WEIGHTS:
        raise fields.error(f"has {len(values):,} numbers; more than {MAX_WEIGHTS:,} are never needed", key)
    if not set(map(type, values)) <= {int, float}:
        index = next(i for i, v in enumerate(values) if type(v) not in (int, float))
        raise fields.error(f"has {show(values[index])} at position {index}, where a number was wanted", key)
    try:
        exact = np.array(values, dtype=np.float64)
    except OverflowError:
        exact = np.array([np.inf])
    with np.errstate(over="ignore"):
        single = exact.astype(np.float32)
    if not np.isfinite(single).all():
        index = int(np.argmin(np.isfinite(single)))
        raise fields.error(f"is not a finite number at position {index} (NaN or infinity can't be played)", key)
    return single
