"""Our own file: exactly what was written comes back, and plain ONNX Runtime plays it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto

from appliance.engine.onnx_graph import (
    ARRAYS_KEY,
    DESCRIPTION_KEY,
    FORMAT_KEY,
    initial_states,
    unpack_array,
)
from appliance.engine.reference import ReferenceEngine
from appliance.errors import BadModelFile, StorageError, UnsupportedModel
from appliance.formats.description import Description, Knob, Levels, Recurrent, SelfTest
from appliance.formats.own import SIZES_KEY, own_bytes, write_own
from appliance.formats.read import read_model, read_model_bytes, read_variants, read_variants_bytes
from appliance.formats.tree import to_tree
from tests.models import FAMILIES, guitarish, random_linear, random_recurrent, random_wavenet


def assert_equal(found: Description, written: Description) -> None:
    (tree, arrays), (tree_2, arrays_2) = to_tree(found), to_tree(written)
    assert tree == tree_2
    assert arrays.keys() == arrays_2.keys()
    for name, array in arrays_2.items():
        assert arrays[name].dtype == np.float32
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_comes_back_exactly(family: str, tmp_path: Path) -> None:
    written = FAMILIES[family](np.random.default_rng(1))
    write_own(written, tmp_path / "model.onnx")
    assert_equal(read_model(tmp_path / "model.onnx"), written)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_everything_about_a_model_comes_back() -> None:
    rng = np.random.default_rng(2)
    audio, expected = guitarish(rng, 100), guitarish(rng, 100)
    written = dataclasses.replace(
        random_recurrent(rng, knobs=2),
        name="Twin – bright",
        source_format="made here",
        sample_rate_hz=44_100,
        sample_rate_known=False,
        knobs=(Knob("Gain", 0.0, 10.0, 3.5, "dB", (0.0, 2.5, 10.0)), Knob("Tone")),
        levels=Levels(-18.25, 0.5, 12.2, None),
        input_gain_db=1.5,
        output_gain_db=-2.25,
        esr=0.0123,
        licence="CC BY 4.0",
        self_test=SelfTest(audio, expected),
        variant="1 of 2",
        metadata={"made": {"steps": 1000, "loss": [0.5, None, True]}, "how": "x" * 1000},
    )
    assert_equal(read_model_bytes(own_bytes(written, "a"), "a.onnx"), written)


def test_the_same_model_gives_the_same_bytes() -> None:
    files = {own_bytes(random_wavenet(np.random.default_rng(3)), "a") for _ in range(2)}
    assert len(files) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_plain_onnx_runtime_plays_the_file_itself(family: str) -> None:
    """By the names, shapes and metadata that the file declares, with nothing of ours but how it is unpacked."""
    rng = np.random.default_rng(4)
    description = FAMILIES[family](rng)
    data = own_bytes(description, "a")
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    states = initial_states(model)
    assert {i.name for i in session.get_inputs()} - {"audio", "knobs"} == states.keys()
    audio = guitarish(rng, 300)
    knobs = rng.uniform(0, 1, len(description.knobs)).astype(np.float32)
    names = [output.name for output in session.get_outputs()]
    parts = []
    for block in np.split(audio, [1, 100, 101]):
        feed = {"audio": block[None, None, :], **states}
        if description.knobs:
            feed["knobs"] = knobs[None, :, None]
        values = dict(zip(names, session.run(names, feed), strict=True))
        parts.append(values.pop("output")[0, 0])
        states = {name.removeprefix("next_"): value for name, value in values.items()}
    expected = ReferenceEngine(description).process(audio, knobs)
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-5)


def test_initial_state_is_in_the_file() -> None:
    description = random_recurrent(np.random.default_rng(5))
    assert isinstance(description.architecture, Recurrent)
    states = initial_states(onnx.load_from_string(own_bytes(description, "a")))
    np.testing.assert_array_equal(states["state_0_h"][0, 0], description.architecture.layers[0].h0)
    np.testing.assert_array_equal(states["state_0_c"][0, 0], description.architecture.layers[0].c0)


def damaged(change: Callable[[onnx.ModelProto], object]) -> bytes:
    model = onnx.load_from_string(own_bytes(random_wavenet(np.random.default_rng(6)), "a"))
    change(model)
    return model.SerializeToString()


def set_entry(key: str, value: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        next(entry for entry in model.metadata_props if entry.key == key).value = value

    return change


def weight(model: onnx.ModelProto, ending: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name.endswith(ending))


def make_external(model: onnx.ModelProto) -> None:
    tensor = weight(model, "rechannel_weight")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def make_nan(model: onnx.ModelProto) -> None:
    tensor = weight(model, "conv_bias")
    tensor.raw_data = np.full(4, np.nan, np.float32).tobytes()


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda m: m.graph.initializer.pop(0), BadModelFile, "not in the file"),
        (make_external, UnsupportedModel, "external data"),
        (make_nan, BadModelFile, "NaN"),
        (lambda m: weight(m, "conv_weight").dims.__setitem__(0, 10**12), BadModelFile, "values, not"),
        (lambda m: weight(m, "conv_bias").dims.append(1), BadModelFile, "1 dimensions were wanted"),
        (set_entry(FORMAT_KEY, "9"), UnsupportedModel, "Update the pedal"),
        (set_entry(DESCRIPTION_KEY, "[]"), BadModelFile, "an object"),
        (set_entry(DESCRIPTION_KEY, "{"), BadModelFile, "cut short"),
        (set_entry(ARRAYS_KEY, '{"a": {"shape": [2], "base64": "AAAA"}}'), BadModelFile, "can't be read"),
    ],
)
def test_damaged_files_are_refused(
    change: Callable[[onnx.ModelProto], object], kind: type[BadModelFile], words: str
) -> None:
    with pytest.raises(kind, match=words):
        read_model_bytes(damaged(change), "amp.onnx")


def test_a_few_bytes_are_no_onnx_file() -> None:
    with pytest.raises(BadModelFile, match="not a model file"):
        read_model_bytes(b"\x08\x07", "short.onnx")


def test_a_description_that_does_not_fit_together_is_not_written(tmp_path: Path) -> None:
    knobless = dataclasses.replace(random_wavenet(np.random.default_rng(7), knobs=1), knobs=())
    with pytest.raises(BadModelFile, match=r"mixin_weight has the shape \(4, 2\), but \(4, 1\)"):
        write_own(knobless, tmp_path / "a.onnx")
    twice = dataclasses.replace(random_wavenet(np.random.default_rng(7), knobs=2), knobs=(Knob("Gain"), Knob("Gain")))
    with pytest.raises(BadModelFile, match="same name"):
        write_own(twice, tmp_path / "a.onnx")
    beyond = dataclasses.replace(
        random_wavenet(np.random.default_rng(7), knobs=1), knobs=(Knob("Gain", 0.0, 1.0, 2.0),)
    )
    with pytest.raises(BadModelFile, match="starts at 2"):
        write_own(beyond, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_that_can_not_be_saved_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_own(random_linear(np.random.default_rng(8)), tmp_path / "file" / "a.onnx")


def test_packed_arrays_must_be_whole() -> None:
    with pytest.raises(ValueError, match="reshape"):
        unpack_array({"shape": [2], "base64": "AAAAAA=="})


def _sizes() -> list[Description]:
    rng = np.random.default_rng(31)
    return [dataclasses.replace(random_recurrent(rng, hidden=h, knobs=1), name=f"size {h}") for h in (8, 12, 20)]


def test_several_sizes_in_one_file_come_back(tmp_path: Path) -> None:
    small, middle, large = _sizes()
    write_own(large, tmp_path / "model.onnx", smaller=[small, middle])
    found = read_variants(tmp_path / "model.onnx")
    assert [description.variant for description in found] == ["1 of 3", "2 of 3", "3 of 3"]
    for read, written in zip(found, (small, middle, large), strict=True):
        assert_equal(dataclasses.replace(read, variant=None), written)
    for quality, wanted in ((0.0, small), (0.3, small), (0.34, middle), (0.7, large), (1.0, large)):
        assert read_model(tmp_path / "model.onnx", quality=quality).name == wanted.name


def test_the_graph_of_several_sizes_is_that_of_the_largest(tmp_path: Path) -> None:
    small, _, large = _sizes()
    write_own(large, tmp_path / "model.onnx", smaller=[small])
    audio = guitarish(np.random.default_rng(32), 300)
    knobs = np.full((1, 1, 300), 0.5, np.float32)
    model = onnx.load(tmp_path / "model.onnx")
    session = ort.InferenceSession(model.SerializeToString())
    feed = {"audio": audio[None, None], "knobs": knobs, **initial_states(model)}
    output = session.run(["output"], feed)[0][0, 0]
    wanted = ReferenceEngine(large).process(audio, np.array([0.5], np.float32))
    assert np.abs(output - wanted).max() < 1e-5


def test_sizes_that_do_not_belong_together_are_refused() -> None:
    small, _, large = _sizes()
    for other in (dataclasses.replace(small, sample_rate_hz=44_100), dataclasses.replace(small, knobs=(Knob("Tone"),))):
        with pytest.raises(BadModelFile, match="sizes have other knobs or sample rates"):
            own_bytes(large, "a.onnx", smaller=[other])


@pytest.mark.parametrize(
    "text", ["[]", "{}", "[1]", '[{"description": {}, "arrays": {}}]', "nonsense", '[{"arrays": 1}]']
)
def test_damaged_sizes_are_refused_in_words(text: str) -> None:
    small, _, large = _sizes()
    model = onnx.ModelProto.FromString(own_bytes(large, "a.onnx", smaller=[small]))
    for entry in model.metadata_props:
        if entry.key == SIZES_KEY:
            entry.value = text
    with pytest.raises(BadModelFile):
        read_variants_bytes(model.SerializeToString(), "a.onnx")
