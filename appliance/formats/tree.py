"""A `Description` as plain JSON plus named arrays, and back: what our own file keeps.

The JSON mirrors the dataclasses of `description.py` field by field; each array is replaced by its name, which is its
path ("architecture.arrays.0.layers.3.conv_weight").
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from appliance.formats.description import (
    FILM_NAMES,
    MAX_CHANNELS,
    MAX_DILATION,
    MAX_KNOBS,
    MAX_LAYERS,
    Act,
    Activation,
    Architecture,
    Array,
    Cell,
    ConvBlock,
    ConvNet,
    Description,
    Film,
    Films,
    Gating,
    HeadStage,
    Knob,
    Levels,
    Linear,
    Recurrent,
    RecurrentLayer,
    SelfTest,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from appliance.formats.fields import (
    MAX_SAMPLE_RATE_HZ,
    MIN_SAMPLE_RATE_HZ,
    Fields,
    clean_metadata,
    clean_text,
    optional_number,
    show,
)
from appliance.formats.stack import (
    MAX_STEP_UNITS,
    MAX_WIDTH,
    Activate,
    Convolution,
    Elu,
    Layer,
    LstmStep,
    PRelu,
    Scale,
    Softmax,
    Stack,
    Units,
)

_ANY_DB = 200.0
_MAX_SLOPE = 100.0
_MAX_DEPTH = 8  # networks that steer networks
EnumT = TypeVar("EnumT", bound=enum.Enum)


def to_tree(description: Description) -> tuple[dict[str, Any], dict[str, Array]]:
    """(plain JSON, arrays by name)."""
    arrays: dict[str, Array] = {}

    def encode(value: Any, path: str) -> Any:
        if dataclasses.is_dataclass(value):
            inside = {f.name: encode(getattr(value, f.name), f"{path}.{f.name}") for f in dataclasses.fields(value)}
            return {"kind": type(value).__name__, **inside} if isinstance(value, Architecture | Layer) else inside
        if isinstance(value, np.ndarray):
            arrays[path.lstrip(".")] = np.ascontiguousarray(value, dtype=np.float32)
            return path.lstrip(".")
        if isinstance(value, enum.Enum):
            return value.value
        if isinstance(value, tuple):
            return [encode(item, f"{path}.{index}") for index, item in enumerate(value)]
        return value

    tree: dict[str, Any] = encode(description, "")
    return tree, arrays


def from_tree(tree: Any, arrays: Mapping[str, Array], file: str) -> Description:
    """The description again. Raises BadModelFile for anything missing or of the wrong kind; whether the shapes fit
    together is checked by `consistency.py`."""
    top = Fields(tree, file)
    reader = _Reader(arrays)
    levels = top.fields("levels")
    return Description(
        name=clean_text(top.text("name")) or "model",
        source_format=clean_text(top.text("source_format")) or "",
        architecture=reader.architecture(top.fields("architecture")),
        sample_rate_hz=top.integer("sample_rate_hz", MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ),
        sample_rate_known=top.flag("sample_rate_known"),
        knobs=tuple(_knob(knob) for knob in _objects(top, "knobs", MAX_KNOBS)),
        levels=Levels(**{f.name: _optional(levels, f.name) for f in dataclasses.fields(Levels)}),
        input_gain_db=top.number("input_gain_db", -_ANY_DB, _ANY_DB),
        output_gain_db=top.number("output_gain_db", -_ANY_DB, _ANY_DB),
        esr=_optional(top, "esr"),
        licence=clean_text(top.get("licence")),
        self_test=reader.self_test(top),
        variant=clean_text(top.get("variant")),
        metadata=clean_metadata(top.get("metadata")),
    )


def _optional(fields: Fields, key: str) -> float | None:
    return optional_number(fields.get(key), -1e6, 1e6)


def _objects(fields: Fields, key: str, at_most: int) -> list[Fields]:
    return [] if fields.get(key) == [] else list(fields.objects(key, at_most))


def _knob(knob: Fields) -> Knob:
    heard = knob.get("heard") or []
    if not isinstance(heard, list) or any(optional_number(p, -1e6, 1e6) is None for p in heard):
        raise knob.error(f"are {show(heard)}, but a list of positions was wanted", "heard")
    return Knob(
        name=clean_text(knob.text("name")) or "Knob",
        minimum=knob.number("minimum"),
        maximum=knob.number("maximum"),
        default=knob.number("default"),
        unit=clean_text(knob.get("unit")) or "",
        heard=tuple(float(position) for position in heard),
    )


class _Reader:
    """Rebuilds the architecture from JSON and the named arrays."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays

    def array(self, fields: Fields, key: str, dimensions: int) -> Array:
        name = fields.text(key)
        found = self._arrays.get(name)
        if found is None:
            raise fields.error(f"names the weights {show(name)}, which are not in the file", key)
        if found.ndim != dimensions or 0 in found.shape:
            raise fields.error(f"has the shape {found.shape}, but {dimensions} dimensions were wanted", key)
        return found

    def self_test(self, top: Fields) -> SelfTest | None:
        if "self_test" not in top:
            return None
        test = top.fields("self_test")
        return SelfTest(self.array(test, "audio", 1), self.array(test, "expected", 1))

    def architecture(self, fields: Fields, depth: int = 0) -> Architecture:
        if depth > _MAX_DEPTH:
            raise fields.error("is more deeply nested than any model is")
        readers: dict[str, Callable[[Fields], Architecture]] = {
            "WaveNet": lambda wavenet: self.wavenet(wavenet, depth),
            "Recurrent": self.recurrent,
            "ConvNet": self.convnet,
            "Linear": self.linear,
            "Stack": self.stack,
        }
        kind = fields.text("kind")
        if kind not in readers:
            raise fields.error(f"is {show(kind)}, but one of {', '.join(readers)} was wanted", "kind")
        return readers[kind](fields)

    def wavenet(self, fields: Fields, depth: int) -> WaveNet:
        return WaveNet(
            arrays=tuple(self.wavenet_array(array) for array in fields.objects("arrays", MAX_LAYERS)),
            head_scale=fields.number("head_scale"),
            head_stages=tuple(
                HeadStage(
                    activation=_activation(stage.fields("activation")),
                    weight=self.array(stage, "weight", 3),
                    bias=self.array(stage, "bias", 1),
                )
                for stage in (_objects(fields, "head_stages", MAX_LAYERS) if "head_stages" in fields else [])
            ),
            condition=self.architecture(fields.fields("condition"), depth + 1) if "condition" in fields else None,
        )

    def wavenet_array(self, fields: Fields) -> WaveNetArray:
        return WaveNetArray(
            rechannel_weight=self.array(fields, "rechannel_weight", 2),
            layers=tuple(self.wavenet_layer(layer) for layer in fields.objects("layers", MAX_LAYERS)),
            head_weight=self.array(fields, "head_weight", 3),
            head_bias=self.optional_array(fields, "head_bias", 1),
            head_dilation=fields.integer("head_dilation", 1, MAX_DILATION, default=1),
            rechannel_bias=self.optional_array(fields, "rechannel_bias", 1),
        )

    def wavenet_layer(self, fields: Fields) -> WaveNetLayer:
        return WaveNetLayer(
            conv_weight=self.array(fields, "conv_weight", 3),
            conv_bias=self.array(fields, "conv_bias", 1),
            mixin_weight=self.array(fields, "mixin_weight", 2),
            out_weight=self.array(fields, "out_weight", 2),
            out_bias=self.array(fields, "out_bias", 1),
            dilation=fields.integer("dilation", 1, MAX_DILATION),
            activation=_activation(fields.fields("activation")),
            gating=_choice(Gating, fields, "gating"),
            gate=_activation(fields.fields("gate")),
            head_weight=self.optional_array(fields, "head_weight", 2),
            head_bias=self.optional_array(fields, "head_bias", 1),
            films=self.films(fields.fields("films")) if "films" in fields else None,
        )

    def films(self, fields: Fields) -> Films:
        present = {name: fields.fields(name) for name in FILM_NAMES if name in fields}
        return Films(
            **{name: Film(self.array(film, "weight", 2), self.array(film, "bias", 1)) for name, film in present.items()}
        )

    def optional_array(self, fields: Fields, key: str, dimensions: int) -> Array | None:
        return self.array(fields, key, dimensions) if key in fields else None

    def recurrent(self, fields: Fields) -> Recurrent:
        return Recurrent(
            cell=_choice(Cell, fields, "cell"),
            layers=tuple(self.recurrent_layer(layer) for layer in fields.objects("layers", MAX_LAYERS)),
            head_weight=self.array(fields, "head_weight", 1),
            head_bias=fields.number("head_bias"),
            skip=fields.flag("skip"),
        )

    def recurrent_layer(self, fields: Fields) -> RecurrentLayer:
        return RecurrentLayer(
            weight_ih=self.array(fields, "weight_ih", 2),
            weight_hh=self.array(fields, "weight_hh", 2),
            bias_ih=self.array(fields, "bias_ih", 1),
            bias_hh=self.array(fields, "bias_hh", 1),
            h0=self.array(fields, "h0", 1),
            c0=self.array(fields, "c0", 1),
        )

    def convnet(self, fields: Fields) -> ConvNet:
        blocks = tuple(
            ConvBlock(
                weight=self.array(block, "weight", 3),
                bias=self.array(block, "bias", 1),
                dilation=block.integer("dilation", 1, MAX_DILATION),
                activation=_activation(block.fields("activation")),
            )
            for block in fields.objects("blocks", MAX_LAYERS)
        )
        return ConvNet(blocks, self.array(fields, "head_weight", 1), fields.number("head_bias"))

    def linear(self, fields: Fields) -> Linear:
        return Linear(self.array(fields, "taps", 1), fields.number("bias"))

    def stack(self, fields: Fields) -> Stack:
        layers = tuple(self.stack_layer(layer) for layer in fields.objects("layers", MAX_LAYERS))
        return Stack(layers, fields.flag("skip"))

    def stack_layer(self, fields: Fields) -> Layer:
        match kind := fields.text("kind"):
            case "Convolution":
                return Convolution(
                    weight=self.array(fields, "weight", 3),
                    bias=self.array(fields, "bias", 1),
                    dilation=fields.integer("dilation", 1, MAX_DILATION),
                    groups=fields.integer("groups", 1, MAX_WIDTH),
                )
            case "Units":
                return Units(_choice(Cell, fields, "cell"), self.recurrent_layer(fields.fields("layer")))
            case "Scale":
                return Scale(self.array(fields, "scale", 1), self.array(fields, "shift", 1))
            case "PRelu":
                return PRelu(self.array(fields, "slopes", 1))
            case "Elu":
                return Elu(fields.number("alpha", -100.0, 100.0))
            case "Softmax":
                return Softmax()
            case "Activate":
                return Activate(_activation(fields.fields("activation")))
            case "LstmStep":
                return LstmStep(fields.integer("units", 1, MAX_STEP_UNITS))
        raise fields.error(f"is {show(kind)}, which is no kind of layer", "kind")


def _activation(fields: Fields) -> Activation:
    plain = Activation(Act.LINEAR)  # files written before a parameter existed are read with its default
    slopes = (
        () if fields.get("slopes") in (None, []) else fields.numbers("slopes", -_MAX_SLOPE, _MAX_SLOPE, MAX_CHANNELS)
    )
    return Activation(
        kind=_choice(Act, fields, "kind"),
        slope=fields.number("slope", -_MAX_SLOPE, _MAX_SLOPE),
        slopes=tuple(slopes),
        minimum=fields.number("minimum", default=plain.minimum),
        maximum=fields.number("maximum", default=plain.maximum),
        minimum_slope=fields.number("minimum_slope", -_MAX_SLOPE, _MAX_SLOPE, default=plain.minimum_slope),
        maximum_slope=fields.number("maximum_slope", -_MAX_SLOPE, _MAX_SLOPE, default=plain.maximum_slope),
    )


def _choice(kind: type[EnumT], fields: Fields, key: str) -> EnumT:
    found = fields.text(key)
    for member in kind:
        if member.value == found:
            return member
    raise fields.error(f"is {show(found)}, but one of {', '.join(str(m.value) for m in kind)} was wanted", key)
