"""How large every value inside an ONNX graph becomes, without running it. May block for a second.

ONNX's own shape inference does the work. It follows arithmetic on sizes (a reshape to a size that the graph works out),
but without a limit of its own: a small file can make it hang or fill the memory. So the size of that arithmetic is
bounded first, by its rules alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import onnx

from appliance.errors import BadModelFile, UnsupportedModel

Shapes = dict[str, tuple[int, ...]]

_MAX_DIMENSIONS = 16
_MAX_COMPUTED_SIZES = 64  # whole numbers in one list that the graph works out
_MAX_INTEGERS = 1 << 16  # in one list that the file holds (rows to pick)
_MAX_ATTRIBUTE_INTEGERS = 64
_MAX_OUTPUTS = 20_000
_INTEGERS = (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
_BY_SHAPE_INPUT = {
    "Reshape": 1,
    "Expand": 1,
    "ConstantOfShape": 0,
    "Unsqueeze": 1,
}  # which input names the shape that comes out


def infer_shapes(model: onnx.ModelProto, ports: Mapping[str, tuple[int, ...]], file: str) -> Shapes:
    """Shapes of all values that the file determines when its inputs have the shapes `ports`.

    The model must have passed the checks of its operators. Raises UnsupportedModel, BadModelFile.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    del fixed.graph.value_info[:]  # what the file claims of its inside is not believed
    for value in fixed.graph.input:
        for size, number in zip(value.type.tensor_type.shape.dim, ports.get(value.name, ()), strict=False):
            size.dim_value = number
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    _check_lists(fixed, file)
    try:
        simple = onnx.shape_inference.infer_shapes(fixed)
        _Arithmetic(simple, file).check()
        inferred = onnx.shape_inference.infer_shapes(fixed, check_type=True, strict_mode=True, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
        if isinstance(error, BadModelFile):
            raise
        reason = str(error).strip().splitlines()[0][:160].rstrip(".")
        raise BadModelFile(
            f"{file}: its operators don't fit together: {reason}. The file is damaged: download or export it again."
        ) from None
    return dict(ports) | _known_shapes(inferred)


def _check_lists(model: onnx.ModelProto, file: str) -> None:
    """No list of whole numbers that is longer than any model has use for."""
    outputs = sum(len(node.output) for node in model.graph.node)
    longest = max((len(attribute.ints) for node in model.graph.node for attribute in node.attribute), default=0)
    lists = {name: math.prod(tensor.dims) for name, tensor in _tensors(model) if tensor.data_type in _INTEGERS}
    rows = max(lists.values(), default=0)
    if outputs > _MAX_OUTPUTS or longest > _MAX_ATTRIBUTE_INTEGERS or rows > _MAX_INTEGERS:
        raise UnsupportedModel(
            f"{file} holds lists of sizes or rows that are longer than any model needs ({outputs:,} values inside, "
            f"{longest:,} numbers to an operator, {rows:,} in a list)."
        )

    for node in model.graph.node:
        place = _BY_SHAPE_INPUT.get(node.op_type)
        sizes = node.input[place] if place is not None and len(node.input) > place else None
        if sizes is not None and lists.get(sizes, 0) > _MAX_DIMENSIONS:
            raise UnsupportedModel(
                f"{file} has values of {lists[sizes]:,} dimensions (at its operator {node.op_type}); "
                f"{_MAX_DIMENSIONS} are the most."
            )


def _tensors(model: onnx.ModelProto) -> list[tuple[str, onnx.TensorProto]]:
    """Weights and constants under the names that operators know them by."""
    constants = [
        (node.output[0], attribute.t)
        for node in model.graph.node
        for attribute in node.attribute
        if attribute.HasField("t") and node.output
    ]
    return [(tensor.name, tensor) for tensor in model.graph.initializer] + constants


def _known_shapes(model: onnx.ModelProto) -> Shapes:
    shapes: Shapes = {}
    for value in (*model.graph.value_info, *model.graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(size.HasField("dim_value") for size in kind.shape.dim):
            shapes[value.name] = tuple(size.dim_value for size in kind.shape.dim)
    return shapes


class _Arithmetic:
    """Upper bounds: of the dimensions of every value, and of the numbers in every list of sizes."""

    def __init__(self, model: onnx.ModelProto, file: str) -> None:
        """model: with the shapes that follow without arithmetic."""
        self._model = model
        self._file = file
        values = (*model.graph.input, *model.graph.value_info, *model.graph.output)
        tensors = [value for value in values if value.type.HasField("tensor_type")]
        self._kinds = {value.name: value.type.tensor_type.elem_type for value in tensors}
        self._dimensions = {
            value.name: len(value.type.tensor_type.shape.dim)
            for value in tensors
            if value.type.tensor_type.HasField("shape")
        }
        self._lists: dict[str, int] = {}
        for tensor in model.graph.initializer:
            self._dimensions[tensor.name] = len(tensor.dims)
            if tensor.data_type in _INTEGERS:
                self._lists[tensor.name] = math.prod(tensor.dims)

    def check(self) -> None:
        """Raises UnsupportedModel for the first value beyond the limits."""
        for node in self._model.graph.node:
            dimensions = self._dimensions_of(node)
            length = self._length_of(node)
            for name in filter(None, node.output):
                self._dimensions.setdefault(name, dimensions)
                if self._kinds.get(name, onnx.TensorProto.INT64) in _INTEGERS:
                    self._lists[name] = length
                is_computed = node.op_type != "Constant" and name in self._lists
                if self._dimensions[name] > _MAX_DIMENSIONS or (is_computed and length > _MAX_COMPUTED_SIZES):
                    raise UnsupportedModel(
                        f"{self._file} works out sizes of up to {max(length, self._dimensions[name]):,} numbers in its "
                        f"operator {node.op_type}, which no model needs. It is damaged or a joke."
                    )

    def _dimensions_of(self, node: onnx.NodeProto) -> int:
        """Dimensions of what comes out, where simple inference could not tell them."""
        given = [self._dimensions.get(name, 0) for name in node.input]
        if node.op_type in _BY_SHAPE_INPUT and node.op_type != "Unsqueeze":
            place = _BY_SHAPE_INPUT[node.op_type]
            longest = self._lists.get(node.input[place], _MAX_DIMENSIONS) if len(node.input) > place else 0
            return max([longest, *given]) if node.op_type == "Expand" else longest
        if node.op_type == "Unsqueeze":
            axes = max((len(attribute.ints) for attribute in node.attribute), default=0)
            listed = self._lists.get(node.input[1], 0) if len(node.input) > 1 else 0
            return sum(given[:1]) + max(axes, listed)
        return sum(given) if node.op_type == "Gather" else max(given, default=_MAX_DIMENSIONS)

    def _length_of(self, node: onnx.NodeProto) -> int:
        """Numbers in what comes out, if it is a list of sizes."""
        given = [self._lists.get(name, 0) for name in node.input]
        if node.op_type == "Constant":
            held = [math.prod(attribute.t.dims) for attribute in node.attribute if attribute.HasField("t")]
            return max(held + [len(attribute.ints) for attribute in node.attribute], default=1)
        if node.op_type == "Shape":
            known = self._dimensions.get(node.input[0]) if node.input else 0
            return _MAX_DIMENSIONS if known is None else known
        if node.op_type == "Gather":
            return given[1] if len(given) > 1 else 0
        return sum(given) if node.op_type == "Concat" else max(given, default=0)
