"""A recording as it lies on disk → mono, with everything that was noticed on the way. The file is never changed.

What can only be seen in the file itself (empty sides, clipping) is seen here, before any resampling.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from appliance.errors import BadAudioFile

Float32 = npt.NDArray[np.float32]

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 384_000
SILENT_DB = -80.0  # peak below this: nothing was recorded
_EMPTY_SIDE = 10 ** (-50.0 / 20)  # a side this far below the other holds crosstalk, not sound
_SAME_SIDES = 0.995
_FULL_SCALE = 0.985
_CLIP_RUN_FRAMES = 3
_CLIP_STEP = 4e-5  # flat to within a step of 16 bits


@dataclass(frozen=True)
class Clipping:
    """Flat tops at the highest value there is. at_s: the first few places; share: of all frames."""

    frames: int
    share: float
    at_s: tuple[float, ...]
    is_full_scale: bool


@dataclass(frozen=True)
class Recording:
    """Mono audio of one file. notes: what was found and done, in words for the player."""

    path: Path
    audio: Float32
    rate_hz: int
    clipping: Clipping
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.audio) / self.rate_hz

    @property
    def peak_db(self) -> float:
        """Highest absolute value in dBFS; -200 for digital silence."""
        return decibel(float(np.abs(self.audio).max(initial=0.0)))


def read_recording(path: Path) -> Recording:
    """Read any audio file that libsndfile reads. Raises BadAudioFile. May block."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate_hz = int(file.samplerate)
            sides: Float32 = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError, OSError) as error:
        if not path.exists():
            raise BadAudioFile(f"{path} does not exist: check its name.") from error
        raise BadAudioFile(
            f"{path} can't be read as audio ({error}): export it as WAV (16, 24 or 32 bit) or FLAC."
        ) from error
    if not len(sides):
        raise BadAudioFile(f"{path} holds no audio: record or export it again.")
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise BadAudioFile(f"{path} is at {rate_hz} Hz; {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are read: use 48000 Hz.")
    if not np.isfinite(sides).all():
        raise BadAudioFile(f"{path} holds values that are not numbers (NaN or infinity): export it again.")
    mono, notes = to_mono(sides, path.name)
    return Recording(path, mono, rate_hz, find_clipping(mono, rate_hz), notes)


def to_mono(sides: Float32, name: str) -> tuple[Float32, tuple[str, ...]]:
    """The one signal in [frames, channels] and what was done, in words.

    Sides that are alike are averaged. Otherwise the loudest is taken: mixing two microphones, or a wet and a dry side,
    would make a comb filter that the device never had.
    """
    if sides.shape[1] == 1:
        return np.ascontiguousarray(sides[:, 0]), ()
    power = np.sqrt(np.mean(sides.astype(np.float64) ** 2, axis=0))
    loudest = int(np.argmax(power))
    used = [int(side) for side in np.flatnonzero(power > power[loudest] * _EMPTY_SIDE)]
    label = f"{name} has {sides.shape[1]} channels"
    if len(used) <= 1:
        return np.ascontiguousarray(sides[:, loudest]), (
            f"{label} and only number {loudest + 1} has sound: it is used.",
        )
    reference = sides[:, loudest].astype(np.float64)
    alike = [
        float(np.dot(reference, sides[:, side])) / (len(reference) * power[loudest] * power[side]) for side in used
    ]
    if min(alike) > _SAME_SIDES:
        mean: Float32 = sides[:, used].mean(axis=1, dtype=np.float32)
        if all(np.array_equal(sides[:, side], sides[:, loudest]) for side in used):
            return mean, (f"{label} with the same sound in each.",)
        return mean, (f"{label} with nearly the same sound: their mean is used.",)
    why = "the other is its mirror image" if min(alike) < -_SAME_SIDES else "they differ"
    return np.ascontiguousarray(sides[:, loudest]), (
        f"{label} and {why}: number {loudest + 1}, the loudest, is used. Export another one as mono if that is wrong.",
    )


def find_clipping(audio: Float32, rate_hz: int) -> Clipping:
    """Runs of frames that lie flat at the file's highest value; twice at least, for one may be chance."""
    peak = float(np.abs(audio).max(initial=0.0))
    if peak <= 0.0:
        return Clipping(0, 0.0, (), False)
    flat = np.abs(audio) >= peak - _CLIP_STEP
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flat, [False])).astype(np.int8)))
    starts, stops = edges[::2], edges[1::2]
    is_run = stops - starts >= _CLIP_RUN_FRAMES
    starts, stops = starts[is_run], stops[is_run]
    if len(starts) < 2:
        return Clipping(0, 0.0, (), False)
    frames = int((stops - starts).sum())
    at_s = tuple(dict.fromkeys(round(start / rate_hz, 1) for start in starts.tolist()))[:3]
    return Clipping(frames, frames / len(audio), at_s, peak >= _FULL_SCALE)


def resampled(recording: Recording, rate_hz: float, to_hz: int) -> Recording:
    """The recording at another rate. rate_hz: what its rate truly is (a drifting clock's is not a whole number)."""
    if rate_hz == to_hz:
        return recording
    import soxr

    audio: Float32 = soxr.resample(recording.audio, rate_hz, to_hz, quality="VHQ").astype(np.float32, copy=False)
    return replace(recording, audio=audio, rate_hz=to_hz)


def decibel(ratio: float) -> float:
    """Of an amplitude; not below -200."""
    return float(20.0 * np.log10(max(ratio, 1e-10)))


def rms(audio: Float32) -> float:
    """Root of the mean square; 0 for nothing."""
    return float(np.sqrt(np.mean(audio.astype(np.float64) ** 2))) if len(audio) else 0.0
