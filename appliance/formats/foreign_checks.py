"""Is somebody else's ONNX graph fit to be run? Everything here looks at the file only; nothing runs.

Refused: weights in other files, operators beyond the plain ones of the standard domain (so no loops, branches, random
numbers, functions and no operators of one runtime), opsets that ONNX Runtime may not know, and every value inside whose
size can't be told from the file or is larger than any model's: a graph of a few bytes can ask for terabytes. May block.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import onnx
from google.protobuf.message import Message
from onnx import numpy_helper

from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats.description import MAX_WEIGHTS
from appliance.formats.fields import show
from appliance.formats.foreign_graph import ForeignGraph
from appliance.formats.foreign_inference import infer_shapes

CONTRACT = (
    "The pedal plays streaming graphs: one audio input and output [1, 1, T], knobs perhaps, and states that come back "
    "in the shape they went in (docs/foreign-onnx.md)."
)
CHUNK_FRAMES = 1024  # graphs that take any block are given no larger one
MIN_OPSET, MAX_OPSET = 9, 22
_MAX_NODES = 10_000
_MAX_TENSORS = 4096
_MAX_VALUES = 1 << 24  # in one value inside the graph
_MAX_TOTAL_VALUES = 1 << 27
_SMALL_BLOCK_FRAMES = 32
_DAMAGED = "The file is damaged: download or export it again."

_OPERATOR_NAMES = """
Abs Acos Acosh Add And Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Celu Clip Concat Constant
ConstantOfShape Conv ConvTranspose Cos Cosh CumSum Div Dropout Elu Equal Erf Exp Expand Flatten Floor GRU Gather
GatherElements Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual HardSigmoid HardSwish Identity
InstanceNormalization LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max MaxPool Mean Min
Mish Mod Mul Neg Not Or PRelu Pad Pow RNN Range Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd
ReduceSum ReduceSumSquare Relu Reshape Round Selu Shape Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign
Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile Transpose Unsqueeze Where Xor
"""
_OPERATORS = frozenset(_OPERATOR_NAMES.split())
_LOOPS = ("If", "Loop", "Scan", "SequenceMap")
_TENSOR_KINDS: dict[int, type] = {
    onnx.TensorProto.FLOAT: np.float32,
    onnx.TensorProto.INT64: np.int64,
    onnx.TensorProto.INT32: np.int32,
    onnx.TensorProto.BOOL: np.bool_,
}


def check_graph(model: onnx.ModelProto, file: str) -> None:
    """Names, opset, operators and weights. Raises UnsupportedModel, BadModelFile."""
    if not _is_text(model.graph) or not _is_text(model.opset_import):
        raise BadModelFile(f"{file} holds names that are not text. {_DAMAGED}")
    versions = [opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")]
    if others := [opset.domain for opset in model.opset_import if opset.domain not in ("", "ai.onnx")]:
        raise UnsupportedModel(
            f"{file} uses operators of {show(others[0])}, which only some runtimes have. Export it with standard ONNX "
            "operators alone."
        )
    if len(versions) != 1 or not MIN_OPSET <= versions[0] <= MAX_OPSET:
        found = ", ".join(map(str, versions)) or "none"
        raise UnsupportedModel(
            f"{file} is written for ONNX opset {found}; {MIN_OPSET} to {MAX_OPSET} are played. Export it with opset 17."
        )
    if model.functions or model.training_info or model.graph.sparse_initializer:
        raise UnsupportedModel(
            f"{file} holds functions, training steps or sparse weights of its own. Export it for inference."
        )
    if len(model.graph.node) > _MAX_NODES or len(model.graph.initializer) > _MAX_TENSORS:
        raise UnsupportedModel(
            f"{file} has {len(model.graph.node):,} nodes and {len(model.graph.initializer):,} tensors; the most are "
            f"{_MAX_NODES:,} and {_MAX_TENSORS:,}."
        )
    for tensor in model.graph.initializer:
        _check_tensor(tensor, file)
    if float_weights(model) > MAX_WEIGHTS:
        raise UnsupportedModel(f"{file} has more than {MAX_WEIGHTS:,} weights.")
    for node in model.graph.node:
        _check_node(node, file)


def _is_text(part: object) -> bool:
    """Is every string in a part of the file text? Protobuf hands over bytes where one is not UTF-8."""
    if isinstance(part, Message):
        return all(
            _is_text(value)
            for field, value in part.ListFields()
            if field.type == field.TYPE_MESSAGE or field.type == field.TYPE_STRING
        )
    if isinstance(part, str | bytes):
        return isinstance(part, str)
    return not isinstance(part, Iterable) or all(_is_text(item) for item in part)


def float_weights(model: onnx.ModelProto) -> int:
    """How many float32 numbers the initializers hold."""
    floats = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    return sum(math.prod(tensor.dims) for tensor in floats)


def _check_node(node: onnx.NodeProto, file: str) -> None:
    if node.domain not in ("", "ai.onnx"):
        raise UnsupportedModel(
            f"{file} uses the operator {show(node.op_type)} of {show(node.domain)}, which only some runtimes have. "
            "Export it with standard ONNX operators alone."
        )
    if node.op_type in _LOOPS:
        raise UnsupportedModel(
            f"{file} has a loop or a branch inside ({node.op_type}), which can take any time. Export it unrolled, or "
            "with the LSTM or GRU operator."
        )
    if node.op_type not in _OPERATORS:
        raise UnsupportedModel(
            f"{file} uses the operator {show(node.op_type)}, which is not among those that the pedal plays "
            "(docs/foreign-onnx.md lists them)."
        )
    for attribute in node.attribute:
        if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) or attribute.HasField("g"):
            raise UnsupportedModel(f"{file} has a graph inside its operator {node.op_type}. Export it flat.")
        if attribute.type in (onnx.AttributeProto.SPARSE_TENSOR, onnx.AttributeProto.TENSORS):
            raise UnsupportedModel(f"{file} has weights of a rare kind inside its operator {node.op_type}.")
        if attribute.HasField("t"):
            _check_tensor(attribute.t, file)


def _check_tensor(tensor: onnx.TensorProto, file: str) -> None:
    """Kind and size before the values are looked at; then every number finite."""
    name = show(tensor.name)
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise UnsupportedModel(f"{file} keeps its weights in another file (external data). Export it as a single file.")
    kind = _TENSOR_KINDS.get(tensor.data_type)
    if kind is None:
        raise UnsupportedModel(f"{file}: the weights {name} are not float32 or whole numbers. Export it as float32.")
    if min(tensor.dims, default=1) < 0 or math.prod(tensor.dims) > MAX_WEIGHTS:
        sizes = " × ".join(str(size) for size in tensor.dims[:6])
        raise UnsupportedModel(f"{file}: the weights {name} are {sizes}; {MAX_WEIGHTS:,} numbers are the most.")
    try:
        values = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, onnx.checker.ValidationError):
        raise BadModelFile(f"{file}: the weights {name} don't have as many numbers as they say. {_DAMAGED}") from None
    if values.dtype != kind or not np.isfinite(values).all():
        raise BadModelFile(f"{file}: the weights {name} hold NaN or infinity. {_DAMAGED}")


def check_sizes(model: onnx.ModelProto, graph: ForeignGraph, file: str) -> None:
    """Every value inside must be of a known size that is not absurd; outputs must fit what they are for.

    The graph must have passed `check_graph`. Raises UnsupportedModel, BadModelFile.
    """
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, UnicodeDecodeError) as error:
        raise BadModelFile(f"{file} breaks the rules of ONNX: {_first_line(error)}. {_DAMAGED}") from None
    blocks = (graph.block_frames,) if graph.block_frames else (_SMALL_BLOCK_FRAMES, CHUNK_FRAMES)
    for frames in blocks:
        shapes = infer_shapes(model, _port_shapes(graph, frames), file)
        total = 0
        for node in model.graph.node:
            for name in filter(None, node.output):
                if (shape := shapes.get(name)) is None:
                    raise UnsupportedModel(
                        f"{file}: how large the output {show(name)} of its operator {node.op_type} becomes can't be "
                        f"told from the file. {CONTRACT}"
                    )
                count = math.prod(shape)
                total += count
                if count > _MAX_VALUES or total > _MAX_TOTAL_VALUES:
                    raise UnsupportedModel(
                        f"{file}: its operator {node.op_type} makes {count:,} numbers ({show(name)}) for a block of "
                        f"{frames} frames, more than any model needs. It is damaged or a joke."
                    )
        wanted = {state.output: state.input.filled(frames) for state in graph.states}
        for name, shape in wanted.items():
            if shapes.get(name) != shape:
                raise UnsupportedModel(
                    f"{file}: the state {show(name)} comes out as {_show(shapes.get(name))}, but went in as "
                    f"{_show(shape)}. {CONTRACT}"
                )
        found = shapes.get(graph.output)
        if found is None or not found or found[-1] != frames or math.prod(found) != frames:
            raise UnsupportedModel(
                f"{file}: its output {show(graph.output)} is {_show(found)} for a block of {frames} frames. {CONTRACT}"
            )


def _port_shapes(graph: ForeignGraph, frames: int) -> dict[str, tuple[int, ...]]:
    ports = [graph.audio, *(state.input for state in graph.states)]
    if graph.knobs is not None:
        ports.append(graph.knobs)
    return {port.name: port.filled(frames) for port in ports}


def _show(shape: tuple[int, ...] | None) -> str:
    return "of unknown shape" if shape is None else "[" + ", ".join(map(str, shape)) + "]"


def _first_line(error: Exception) -> str:
    """The part of a long message that tells what is wrong."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:160].rstrip(".")
