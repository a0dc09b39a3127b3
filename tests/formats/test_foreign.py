"""Which ONNX graphs of other people are played, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats.description import (
    Description,
    architecture_name,
    multiply_adds_per_sample,
    receptive_field_frames,
)
from appliance.formats.foreign_graph import ForeignGraph
from appliance.formats.own import own_bytes
from appliance.formats.read import read_model_bytes, read_variants_bytes
from appliance.formats.summary import summarise
from tests import graphs


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading and refusing never make a session."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a session was made of a graph that was only read")

    monkeypatch.setattr(ort, "InferenceSession", refuse)


def read(made: onnx.ModelProto) -> Description:
    (description,) = read_variants_bytes(graphs.as_bytes(made), "graph.onnx")
    return description


def ports(made: onnx.ModelProto) -> ForeignGraph:
    graph = read(made).architecture
    assert isinstance(graph, ForeignGraph)
    return graph


def test_what_the_file_tells_of_itself() -> None:
    described = read(graphs.convolution(name="Their FIR", sample_rate="44100", licence="CC0"))
    assert (described.name, described.licence, described.source_format) == ("Their FIR", "CC0", "ONNX")
    assert (described.sample_rate_hz, described.sample_rate_known) == (44_100, True)
    plain = read(graphs.convolution(sample_rate="fast"))
    assert (plain.name, plain.sample_rate_hz, plain.sample_rate_known) == ("graph", 48_000, False)
    assert architecture_name(plain.architecture) == "ONNX graph of 3 nodes"
    assert multiply_adds_per_sample(plain.architecture) == 4
    assert receptive_field_frames(plain.architecture) is None
    assert any("only offline, with --engine onnx" in note for note in summarise(plain)["notes"])


def test_knobs_without_names_get_numbers() -> None:
    for names in ("", "Drive", "Drive,Drive", "a,b,c"):
        assert [knob.name for knob in read(graphs.drive(knobs=names)).knobs] == ["Knob 1", "Knob 2"]


def passed_through(pairs: dict[str, str], shapes: dict[str, tuple[int, ...]] | None = None) -> onnx.ModelProto:
    """A graph whose states come out as they went in: {input: output}."""
    nodes = [helper.make_node("Identity", ["audio"], ["output"])]
    nodes += [helper.make_node("Identity", [a], [b]) for a, b in pairs.items()]
    shape = {name: (shapes or {}).get(name, (1, 4)) for name in pairs}
    inputs = [graphs.port("audio", (1, 1, "T")), *(graphs.port(name, shape[name]) for name in pairs)]
    outputs = [graphs.port("output", (1, 1, "T")), *(graphs.port(b, shape[a]) for a, b in reversed(pairs.items()))]
    return graphs.model(nodes, inputs, outputs)


@pytest.mark.parametrize(
    "pairs",
    [
        {"state_1": "next_state_1", "state_2": "next_state_2"},
        {"h_in": "h_out", "c_in": "c_out"},
        {"in_h": "out_h", "in_c": "out_c"},
        {"h0": "hn", "c0": "cn"},
        {"past_key": "present_key", "past_value": "present_value"},
        {"prev_a": "next_a", "prev_b": "next_b"},
        {"conv.1.buffer": "conv.1.buffer_out", "conv.2.buffer": "conv.2.buffer_out"},
        {"a": "new_a", "b": "b_new"},
    ],
)
def test_states_find_their_outputs_by_name_whatever_the_order(pairs: dict[str, str]) -> None:
    graph = ports(passed_through(pairs))
    assert {state.input.name: state.output for state in graph.states} == pairs


def test_states_without_telling_names_go_by_their_order() -> None:
    made = passed_through({"p": "r", "q": "s"}, {"p": (1, 4), "q": (2, 3)})
    outputs = list(made.graph.output)
    del made.graph.output[:]
    made.graph.output.extend([outputs[0], outputs[2], outputs[1]])
    assert {state.input.name: state.output for state in ports(made).states} == {"p": "r", "q": "s"}


def test_audio_is_known_by_its_name_or_by_its_shape() -> None:
    made = graphs.convolution()
    assert ports(made).audio.name == "audio"
    for value in (*made.graph.input, *made.graph.output):
        value.name = {"audio": "guitar", "output": "amp"}.get(value.name, value.name)
    for node in made.graph.node:
        node.input[:] = [{"audio": "guitar"}.get(name, name) for name in node.input]
        node.output[:] = [{"output": "amp"}.get(name, name) for name in node.output]
    graph = ports(made)
    assert (graph.audio.name, graph.output, [s.input.name for s in graph.states]) == ("guitar", "amp", ["past"])


Change = Callable[[onnx.ModelProto], object]


def add_node(kind: str, inputs: list[str], outputs: list[str], **attributes: object) -> Change:
    return lambda m: m.graph.node.extend([helper.make_node(kind, inputs, outputs, **attributes)])  # type: ignore[arg-type]


def external(m: onnx.ModelProto) -> None:
    m.graph.initializer[0].data_location = TensorProto.EXTERNAL
    m.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")


def external_in_a_constant(m: onnx.ModelProto) -> None:
    tensor = graphs.constant("c", [1.0])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    add_node("Constant", [], ["c"], value=tensor)(m)


def branch(m: onnx.ModelProto) -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["audio"], ["i"])], "i", [], [graphs.port("i", (1, 1, "T"))]
    )
    m.graph.initializer.append(graphs.constant("yes", True, np.bool_))
    add_node("If", ["yes"], ["b"], then_branch=inner, else_branch=inner)(m)


def hidden_graph(m: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "i", [], [])
    m.graph.node[0].attribute.append(helper.make_attribute("body", inner))


def big_fill(m: onnx.ModelProto) -> None:
    m.graph.initializer.append(graphs.constant("size", [1 << 20, 1 << 20], np.int64))
    add_node("ConstantOfShape", ["size"], ["big"])(m)


def big_product(m: onnx.ModelProto) -> None:
    m.graph.initializer.append(graphs.constant("tall", np.zeros((1 << 20, 1))))
    m.graph.initializer.append(graphs.constant("wide", np.zeros((1, 1 << 20))))
    add_node("MatMul", ["tall", "wide"], ["big"])(m)


def size_from_the_audio(m: onnx.ModelProto) -> None:
    m.graph.initializer.extend([graphs.constant("zero", 0, np.int64), graphs.constant("step", 1, np.int64)])
    add_node("ReduceSum", ["audio"], ["loudness"], keepdims=0)(m)
    add_node("Cast", ["loudness"], ["count"], to=TensorProto.INT64)(m)
    add_node("Range", ["zero", "count", "step"], ["big"])(m)


def doubling_sizes(m: onnx.ModelProto) -> None:
    """Shape arithmetic that grows to 2^40 numbers."""
    add_node("Shape", ["audio"], ["s0"])(m)
    for i in range(40):
        add_node("Concat", [f"s{i}", f"s{i}"], [f"s{i + 1}"], axis=0)(m)


def long_list(m: onnx.ModelProto) -> None:
    m.graph.initializer.append(graphs.constant("rows", np.zeros(100_000), np.int64))


def many_dimensions(m: onnx.ModelProto) -> None:
    m.graph.initializer.append(graphs.constant("sizes", np.ones(500), np.int64))
    add_node("Expand", ["taps", "sizes"], ["deep"])(m)


def deeper_and_deeper(m: onnx.ModelProto) -> None:
    for i in range(300):
        add_node("Unsqueeze", [f"d{i}" if i else "audio", "time"], [f"d{i + 1}"])(m)


def no_such_product() -> onnx.NodeProto:
    return helper.make_node("MatMul", ["taps", "past"], ["product"])  # rows of 4 and 1 of 3


def set_input(index: int, **changes: object) -> Change:
    def change(m: onnx.ModelProto) -> None:
        m.graph.input[index].CopyFrom(graphs.port(m.graph.input[index].name, **changes))  # type: ignore[arg-type]

    return change


def set_output(index: int, shape: graphs.Shape) -> Change:
    return lambda m: m.graph.output[index].CopyFrom(graphs.port(m.graph.output[index].name, shape))


def opset(version: int, domain: str = "") -> Change:
    def change(m: onnx.ModelProto) -> None:
        m.opset_import[0].CopyFrom(helper.make_opsetid(domain, version))

    return change


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (external, UnsupportedModel, "another file"),
        (external_in_a_constant, UnsupportedModel, "another file"),
        (branch, UnsupportedModel, r"a loop or a branch inside \(If\)"),
        (add_node("Loop", ["", ""], ["l"]), UnsupportedModel, r"\(Loop\)"),
        (add_node("Scan", ["audio"], ["l"]), UnsupportedModel, r"\(Scan\)"),
        (hidden_graph, UnsupportedModel, "graph inside its operator Concat"),
        (add_node("RandomNormal", [], ["n"], shape=[4]), UnsupportedModel, '"RandomNormal", which is not among'),
        (add_node("Frobnicate", ["audio"], ["n"]), UnsupportedModel, '"Frobnicate", which is not among'),
        (add_node("Gelu", ["audio"], ["n"], domain="com.microsoft"), UnsupportedModel, '"Gelu" of "com.microsoft"'),
        (lambda m: m.opset_import.append(helper.make_opsetid("my.own", 1)), UnsupportedModel, 'operators of "my.own"'),
        (opset(8), UnsupportedModel, "opset 8; 9 to 22"),
        (opset(99), UnsupportedModel, "opset 99"),
        (lambda m: m.opset_import.pop(), UnsupportedModel, "opset none"),
        (
            lambda m: m.functions.append(helper.make_function("f", "F", [], [], [], list(m.opset_import))),
            UnsupportedModel,
            "functions",
        ),
        (big_fill, UnsupportedModel, r"ConstantOfShape makes 1,099,511,627,776 numbers"),
        (big_product, UnsupportedModel, r"MatMul makes 1,099,511,627,776 numbers"),
        (size_from_the_audio, UnsupportedModel, "can't be told from the file"),
        (doubling_sizes, UnsupportedModel, r"Concat makes 25,165,824 numbers \("),
        (long_list, UnsupportedModel, "lists of sizes or rows .* 100,000 in a list"),
        (many_dimensions, UnsupportedModel, r"values of 500 dimensions \(at its operator Expand\)"),
        (deeper_and_deeper, UnsupportedModel, r"values of 257 dimensions \(at its operator Unsqueeze\)"),
        (lambda m: m.graph.initializer[0].dims.__setitem__(0, 10**12), UnsupportedModel, "1000000000000 × 1 × 4"),
        (lambda m: m.graph.initializer[0].dims.__setitem__(0, 2), BadModelFile, "as many numbers as they say"),
        (lambda m: m.graph.initializer[0].dims.__setitem__(0, -1), UnsupportedModel, "-1 × 1 × 4"),
        (
            lambda m: m.graph.initializer[0].CopyFrom(graphs.constant("taps", [[[np.nan] * 4]])),
            BadModelFile,
            "NaN or infinity",
        ),
        (
            lambda m: m.graph.initializer[0].CopyFrom(graphs.constant("taps", [[[1] * 4]], np.float64)),
            UnsupportedModel,
            "not float32 or whole numbers",
        ),
        (lambda m: m.graph.output.pop(), UnsupportedModel, "1 inputs beside .* 0 outputs beside .* in pairs"),
        (lambda m: m.graph.input.pop(), UnsupportedModel, "0 inputs beside .* 1 outputs beside .* in pairs"),
        (lambda m: m.graph.output.pop(0), UnsupportedModel, "states come in pairs"),
        (set_input(1, shape=None), UnsupportedModel, 'how many dimensions its port "audio"'),
        (set_input(1, shape=(1, 2, "T")), UnsupportedModel, r'audio input "audio" of the shape \[1, 2, T\]'),
        (set_input(1, shape=(1, 1, 0)), UnsupportedModel, r'"audio" of the shape \[1, 1, 0\]'),
        (set_input(1, shape=(1, 1, 100_000)), UnsupportedModel, "blocks of 100000 frames"),
        (set_input(1, shape=(1, 1, "T"), kind=TensorProto.DOUBLE), UnsupportedModel, "not float32"),
        (set_input(0, shape=(1, 1, "n")), UnsupportedModel, r'state "past" of the shape \[1, 1, n\]'),
        (set_input(0, shape=(1, 1, 1 << 25)), UnsupportedModel, "keeps 33,554,432 numbers"),
        (
            set_input(0, shape=(1, 1, 5)),
            UnsupportedModel,
            r'"present" comes out as \[1, 1, 3\], but went in as \[1, 1, 5\]',
        ),
        (lambda m: m.graph.node[1].input.__setitem__(1, "nothing"), BadModelFile, "breaks the rules of ONNX"),
        (lambda m: m.graph.node.insert(0, m.graph.node[1]), BadModelFile, "breaks the rules of ONNX"),
        (lambda m: m.graph.node.extend([no_such_product()]), BadModelFile, "don't fit together"),
    ],
)
def test_graphs_that_are_not_played_are_refused_in_words(change: Change, kind: type[BadModelFile], words: str) -> None:
    made = graphs.convolution()
    change(made)
    with pytest.raises(kind, match=words) as caught:
        read(made)
    assert type(caught.value) is kind
    assert "graph.onnx" in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", [b"Mul", b"z_in", b"z_out", b"decay"])
def test_names_that_are_not_text_are_refused(name: bytes) -> None:
    data = graphs.as_bytes(graphs.one_pole())
    assert name in data
    with pytest.raises(BadModelFile, match="not text"):
        read_model_bytes(data.replace(name, b"\x80" + name[1:]), "a.onnx")


def test_graphs_without_an_input_or_output_are_refused() -> None:
    made = graphs.gain()
    del made.graph.output[:]
    with pytest.raises(UnsupportedModel, match=r"no audio output.*it has none"):
        read(made)
    made = graphs.gain()
    made.graph.initializer.append(graphs.constant("input", [[[1.0]]]))
    with pytest.raises(UnsupportedModel, match=r"no audio input.*it has none"):
        read(made)


def test_sizes_that_the_graph_works_out_itself_are_followed() -> None:
    """As exporters write `x.view(1, 1, -1)` and `expand`: shape → pick → compare → choose → concat → reshape."""
    made = graphs.gain()
    made.graph.node[0].output[0] = "quiet"
    for name, values in {"0": 0, "2": [2], "one": [1], "minus": [-1], "ones": [1, 1]}.items():
        made.graph.initializer.append(graphs.constant(name, values, np.int64))
    for kind, inputs, output in (
        ("Shape", ["quiet"], "shape"),
        ("Gather", ["shape", "2"], "frames"),
        ("Equal", ["frames", "minus"], "is_open"),
        ("Where", ["is_open", "one", "frames"], "chosen"),
        ("Shape", ["ones"], "length"),
        ("ConstantOfShape", ["length"], "ahead"),
        ("Concat", ["ahead", "chosen"], "sizes"),
        ("Reshape", ["quiet", "sizes"], "folded"),
        ("Shape", ["folded"], "again"),
        ("Expand", ["folded", "again"], "output"),
    ):
        more = {"Concat": {"axis": 0}, "ConstantOfShape": {"value": graphs.constant("value", [1], np.int64)}}
        add_node(kind, inputs, [output], **more.get(kind, {}))(made)
    assert ports(made).output == "output"


def test_an_output_that_is_not_as_long_as_the_input_is_refused() -> None:
    for nodes in (
        [helper.make_node("Concat", ["audio", "audio"], ["output"], axis=2)],
        [helper.make_node("ReduceMean", ["audio"], ["output"], axes=[2], keepdims=1)],
    ):
        made = graphs.model(nodes, [graphs.port("audio", (1, 1, "T"))], [graphs.port("output", (1, 1, "U"))])
        with pytest.raises(UnsupportedModel, match="for a block of 32 frames"):
            read(made)


@pytest.mark.parametrize("shape", [(1, 17), (2, 2), ("many",), (1, 2, 5), (1, 1, 2, 1)])
def test_knobs_of_other_shapes_are_refused(shape: graphs.Shape) -> None:
    with pytest.raises(UnsupportedModel, match="knobs of the shape"):
        read(graphs.drive(shape))


def test_too_many_nodes_or_weights_are_refused() -> None:
    chain = [helper.make_node("Identity", [f"v{i}" if i else "audio"], [f"v{i + 1}"]) for i in range(10_001)]
    made = graphs.model(chain, [graphs.port("audio", (1, 1, "T"))], [graphs.port("v10001", (1, 1, "T"))])
    with pytest.raises(UnsupportedModel, match="10,001 nodes"):
        read(made)
    made = graphs.gain()
    made.graph.initializer.extend(graphs.constant(f"w{i}", np.zeros(3_000_000)) for i in range(2))
    with pytest.raises(UnsupportedModel, match="more than 4,000,000 weights"):
        read(made)


def test_a_foreign_graph_is_not_written_again_as_our_own() -> None:
    with pytest.raises(UnsupportedModel, match="an ONNX file already"):
        own_bytes(read(graphs.gain()), "a")


def test_an_onnx_file_that_is_no_stream_at_all_is_refused_by_its_ports() -> None:
    node = helper.make_node("Relu", ["image"], ["label"])
    values = [graphs.port(name, (1, 3, 224, 224)) for name in ("image", "label")]
    with pytest.raises(UnsupportedModel, match=r'it has "image" \[1, 3, 224, 224\].*streaming graphs'):
        read_model_bytes(graphs.as_bytes(graphs.model([node], values[:1], values[1:])), "other.onnx")
