"""Our capture signal: what is played into a device so that a network can learn it (`layout.OWN` says where is what).

Blips to align by at both ends (which also shows clocks that drift), the same passage near both ends (which shows a
knob that was moved), sweeps, noise and plucked strings at many levels from a breath to full scale, silence to hear the
device's noise in. numpy only, and the same on every machine but for the last bit.
"""

from __future__ import annotations

import numpy as np

from appliance.capture.layout import OWN
from appliance.capture.plucks import RATE_HZ, Float64, Pluck, render

# Soft at its edges, so that a copy at another sample rate does not ring ahead of it.
BLIP = 0.9 * np.convolve(np.ones(5), [0.25, 0.5, 0.25])
_PEAK = 0.97
_SWEEPS = ((13.0, -1.0), (15.0, -18.0), (17.0, -36.0))  # from, level in dB; two seconds each
_SWEEP_S = 2.0
_SWEEP_HZ = (20.0, 16_000.0)
_NOISE_FROM_S, _NOISE_STEP_S, _NOISE_STEPS = 19.0, 0.25, 24
_MUSIC = (27.0, 155.5)  # from, to; then half a second to ring out
_PHRASE_S = 2.0
_OPEN_STRINGS = (40, 45, 50, 55, 59, 64)
_SCALE = (0, 3, 5, 7, 10)
_CHORDS = ((0, 7, 12, 16, 19, 24), (0, 7, 12, 15, 19, 24), (0, 7, 10, 16, 19), (0, 7, 12), (0, 5, 12))
_KINDS = ("low notes", "palm mute", "chord", "high notes", "power chords", "bends", "run", "double stops", "arpeggio")
_PHRASE_PEAKS_DB = (-1.0, -6.0, -12.0, -3.0, -20.0, -9.0, -30.0, -2.0)


def capture_signal() -> Float64:
    """The whole signal: float64 mono at RATE_HZ, full scale ±1, `OWN.seconds` long. May block (a second or two)."""
    signal = np.zeros(round(OWN.seconds * RATE_HZ))
    for index, at_s in enumerate(OWN.blips):
        _put(signal, at_s, BLIP if index % 2 == 0 else -BLIP)
    passage = _music(1, OWN.repeat[0][1] - OWN.repeat[0][0] - 0.25, phrase_s=0.97)
    for span in OWN.repeat:
        _put(signal, span[0], passage)
    for at_s, level_db in _SWEEPS:
        _put(signal, at_s, _sweep(level_db))
    _put(signal, _NOISE_FROM_S, _noise_steps(2))
    _put(signal, _MUSIC[0], _music(3, _MUSIC[1] - _MUSIC[0]))
    (test,) = OWN.test
    _put(signal, test[0], _music(4, test[1] - test[0] - 0.25, phrase_s=1.08))
    return signal


def _put(signal: Float64, at_s: float, part: Float64) -> None:
    start = round(at_s * RATE_HZ)
    signal[start : start + len(part)] += part


def _sweep(level_db: float) -> Float64:
    time_s = np.arange(round(_SWEEP_S * RATE_HZ)) / RATE_HZ
    low, high = _SWEEP_HZ
    octaves = np.log(high / low)
    phase = 2 * np.pi * low * _SWEEP_S / octaves * (np.exp(time_s / _SWEEP_S * octaves) - 1.0)
    fade = np.clip(np.minimum(time_s, _SWEEP_S - time_s) / 0.02, 0.0, 1.0)
    sweep: Float64 = np.sin(phase) * fade * 10 ** (level_db / 20)
    return sweep


def _noise_steps(seed: int) -> Float64:
    """Noise with the highs of a guitar, in steps of random loudness: −60 … −3 dB peak."""
    rng = np.random.RandomState(seed)
    frames = round(_NOISE_STEP_S * RATE_HZ)
    levels_db = rng.permutation(np.linspace(-60.0, -3.0, _NOISE_STEPS))
    noise = rng.uniform(-1.0, 1.0, frames * _NOISE_STEPS + 24)
    soft = np.convolve(noise, np.hanning(26)[1:-1], "valid")[: frames * _NOISE_STEPS].reshape(_NOISE_STEPS, frames)
    soft *= 10 ** (levels_db[:, None] / 20) / np.abs(soft).max(axis=1, keepdims=True)
    return soft.ravel()


def _music(seed: int, seconds: float, phrase_s: float = _PHRASE_S) -> Float64:
    """Phrases of every kind, one after the other, each at its own loudness; faded out in the last tenth of a second."""
    rng = np.random.RandomState(seed)
    music = np.zeros(round(seconds * RATE_HZ))
    kinds = [*_KINDS] * (int(seconds / phrase_s) // len(_KINDS) + 1)
    for index in range(int(seconds / phrase_s)):
        plucks = _phrase(kinds[index], phrase_s, rng)
        phrase = render(plucks, phrase_s + 0.15, rng)
        loud_db = _PHRASE_PEAKS_DB[index % len(_PHRASE_PEAKS_DB)] + rng.uniform(-1.0, 0.0)
        phrase *= _PEAK * 10 ** (loud_db / 20) / float(np.abs(phrase).max())
        start = round(index * phrase_s * RATE_HZ)
        music[start : start + len(phrase)] += phrase[: len(music) - start]
    music *= min(1.0, _PEAK / float(np.abs(music).max()))
    fade = round(0.1 * RATE_HZ)
    music[-fade:] *= np.linspace(1.0, 0.0, fade)
    return music


def _phrase(kind: str, seconds: float, rng: np.random.RandomState) -> list[Pluck]:
    """The strings of one phrase; `kind` is one of _KINDS."""
    root = 40 + rng.randint(0, 13)
    notes = {"run": 8, "palm mute": 8, "low notes": 4, "high notes": 4, "double stops": 3, "arpeggio": 6}.get(kind, 2)
    step_s = seconds / notes
    plucks: list[Pluck] = []
    for index in range(notes):
        at_s, strength = index * step_s, float(rng.uniform(0.25, 1.0))
        degree = _SCALE[rng.randint(0, len(_SCALE))]
        if kind == "low notes":
            plucks.append(Pluck(at_s, step_s * 1.1, root + degree, strength))
        elif kind == "high notes":
            plucks.append(Pluck(at_s, step_s * 1.1, 60 + rng.randint(0, 17) + degree, strength))
        elif kind == "run":
            plucks.append(Pluck(at_s, step_s, root + 12 + degree + 12 * (index % 2), strength))
        elif kind == "palm mute":
            shape = (0, 7) if index % 3 == 0 else (0,)
            plucks += [Pluck(at_s, step_s, _OPEN_STRINGS[index // 4] + part, strength, True) for part in shape]
        elif kind == "bends":
            plucks.append(Pluck(at_s, step_s, root + 19 + degree, strength, bend_semitones=float(rng.randint(1, 4))))
        elif kind == "double stops":
            plucks += [Pluck(at_s, step_s, root + 12 + degree + part, strength) for part in (0, 5)]
        elif kind == "arpeggio":
            chord = _CHORDS[rng.randint(0, 2)]
            plucks.append(Pluck(at_s, seconds - at_s, root + chord[index % len(chord)], strength))
        else:
            chord = (0, 7, 12) if kind == "power chords" else _CHORDS[rng.randint(0, len(_CHORDS))]
            strum_s = float(rng.uniform(0.004, 0.03))
            plucks += [
                Pluck(at_s + i * strum_s, step_s - i * strum_s, root + part, strength) for i, part in enumerate(chord)
            ]
    return plucks
