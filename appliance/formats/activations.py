"""Activation functions by the names that files use."""

from __future__ import annotations

from typing import Any

from appliance.errors import UnsupportedModel
from appliance.formats.description import MAX_CHANNELS, Act, Activation
from appliance.formats.fields import Fields, show

_NAMES = {act.value: act for act in Act} | {"fasttanh": Act.TANH}  # "fast" is a player's shortcut, not another curve
_SLOPES = (-100.0, 100.0)
_MAX_LEVEL = 1e6


def read_activation(fields: Fields, key: str, value: Any) -> Activation:
    """ "Tanh" or {"type": "LeakyReLU", "negative_slope": 0.01}; UnsupportedModel names any that no engine has."""
    if isinstance(value, dict):
        inner = Fields(value, fields.file, fields.path(key))
        name = inner.text("type")
    elif isinstance(value, str):
        inner, name = Fields({}, fields.file, fields.path(key)), value
    else:
        raise fields.error(f"is {show(value)}, but the name of an activation was wanted", key)
    act = _NAMES.get(name.lower())
    if act is None:
        raise UnsupportedModel(
            f"{fields.file} uses the activation {show(name)}, which this pedal doesn't play yet. "
            f"It plays: {', '.join(sorted(_NAMES))}."
        )
    if act is Act.PRELU and "negative_slopes" in inner:
        return Activation(Act.PRELU, slopes=tuple(inner.numbers("negative_slopes", *_SLOPES, MAX_CHANNELS)))
    if act in (Act.PRELU, Act.LEAKY_RELU):  # with one slope for all channels they are the same
        return Activation(Act.LEAKY_RELU, _slope(inner, "negative_slope"))
    if act is Act.LEAKY_HARDTANH:
        return _leaky_hardtanh(inner)
    return Activation(act)


def check_width(fields: Fields, key: str, activation: Activation, channels: int) -> Activation:
    """The activation if it fits so many channels: one with a slope per channel fits only its own number."""
    if activation.kind is Act.PRELU and len(activation.slopes) != channels:
        raise fields.error(f"has {len(activation.slopes)} slopes for {channels} channels", key)
    return activation


def _slope(fields: Fields, key: str) -> float:
    return fields.number(key, *_SLOPES, default=0.01)


def _leaky_hardtanh(fields: Fields) -> Activation:
    minimum = fields.number("min_val", -_MAX_LEVEL, _MAX_LEVEL, default=-1.0)
    maximum = fields.number("max_val", -_MAX_LEVEL, _MAX_LEVEL, default=1.0)
    if minimum > maximum:
        raise fields.error(f"is {minimum:g}, above max_val ({maximum:g})", "min_val")
    return Activation(
        Act.LEAKY_HARDTANH,
        minimum=minimum,
        maximum=maximum,
        minimum_slope=_slope(fields, "min_slope"),
        maximum_slope=_slope(fields, "max_slope"),
    )
