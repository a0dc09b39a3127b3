"""How large every value inside an ONNX graph becomes, without running it. May block for a second.

ONNX's own shape inference does the work, but for arithmetic on sizes (a reshape to what the graph works out from the
shape of its input). It can follow some of that, without any limit: a small file makes it hang or fill the memory. So
that arithmetic is done here, node by node, on lists of a few whole numbers, until inference has nothing more to tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from appliance.errors import BadModelFile, UnsupportedModel

Shapes = dict[str, tuple[int, ...]]
Values = dict[str, Any]  # numpy arrays of whole numbers or truths, by name

_MAX_DIMENSIONS = 16  # that a graph asks for at once
_MAX_NESTED_DIMENSIONS = 256  # that many operators in a row can add up to
_MAX_SIZES = 64  # whole numbers in one list that is worked out
_MAX_INTEGERS = 1 << 16  # in one list that the file holds (rows to pick)
_MAX_ATTRIBUTE_INTEGERS = 64
_MAX_OUTPUTS = 20_000
_MAX_ROUNDS = 40
_INTEGERS = (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
# Which input names the shape, or the new dimensions, of what comes out.
_SHAPE_INPUT = {"Reshape": 1, "Expand": 1, "ConstantOfShape": 0, "Unsqueeze": 1}
_ARITHMETIC = frozenset(
    """
    Add And Cast Concat Constant ConstantOfShape Div Equal Expand Gather Greater Identity Less Max Min Mod Mul Neg Not
    Or Range ReduceProd Reshape Shape Size Slice Squeeze Sub Unsqueeze Where
    """.split()  # noqa: SIM905
)


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
    values = _small_lists(fixed)
    shapes: Shapes = {}
    try:
        for _ in range(_MAX_ROUNDS):
            _check_lists(fixed, file)
            inferred = onnx.shape_inference.infer_shapes(fixed, check_type=True, strict_mode=True)
            shapes = dict(ports) | {t.name: tuple(t.dims) for t in fixed.graph.initializer} | _known_shapes(inferred)
            if not _work_out(fixed, shapes, values):
                break
    except onnx.shape_inference.InferenceError as error:
        raise _do_not_fit(error, file) from None
    except BadModelFile:
        raise
    except Exception as error:  # numpy's and ONNX's on numbers that make no sense
        raise _do_not_fit(error, file) from None
    return shapes


def _do_not_fit(error: Exception, file: str) -> BadModelFile:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160].rstrip(".")
    return BadModelFile(
        f"{file}: its operators don't fit together: {reason}. The file is damaged: download or export it again."
    )


def _work_out(model: onnx.ModelProto, shapes: Shapes, values: Values) -> bool:
    """Replace every node of size arithmetic whose inputs are known by its value; whether there was any."""
    kept, found = [], False
    kept_names = {value.name for value in model.graph.output}
    for node in model.graph.node:
        known = _value_of(node, shapes, values, model.opset_import) if node.op_type in _ARITHMETIC else None
        if known is None or node.output[0] in kept_names:
            kept.append(node)
            continue
        found = True
        values[node.output[0]] = known
        model.graph.initializer.append(numpy_helper.from_array(known, node.output[0]))
    if found:
        nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    return found


def _value_of(node: onnx.NodeProto, shapes: Shapes, values: Values, opsets: Any) -> Any:
    """What a node makes of known lists; None where it can't be told or isn't a short list of whole numbers."""
    feed: Values
    if node.op_type in ("Shape", "Size"):
        shape = shapes.get(node.input[0])
        if shape is None:
            return None
        feed = {node.input[0]: np.broadcast_to(np.float32(0), shape)}  # of that shape, but without memory
    else:
        size = shapes.get(node.output[0])
        if (size is not None and math.prod(size) > _MAX_SIZES) or not all(n in values for n in node.input if n):
            return None
        feed = {name: values[name] for name in node.input if name}
        if size is None and _may_grow(node, feed):
            return None  # the next round tells how long it becomes
    with np.errstate(all="ignore"):
        array = np.asarray(next(iter(ReferenceEvaluator(_alone(node, opsets)).run(None, feed))))
    return array if array.dtype in (np.int64, np.int32, np.bool_) and array.size <= _MAX_SIZES else None


def _may_grow(node: onnx.NodeProto, feed: Values) -> bool:
    """Can it make much of a little? Two or three short lists against each other can't."""
    if node.op_type == "Concat":
        return sum(int(feed[name].size) for name in node.input) > _MAX_SIZES
    return node.op_type in ("ConstantOfShape", "Expand", "Range") or len(node.input) > 3


