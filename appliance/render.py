"""Offline: a model, a recording and perhaps a cabinet → a recording, through the very chain that plays live."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from appliance.bridge.layout import ControlsPayload, Flag
from appliance.engine._native import RECURRENT_SETTLE_FRAMES, Pedal
from appliance.engine.contract import Float32
from appliance.engine.engines import make_engine
from appliance.engine.packing import pack_model, pack_patch
from appliance.engine.rates import plan_rates, sentences
from appliance.errors import BadAudioFile, BadRequest, StorageError
from appliance.formats.description import Description, receptive_field_frames
from appliance.library.cabinet import prepare_cabinet, read_impulse_response
from appliance.library.loudness import model_loudness_db, normalise_gain_db
from appliance.spelling import nearest

MIN_BLOCK_FRAMES = 1
MAX_BLOCK_FRAMES = 8192
_FORMATS = {".wav": "PCM_24", ".flac": "PCM_24"}


@dataclass(frozen=True)
class RenderSettings:
    """What a player would set on the pedal. Levels in dB, knobs in the model's own units, by name."""

    knobs: dict[str, float] = field(default_factory=dict)
    cabinet: Path | None = None
    engine: str = "native"
    block_frames: int = 64
    normalise: bool = True
    input_gain_db: float = 0.0
    gate_threshold_db: float = -120.0
    level_db: float = 0.0
    oversample: int = 1  # 1, 2 or 4; native engine only


def read_audio(path: Path) -> tuple[Float32, int, list[str]]:
    """A recording as float32 mono, its rate in Hz, and notes on what was done to it. May block.

    Of a stereo file the louder channel is taken: a guitar recorded on one side is the usual case.
    Raises BadAudioFile.
    """
    import soundfile

    try:
        audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise BadAudioFile(f"{path} can't be read as audio ({error}); WAV and FLAC files can.") from error
    if not len(audio):
        raise BadAudioFile(f"{path} holds no audio: record or export it again.")
    if not 8_000 <= rate_hz <= 384_000:
        raise BadAudioFile(f"{path} is at {rate_hz} Hz; 8000 to 384000 Hz can be played: export it at 48000 Hz.")
    if not np.isfinite(audio).all():
        raise BadAudioFile(f"{path} holds values that are not numbers (NaN or infinity): export it again.")
    if audio.shape[1] == 1:
        return np.ascontiguousarray(audio[:, 0]), int(rate_hz), []
    channel = int(np.argmax((audio.astype(np.float64) ** 2).sum(axis=0)))
    note = f"{path.name} has {audio.shape[1]} channels: number {channel + 1}, the loudest, is played."
    return np.ascontiguousarray(audio[:, channel]), int(rate_hz), [note]


def write_audio(path: Path, audio: Float32, rate_hz: int) -> None:
    """Write float32 mono as 24-bit WAV or FLAC, by the file's name. Raises BadRequest, StorageError."""
    import soundfile

    if path.suffix.lower() not in _FORMATS:
        raise BadRequest(f"{path.name}: the output is written as WAV or FLAC; end its name in .wav or .flac.")
    try:
        soundfile.write(path, audio, rate_hz, subtype=_FORMATS[path.suffix.lower()])
    except (soundfile.LibsndfileError, OSError) as error:
        raise StorageError(f"{path} can't be written: {error}. Is the folder there, and writable?") from error


def knob_values(description: Description, wanted: dict[str, float]) -> list[float]:
    """A value for each of the model's knobs: what is wanted (names in any case), else its default.

    Raises BadRequest for a name the model has not, or a value beyond the knob's range.
    """
    by_name = {knob.name.casefold(): index for index, knob in enumerate(description.knobs)}
    values = [knob.default for knob in description.knobs]
    for name, value in wanted.items():
        index = by_name.get(name.casefold())
        if index is None:
            names = [knob.name for knob in description.knobs]
            if not names:
                raise BadRequest(f"{description.name} has no knobs, so {name} can't be set.")
            close = nearest(name, names, cutoff=0.6)
            hint = f" Did you mean {close}?" if close is not None else ""
            raise BadRequest(f"{description.name} has no knob {name}; it has {', '.join(names)}.{hint}")
        knob = description.knobs[index]
        if not knob.minimum <= value <= knob.maximum:
            raise BadRequest(f"{knob.name} goes from {knob.minimum:g} to {knob.maximum:g}; {value:g} was asked for.")
        values[index] = value
    return values


