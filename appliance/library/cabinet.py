"""Cabinet impulse responses: read, bring to the pedal's rate, tell how loud they are. May block; not for strangers'
files in a process that matters (`check.py` reads those in a child).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from appliance.errors import BadAudioFile

Float32 = npt.NDArray[np.float32]

MAX_FRAMES = 1 << 20
MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 384_000
MAX_SECONDS = 1.0
_FADE_S = 0.02  # over the end of a response that had to be cut
_ONSET_DB = -60.0  # against the peak: what the resampler's filter rings before the onset and is worth keeping
_MAX_ONSET_FRAMES = 24  # half a millisecond at 48 kHz: the most that resampling may delay the sound
_PADDING_FRAMES = 64


def read_impulse_response(path: Path, name: str | None = None) -> tuple[Float32, int, int]:
    """Read a WAV or FLAC file as an impulse response: (float32 mono, rate in Hz, channels that the file had).

    Stereo is mixed to mono; where the two sides cancel each other the left one is taken. `name` is for messages.
    Raises BadAudioFile: not audio, empty, too long, silent, damaged, more than two channels, an absurd rate.
    """
    import soundfile  # here, because the panel imports this module and must start without it

    shown = name or path.name
    try:
        with soundfile.SoundFile(path) as file:
            if file.format not in ("WAV", "WAVEX", "RF64", "FLAC"):
                raise BadAudioFile(f"{shown} is {file.format} audio; an impulse response is a WAV or FLAC file")
            rate_hz, channels, frames = int(file.samplerate), int(file.channels), int(file.frames)
            _check_size(shown, rate_hz, channels, frames)
            audio: Float32 = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError, OSError) as error:
        if isinstance(error, BadAudioFile):
            raise
        raise BadAudioFile(f"{shown} can't be read as audio ({error}): choose a WAV or FLAC file") from error
    if len(audio) != frames or frames == 0:
        raise BadAudioFile(f"{shown} promises {frames} frames and holds {len(audio)}: download or export it again")
    if not np.isfinite(audio).all():
        raise BadAudioFile(f"{shown} holds values that are not numbers (NaN or infinity): export it again")
    mono = _mix(audio)
    if not np.any(np.abs(mono) > 1e-9):
        raise BadAudioFile(f"{shown} is silent: an impulse response that is all zeros would mute the pedal")
    return mono, rate_hz, channels


def resample_ir(samples: Float32, from_hz: int, to_hz: int) -> Float32:
    """The response at another rate, so that convolution with it filters in the same way.

    float32 (frames,) in and out. The values are scaled by from/to, since a sum over more samples must come to the same.
    At most `MAX_SECONDS` long, the cut end faded. Where the response begins within its first samples, up to half a
    millisecond of the resampler's ringing before the onset is kept: without it the highs would be wrong.
    """
    if from_hz == to_hz:
        return _cut(samples, to_hz)
    import soxr

    step = math.gcd(from_hz, to_hz)
    repeats = math.ceil(_PADDING_FRAMES / min(from_hz // step, to_hz // step))
    pad_in, pad_out = repeats * from_hz // step, repeats * to_hz // step  # the same whole time on both sides
    padded = np.pad(_cut(samples, from_hz), (pad_in, pad_in))
    result: Float32 = soxr.resample(padded, from_hz, to_hz, quality="VHQ").astype(np.float32, copy=False)
    threshold = float(np.abs(result).max()) * 10.0 ** (_ONSET_DB / 20.0)
    onset = int(np.argmax(np.abs(result) > threshold))
    begin = min(pad_out, max(onset, pad_out - _MAX_ONSET_FRAMES))
    length = math.ceil(len(samples) * to_hz / from_hz) + (pad_out - begin) + _MAX_ONSET_FRAMES
    return _cut(result[begin : begin + length] * np.float32(from_hz / to_hz), to_hz)


def cabinet_gain_db(samples: Float32, rate_hz: int) -> float:
    """Level change in dB that the response makes to a guitar: its power gain over 80 Hz … 6 kHz on pink noise.

    Impulse responses come peak-normalised or not, tens of dB apart; the pedal takes this figure off.
    """
    size = max(1 << 14, 1 << (len(samples) - 1).bit_length())
    power = np.abs(np.fft.rfft(samples.astype(np.float64), size)) ** 2
    frequency_hz = np.fft.rfftfreq(size, 1.0 / rate_hz)
    heard = (frequency_hz >= 80.0) & (frequency_hz <= 6_000.0)
    weight = 1.0 / frequency_hz[heard]
    gain = float(np.sum(power[heard] * weight) / np.sum(weight))
    return 10.0 * math.log10(max(gain, 1e-20))


def prepare_cabinet(samples: Float32, from_hz: int, to_hz: int) -> Float32:
    """What the pedal plays: at its rate, and neither louder nor quieter than no cabinet (`cabinet_gain_db` = 0)."""
    ready = resample_ir(samples, from_hz, to_hz)
    return (ready * np.float32(10.0 ** (-cabinet_gain_db(ready, to_hz) / 20.0))).astype(np.float32, copy=False)


def _check_size(name: str, rate_hz: int, channels: int, frames: int) -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise BadAudioFile(f"{name} is at {rate_hz} Hz; the pedal takes {MIN_RATE_HZ} … {MAX_RATE_HZ} Hz")
    if channels > 2:
        raise BadAudioFile(f"{name} has {channels} channels; an impulse response has one or two: export one of them")
    if frames < 1:
        raise BadAudioFile(f"{name} holds no audio: download or export it again")
    if frames > MAX_FRAMES:
        raise BadAudioFile(
            f"{name} is {frames / rate_hz:.0f} s long ({frames} frames), the limit is {MAX_FRAMES} frames: "
            "impulse responses are shorter than a second; is this a recording?"
        )


def _mix(audio: Float32) -> Float32:
    if audio.shape[1] == 1:
        return np.ascontiguousarray(audio[:, 0])
    mono: Float32 = audio.mean(axis=1, dtype=np.float32)
    cancelled = np.sqrt(np.mean(mono**2)) < 0.1 * np.sqrt(np.mean(audio**2))
    return np.ascontiguousarray(audio[:, 0]) if cancelled and np.any(audio[:, 0]) else mono


def _cut(samples: Float32, rate_hz: int) -> Float32:
    longest = int(MAX_SECONDS * rate_hz)
    if len(samples) <= longest:
        return samples
    fade = int(_FADE_S * rate_hz)
    result = samples[:longest].copy()
    result[-fade:] *= np.cos(np.linspace(0.0, np.pi / 2, fade, dtype=np.float32)) ** 2
    return result
