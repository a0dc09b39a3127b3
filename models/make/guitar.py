"""A clean electric guitar, straight from the pickup: notes → MIDI → FluidR3's sampled guitar → mono float32.

Used by `demo_guitar.py` (what the demo card plays) and `train_factory.py` (what the factory models hear). Needs the
program `fluidsynth` and the soundfont FluidR3_GM.sf2 (MIT licence; Debian: fluidsynth, fluid-soundfont-gm).
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

SAMPLE_RATE_HZ = 48_000
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
CLEAN_GUITAR = 27  # General MIDI programs, from 0
TICKS_PER_BEAT = 480
STRUM_BEATS = 0.025
LEAD_CHANNEL = 1  # bends move a whole MIDI channel, so the lead has its own


@dataclass(frozen=True)
class Note:
    """One plucked string. Beats from the start; key 40 is the low E string; velocity 1…127."""

    start_beat: float
    beats: float
    key: int
    velocity: int
    channel: int = 0


@dataclass(frozen=True)
class Bend:
    """The lead's string pushed `semitones` sharp (0…2) from this beat on."""

    beat: float
    semitones: float


def strum(start_beat: float, beats: float, keys: Iterable[int], velocity: int) -> list[Note]:
    """A chord, low string first, each later string a little later and softer."""
    return [
        Note(start_beat + i * STRUM_BEATS, beats - i * STRUM_BEATS, key, max(1, velocity - 2 * i))
        for i, key in enumerate(keys)
    ]


def pushed(start_beat: float, semitones: float, over_beats: float, steps: int = 12) -> list[Bend]:
    """A bend from the fretted pitch up to `semitones`, reached `over_beats` later."""
    return [Bend(start_beat + over_beats * i / steps, semitones * i / steps) for i in range(1, steps + 1)]


def _variable_length(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | (value & 0x7F))
    return bytes(reversed(out))


def midi_file(notes: Iterable[Note], bends: Iterable[Bend], beats_per_minute: float, program: int) -> bytes:
    """A standard MIDI file, format 0 (Standard MIDI Files 1.0, MMA)."""
    events: list[tuple[int, int, bytes]] = []  # tick, order within the tick (ends before starts), message
    for note in notes:
        start, end = (round(beat * TICKS_PER_BEAT) for beat in (note.start_beat, note.start_beat + note.beats))
        events.append((start, 2, bytes([0x90 | note.channel, note.key, note.velocity])))
        events.append((end, 0, bytes([0x80 | note.channel, note.key, 64])))
    for bend in bends:
        wheel = min(16383, 8192 + round(bend.semitones / 2 * 8191))
        events.append((round(bend.beat * TICKS_PER_BEAT), 1, bytes([0xE0 | LEAD_CHANNEL, wheel & 0x7F, wheel >> 7])))
    tempo_us = round(60e6 / beats_per_minute)
    track = b"\x00\xff\x51\x03" + tempo_us.to_bytes(3, "big")
    for channel in (0, LEAD_CHANNEL):
        track += bytes([0, 0xC0 | channel, program])
    now = 0
    for tick, _, message in sorted(events):
        track += _variable_length(tick - now) + message
        now = tick
    track += _variable_length(4 * TICKS_PER_BEAT) + b"\xff\x2f\x00"
    header = b"MThd" + (6).to_bytes(4, "big") + b"\x00\x00\x00\x01" + TICKS_PER_BEAT.to_bytes(2, "big")
    return header + b"MTrk" + len(track).to_bytes(4, "big") + track


def render(
    notes: Iterable[Note],
    bends: Iterable[Bend] = (),
    *,
    beats_per_minute: float,
    program: int = CLEAN_GUITAR,
    soundfont: Path = SOUNDFONT,
) -> npt.NDArray[np.float64]:
    """Play the notes dry (no reverb, no chorus). Returns mono (frames,) at 48 kHz, not normalised."""
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder) / "guitar.mid", Path(folder) / "guitar.wav"
        midi.write_bytes(midi_file(notes, bends, beats_per_minute, program))
        options = ["-q", "-n", "-i", "-R", "0", "-C", "0", "-g", "0.3", "-r", str(SAMPLE_RATE_HZ)]
        options += ["-T", "wav", "-O", "float", "-F", str(wav)]
        subprocess.run(["fluidsynth", *options, str(soundfont), str(midi)], check=True, stdout=subprocess.DEVNULL)
        audio, rate = soundfile.read(wav, always_2d=True)
    if rate != SAMPLE_RATE_HZ:
        raise RuntimeError(f"fluidsynth wrote {rate} Hz, wanted {SAMPLE_RATE_HZ} Hz")
    mono: npt.NDArray[np.float64] = audio.mean(axis=1)
    return mono
