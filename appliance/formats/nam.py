"""`.nam` files of Neural Amp Modeler: the envelope, the container of several sizes, and which reader is next.

Source: NAM core `NAM/get_dsp.cpp`, `NAM/nam_file.cpp`, `NAM/container.cpp`; trainer `nam/models/metadata.py`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

from appliance.errors import UnsupportedModel
from appliance.formats.description import Architecture, Description, Levels
from appliance.formats.fields import (
    MAX_SAMPLE_RATE_HZ,
    MIN_SAMPLE_RATE_HZ,
    Fields,
    clean_metadata,
    clean_text,
    optional_number,
    show,
)
from appliance.formats.nam_others import read_convnet, read_linear, read_lstm
from appliance.formats.nam_wavenet import read_wavenet

DEFAULT_SAMPLE_RATE_HZ = 48_000
REQUIRED_KEYS = ("version", "architecture", "config", "weights")
_OLDEST, _NEWEST_MINOR = (0, 5, 0), (0, 7)
_MAX_SUBMODELS = 16
_CONTAINER = "SlimmableContainer"
_READERS: dict[str, Callable[[Fields], Architecture]] = {
    "WaveNet": read_wavenet,
    "LSTM": read_lstm,
    "ConvNet": read_convnet,
    "Linear": read_linear,
}


def read_nam(value: dict[str, Any], file: str, name: str, quality: float) -> Description:
    """The model of a `.nam` object. quality 0…1 picks the size in a container of several (1: the biggest)."""
    top = Fields(value, file)
    _check_version(top)
    if top.text("architecture") != _CONTAINER:
        return _read_single(top, name, {}, None, variant=None)
    submodels = _submodels(top)
    chosen = next((i for i, (limit, _) in enumerate(submodels) if quality < limit), len(submodels) - 1)
    rate = _sample_rate(top)
    return _read_single(
        submodels[chosen][1],
        name,
        clean_metadata(top.get("metadata")),
        rate,
        variant=f"{chosen + 1} of {len(submodels)}",
    )


def qualities(value: dict[str, Any], file: str) -> tuple[float, ...]:
    """A `quality` that picks each size of a container, smallest first; (1.0,) for a file with one model."""
    top = Fields(value, file)
    if top.get("architecture") != _CONTAINER:
        return (1.0,)
    limits = [limit for limit, _ in _submodels(top)]
    return (0.0, *limits[:-1])  # a submodel is chosen from the limit before it up to its own


def _submodels(top: Fields) -> list[tuple[float, Fields]]:
    entries = top.fields("config").objects("submodels", _MAX_SUBMODELS)
    submodels = [(entry.number("max_value"), entry.fields("model")) for entry in entries]
    limits = [limit for limit, _ in submodels]
    if limits[0] <= 0 or limits[-1] < 1 or any(a >= b for a, b in itertools.pairwise(limits)):
        raise top.error(
            f"are {', '.join(f'{limit:g}' for limit in limits)}, but must rise from above 0 to 1", "config.submodels"
        )
    rates = {rate for _, model in submodels if (rate := _sample_rate(model)) is not None}
    if len(rates) > 1:
        raise top.error(f"have different sample rates ({', '.join(map(str, sorted(rates)))} Hz)", "config.submodels")
    return submodels


def _read_single(
    model: Fields, name: str, outer_metadata: dict[str, Any], outer_rate: int | None, variant: str | None
) -> Description:
    version = _check_version(model)
    kind = model.text("architecture")
    reader = _READERS.get(kind)
    if reader is None:
        raise UnsupportedModel(
            f"{model.file} is a NAM model of the architecture {show(kind)}, which this pedal doesn't play. "
            f"It plays: {', '.join(_READERS)} and the {_CONTAINER} of those."
        )
    architecture = reader(model)
    own = {key: item for key, item in clean_metadata(model.get("metadata")).items() if item is not None}
    metadata = outer_metadata | own
    rate = _sample_rate(model) or outer_rate
    return Description(
        name=clean_text(metadata.get("name")) or name,
        source_format=f"NAM {version}",
        architecture=architecture,
        sample_rate_hz=rate or DEFAULT_SAMPLE_RATE_HZ,
        sample_rate_known=rate is not None,
        levels=Levels(
            loudness_db=optional_number(metadata.get("loudness"), -200, 100),
            gain=optional_number(metadata.get("gain"), 0, 1),
            input_level_dbu=optional_number(metadata.get("input_level_dbu"), -100, 100),
            output_level_dbu=optional_number(metadata.get("output_level_dbu"), -100, 100),
        ),
        esr=_esr(metadata),
        licence=clean_text(metadata.get("license")) or clean_text(metadata.get("licence")),
        variant=variant,
        metadata=metadata,
    )


def _check_version(model: Fields) -> str:
    version = model.text("version")
    match = re.fullmatch(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:[-+].{0,40})?", version, re.ASCII)
    if not match:
        raise model.error(f'is {show(version)}, but a number like "0.5.4" was wanted', "version")
    numbers = tuple(int(part or 0) for part in match.groups())
    if numbers < _OLDEST:
        raise UnsupportedModel(
            f"{model.file} is in version {version} of the NAM format; the oldest that can be read is 0.5.0. "
            "Export it again with a newer trainer."
        )
    if numbers[:2] > _NEWEST_MINOR:
        raise UnsupportedModel(
            f"{model.file} is in version {version} of the NAM format; the newest this pedal knows is 0.7. "
            "Update the pedal."
        )
    return version


def _sample_rate(model: Fields) -> int | None:
    if "sample_rate" not in model:
        return None
    return round(model.number("sample_rate", MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ))


def _esr(metadata: dict[str, Any]) -> float | None:
    training = metadata.get("training")
    return optional_number(training.get("validation_esr"), 0, 100) if isinstance(training, dict) else None
