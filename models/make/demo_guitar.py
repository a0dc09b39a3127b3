"""Make `models/demo-guitar.wav`: the loop that the demo sound card plays into the pedal.

    python models/make/demo_guitar.py

Eight bars in E minor: a soft riff, double stops, power chords, open chords, a bent lead, a rest. Played three times
over; the second time is kept, so that what still rings at the end also rings at the start.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import guitar
import numpy as np
import numpy.typing as npt
import soundfile
from guitar import Bend, Note, pushed, strum

BEATS_PER_MINUTE = 125  # a beat is 23 040 frames: a whole number of the synthesiser's 64-frame blocks
BEATS = 32
LOOP_FRAMES = BEATS * 60 * guitar.SAMPLE_RATE_HZ // BEATS_PER_MINUTE
PEAK_DB = -6.0
HISS_DB = -82.0  # RMS of the pickup's noise, so that a gate has work to do
HUM_DB = -80.0  # RMS at 50 Hz, harmonics below it
HUM_HZ = 50.0

LOW_E, A, D, G, B, HIGH_E = 40, 45, 50, 55, 59, 64


def riff() -> list[Note]:
    """Bars 1 and 2: single notes, soft to medium."""
    bar_1 = [(0, 0.9, LOW_E, 60), (1, 0.45, 52, 56), (1.5, 0.45, D, 58), (2, 0.9, 47, 62), (3, 0.45, A, 64)]
    bar_1 += [(3.5, 0.45, 43, 70)]
    bar_2 = [(4, 0.9, LOW_E, 78), (5, 0.3, LOW_E, 58), (5.5, 0.45, 47, 72), (6, 0.4, D, 76), (6.5, 0.4, 52, 82)]
    bar_2 += [(7, 0.9, G, 90)]
    return [Note(*note) for note in bar_1 + bar_2]


def double_stops() -> list[Note]:
    """Bar 3: two strings at a time."""
    pairs = [(8, 0.9, (B, HIGH_E), 84), (9, 0.45, (57, 62), 80), (9.5, 0.45, (B, HIGH_E), 86), (10, 0.9, (G, B), 90)]
    pairs += [(11, 0.45, (52, 57), 86), (11.5, 0.45, (D, G), 82)]
    return [note for start, beats, keys, velocity in pairs for note in strum(start, beats, keys, velocity)]


def chords() -> list[Note]:
    """Bars 4 to 6: hard power chords, then open chords from soft to hard."""
    shapes = [(12, 1.4, (LOW_E, 47, 52), 112), (13.5, 0.35, (LOW_E, 47, 52), 94), (14, 0.9, (43, D, G), 114)]
    shapes += [(15, 0.9, (A, 52, 57), 122), (16, 1.95, (LOW_E, 47, 52, G, B, HIGH_E), 66)]
    shapes += [(18, 1.95, (48, 52, G, 60, HIGH_E), 76), (20, 1.95, (43, 47, D, G, B, 67), 104)]
    shapes += [(22, 1.95, (D, 57, 62, 66), 96)]
    return [note for start, beats, keys, velocity in shapes for note in strum(start, beats, keys, velocity)]


def lead() -> tuple[list[Note], list[Bend]]:
    """Bars 7 and 8: the high strings with a full-tone bend, a vibrato, then a rest of a beat and a half."""
    phrase = [(24, 0.45, HIGH_E, 92), (24.5, 0.45, 67, 98), (25, 1.4, 69, 114), (26.5, 0.45, 67, 100)]
    phrase += [(27, 0.45, HIGH_E, 94), (27.5, 0.45, 62, 90), (28, 0.45, B, 104), (28.5, 0.45, 57, 92)]
    phrase += [(29, 1.5, 52, 110)]
    bends = [*pushed(25.1, 2.0, 0.35), Bend(26.45, 0.0)]
    bends += [Bend(29.4 + i / 24, 0.15 * (1 - np.cos(2 * np.pi * i / 12))) for i in range(25)]
    return [Note(*note, channel=guitar.LEAD_CHANNEL) for note in phrase], [*bends, Bend(31.0, 0.0)]


def pickup_noise(frames: int) -> npt.NDArray[np.float64]:
    """Hiss and mains hum that themselves loop: made of whole cycles of the loop."""
    rng = np.random.default_rng(1)
    frequency_hz = np.fft.rfftfreq(frames, 1 / guitar.SAMPLE_RATE_HZ)
    # A pickup and its cable are a low-pass at a few kHz.
    hiss_spectrum = rng.normal(size=(2, len(frequency_hz))).T @ np.array([1, 1j]) / (1 + (frequency_hz / 5000) ** 2)
    hiss = np.fft.irfft(hiss_spectrum, frames)
    time_s = np.arange(frames) / guitar.SAMPLE_RATE_HZ
    hum = sum(np.sin(2 * np.pi * HUM_HZ * n * time_s + n) / n**1.5 for n in (1, 2, 3, 5, 7, 9))
    return _at_rms_db(hiss, HISS_DB) + _at_rms_db(np.asarray(hum), HUM_DB)


def _at_rms_db(audio: npt.NDArray[np.float64], rms_db: float) -> npt.NDArray[np.float64]:
    scaled: npt.NDArray[np.float64] = audio * 10 ** (rms_db / 20) / np.sqrt(np.mean(audio**2))
    return scaled


def loop(soundfont: Path) -> npt.NDArray[np.float64]:
    """The loop, mono at 48 kHz, peak at PEAK_DB."""
    lead_notes, bends = lead()
    notes = [*riff(), *double_stops(), *chords(), *lead_notes]
    repeats = range(0, 3 * BEATS, BEATS)
    audio = guitar.render(
        [Note(n.start_beat + shift, n.beats, n.key, n.velocity, n.channel) for shift in repeats for n in notes],
        [Bend(b.beat + shift, b.semitones) for shift in repeats for b in bends],
        beats_per_minute=BEATS_PER_MINUTE,
        soundfont=soundfont,
    )
    once = audio[LOOP_FRAMES : 2 * LOOP_FRAMES]
    once = once - once.mean()
    return once * 10 ** (PEAK_DB / 20) / np.abs(once).max() + pickup_noise(LOOP_FRAMES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soundfont", type=Path, default=guitar.SOUNDFONT)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "demo-guitar.wav")
    options = parser.parse_args()
    soundfile.write(options.out, loop(options.soundfont), guitar.SAMPLE_RATE_HZ, subtype="PCM_16")
    print(f"{options.out}: {LOOP_FRAMES} frames, {LOOP_FRAMES / guitar.SAMPLE_RATE_HZ:.2f} s")


if __name__ == "__main__":
    main()
