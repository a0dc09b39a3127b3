"""`.nam` files that we write: NAM's own package plays them alike, and our reader finds the same model again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from appliance.engine.contract import Float32
from appliance.engine.engines import make_engine
from appliance.errors import UnsupportedModel
from appliance.formats.description import Act, Activation, Cell, Description, Gating, Knob, Levels, Recurrent
from appliance.formats.nam_export import nam_object, write_nam
from appliance.formats.read import read_model, read_model_bytes, read_variants
from tests.formats.nam_package import import_nam, nam_output
from tests.models import (
    LEAKY_HARDTANH,
    PRELU,
    guitarish,
    random_convnet,
    random_linear,
    random_recurrent,
    random_stack,
    random_wavenet,
    steering,
)

Rng = np.random.Generator
LEAKY = Activation(Act.LEAKY_RELU, 0.01)


def _a1(rng: Rng, first: int = 4) -> Description:
    dilations = tuple(2**n for n in range(7))
    return random_wavenet(rng, channels=(first, first // 2), dilations=(dilations, (128, 256, 512, 1, 2)))


def _a2(rng: Rng, channels: int = 3) -> Description:
    dilations = (1, 3, 7, 17, 41, 101, 239, 1, 13)
    return random_wavenet(
        rng,
        channels=(channels,),
        dilations=(dilations,),
        kernel_sizes=((6,) * 7 + (15, 15),),
        head_kernel=16,
        activation=LEAKY,
    )


PLAYED_BY_NAM: dict[str, Callable[[Rng], Description]] = {
    "A1": _a1,
    "A2": _a2,
    "gated": lambda rng: random_wavenet(rng, gating=Gating.GATED, bottlenecks=(2, 2)),
    "blended, modulated": lambda rng: random_wavenet(
        rng, gating=Gating.BLENDED, heads=(5, 2), films=("conv_post", "out_post", "head_post")
    ),
    "leaky hardtanh": lambda rng: random_wavenet(rng, activation=LEAKY_HARDTANH),
    "linear activation": lambda rng: random_wavenet(rng, activation=Activation(Act.LINEAR)),
    "head behind": lambda rng: random_wavenet(rng, outputs=4, stages=(5, 1)),
    "lstm": lambda rng: random_recurrent(rng, layers=2),
}
# The package can't read these, leaves out the slopes, or plays an impulse response backwards; NAM's core does better.
PLAYED_HERE = PLAYED_BY_NAM | {
    "prelu": lambda rng: random_wavenet(rng, channels=(4, 4), activation=PRELU),
    "linear": random_linear,
    "convnet": random_convnet,
    "steered": lambda rng: random_wavenet(rng, condition=steering(rng, 3)),
    "dilated heads": lambda rng: random_wavenet(rng, head_kernel=3, head_dilation=5),
}


@pytest.fixture(scope="module")
def nam() -> ModuleType:
    return import_nam()


def ours(description: Description, audio: Float32) -> Float32:
    """After silence as long as the package's padding (LSTMs start from the state in the file)."""
    engine = make_engine("native", description)
    if not isinstance(description.architecture, Recurrent):
        engine.process(np.zeros(8192, np.float32))
    return engine.process(audio)


