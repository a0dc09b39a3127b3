"""Make `models/cabinets/*.wav`: two guitar loudspeakers of our own, drawn rather than measured.

    python models/make/cabinets.py

A target magnitude (octave by octave, what a guitar speaker in such a box plausibly does, with seeded ripples from cone
break-up) → minimum phase by the real cepstrum → a few early reflections → fade-out → level. Minimum phase keeps the
cabinet free of latency.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

Audio = npt.NDArray[np.float64]

RATE_HZ = 48_000
FFT_FRAMES = 1 << 16
GUITAR_BAND_HZ = (80.0, 5000.0)  # the mean gain over this band, octave-weighted, is set to 0 dB


@dataclass(frozen=True)
class Cabinet:
    """A loudspeaker's shape. `curve`: (Hz, dB) corner points, joined smoothly over log frequency."""

    name: str
    seed: int
    curve: tuple[tuple[float, float], ...]
    ripple_db: float  # RMS of the irregularities, growing from 800 Hz up
    reflections: tuple[tuple[float, float], ...]  # (ms, gain): floor, box walls
    length_ms: float


CLOSED = Cabinet(
    name="4x12 Closed",
    seed=412,
    curve=(
        *((10, -60), (30, -34), (55, -13), (80, -2), (110, 4.5), (150, 2.5), (240, -1), (400, -5), (600, -3)),
        *((1000, -1), (1600, 1), (2300, 4.5), (3100, 5.5), (4000, 2.5), (5000, -5), (6300, -18), (8000, -31)),
        *((12000, -45), (24000, -60)),
    ),
    ripple_db=1.6,
    reflections=((1.15, 0.16), (2.9, -0.10), (5.3, 0.06), (9.7, 0.03)),
    length_ms=50,
)
OPEN = Cabinet(
    name="1x12 Open",
    seed=112,
    curve=(
        *((10, -60), (40, -30), (70, -14), (100, -4), (140, 1.5), (200, 2), (320, 0), (480, -2.5), (750, -1)),
        *((1200, 0), (1800, 1.5), (2600, 4), (3500, 4.5), (4500, 2), (5500, -4), (7000, -14), (9000, -25)),
        *((13000, -38), (24000, -55)),
    ),
    ripple_db=1.3,
    reflections=((0.85, -0.22), (2.1, 0.09), (4.4, 0.08), (7.6, -0.03)),  # the first is the back of the cone
    length_ms=40,
)


def magnitude_db(cabinet: Cabinet, frequency_hz: Audio) -> Audio:
    """Target response at the given frequencies."""
    octave = np.log2(np.maximum(frequency_hz, 5.0))
    corners = np.array(cabinet.curve)
    grid = np.arange(octave.min() - 1, octave.max() + 1, 1 / 48)
    straight = np.interp(grid, np.log2(corners[:, 0]), corners[:, 1])
    rng = np.random.default_rng(cabinet.seed)
    ripple = _smooth(rng.normal(size=len(grid)), octaves=0.06)
    ripple *= cabinet.ripple_db / ripple.std() / (1 + (800 / 2**grid) ** 2)
    return np.interp(octave, grid, _smooth(straight, octaves=0.12) + ripple)


def _smooth(values: Audio, octaves: float) -> Audio:
    width = octaves * 48
    reach = int(4 * width)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    padded = np.pad(values, reach, mode="edge")
    return np.convolve(padded, bell / bell.sum(), "valid")


def minimum_phase(magnitude: Audio) -> Audio:
    """Impulse response with this magnitude (FFT_FRAMES/2 + 1 points) and all energy as early as can be.

    Source: Oppenheim & Schafer, the folded real cepstrum.
    """
    cepstrum = np.fft.irfft(np.log(magnitude))
    half = FFT_FRAMES // 2
    cepstrum[1:half] *= 2
    cepstrum[half + 1 :] = 0
    return np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))


def impulse_response(cabinet: Cabinet) -> Audio:
    """The cabinet as (frames,) at 48 kHz, mean gain over the guitar band 0 dB."""
    frequency_hz = np.fft.rfftfreq(FFT_FRAMES, 1 / RATE_HZ)
    speaker = minimum_phase(10 ** (magnitude_db(cabinet, frequency_hz) / 20))
    frames = round(cabinet.length_ms * RATE_HZ / 1000)
    response = speaker[:frames].copy()
    for delay_ms, gain in cabinet.reflections:
        delay = round(delay_ms * RATE_HZ / 1000)
        response[delay:] += gain * speaker[: frames - delay]
    fade = frames // 3
    response[-fade:] *= 0.5 * (1 + np.cos(np.pi * np.arange(1, fade + 1) / fade))
    return response * 10 ** (-mean_gain_db(response) / 20)


def mean_gain_db(response: Audio) -> float:
    """Power mean of the response over the guitar band, every octave counting the same."""
    frequency_hz = np.geomspace(*GUITAR_BAND_HZ, 400)
    power = np.interp(
        frequency_hz, np.fft.rfftfreq(FFT_FRAMES, 1 / RATE_HZ), np.abs(np.fft.rfft(response, FFT_FRAMES)) ** 2
    )
    return float(10 * np.log10(power.mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "cabinets")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for cabinet in (CLOSED, OPEN):
        response = impulse_response(cabinet)
        path = folder / f"{cabinet.name}.wav"
        soundfile.write(path, response, RATE_HZ, subtype="PCM_24")
        print(f"{path}: {len(response)} frames, peak {np.abs(response).max():.3f}")


if __name__ == "__main__":
    main()
