"""The pedal's own model file: a streaming ONNX graph with the description in its metadata (`engine/onnx_graph.py`).

Any ONNX runtime can play the graph. Reading takes the description from the metadata and the weights from the
initializers; the nodes are never trusted or run: the engines build their own. Both directions may block.

A file may hold one model in several sizes. The graph is that of the largest; the others lie in the metadata
(`SIZES_KEY`), smallest first, each a description and its packed arrays.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from appliance import storage
from appliance.engine.onnx_graph import (
    ARRAYS_KEY,
    DESCRIPTION_KEY,
    FORMAT_KEY,
    FORMAT_VERSION,
    build,
    pack_array,
    unpack_array,
)
from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats.consistency import check_description
from appliance.formats.description import MAX_WEIGHTS, Array, Description
from appliance.formats.fields import Fields, clean_metadata, parse_json, show
from appliance.formats.foreign import read_foreign
from appliance.formats.foreign_graph import ForeignGraph
from appliance.formats.tree import from_tree, to_tree

SIZES_KEY = "appliance.sizes"  # [{"description": …, "arrays": {name: {shape, base64}}}]
_MAX_TENSORS = 4096
_MAX_SIZES = 16
_DAMAGED = "The file is damaged: download or export it again."


def write_own(description: Description, path: Path, *, smaller: Sequence[Description] = ()) -> None:
    """Write a model as our own file, whole or not at all. May block.

    smaller: the same model in smaller sizes, smallest first. Raises BadModelFile if a description doesn't fit together
    or the sizes don't belong together, StorageError if it can't be saved.
    """
    storage.save(path, own_bytes(description, path.name, smaller=smaller), worth_keeping=lambda _: False)


def own_bytes(description: Description, file: str, *, smaller: Sequence[Description] = ()) -> bytes:
    """What `write_own` writes; `file` is only for messages."""
    for size in (description, *smaller):
        if isinstance(size.architecture, ForeignGraph):
            raise UnsupportedModel(f"{size.name} is an ONNX file already, of another kind: copy it as it is.")
        check_description(size, file)
    _check_sizes([*smaller, description], file)
    model = build(_plain(description))
    if smaller:
        entry = model.metadata_props.add()
        entry.key, entry.value = SIZES_KEY, json.dumps([_packed_size(size) for size in smaller], allow_nan=False)
    return bytes(model.SerializeToString(deterministic=True))


def read_own(data: bytes, file: str, quality: float = 1.0) -> Description:
    """The description in the bytes of our own file, or of another streaming ONNX graph (`foreign.py`).

    quality: 0…1 picks the size in a file that holds several (1: the biggest). Raises BadModelFile, UnsupportedModel.
    """
    opened = _open(data, file)
    if isinstance(opened, Description):
        return opened
    model, props = opened
    count = len(_smaller(props, file)) + 1
    return _read_size(model, props, min(math.floor(quality * count + 1e-9), count - 1), file)


def read_own_sizes(data: bytes, file: str) -> tuple[Description, ...]:
    """Every size in the bytes of our own file, smallest first; one for most. Raises as `read_own`."""
    opened = _open(data, file)
    if isinstance(opened, Description):
        return (opened,)
    model, props = opened
    return tuple(_read_size(model, props, index, file) for index in range(len(_smaller(props, file)) + 1))


def _plain(description: Description) -> Description:
    return dataclasses.replace(description, metadata=clean_metadata(description.metadata))


def _packed_size(description: Description) -> dict[str, Any]:
    tree, arrays = to_tree(_plain(description))
    return {"description": tree, "arrays": {name: pack_array(array) for name, array in arrays.items()}}


def _check_sizes(sizes: Sequence[Description], file: str) -> None:
    """Whoever goes from one size to another must find the same knobs and the same rate."""
    if len(sizes) > _MAX_SIZES:
        raise BadModelFile(f"{file} has {len(sizes)} sizes; {_MAX_SIZES} is the most.")
    for size in sizes[1:]:
        if size.knobs != sizes[0].knobs or size.sample_rate_hz != sizes[0].sample_rate_hz:
            raise BadModelFile(
                f"{file} does not fit together: its sizes have other knobs or sample rates. Export it again."
            )


def _open(data: bytes, file: str) -> tuple[onnx.ModelProto, dict[str, str]] | Description:
    """The file and its metadata, or the finished description of another ONNX graph."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise BadModelFile(f"{file} is not a model file, or is an ONNX file cut short. {_DAMAGED}") from None
    props = {_text(entry.key): _text(entry.value) for entry in model.metadata_props}
    version = props.get(FORMAT_KEY)
    if version is None:
        if not model.graph.node:
            raise BadModelFile(f"{file} is not a model file. Models are .nam, .json, .aidax or the pedal's own .onnx.")
        return read_foreign(model, data, file, props)
    if version != FORMAT_VERSION:
        raise UnsupportedModel(
            f"{file} is in version {show(version)} of the pedal's own format; this pedal knows {FORMAT_VERSION}. "
            "Update the pedal."
        )
    return model, props


