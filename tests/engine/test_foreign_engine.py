"""Other people's streaming ONNX graphs, played by ONNX Runtime, against numpy."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper

from appliance.engine.engines import ENGINES, engine_for, make_engine
from appliance.engine.foreign_engine import ForeignEngine
from appliance.engine.reference import ReferenceEngine
from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats.description import Description
from appliance.formats.own import own_bytes
from appliance.formats.read import read_model_bytes
from appliance.formats.tree import to_tree
from tests import graphs
from tests.models import FAMILIES, guitarish, random_linear

Float32 = npt.NDArray[np.float32]
RNG = np.random.default_rng


def read(made: onnx.ModelProto) -> Description:
    return read_model_bytes(graphs.as_bytes(made), "graph.onnx")


def play(description: Description, audio: Float32, cuts: list[int], knobs: Float32 | None = None) -> Float32:
    engine = make_engine("onnx", description)
    edges = [0, *cuts, len(audio)]
    parts = [
        engine.process(audio[a:b], knobs if knobs is None or knobs.ndim == 1 else knobs[:, a:b])
        for a, b in itertools.pairwise(edges)
    ]
    return np.concatenate(parts)


@pytest.mark.parametrize("cuts", [[], [1, 2, 63, 64], [1500], [0, 0, 1023, 1025]])
def test_a_convolution_with_a_state_plays_in_any_blocks(cuts: list[int]) -> None:
    audio = guitarish(RNG(1), 3000)
    expected = np.convolve(audio, graphs.TAPS[::-1])[: len(audio)]
    np.testing.assert_allclose(play(read(graphs.convolution()), audio, cuts), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, "T"), (1, "T"), ("T",), ("batch", 1, "time"), (1, 1, None), (1, 1, 1), (7,)])
def test_every_shape_of_audio_in_the_contract(shape: graphs.Shape) -> None:
    description = read(graphs.gain(shape))
    late = make_engine("onnx", description).latency_frames
    assert late == (6 if shape == (7,) else 0)
    audio = guitarish(RNG(2), 100)
    made = play(description, audio, [10, 11, 64])
    np.testing.assert_allclose(made[late:], 0.5 * audio[: len(audio) - late], atol=1e-7)


@pytest.mark.parametrize("cuts", [[], [1, 2, 3, 4, 5, 17, 63], [4, 8, 12]])
def test_a_graph_of_fixed_blocks_is_late_by_a_block_less_one_frame_whatever_the_cuts(cuts: list[int]) -> None:
    description = read(graphs.one_pole())
    engine = make_engine("onnx", description)
    assert engine.latency_frames == 3
    audio = guitarish(RNG(3), 203)
    expected, level = [], 0.0
    for sample in audio:
        level = 0.1 * float(sample) + 0.9 * level
        expected.append(level)
    made = play(description, audio, cuts)
    assert not made[:3].any()
    np.testing.assert_allclose(made[3:], expected[:-3], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 2, "T"), (1, 2, "knob_frames"), (1, 2, 1), (1, 2), (2,)])
def test_knobs_of_every_shape(shape: graphs.Shape) -> None:
    description = read(graphs.drive(shape, knobs="Drive, Level"))
    assert [knob.name for knob in description.knobs] == ["Drive", "Level"]
    audio, held = guitarish(RNG(4), 200), np.array([0.7, 0.4], np.float32)
    expected = np.tanh(audio * 1.7) * 0.4
    np.testing.assert_allclose(play(description, audio, [50], held), expected, atol=1e-6)
    np.testing.assert_allclose(play(description, audio, [50]), np.zeros(200), atol=1e-6)
    if shape[-1] in ("T", "knob_frames"):
        moving = RNG(5).uniform(0, 1, (2, 200)).astype(np.float32)
        expected = np.tanh(audio * (1 + moving[0])) * moving[1]
        np.testing.assert_allclose(play(description, audio, [3, 77], moving), expected, atol=1e-6)


def test_reset_silences_states_and_queue() -> None:
    for made in (graphs.convolution(), graphs.one_pole()):
        engine = make_engine("onnx", read(made))
        audio = guitarish(RNG(6), 41)
        first = engine.process(audio)
        engine.reset()
        np.testing.assert_array_equal(engine.process(audio), first)


def test_empty_blocks_and_wrong_shapes() -> None:
    engine = make_engine("onnx", read(graphs.drive()))
    assert engine.process(np.zeros(0, np.float32)).shape == (0,)
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        engine.process(np.zeros(8, np.float32), np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="one dimension"):
        engine.process(np.zeros((1, 8), np.float32))
    with pytest.raises(TypeError):
        ForeignEngine(random_linear(RNG(0)))


@pytest.mark.parametrize("family", FAMILIES)
def test_our_own_graphs_play_as_anybody_elses_once_their_metadata_is_gone(family: str) -> None:
    rng = RNG(7)
    written = FAMILIES[family](rng)
    for name, array in to_tree(written)[1].items():
        if name.endswith((".h0", ".c0")):  # where a state starts is told in our metadata only
            array[:] = 0.0
    made = onnx.load_from_string(own_bytes(written, "a"))
    del made.metadata_props[:]
    description = read(made)
    assert description.source_format == "ONNX"
    audio = guitarish(rng, 500)
    knobs = rng.uniform(0, 1, (len(written.knobs), 500)).astype(np.float32)
    expected = ReferenceEngine(written).process(audio, knobs)
    np.testing.assert_allclose(play(description, audio, [64, 65, 300], knobs), expected, atol=1e-5)


def test_other_engines_say_by_name_that_they_can_not_play_it() -> None:
    description = read(graphs.convolution(name="Their FIR"))
    assert engine_for(description) == "onnx"
    for engine in set(ENGINES) - {"onnx"}:
        with pytest.raises(UnsupportedModel, match=r"Their FIR is an ONNX graph of its own.*--engine onnx"):
            make_engine(engine, description)


def test_a_graph_that_fails_while_it_plays_is_told_in_words() -> None:
    """Gather reaches row 40 of the block: fine for blocks as large as those it was checked with, not for small ones."""
    nodes = [
        helper.make_node("Gather", ["audio", "place"], ["picked"], axis=2),
        helper.make_node("Add", ["audio", "picked"], ["output"]),
    ]
    ports = [graphs.port("audio", (1, 1, "T"))]
    made = graphs.model(nodes, ports, [graphs.port("output", (1, 1, "T"))], [graphs.constant("place", [40], np.int64)])
    engine = make_engine("onnx", read(made))
    engine.process(np.zeros(64, np.float32))
    with pytest.raises(BadModelFile, match="ONNX Runtime gave up on a block of 8"):
        engine.process(np.zeros(8, np.float32))


def test_a_graph_that_onnx_runtime_does_not_take_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no kernel for this\nand a long story")

    description = read(graphs.gain())
    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    with pytest.raises(UnsupportedModel, match=r"doesn't take this graph: no kernel for this$"):
        make_engine("onnx", description)
