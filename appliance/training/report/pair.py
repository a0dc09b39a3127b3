"""Any model against any recording of what went into a device and what came out: a data set of one take."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from appliance.errors import BadAudioFile
from appliance.formats.description import Description
from appliance.render import knob_values, read_audio
from appliance.training.report.measures import esr, lag_frames, rms
from appliance.training.report.playing import play_span
from appliance.training.takes import DataSet, Float32, Take

_MOST_LATE_S = 1.0
_LAG_LOOKED_AT_S = 30.0
_LEAST_S = 1.0
_SILENT = 1e-5


def read_pair(description: Description, dry_file: Path, wet_file: Path, knobs: dict[str, float]) -> DataSet:
    """The whole pair as test audio, the output moved to where the model's own output lies. May block.

    knobs: where the device's knobs stood, by name, in the model's units; its defaults for the rest.
    Raises BadAudioFile (can't be read, other rates, silent, too short), BadRequest (knobs).
    """
    values = tuple(knob_values(description, knobs))
    dry, rate_hz, dry_notes = read_audio(dry_file)
    wet, wet_rate_hz, wet_notes = read_audio(wet_file)
    if rate_hz != wet_rate_hz:
        raise BadAudioFile(
            f"{dry_file.name} is at {rate_hz} Hz and {wet_file.name} at {wet_rate_hz} Hz: export both at one rate."
        )
    for file, audio in ((dry_file, dry), (wet_file, wet)):
        if rms(audio) < _SILENT:
            raise BadAudioFile(f"{file} is silent: nothing to judge by. Was the right track exported?")
    notes = dry_notes + wet_notes
    if len(dry) != len(wet):
        longer = (len(wet) - len(dry)) / rate_hz
        notes.append(f"{wet_file.name} is {abs(longer):.2f} s {'longer' if longer > 0 else 'shorter'}: the end is cut.")
    frames = min(len(dry), len(wet))
    dry, wet = dry[:frames], wet[:frames]
    late = _lateness(description, dry, wet, rate_hz, values)
    if late:
        notes.append(
            f"{wet_file.name} is {abs(late)} frames ({1e3 * abs(late) / rate_hz:.1f} ms) "
            f"{'later' if late > 0 else 'earlier'} than the model: it was moved to fit."
        )
        dry, wet = (dry[:-late], wet[late:]) if late > 0 else (dry[-late:], wet[:late])
    if len(dry) < _LEAST_S * rate_hz:
        raise BadAudioFile(f"{dry_file.name} and {wet_file.name} share less than a second: record at least ten.")
    take = Take(
        wet_file.name,
        np.ascontiguousarray(dry),
        np.ascontiguousarray(wet),
        values,
        test=((0, len(dry)),),
        notes=tuple(notes),
    )
    return DataSet(wet_file.stem, rate_hz, (take,), description.knobs)


def _lateness(description: Description, dry: Float32, wet: Float32, rate_hz: int, values: tuple[float, ...]) -> int:
    """Frames by which the recording comes later than the model; 0 unless moving it makes the error clearly smaller."""
    span = 0, min(len(dry), round(_LAG_LOOKED_AT_S * rate_hz))
    model, device = play_span(description, dry, span, rate_hz, values), wet[: span[1]]
    late = lag_frames(model, device, round(_MOST_LATE_S * rate_hz))
    if late == 0:
        return 0
    moved = esr(device[late:], model[:-late]) if late > 0 else esr(device[:late], model[-late:])
    return late if moved < 0.9 * esr(device, model) else 0