def controls_payload(settings: RenderSettings, values: list[float], generation: int = 1) -> ControlsPayload:
    """The settings in the form the engine takes them."""
    payload = ControlsPayload(
        generation=generation,
        flags=int(Flag.NORMALISE) if settings.normalise else 0,
        input_gain_db=settings.input_gain_db,
        gate_threshold_db=settings.gate_threshold_db,
        level_db=settings.level_db,
        knob_count=len(values),
    )
    payload.knobs[: len(values)] = values
    return payload


def patch_for(
    description: Description,
    cabinet: Path | None,
    rate_hz: int,
    generation: int = 1,
    *,
    oversample: int = 1,
    normalise: bool = True,
    is_outside: bool = False,
) -> bytes:
    """The patch that plays a model, with a cabinet from a file, at a rate. May block (measures loudness).

    normalise: False leaves the loudness unmeasured, for whoever plays it as it is.
    is_outside: the patch carries all but the model itself, which `Pedal.load_patch` is given as well.
    Raises UnsupportedModel when the model is to be in the patch and only ONNX Runtime plays it.
    """
    model_blob = b"" if is_outside else pack_model(description)
    impulse = None
    if cabinet is not None:
        samples, cabinet_rate_hz, _ = read_impulse_response(cabinet)
        impulse = prepare_cabinet(samples, cabinet_rate_hz, rate_hz)
    return pack_patch(
        generation=generation,
        sample_rate_hz=rate_hz,
        model_blob=model_blob,
        cabinet=impulse,
        normalise_gain_db=normalise_gain_db(model_loudness_db(description)) if normalise else 0.0,
        oversample=oversample,
        knob_count=len(description.knobs),
    )


def render(
    description: Description,
    audio: Float32,
    rate_hz: int,
    settings: RenderSettings,
    progress: Callable[[int], None] = lambda frames: None,
) -> Float32:
    """Play `audio` (float32 mono at `rate_hz`) through the chain; same length, no added delay. May block.

    A delay that the model's way of playing at this rate has live (`engine/rates.py`) is taken out again.
    `progress` is called with the number of frames done since the last call.
    Raises BadRequest (knobs, block), BadAudioFile (cabinet), UnsupportedModel (the engine can't play the model).
    """
    if not MIN_BLOCK_FRAMES <= settings.block_frames <= MAX_BLOCK_FRAMES:
        raise BadRequest(f"A block has {MIN_BLOCK_FRAMES} to {MAX_BLOCK_FRAMES} frames, not {settings.block_frames}.")
    if settings.engine != "native" and settings.oversample != 1:
        raise BadRequest(f"Only the native engine oversamples; {settings.engine} was asked for.")
    if settings.engine == "native":
        plan_rates(description, rate_hz, settings.oversample)  # refuses what can't be, in words
    values = knob_values(description, settings.knobs)
    pedal = Pedal(rate_hz, settings.block_frames)
    pedal.set_controls(bytes(controls_payload(settings, values)))
    if settings.engine == "native":
        patch = patch_for(
            description, settings.cabinet, rate_hz, oversample=settings.oversample, normalise=settings.normalise
        )
        pedal.load_patch(patch)
        late_frames = pedal.latency_frames
    else:
        engine = make_engine(settings.engine, description)
        frames = receptive_field_frames(description.architecture) or RECURRENT_SETTLE_FRAMES
        own_patch = patch_for(description, settings.cabinet, rate_hz, normalise=settings.normalise, is_outside=True)
        pedal.load_patch(own_patch, engine.process, frames)
        late_frames = engine.latency_frames
    # What the sound is late by is played on, and taken off the front.
    made = np.empty(len(audio) + late_frames, np.float32)
    for start, stop in _blocks(len(audio), settings.block_frames):
        made[start:stop] = pedal.process_float(audio[start:stop])
        progress(stop - start)
    for start, stop in _blocks(late_frames, settings.block_frames):
        made[len(audio) + start : len(audio) + stop] = pedal.process_float(np.zeros(stop - start, np.float32))
    return made[late_frames:]


def rate_notes(description: Description, rate_hz: int, settings: RenderSettings) -> list[str]:
    """What is told of a model that is not at its own rate, or oversampled. Raises BadRequest."""
    if settings.engine == "native":
        notes = sentences(plan := plan_rates(description, rate_hz, settings.oversample))
        return [f"{note} In the file that is made good." if plan.latency_frames else note for note in notes]
    if rate_hz == description.sample_rate_hz:
        return []
    return [
        f"{description.name} is made for {description.sample_rate_hz} Hz and the {settings.engine} engine plays it at "
        f"{rate_hz} Hz as it is: its tone shifts a little. The native engine plays it right."
    ]


def _blocks(frames: int, block_frames: int) -> Iterator[tuple[int, int]]:
    for start in range(0, frames, block_frames):
        yield start, min(start + block_frames, frames)