@pytest.mark.parametrize("family", PLAYED_BY_NAM)
def test_nam_plays_what_we_play(family: str, nam: ModuleType, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    model = PLAYED_BY_NAM[family](rng)
    write_nam([model], tmp_path / "model.nam", {})
    audio = guitarish(rng, 4000)
    file = json.loads((tmp_path / "model.nam").read_text())
    assert np.abs(nam_output(nam, file, audio) - ours(model, audio)).max() < 1e-5


@pytest.mark.parametrize("family", PLAYED_HERE)
def test_our_reader_finds_the_same_model(family: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    model = dataclasses.replace(
        PLAYED_HERE[family](rng),
        name="Twin – bright",
        sample_rate_hz=44_100,
        levels=Levels(-17.5, 0.5, 12.0, 11.0),
        esr=0.0125,
        licence="CC0",
        metadata={"gear_make": "Ours", "training": {"minutes": 10}},
    )
    write_nam([model], tmp_path / "x.nam", {})
    found = read_model(tmp_path / "x.nam")
    for field in ("name", "sample_rate_hz", "levels", "esr", "licence"):
        assert getattr(found, field) == getattr(model, field), field
    assert found.metadata["gear_make"] == "Ours"
    assert found.metadata["training"] == {"minutes": 10, "validation_esr": 0.0125}
    audio = guitarish(rng, 1500)
    assert np.abs(ours(found, audio) - ours(model, audio)).max() < 1e-6


def test_a_model_with_knobs_is_held_where_it_was_asked(nam: ModuleType) -> None:
    rng = np.random.default_rng(3)
    knobs = (Knob("Gain", 0.0, 10.0, 5.0), Knob("Tone"))
    model = dataclasses.replace(_a1_with_knobs(rng), knobs=knobs)
    audio = guitarish(rng, 3000)
    engine = make_engine("native", model)
    values = np.array([7.0, 0.5], np.float32)
    engine.process(np.zeros(8192, np.float32), values)
    file = nam_object([model], {"Gain": 7.0})
    assert np.abs(nam_output(nam, file, audio) - engine.process(audio, values)).max() < 1e-5
    assert (
        np.abs(nam_output(nam, nam_object([model], {"Gain": 1.0}), audio) - engine.process(audio, values)).max() > 1e-3
    )


def _a1_with_knobs(rng: Rng) -> Description:
    return random_wavenet(rng, channels=(4, 2), dilations=((1, 2, 4), (8, 16)), knobs=2)


def test_gains_are_in_the_weights(nam: ModuleType) -> None:
    rng = np.random.default_rng(4)
    model = dataclasses.replace(_a2(rng), input_gain_db=6.0, output_gain_db=-4.0)
    audio = guitarish(rng, 2000)
    assert np.abs(nam_output(nam, nam_object([model], {}), audio) - ours(model, audio)).max() < 1e-5


def test_several_sizes_are_a_container(nam: ModuleType, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    sizes = [_a2(rng, 3), _a2(rng, 8)]
    write_nam(sizes, tmp_path / "pack.nam", {})
    file = json.loads((tmp_path / "pack.nam").read_text())
    assert file["architecture"] == "SlimmableContainer"
    found = read_variants(tmp_path / "pack.nam")
    audio = guitarish(rng, 2000)
    assert len(found) == 2
    for size, read, entry in zip(sizes, found, file["config"]["submodels"], strict=True):
        assert np.abs(ours(read, audio) - ours(size, audio)).max() < 1e-6
        assert np.abs(nam_output(nam, entry["model"], audio) - ours(size, audio)).max() < 1e-5
    assert [entry["max_value"] for entry in file["config"]["submodels"]] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda rng: random_recurrent(rng, cell=Cell.GRU), "GRU"),
        (lambda rng: random_recurrent(rng, skip=True), "skip = false"),
        (random_stack, "stack of layers"),
        (lambda rng: random_wavenet(rng, rechannel_bias=True), "input layer has a bias"),
        (lambda rng: random_wavenet(rng, activation=Activation(Act.SOFTSIGMOID)), "softsigmoid"),
        (lambda rng: random_wavenet(rng, heads=(4, 3), films=("out_post",)), "residual is modulated"),
    ],
)
def test_what_nam_has_not_is_refused_in_words(make: Callable[[Rng], Description], words: str) -> None:
    with pytest.raises(UnsupportedModel, match=words):
        nam_object([make(np.random.default_rng(6))], {})


def test_a_third_party_file_survives_the_way_through_us(shared_data: Path, nam: ModuleType) -> None:
    for name in ("BossWN-nano.nam", "BossLSTM-1x16.nam"):
        model = read_model(shared_data / "models" / name)
        again = read_model_bytes(json.dumps(nam_object([model], {})).encode(), name)
        audio = guitarish(np.random.default_rng(7), 1500)
        assert np.abs(ours(again, audio) - ours(model, audio)).max() < 1e-6
