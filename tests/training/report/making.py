"""A device, a model that is nearly it, and takes of the one for the other to be judged by."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from appliance.formats.description import Description
from appliance.formats.read import read_model
from appliance.paths import assets
from appliance.training.history import Epoch
from appliance.training.report.playing import play_span
from appliance.training.takes import DataSet, Float32, Take

RATE_HZ = 48_000


def guitar(seconds: float) -> Float32:
    """The demo guitar."""
    audio, rate_hz = soundfile.read(assets("models") / "demo-guitar.wav", dtype="float32")
    assert rate_hz == RATE_HZ
    return np.ascontiguousarray(audio[: round(seconds * RATE_HZ)])


def device() -> Description:
    """A drive with a knob."""
    return read_model(assets("models") / "green-drive.onnx")


def nearly(description: Description, by: float = 0.01) -> Description:
    """The same network with every weight a little wrong: what a training comes to."""
    rng = np.random.default_rng(0)

    def wrong(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            return (part * (1.0 + by * rng.standard_normal(part.shape))).astype(np.float32)
        if isinstance(part, tuple):
            return tuple(wrong(one) for one in part)
        if dataclasses.is_dataclass(part) and not isinstance(part, type):
            changed = {field.name: wrong(getattr(part, field.name)) for field in dataclasses.fields(part)}
            return dataclasses.replace(part, **changed)
        return part

    made = wrong(description.architecture)
    return dataclasses.replace(description, name="Nearly & <green>", architecture=made, self_test=None)


def take(knob: float, dry: Float32, *, held_out: bool = False) -> Take:
    """The first two seconds to train on, the rest to judge by."""
    cut = 2 * RATE_HZ
    wet = play_span(device(), dry, (0, len(dry)), RATE_HZ, (knob,))
    return Take(
        f"drive-{knob:g}.wav",
        dry,
        wet,
        (knob,),
        held_out=held_out,
        train=() if held_out else ((0, cut),),
        test=((cut, len(dry)),),
        notes=("A note <b>of repair</b>.",) if knob == 0.25 else (),
    )


def data_set(seconds: float = 14.0) -> DataSet:
    """Three positions, the middle one never heard."""
    dry = guitar(seconds)
    knob = dataclasses.replace(device().knobs[0], heard=(0.25, 0.75))
    takes = (take(0.25, dry), take(0.5, dry, held_out=True), take(0.75, dry))
    return DataSet("Green pedal", RATE_HZ, takes, (knob,))


HISTORY = tuple(Epoch(number, 0.5 * 0.8**number, 0.4 * 0.8**number, 3.0 * number) for number in range(1, 21))


def write_pair(folder: Path, late_frames: int) -> None:
    """in.wav, and out.wav: what the device makes of it at a quarter of its knob, late."""
    dry = guitar(4.0)
    wet = play_span(device(), dry, (0, len(dry)), RATE_HZ, (0.25,))
    soundfile.write(folder / "in.wav", dry, RATE_HZ, subtype="FLOAT")
    soundfile.write(folder / "out.wav", np.roll(np.pad(wet, (0, 2000)), late_frames), RATE_HZ, subtype="FLOAT")
