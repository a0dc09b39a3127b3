"""Streaming ONNX graphs that other programs made → `ForeignGraph`: which of its inputs is what.

The contract. float32 throughout; `T` is the number of frames of a block, either named in the file (any block is played)
or a fixed number. One audio input and one audio output, [1, 1, T], [1, T] or [T]. Perhaps one input of knobs, [K],
[1, K], [1, K, 1] or [1, K, T]. Every other input is a state of fixed size, zeros at first, that comes back changed as
an output of the same shape. Audio and knobs are known by their names (`_AUDIO_NAMES`, `_KNOB_NAMES`), the audio
else by its shape; states by names that go together (`h`, `next_h`), else by their order. Metadata entries
`sample_rate`, `knobs` (names with commas between), `name` and `licence` are taken where they are there.

A graph is checked whole (`foreign_checks.py`) before anything runs it. May block.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import onnx

from appliance.errors import UnsupportedModel
from appliance.formats.description import MAX_HISTORY_VALUES, MAX_KNOBS, Description, Knob
from appliance.formats.fields import MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ, clean_text, show
from appliance.formats.foreign_checks import CONTRACT, check_graph, check_sizes, float_weights
from appliance.formats.foreign_graph import ForeignGraph, Port, StatePort

DEFAULT_SAMPLE_RATE_HZ = 48_000
MAX_BLOCK_FRAMES = 8192
_MAX_PORTS = 1024
_AUDIO_NAMES = ("audio", "audio_in", "input", "in", "x", "signal")
_OUTPUT_NAMES = ("output", "audio_out", "out", "y", "audio")
_KNOB_NAMES = ("knobs", "knob", "params", "parameters", "controls", "condition", "conditioning")
# What a state's name becomes when it comes out: the first of a pair in the input's name, or a word before or behind it.
_RENAMED = (("_in", "_out"), ("in_", "out_"), ("past", "present"), ("prev", "next"), ("old", "new"), ("0", "n"))
_AROUND = ("next_{}", "{}_next", "new_{}", "{}_new", "{}_out", "out_{}", "{}_n", "{}n")

Symbols = tuple[int | str | None, ...]  # a declared shape: a number, a name, or None for neither


def read_foreign(model: onnx.ModelProto, data: bytes, file: str, properties: dict[str, str]) -> Description:
    """The model of a parsed ONNX file that is not our own; `data` is the same file as bytes.

    Raises UnsupportedModel for what is no streaming graph or has parts that are not played, BadModelFile for what is
    damaged; both in words.
    """
    check_graph(model, file)
    graph = _Ports(model, file).graph(data)
    check_sizes(model, graph, file)
    rate = properties.get("sample_rate", "").strip()
    known = rate.isascii() and rate.isdigit() and MIN_SAMPLE_RATE_HZ <= int(rate[:9]) <= MAX_SAMPLE_RATE_HZ
    return Description(
        name=clean_text(properties.get("name")) or clean_text(Path(file).stem) or "model",
        source_format="ONNX",
        architecture=graph,
        sample_rate_hz=int(rate[:9]) if known else DEFAULT_SAMPLE_RATE_HZ,
        sample_rate_known=known,
        knobs=_knobs(graph, properties.get("knobs", "")),
        licence=clean_text(properties.get("licence") or properties.get("license")),
    )


def _knobs(graph: ForeignGraph, names: str) -> tuple[Knob, ...]:
    count = 0 if graph.knobs is None else knob_count(graph.knobs)
    given = [clean_text(name) or "" for name in names.split(",")]
    if len(given) != count or len(set(given)) != count or not all(given):
        given = [f"Knob {i + 1}" for i in range(count)]
    return tuple(Knob(name) for name in given)


def knob_count(port: Port) -> int:
    """How many knobs an input of the shapes in the contract takes."""
    size = port.shape[0] if len(port.shape) == 1 else port.shape[1]
    assert size is not None, "only the frames of a port are open"
    return size


class _Ports:
    """Finds out which input and output is what."""

    def __init__(self, model: onnx.ModelProto, file: str) -> None:
        self._model = model
        self._file = file
        weights = {tensor.name for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in weights]
        if len(inputs) > _MAX_PORTS or len(model.graph.output) > _MAX_PORTS:
            raise self._unsupported(f"has more than {_MAX_PORTS} inputs or outputs")
        self._inputs = {value.name: self._shape(value) for value in inputs}
        self._outputs = {value.name: self._shape(value) for value in model.graph.output}

    def graph(self, data: bytes) -> ForeignGraph:
        """The graph's ports. Raises UnsupportedModel."""
        audio_name = self._find_audio(self._inputs, _AUDIO_NAMES, "input")
        output = self._find_audio(self._outputs, _OUTPUT_NAMES, "output")
        frames = self._inputs[audio_name][-1]
        self._batch = {size for size in self._inputs[audio_name][:-1] if isinstance(size, str)} - {frames}
        block_frames = frames if isinstance(frames, int) else None
        if block_frames is not None and block_frames > MAX_BLOCK_FRAMES:
            raise self._unsupported(f"wants blocks of {block_frames} frames; {MAX_BLOCK_FRAMES} is the most")
        audio = self._port(audio_name, frames)
        knob_names = [name for name in self._inputs if name.lower() in _KNOB_NAMES and name != audio_name]
        knobs = self._find_knobs(knob_names[0], frames) if knob_names else None
        others = [name for name in self._inputs if name != audio_name and (knobs is None or name != knobs.name)]
        return ForeignGraph(
            model=data,
            audio=audio,
            output=output,
            knobs=knobs,
            states=self._states(others, [name for name in self._outputs if name != output]),
            block_frames=block_frames,
            nodes=len(self._model.graph.node),
            weights=float_weights(self._model),
        )

    def _unsupported(self, problem: str) -> UnsupportedModel:
        return UnsupportedModel(f"{self._file} {problem}. {CONTRACT}")

    def _shape(self, value: onnx.ValueInfoProto) -> Symbols:
        kind = value.type.tensor_type
        if value.type.WhichOneof("value") != "tensor_type" or kind.elem_type != onnx.TensorProto.FLOAT:
            raise self._unsupported(f"has the port {show(value.name)}, which is not float32")
        if not kind.HasField("shape"):
            raise self._unsupported(f"doesn't tell how many dimensions its port {show(value.name)} has")
        shape = [size.dim_value if size.HasField("dim_value") else size.dim_param or None for size in kind.shape.dim]
        if len(shape) > 4 or any(isinstance(size, int) and size < 1 for size in shape):
            raise self._unsupported(f"has the port {show(value.name)} of the shape {_show_shape(shape)}")
        return tuple(shape)

    def _find_audio(self, ports: dict[str, Symbols], names: tuple[str, ...], side: str) -> str:
        by_name = {name.lower(): name for name in ports}
        named = next((by_name[name] for name in names if name in by_name), None)
        if named is not None:
            if not _is_audio(ports[named]):
                raise self._unsupported(f"has the audio {side} {show(named)} of the shape {_show_shape(ports[named])}")
            return named
        fitting = [name for name, shape in ports.items() if _is_audio(shape)]
        fitting = [name for name in fitting if name.lower() not in _KNOB_NAMES]
        streams = [name for name in fitting if not isinstance(ports[name][-1], int)]
        if not (streams or fitting):
            found = ", ".join(f"{show(name)} {_show_shape(shape)}" for name, shape in list(ports.items())[:6]) or "none"
            raise self._unsupported(f"has no audio {side} of the shape [1, 1, T], [1, T] or [T]; it has {found}")
        return (streams or fitting)[0]

    def _find_knobs(self, name: str, frames: int | str | None) -> Port:
        shape = self._inputs[name]
        sizes = [1 if size in self._batch else size for size in shape]
        if len(sizes) == 3 and not isinstance(sizes[2], int):
            sizes[2] = frames  # a length of its own may be the block's as well
        count = sizes[0] if len(sizes) == 1 else sizes[1] if len(sizes) > 1 else None
        is_fine = isinstance(count, int) and count <= MAX_KNOBS and (len(sizes) == 1 or sizes[0] == 1)
        if not is_fine or len(sizes) > 3 or (len(sizes) == 3 and sizes[2] not in (1, frames)):
            raise self._unsupported(
                f"has knobs of the shape {_show_shape(shape)}; [K], [1, K], [1, K, 1] or [1, K, T] with up to "
                f"{MAX_KNOBS} is played"
            )
        return Port(name, tuple(_number_or_open(size) for size in sizes))

    def _port(self, name: str, frames: int | str | None) -> Port:
        shape = self._inputs[name]
        return Port(name, (*(1 for _ in shape[:-1]), frames if isinstance(frames, int) else None))

    def _states(self, inputs: list[str], outputs: list[str]) -> tuple[StatePort, ...]:
        if len(inputs) != len(outputs):
            raise self._unsupported(
                f"has {len(inputs)} inputs beside audio and knobs, but {len(outputs)} outputs beside the audio: "
                "states come in pairs"
            )
        left = list(outputs)
        pairs: dict[str, str] = {}
        for name in inputs:
            if (match := next((other for other in left if other in _names_out(name)), None)) is not None:
                pairs[name] = match
                left.remove(match)
        states, total = [], 0
        for name in inputs:
            output = pairs[name] if name in pairs else left.pop(0)
            shape = [1 if size in self._batch else size for size in self._inputs[name]]
            sizes = tuple(size for size in shape if isinstance(size, int))
            if len(sizes) != len(shape):
                raise self._unsupported(
                    f"has the state {show(name)} of the shape {_show_shape(shape)}, which is not fixed"
                )
            states.append(StatePort(Port(name, sizes), output))
            total += math.prod(sizes)
        if total > MAX_HISTORY_VALUES:
            raise self._unsupported(f"keeps {total:,} numbers from block to block; {MAX_HISTORY_VALUES:,} is the most")
        return tuple(states)


def _number_or_open(size: int | str | None) -> int | None:
    return size if isinstance(size, int) else None


def _is_audio(shape: Symbols) -> bool:
    return 1 <= len(shape) <= 3 and all(size == 1 or isinstance(size, str) for size in shape[:-1])


def _names_out(name: str) -> set[str]:
    found = {pattern.format(name) for pattern in _AROUND}
    for word, becomes in _RENAMED:
        if word in name:
            found |= {name.replace(word, becomes), re.sub(rf"{word}(?!.*{word})", becomes, name)}
    return found


def _show_shape(shape: Any) -> str:
    return "[" + ", ".join("?" if size is None else str(size)[:20] for size in shape) + "]"
