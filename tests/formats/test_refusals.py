"""Files that can't be played are refused in words: what was found, what was wanted, what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats import read
from appliance.formats.description import Cell
from appliance.formats.read import read_model, read_model_bytes
from tests.formats.files import as_bytes, container, guitarml_file, keras_file, nam_file
from tests.models import random_convnet, random_linear, random_recurrent, random_wavenet

RNG = np.random.default_rng


def refusal(value: Any, file: str = "amp.nam", kind: type[BadModelFile] = BadModelFile) -> str:
    """The message with which a file is refused."""
    with pytest.raises(kind) as caught:
        read_model_bytes(value if isinstance(value, bytes) else as_bytes(value), file)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert file in message
    return message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"\n\n  <!DOCTYPE html><html>", "web page"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"RIFF\x00\x00\x00\x00WAVE", "audio file"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (b"\x80\x02}q\x00", "pickle"),
        (b"[1, 2]", "not a model file"),
        (b"\xff\xfe{\x00}\x00", "not a model file"),
        (b'{"a": "\xff\xfe"}', "UTF-8"),
        (b'{"version": "0.5.1", "weights": [0.1, 0.', "cut short"),
        (b'{"version": }', "not valid JSON"),
        (b"{}", "not a model of a known kind"),
        (b'{"hello": 1, "world": 2}', '"hello", "world"'),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "no model has"),
        (b'{"a": ' + b"[" * 600_000 + b"}", "lists"),
        (b'{"architecture": ' + b"9" * 10_000 + b"}", "no model has"),
        (b'{"version": "0.5.1", "architecture": "WaveNet"}', "config and weights are missing"),
    ],
)
def test_content_that_is_no_model(data: bytes, words: str) -> None:
    assert words in refusal(data)


def test_the_web_page_in_the_official_library(shared_data: Path) -> None:
    with pytest.raises(BadModelFile, match=r"is a web page, not a model.*download .raw. button"):
        read_model(shared_data / "models" / "bad-web-page-bluesJR-Clean.json")


def test_paths_that_are_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadModelFile, match="is a folder"):
        read_model(tmp_path)
    with pytest.raises(BadModelFile, match="There is no file"):
        read_model(tmp_path / "absent.nam")
    big = tmp_path / "big.nam"
    with big.open("wb") as file:
        file.truncate(read.MAX_FILE_BYTES + 1)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("a file that is too large must not be opened"))
    with pytest.raises(BadModelFile, match="34 MB; the largest"):
        read_model(big)


Change = Callable[[dict[str, Any]], object]


def wavenet_with(change: Change) -> dict[str, Any]:
    file = nam_file(random_wavenet(RNG(1)))
    change(file)
    return file


def layer_array(**changes: Any) -> Change:
    return lambda file: file["config"]["layers"][0].update(changes)


def layers(**changes: Any) -> Change:
    return lambda file: [array.update(changes) for array in file["config"]["layers"]]


def nest(file: dict[str, Any], depth: int) -> None:
    """Put the file into itself as its own condition network, over and over."""
    inner = json.loads(json.dumps(file))
    for _ in range(depth):
        inner = {**file, "config": {**file["config"], "condition_dsp": inner}}
    file["config"] = inner["config"]


def post_head(**changes: Any) -> dict[str, Any]:
    return {"channels": 2, "out_channels": 1, "kernel_sizes": [1, 3], "activation": "Tanh"} | changes


def slimmable(allowed: list[int]) -> dict[str, Any]:
    return {"method": "slice_channels_uniform", "kwargs": {"allowed_channels": allowed}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f["weights"].pop(), r"holds 350 weights, but a model of the size it names has 351"),
        (lambda f: f["weights"].__setitem__(3, float("nan")), "weights is not a finite number at position 3"),
        (lambda f: f["weights"].__setitem__(3, 1e39), "weights is not a finite number at position 3"),
        (lambda f: f["weights"].__setitem__(3, 10**400), "weights is not a finite number"),
        (lambda f: f["weights"].__setitem__(3, "0.5"), 'weights has "0.5" at position 3'),
        (lambda f: f["weights"].__setitem__(3, True), "weights has true at position 3"),
        (lambda f: f["weights"].__setitem__(3, None), "weights has null at position 3"),
        (lambda f: f.update(weights={}), "weights is not a list"),
        (lambda f: f.update(config=[]), "config is a list of 0, but an object"),
        (lambda f: f.update(sample_rate="48000"), 'sample_rate is "48000", but a number'),
        (lambda f: f.update(sample_rate=1), "sample_rate is 1, but a number from 8000 to 384000"),
        (lambda f: f.update(version="seven"), 'version is "seven"'),
        (lambda f: f.update(version=0.5), "version is 0.5, but a text"),
        (layer_array(channels=10**9), "channels is 1000000000, but a whole number from 1 to 256"),
        (layer_array(channels="4"), 'channels is "4", but a whole number'),
        (layer_array(channels=True), "channels is true, but a whole number"),
        (layer_array(channels=4.5), "channels is 4.5, but a whole number"),
        (layer_array(dilations=[1, -2, 4]), r"dilations\[1\] is -2, but a whole number from 1"),
        (layer_array(dilations=[]), "dilations has 0 entries"),
        (layer_array(dilations=[1] * 1000), "dilations has 1000 entries"),
        (layer_array(dilations=[1, 2]), "kernel_sizes has 3 entries, but there are 2 layers"),
        (layer_array(kernel_size=3), "exactly one"),
        (layer_array(gating_mode="maybe"), 'gating_mode is "maybe"'),
        (layer_array(activation=None), "activation is missing"),
        (layer_array(activation=7), "activation is 7"),
        (layer_array(head=7), "head is 7, but an object"),
        (layer_array(head={"out_channels": 5, "bias": False}), "gives 5 channels, but the next array adds 3"),
        (layer_array(input_size=2), r"layers\[0\].input_size is 2, but 1"),
        (layer_array(condition_size=3), r"condition_size differs from array to array"),
        (lambda f: f["config"].update(condition_dsp={}), "condition_dsp.version is missing"),
        (lambda f: f["config"].update(condition_dsp=7), "condition_dsp is 7, but an object"),
        (lambda f: f["config"].update(head={"channels": 4}), "head.out_channels is missing"),
        (
            lambda f: f["config"].update(head=post_head(in_channels=2)),
            "head.in_channels is 2, but the last array gives 1",
        ),
        (lambda f: f["config"].update(head=post_head(kernel_sizes=[])), "head.kernel_sizes has 0 entries"),
        (layer_array(groups_input=3), r"groups_input is 3, which doesn't divide 4 into 4 channels"),
        (layer_array(groups_input_mixin=2), "groups_input_mixin is 2, which doesn't divide 1 into 4"),
        (layer_array(layer1x1={"active": True, "groups": 3}), "layer1x1.groups is 3"),
        (layer_array(layer1x1={"active": False}, bottleneck=2), "bottleneck is 2, but must equal channels"),
        (layer_array(head1x1={"active": True, "out_channels": 0}), "head1x1.out_channels is 0"),
        (
            layer_array(head1x1={"active": True, "out_channels": 2, "groups": 3}),
            "groups is 3, which doesn't divide 4 into 2",
        ),
        (layer_array(head1x1_post_film={"active": True}), "head1x1_post_film is on, but head1x1 is off"),
        (layer_array(layer1x1={"active": False}, layer1x1_post_film={}), "is on, but layer1x1 is off"),
        (layer_array(conv_post_film={"active": True}), "holds 351 weights, but a model of the size it names has 399"),
        (layer_array(conv_post_film={"active": True, "shift": 2}), "conv_post_film.shift is 2, but true or false"),
        (layer_array(conv_post_film=3), "conv_post_film is 3, but an object"),
        (layer_array(activation={"type": "PReLU", "negative_slopes": [0.1]}), "activation has 1 slopes for 4 channels"),
        (layer_array(activation={"type": "PReLU", "negative_slopes": [0.1, "a"]}), r"negative_slopes\[1\] is \"a\""),
        (layer_array(activation={"type": "LeakyHardtanh", "min_val": 2}), r"min_val is 2, above max_val \(1\)"),
        (layer_array(slimmable=slimmable([2, 1, 4])), r"allowed_channels must rise to channels \(4\)"),
        (layer_array(slimmable=slimmable([1, 2])), r"allowed_channels must rise to channels \(4\)"),
    ],
)
def test_damaged_wavenets(change: Change, words: str) -> None:
    with pytest.raises(BadModelFile, match=words):
        read_model_bytes(as_bytes(wavenet_with(change)), "amp.nam")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.update(architecture="CatLSTM"), '"CatLSTM"'),
        (lambda f: f.update(version="0.8.0"), "Update the pedal"),
        (lambda f: f.update(version="0.4.9"), "oldest"),
        (
            lambda f: f["config"].update(condition_dsp=json.loads(json.dumps({**f, "architecture": "CatLSTM"}))),
            '"CatLSTM"',
        ),
        (lambda f: nest(f, 6), "networks inside networks more than 4 deep"),
        (layers(condition_size=30), r"29 knobs \(condition_size 30"),
        (
            lambda f: f["config"].update(in_channels=2, layers=[{**f["config"]["layers"][0], "input_size": 2}]),
            "2 audio",
        ),
        (layer_array(activation="ELU"), 'the activation "ELU"'),
        (layer_array(slimmable={"method": "prune"}), 'several sizes by the method "prune"'),
        (
            layer_array(groups_input=2, slimmable={"method": "slice_channels_uniform"}),
            r"groups in a model of several sizes \(slimmable\)",
        ),
        (
            lambda f: (
                f["config"].update(layers=f["config"]["layers"][:1]),
                f["weights"].__delitem__(slice(245, None)),
            ),
            "3 audio outputs",
        ),
    ],
)
def test_wavenets_of_kinds_not_played_yet_are_named(change: Change, words: str) -> None:
    with pytest.raises(UnsupportedModel, match=words):
        read_model_bytes(as_bytes(wavenet_with(change)), "amp.nam")


def test_a_model_that_remembers_minutes_is_refused_before_an_engine_makes_room() -> None:
    file = wavenet_with(layer_array(dilations=[1 << 20, 1 << 20, 1]))
    assert "into the past" in refusal(file, kind=UnsupportedModel)


def test_groups_that_grow_beyond_all_bounds_are_refused_before_they_are_written_out() -> None:
    change = layers(channels=256, bottleneck=256, groups_input=256, kernel_size=200, kernel_sizes=None)
    file = wavenet_with(lambda f: (f["config"]["layers"].pop(), change(f)))
    file["config"]["layers"][0].update(input_size=1, head={"out_channels": 1, "bias": False})
    file["weights"] = [0.0] * 354_817
    assert "39,521,024 weights when its groups are written out" in refusal(file, kind=UnsupportedModel)


def test_absurd_sizes_are_refused_by_count_without_making_room() -> None:
    file = wavenet_with(layer_array(kernel_sizes=[65_536] * 3))
    assert "holds 351 weights, but a model of the size it names has 3,145," in refusal(file)


@pytest.mark.parametrize("limits", [(0.5, 0.5), (0.6, 0.5), (0.0, 1.0), (0.4, 0.9)])
def test_container_limits_that_do_not_rise_to_one(limits: tuple[float, float]) -> None:
    model = nam_file(random_linear(RNG(2)))
    file = container(model, model)
    for entry, limit in zip(file["config"]["submodels"], limits, strict=True):
        entry["max_value"] = limit
    assert "must rise" in refusal(file)


def test_container_with_two_rates() -> None:
    models = [nam_file(random_linear(RNG(2)), sample_rate=rate) for rate in (44_100, 48_000)]
    assert "44100, 48000 Hz" in refusal(container(*models))


def test_a_container_within_a_container_is_refused() -> None:
    inner = container(nam_file(random_linear(RNG(2))))
    assert "SlimmableContainer" in refusal(container(inner), kind=UnsupportedModel)


def test_other_nam_architectures() -> None:
    lstm = nam_file(random_recurrent(RNG(3)))
    lstm["config"]["out_channels"] = 2
    assert "LSTM with 2 audio outputs" in refusal(lstm, kind=UnsupportedModel)
    lstm["config"].update(out_channels=1, input_size=2, in_channels=3)
    assert "in_channels is 3, but 2 (input_size)" in refusal(lstm)
    convnet = nam_file(random_convnet(RNG(3)))
    convnet["config"]["groups"] = 2
    assert "ConvNet with groups 2" in refusal(convnet, kind=UnsupportedModel)
    convnet["config"] |= {"groups": 1, "batchnorm": True}
    assert "weights, but a model" in refusal(convnet)
    linear = nam_file(random_linear(RNG(3)))
    linear["config"]["receptive_field"] = 0
    assert "receptive_field is 0" in refusal(linear)


@pytest.mark.parametrize(
    ("key", "value", "kind", "words"),
    [
        ("model", "GatedConvNet", UnsupportedModel, "GatedConvNet"),
        ("unit_type", "RNN", UnsupportedModel, '"RNN"'),
        ("output_size", 2, UnsupportedModel, "2 audio outputs"),
        ("hidden_size", 9, BadModelFile, "is 32 × 1, but 36 × 1 numbers were wanted"),
        ("hidden_size", 10**6, BadModelFile, "from 1 to 512"),
        ("num_layers", 2, BadModelFile, "rec.weight_ih_l1 is missing"),
        ("skip", 2, BadModelFile, "true or false"),
        ("input_size", 40, BadModelFile, "from 1 to 17"),
    ],
)
def test_guitarml_files(key: str, value: Any, kind: type[BadModelFile], words: str) -> None:
    file = guitarml_file(random_recurrent(RNG(4)))
    file["model_data"][key] = value
    assert words in refusal(file, "amp.json", kind)


def test_ragged_and_non_numeric_matrices() -> None:
    file = guitarml_file(random_recurrent(RNG(4)))
    file["state_dict"]["rec.weight_hh_l0"][5].pop()
    assert "rows of unequal length" in refusal(file, "amp.json")
    file = guitarml_file(random_recurrent(RNG(4)))
    file["state_dict"]["rec.weight_hh_l0"][5] = 3
    assert "rows of unequal length" in refusal(file, "amp.json")
    file = guitarml_file(random_recurrent(RNG(4)))
    file["state_dict"]["rec.weight_hh_l0"][5][2] = "x"
    assert 'has "x" at position' in refusal(file, "amp.json")


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda f: f.update(in_skip=2), UnsupportedModel, "in_skip"),
        (lambda f: f.update(in_gain=float("nan")), BadModelFile, "in_gain is NaN"),
        (lambda f: f.update(in_gain=1000), BadModelFile, "in_gain is 1000"),
        (lambda f: f.update(in_shape=[None, None, "x"]), BadModelFile, "in_shape"),
        (lambda f: f["layers"].pop(), UnsupportedModel, "ends in 8 outputs"),
        (lambda f: f["layers"].insert(0, {"type": "conv2d"}), UnsupportedModel, 'layer of the kind "conv2d"'),
        (lambda f: f["layers"][0]["weights"].pop(), BadModelFile, "has 2 arrays"),
        (lambda f: f["layers"][0]["weights"][2].pop(), BadModelFile, "is 31, but 32"),
    ],
)
def test_keras_files(change: Change, kind: type[BadModelFile], words: str) -> None:
    file = keras_file(random_recurrent(RNG(5)))
    change(file)
    assert words in refusal(file, "amp.aidax", kind)


def test_a_keras_gru_with_a_single_bias_row_is_another_equation() -> None:
    file = keras_file(random_recurrent(RNG(5), cell=Cell.GRU))
    file["layers"][0]["weights"][2] = file["layers"][0]["weights"][2][0]
    assert "reset_after" in refusal(file, "amp.aidax", UnsupportedModel)


def test_messages_stay_short_whatever_the_file_holds() -> None:
    file = wavenet_with(lambda f: f.update(architecture="A" * 100_000))
    assert len(refusal(file, kind=UnsupportedModel)) < 400
    assert len(refusal(json.dumps({"k" * 100_000: 1}).encode())) < 400
