"""The pedal's own model file: a streaming ONNX graph with the description in its metadata (`engine/onnx_graph.py`).

Any ONNX runtime can play the graph. Reading takes the description from the metadata and the weights from the
initializers; the nodes are never trusted or run: the engines build their own. Both directions may block.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from appliance import storage
from appliance.engine.onnx_graph import build
from appliance.engine.onnx_writer import ARRAYS_KEY, DESCRIPTION_KEY, FORMAT_KEY, FORMAT_VERSION, unpack_array
from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats.consistency import check_description
from appliance.formats.description import MAX_WEIGHTS, Array, Description
from appliance.formats.fields import Fields, clean_metadata, parse_json, show
from appliance.formats.foreign import read_foreign
from appliance.formats.foreign_graph import ForeignGraph
from appliance.formats.tree import from_tree

_MAX_TENSORS = 4096
_DAMAGED = "The file is damaged: download or export it again."


def write_own(description: Description, path: Path) -> None:
    """Write a model as our own file, whole or not at all. May block.

    Raises BadModelFile if the description doesn't fit together, StorageError if it can't be saved.
    """
    storage.save(path, own_bytes(description, path.name), worth_keeping=lambda _: False)


def own_bytes(description: Description, file: str) -> bytes:
    """What `write_own` writes; `file` is only for messages."""
    if isinstance(description.architecture, ForeignGraph):
        raise UnsupportedModel(f"{description.name} is an ONNX file already, of another kind: copy it as it is.")
    check_description(description, file)
    plain = dataclasses.replace(description, metadata=clean_metadata(description.metadata))
    return bytes(build(plain).SerializeToString(deterministic=True))


def read_own(data: bytes, file: str) -> Description:
    """The description in the bytes of our own file, or of another streaming ONNX graph (`foreign.py`).

    Raises BadModelFile, UnsupportedModel.
    """
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
    arrays = _initializers(model, file) | _packed(props.get(ARRAYS_KEY, "{}"), file)
    if sum(array.size for array in arrays.values()) > MAX_WEIGHTS:
        raise BadModelFile(f"{file} has more than {MAX_WEIGHTS:,} weights. {_DAMAGED}")
    tree = parse_json(props.get(DESCRIPTION_KEY, "").encode(), file)
    description = from_tree(tree, arrays, file)
    check_description(description, file)
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


def _packed(text: str, file: str) -> dict[str, Array]:
    """The arrays that the graph has no use for, kept in the metadata."""
    fields = Fields(parse_json(text.encode(), file), file, "the metadata")
    try:
        return {name: unpack_array(packed) for name, packed in fields.value.items()}
    except (ValueError, KeyError, TypeError, OverflowError):
        raise BadModelFile(f"{file}: weights in the metadata can't be read. {_DAMAGED}") from None


def _text(value: str | bytes) -> str:
    """A string of the file; protobuf hands over bytes where it is not UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
