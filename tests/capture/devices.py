"""A guitar, a capture signal and devices to record, for tests: real models and a real cabinet, played by the engine."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from appliance.capture.signal import capture_signal
from appliance.engine.native_engine import NativeEngine
from appliance.formats.read import read_model
from appliance.paths import assets

Float32 = npt.NDArray[np.float32]
RATE_HZ = 48_000
CABINETS = ("4x12 Closed", "1x12 Open")


@cache
def guitar() -> Float32:
    """15 s of clean guitar."""
    return soundfile.read(assets("models") / "demo-guitar.wav", dtype="float32")[0]


@cache
def signal() -> Float32:
    """Our capture signal."""
    return capture_signal().astype(np.float32)


def played(model: str, audio: Float32, knob: float = 0.7) -> Float32:
    """Through a factory model, its knob (if any) at `knob`."""
    engine = NativeEngine(read_model(assets("models") / f"{model}.onnx"))
    knobs = np.full(engine.knob_count, knob, np.float32) if engine.knob_count else None
    return np.concatenate([engine.process(audio[at : at + 1024], knobs) for at in range(0, len(audio), 1024)])


@cache
def guitar_through(model: str) -> Float32:
    """The guitar through a factory model, or through a wire."""
    return guitar() if model == "wire" else played(model, guitar())


@cache
def signal_through(model: str) -> Float32:
    """The capture signal through a factory model."""
    return played(model, signal())


def lead() -> Float32:
    """The guitar through the most distorted of the models."""
    return guitar_through("lead-100")


def crunch() -> Float32:
    """The guitar through a milder one."""
    return guitar_through("crunch-50")


def through_cabinet(audio: Float32, cabinet: str = CABINETS[0]) -> Float32:
    """Filtered by a cabinet whose first tap is not zero."""
    response = soundfile.read(assets("models") / "cabinets" / f"{cabinet}.wav", dtype="float32")[0]
    size = 1 << (len(audio) + len(response)).bit_length()
    filtered = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(response, size), size)[: len(audio)]
    return (filtered * 0.5 / np.abs(filtered).max()).astype(np.float32)


def noisy(audio: Float32, below_db: float = 50.0, seed: int = 0) -> Float32:
    """With white noise so far below its RMS."""
    level = np.sqrt(np.mean(audio.astype(np.float64) ** 2)) * 10 ** (-below_db / 20)
    return (audio + np.random.default_rng(seed).normal(0, level, len(audio))).astype(np.float32)


def delayed(audio: Float32, frames: int) -> Float32:
    """Later by so many frames, or (negative) with its beginning cut off; as long as before."""
    if frames >= 0:
        return np.concatenate([np.zeros(frames, np.float32), audio])[: len(audio)]
    return np.concatenate([audio[-frames:], np.zeros(-frames, np.float32)])


def quiet(audio: Float32, peak: float = 0.5) -> Float32:
    """At a sensible recording level."""
    return (audio * (peak / np.abs(audio).max())).astype(np.float32)


def write(path: Path, audio: npt.NDArray[np.floating], rate_hz: int = RATE_HZ, subtype: str = "PCM_24") -> Path:
    """To disk."""
    soundfile.write(path, audio, rate_hz, subtype=subtype)
    return path