def _smaller(props: Mapping[str, str], file: str) -> list[Fields]:
    """The sizes below the one that the graph plays."""
    if SIZES_KEY not in props:
        return []
    entries = parse_json(props[SIZES_KEY].encode(), file)
    return list(Fields({"sizes": entries}, file, "the metadata").objects("sizes", _MAX_SIZES - 1))


def _read_size(model: onnx.ModelProto, props: Mapping[str, str], index: int, file: str) -> Description:
    smaller = _smaller(props, file)
    if index < len(smaller):
        tree, arrays = smaller[index].get("description"), _unpack(smaller[index].fields("arrays").value, file)
    else:
        tree = parse_json(props.get(DESCRIPTION_KEY, "").encode(), file)
        packed = Fields(parse_json(props.get(ARRAYS_KEY, "{}").encode(), file), file, "the metadata")
        arrays = _initializers(model, file) | _unpack(packed.value, file)
    if sum(array.size for array in arrays.values()) > MAX_WEIGHTS:
        raise BadModelFile(f"{file} has more than {MAX_WEIGHTS:,} weights. {_DAMAGED}")
    description = from_tree(tree, arrays, file)
    check_description(description, file)
    if smaller:
        description = dataclasses.replace(description, variant=f"{index + 1} of {len(smaller) + 1}")
    return description


def _initializers(model: onnx.ModelProto, file: str) -> dict[str, Array]:
    """The float32 weights by name."""
    if len(model.graph.initializer) > _MAX_TENSORS:
        raise BadModelFile(f"{file} has {len(model.graph.initializer):,} tensors; {_MAX_TENSORS:,} is the most.")
    arrays: dict[str, Array] = {}
    for tensor in model.graph.initializer:
        name = _text(tensor.name)
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise UnsupportedModel(
                f"{file} keeps its weights in another file (external data). Export it as a single file."
            )
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue  # the graph's own whole numbers
        shape = tuple(tensor.dims)
        values = np.frombuffer(tensor.raw_data, "<f4") if len(tensor.raw_data) % 4 == 0 else np.zeros(0)
        count = 1
        for size in shape:
            count *= size
        if min(shape, default=1) < 0 or values.size != count:
            raise BadModelFile(f"{file}: the weights {show(name)} have {values.size} values, not {count}. {_DAMAGED}")
        arrays[name] = values.astype(np.float32).reshape(shape)
    return arrays


def _unpack(packed: Mapping[str, Any], file: str) -> dict[str, Array]:
    """Arrays that the graph has no use for, kept in the metadata."""
    try:
        return {name: unpack_array(array) for name, array in packed.items()}
    except (ValueError, KeyError, TypeError, OverflowError):
        raise BadModelFile(f"{file}: weights in the metadata can't be read. {_DAMAGED}") from None


def _text(value: str | bytes) -> str:
    """A string of the file; protobuf hands over bytes where it is not UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
