"""Notes and tunings by name. Pure. Notes are MIDI numbers: 69 is A4, 12 to the octave."""

from __future__ import annotations

import math
from collections.abc import Mapping

_NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
A4 = 69


def note_name(note: int) -> str:
    """69 → "A4"."""
    return f"{_NAMES[note % 12]}{note // 12 - 1}"


def note_number(name: str) -> int:
    """ "E2" → 40, "F#2" and "F♯2" → 42, "Eb2" → 39. Raises ValueError."""
    letter, rest = name[:1], name[1:]
    shift = 0
    while rest[:1] in ("#", "♯", "b", "♭") and rest:
        shift += 1 if rest[0] in "#♯" else -1
        rest = rest[1:]
    if letter not in _STEPS:
        raise ValueError(f"{name!r} is not a note such as E2 or F#2")
    return 12 * (int(rest) + 1) + _STEPS[letter] + shift


def note_hz(note: float, reference_hz: float = 440.0) -> float:
    """Frequency of a note, equally tempered from A4."""
    return reference_hz * math.pow(2.0, (note - A4) / 12.0)


def nearest_note(frequency_hz: float, reference_hz: float = 440.0) -> tuple[int, float]:
    """The nearest note and how many cents the frequency lies above it (−50 … 50)."""
    exact = A4 + 12.0 * math.log2(frequency_hz / reference_hz)
    note = round(exact)
    return note, 100.0 * (exact - note)


def _strings(names: str) -> tuple[int, ...]:
    return tuple(note_number(name) for name in names.split())


# The strings from the lowest, by the name that the page shows. The key is what `set` takes.
TUNINGS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "chromatic": ("Chromatic", ()),
    "standard": ("Standard", _strings("E2 A2 D3 G3 B3 E4")),
    "drop-d": ("Drop D", _strings("D2 A2 D3 G3 B3 E4")),
    "half-step-down": ("Half step down", _strings("Eb2 Ab2 Db3 Gb3 Bb3 Eb4")),
    "drop-c-sharp": ("Drop C♯", _strings("C#2 G#2 C#3 F#3 A#3 D#4")),
    "whole-step-down": ("Whole step down", _strings("D2 G2 C3 F3 A3 D4")),
    "drop-c": ("Drop C", _strings("C2 G2 C3 F3 A3 D4")),
    "drop-b": ("Drop B", _strings("B1 F#2 B2 E3 G#3 C#4")),
    "drop-a": ("Drop A", _strings("A1 E2 A2 D3 F#3 B3")),
    "dadgad": ("DADGAD", _strings("D2 A2 D3 G3 A3 D4")),
    "open-g": ("Open G", _strings("D2 G2 D3 G3 B3 D4")),
    "seven-string": ("Seven strings", _strings("B1 E2 A2 D3 G3 B3 E4")),
    "bass": ("Bass", _strings("E1 A1 D2 G2")),
    "bass-drop-d": ("Bass drop D", _strings("D1 A1 D2 G2")),
    "bass-five": ("Bass, five strings", _strings("B0 E1 A1 D2 G2")),
}


def nearest_string(frequency_hz: float, tuning: str, reference_hz: float = 440.0) -> tuple[int, int, float] | None:
    """Of a tuning: (number of the string as players count, from the highest; its note; cents above it). None: a tuning
    without strings."""
    strings = TUNINGS[tuning][1]
    if not strings:
        return None
    exact = A4 + 12.0 * math.log2(frequency_hz / reference_hz)
    index = min(range(len(strings)), key=lambda at: abs(exact - strings[at]))
    return len(strings) - index, strings[index], 100.0 * (exact - strings[index])
