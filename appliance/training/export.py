"""A trained network → descriptions (one a size) → files: the pedal's own `.onnx`, and `.nam` where NAM has the network.

May block for seconds: the self-test and the loudness are played. Needs torch only for the network itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from appliance.engine.engines import make_engine
from appliance.engine.rest import at_rest
from appliance.errors import BadModelFile
from appliance.formats.consistency import check_description
from appliance.formats.description import Description, Levels, Recurrent, SelfTest
from appliance.formats.nam_export import write_nam
from appliance.formats.own import write_own
from appliance.library.loudness import loudness_clip, model_loudness_db
from appliance.training.contract import DataSet, Float32, Network

SELF_TEST_FRAMES = 2048
AGREEMENT = 1e-5  # of full scale: what the compiled engine may differ from the reference
SOURCE_FORMAT = "trained here"


@dataclass(frozen=True)
class Facts:
    """What the file says beside network and data.

    esr: of each member on the test spans, smallest first, or empty. summary: JSON-able, goes into the metadata as
    "training". levels in dBu: what full scale was when the device was recorded, if known. output_gain_db: from what
    the network puts out to the device's own level.
    """

    name: str
    licence: str | None = None
    esr: tuple[float, ...] = ()
    input_level_dbu: float | None = None
    output_level_dbu: float | None = None
    output_gain_db: float = 0.0
    summary: Mapping[str, Any] = field(default_factory=dict)


def describe(network: Network, data: DataSet, facts: Facts) -> tuple[Description, ...]:
    """A description of each member of the network, smallest first, checked and measured. A recurrent one starts from
    the state that silence leads to, its knobs at their defaults.

    Raises BadModelFile when a weight is NaN or the compiled engine doesn't play what the reference plays.
    """
    members = network.members
    if facts.esr and len(facts.esr) != len(members):
        raise ValueError(f"{len(facts.esr)} errors for {len(members)} members")
    errors = facts.esr or (None,) * len(members)
    return tuple(_member(member, data, facts, esr) for member, esr in zip(members, errors, strict=True))


def _member(member: Network, data: DataSet, facts: Facts, esr: float | None) -> Description:
    architecture = member.architecture(data.knobs)
    if isinstance(architecture, Recurrent):
        architecture = at_rest(architecture, np.array([knob.default for knob in data.knobs], np.float32))
    description = Description(
        name=facts.name,
        source_format=SOURCE_FORMAT,
        architecture=architecture,
        sample_rate_hz=data.sample_rate_hz,
        knobs=data.knobs,
        levels=Levels(input_level_dbu=facts.input_level_dbu, output_level_dbu=facts.output_level_dbu),
        output_gain_db=facts.output_gain_db,
        esr=esr,
        licence=facts.licence,
        metadata={"training": dict(facts.summary)},
    )
    check_description(description, facts.name)
    levels = dataclasses.replace(description.levels, loudness_db=round(model_loudness_db(description), 2))
    return dataclasses.replace(description, levels=levels, self_test=_self_test(description))


def _self_test(description: Description) -> SelfTest:
    """A piece of guitar and what the reference makes of it, knobs at 0; the compiled engine must agree."""
    audio = _loudest(loudness_clip())
    expected = make_engine("reference", description).process(audio)
    difference = float(np.abs(make_engine("native", description).process(audio) - expected).max())
    if not difference <= AGREEMENT * max(1.0, float(np.abs(expected).max())):
        raise BadModelFile(
            f"The engine plays {description.name} with a difference of {difference:.1e} to the reference. Train it "
            "again; if that doesn't help, report it with the file."
        )
    return SelfTest(audio, expected)


def _loudest(audio: Float32) -> Float32:
    """The piece of `SELF_TEST_FRAMES` with the greatest energy."""
    pieces = audio[: len(audio) // SELF_TEST_FRAMES * SELF_TEST_FRAMES].reshape(-1, SELF_TEST_FRAMES)
    loudest: Float32 = pieces[int(np.argmax(np.sum(np.square(pieces), axis=1)))].copy()
    return loudest


def export_onnx(sizes: Sequence[Description], path: Path) -> None:
    """Write what `describe` gave as one file of the pedal's own kind. Raises StorageError."""
    write_own(sizes[-1], path, smaller=sizes[:-1])


def export_nam(sizes: Sequence[Description], path: Path, knobs: Mapping[str, float] | None = None) -> None:
    """Write what `describe` gave as a `.nam` file, knobs held where `knobs` says or at their defaults.

    Raises UnsupportedModel for a network that NAM doesn't have (GRU, or an LSTM with skip), BadRequest, StorageError.
    """
    write_nam(sizes, path, knobs or {})