def _alone(node: onnx.NodeProto, opsets: Any) -> onnx.ModelProto:
    graph = onnx.GraphProto(name="sizes", node=[node])
    graph.input.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(node.input) if name)
    graph.output.append(onnx.ValueInfoProto(name=node.output[0]))
    return onnx.ModelProto(ir_version=8, graph=graph, opset_import=opsets)


def _small_lists(model: onnx.ModelProto) -> Values:
    """The short lists of whole numbers that the file holds."""
    kinds = (*_INTEGERS, onnx.TensorProto.BOOL)
    tensors = [(n, t) for n, t in _tensors(model) if t.data_type in kinds and math.prod(t.dims) <= _MAX_SIZES]
    return {name: numpy_helper.to_array(tensor) for name, tensor in tensors}


def _check_lists(model: onnx.ModelProto, file: str) -> None:
    """No list of whole numbers that is longer, and no value of more dimensions, than any model has use for."""
    outputs = sum(len(node.output) for node in model.graph.node)
    longest = max((len(attribute.ints) for node in model.graph.node for attribute in node.attribute), default=0)
    lists = {name: math.prod(tensor.dims) for name, tensor in _tensors(model) if tensor.data_type in _INTEGERS}
    rows = max(lists.values(), default=0)
    if outputs > _MAX_OUTPUTS or longest > _MAX_ATTRIBUTE_INTEGERS or rows > _MAX_INTEGERS:
        raise UnsupportedModel(
            f"{file} holds lists of sizes or rows that are longer than any model needs ({outputs:,} values inside, "
            f"{longest:,} numbers to an operator, {rows:,} in a list)."
        )
    dimensions = {name: len(tensor.dims) for name, tensor in _tensors(model)}
    dimensions |= {value.name: len(value.type.tensor_type.shape.dim) for value in model.graph.input}
    for node in model.graph.node:
        place = _SHAPE_INPUT.get(node.op_type, len(node.input))
        asked = lists.get(node.input[place], 0) if place < len(node.input) else 0
        most = _most_dimensions(node, dimensions, lists)
        if asked > _MAX_DIMENSIONS or most > _MAX_NESTED_DIMENSIONS:
            raise UnsupportedModel(
                f"{file} has values of {max(asked, most):,} dimensions (at its operator {node.op_type}); "
                f"{_MAX_DIMENSIONS} are the most."
            )
        for name in node.output:
            dimensions.setdefault(name, most)


def _most_dimensions(node: onnx.NodeProto, dimensions: Mapping[str, int], lists: Mapping[str, int]) -> int:
    """An upper bound of the dimensions of what a node gives, from those of what it is given."""
    given = [dimensions.get(name, _MAX_DIMENSIONS) for name in node.input if name]
    if node.op_type in ("Unsqueeze", "Squeeze"):
        listed = lists.get(node.input[1], 0) if len(node.input) > 1 else 0
        axes = max([listed, *(len(attribute.ints) for attribute in node.attribute)])
        return given[0] + (axes if node.op_type == "Unsqueeze" else -axes)
    if node.op_type in ("Reshape", "ConstantOfShape"):
        return _MAX_DIMENSIONS
    if node.op_type in ("Shape", "Size", "Range"):
        return 1
    if node.op_type in ("LSTM", "GRU", "RNN"):
        return 4
    if node.op_type == "Expand":
        return max(_MAX_DIMENSIONS, *given)
    return sum(given) if node.op_type == "Gather" else max(given, default=_MAX_DIMENSIONS)


def _tensors(model: onnx.ModelProto) -> list[tuple[str, onnx.TensorProto]]:
    """Weights and constants under the names that operators know them by."""
    constants = [
        (node.output[0], attribute.t)
        for node in model.graph.node
        for attribute in node.attribute
        if attribute.HasField("t") and node.output and node.op_type == "Constant"
    ]
    return [(tensor.name, tensor) for tensor in model.graph.initializer] + constants


def _known_shapes(model: onnx.ModelProto) -> Shapes:
    shapes: Shapes = {}
    for value in (*model.graph.value_info, *model.graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(size.HasField("dim_value") for size in kind.shape.dim):
            shapes[value.name] = tuple(size.dim_value for size in kind.shape.dim)
    return shapes
