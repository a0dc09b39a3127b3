"""`.nam` files of Neural Amp Modeler: the envelope, the container of several sizes, and which reader is next.

Source: NAM core `NAM/get_dsp.cpp`, `NAM/nam_file.cpp`, `NAM/container.cpp`; trainer `nam/models/metadata.py`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

from appliance.errors import UnsupportedModel
from appliance.formats.description import Architecture, Description, Levels, Recurrent, WaveNet, output_count
from appliance.formats.fields import (
    MAX_SAMPLE_RATE_HZ,
    MIN_SAMPLE_RATE_HZ,
    Fields,
    clean_metadata,
    clean_text,
    optional_number,
    show,
)
from appliance.formats.guitarml import knobs_from_file_name
from appliance.formats.nam_others import read_convnet, read_linear, read_lstm
from appliance.formats.nam_slimmable import size_limits
from appliance.formats.nam_wavenet import read_wavenet

DEFAULT_SAMPLE_RATE_HZ = 48_000
REQUIRED_KEYS = ("version", "architecture", "config", "weights")
_OLDEST, _NEWEST_MINOR = (0, 5, 0), (0, 7)
_MAX_SUBMODELS = 16
_CONTAINER = "SlimmableContainer"
_WAVENET = "WaveNet"
_MAX_DEPTH = 4  # networks that steer networks that steer …
_READERS: dict[str, Callable[[Fields], Architecture]] = {
    "LSTM": read_lstm,
    "ConvNet": read_convnet,
    "Linear": read_linear,
}


def read_nam(value: dict[str, Any], file: str, name: str, quality: float) -> Description:
    """The model of a `.nam` object. quality 0…1 picks the size where there are several (1: the biggest)."""
    top = Fields(value, file)
    _check_version(top)
    if top.text("architecture") != _CONTAINER:
        sizes = _sizes(top)
        chosen = sum(1 for limit in sizes[1:] if quality >= limit)
        variant = f"{chosen + 1} of {len(sizes)}" if len(sizes) > 1 else None
        return _read_single(top, name, {}, None, variant, quality)
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
    """A `quality` that picks each size of a file, smallest first; (1.0,) for a file with one model."""
    top = Fields(value, file)
    if top.get("architecture") != _CONTAINER:
        return _sizes(top)
    limits = [limit for limit, _ in _submodels(top)]
    return (0.0, *limits[:-1])  # a submodel is chosen from the limit before it up to its own


def _sizes(model: Fields) -> tuple[float, ...]:
    """A quality for each width of one model; (1.0,) if it has only its own."""
    if model.get("architecture") != _WAVENET:
        return (1.0,)
    limits = size_limits(model.fields("config"))
    return (0.0, *limits) if limits else (1.0,)


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
    model: Fields,
    name: str,
    outer_metadata: dict[str, Any],
    outer_rate: int | None,
    variant: str | None,
    quality: float = 1.0,
) -> Description:
    version = _check_version(model)
    architecture = _read_architecture(model, quality, outer_rate)
    if (outputs := output_count(architecture)) != 1:
        raise UnsupportedModel(
            f"{model.file} is a NAM WaveNet with {outputs} audio outputs; the pedal plays models with one. "
            "Look for another capture of the same amp."
        )
    own = {key: item for key, item in clean_metadata(model.get("metadata")).items() if item is not None}
    metadata = outer_metadata | own
    rate = _sample_rate(model) or outer_rate
    return Description(
        name=clean_text(metadata.get("name")) or name,
        source_format=f"NAM {version}",
        architecture=architecture,
        sample_rate_hz=rate or DEFAULT_SAMPLE_RATE_HZ,
        sample_rate_known=rate is not None,
        knobs=knobs_from_file_name(model.file, _knob_count(architecture)),
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


def _read_architecture(model: Fields, quality: float, outer_rate: int | None, depth: int = 0) -> Architecture:
    kind = model.text("architecture")
    if kind == _WAVENET:
        rate = _sample_rate(model) or outer_rate
        return read_wavenet(model, quality, lambda nested: _read_nested(nested, rate, depth + 1))
    reader = _READERS.get(kind)
    if reader is None:
        raise UnsupportedModel(
            f"{model.file} is a NAM model of the architecture {show(kind)}, which this pedal doesn't play. "
            f"It plays: {', '.join([_WAVENET, *_READERS])} and the {_CONTAINER} of those."
        )
    return reader(model)


def _read_nested(model: Fields, outer_rate: int | None, depth: int) -> Architecture:
    """A network inside another one, at its full size."""
    if depth > _MAX_DEPTH:
        raise UnsupportedModel(
            f"{model.file} has networks inside networks more than {_MAX_DEPTH} deep; no real capture has."
        )
    _check_version(model)
    if model.text("architecture") == _CONTAINER:
        model = _submodels(model)[-1][1]
        _check_version(model)
    rate = _sample_rate(model)
    if rate is not None and outer_rate is not None and rate != outer_rate:
        raise model.error(f"is {rate}, but the network that it steers has {outer_rate}", "sample_rate")
    architecture = _read_architecture(model, 1.0, rate or outer_rate, depth)
    if _knob_count(architecture):
        raise UnsupportedModel(
            f"{model.file} has a network inside it that takes {1 + _knob_count(architecture)} inputs; "
            "the pedal plays those that take the audio alone."
        )
    return architecture


def _knob_count(architecture: Architecture) -> int:
    """Inputs beside the audio. The file gives them no names."""
    if isinstance(architecture, WaveNet) and architecture.condition is None:
        return int(architecture.arrays[0].layers[0].mixin_weight.shape[1]) - 1
    if isinstance(architecture, Recurrent):
        return int(architecture.layers[0].weight_ih.shape[1]) - 1
    return 0


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
