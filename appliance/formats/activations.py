"""Activation functions by the names that files use."""

from __future__ import annotations

from typing import Any

from appliance.errors import UnsupportedModel
from appliance.formats.description import Act, Activation
from appliance.formats.fields import Fields, show

_NAMES = {act.value: act for act in Act} | {"fasttanh": Act.TANH}  # "fast" is a player's shortcut, not another curve
_MAX_SLOPE = 100.0


def read_activation(fields: Fields, key: str, value: Any) -> Activation:
    """ "Tanh" or {"type": "LeakyReLU", "negative_slope": 0.01}; UnsupportedModel names any that no engine has."""
    if isinstance(value, dict):
        inner = Fields(value, fields.file, fields.path(key))
        name = inner.text("type")
        slope = inner.number("negative_slope", -_MAX_SLOPE, _MAX_SLOPE, default=0.01) if _is_leaky(name) else 0.01
    elif isinstance(value, str):
        name, slope = value, 0.01
    else:
        raise fields.error(f"is {show(value)}, but the name of an activation was wanted", key)
    act = _NAMES.get(name.lower())
    if act is None:
        raise UnsupportedModel(
            f"{fields.file} uses the activation {show(name)}, which this pedal doesn't play yet. "
            f"It plays: {', '.join(sorted(_NAMES))}."
        )
    return Activation(act, slope)


def _is_leaky(name: str) -> bool:
    return name.lower() == Act.LEAKY_RELU.value
