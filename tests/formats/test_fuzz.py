"""Damaged and hostile files: an error by name or a model that plays, never anything else."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.engine.engines import engine_for, make_engine
from appliance.errors import BadModelFile
from appliance.formats.description import FILM_NAMES, Cell, Gating
from appliance.formats.own import own_bytes
from appliance.formats.read import read_variants_bytes
from tests import graphs
from tests.formats.files import (
    as_bytes,
    container,
    guitarml_file,
    keras_file,
    keras_stack_file,
    nam_file,
    smartamp_file,
    smartamppro_file,
)
from tests.models import random_convnet, random_linear, random_recurrent, random_stack, random_wavenet, steering

RNG = np.random.default_rng(1)
WAVENET = random_wavenet(RNG, channels=(2, 1), dilations=((1, 2), (4,)))
LSTM, GRU = (random_recurrent(RNG, cell=cell, hidden=2) for cell in Cell)
JSON_FILES: dict[str, dict[str, Any]] = {
    "wavenet": nam_file(WAVENET, metadata={"loudness": -20.0, "training": {"validation_esr": 0.1}}),
    "gated": nam_file(random_wavenet(RNG, channels=(2,), dilations=((1,),), gating=Gating.GATED)),
    "wavenet with everything": nam_file(
        random_wavenet(
            RNG,
            channels=(2, 3),
            dilations=((1,), (2,)),
            heads=(1, 2),
            films=FILM_NAMES,
            gating=Gating.BLENDED,
            condition=steering(RNG, 2),
            outputs=2,
            stages=(1,),
        )
    ),
    "smartamp": smartamp_file(
        random_wavenet(RNG, channels=(2,), dilations=((1, 2),), heads=(1,), rechannel_bias=True), "tanh"
    ),
    "container": container(nam_file(WAVENET), nam_file(random_linear(RNG, taps=3))),
    "nam lstm": nam_file(LSTM),
    "convnet": nam_file(random_convnet(RNG, channels=2, dilations=(1, 2))),
    "guitarml": guitarml_file(random_recurrent(RNG, hidden=2, knobs=1)),
    "stack": keras_stack_file(random_stack(RNG)),
    "smartamppro": smartamppro_file(RNG, window=24, filters=2, units=2),
    "aida-x": keras_file(GRU, metadata={"samplerate": "48000"}, input_batch=[0.0, 0.5], output_batch=[0.1, 0.2]),
}
FILES = {name: as_bytes(value) for name, value in JSON_FILES.items()} | {
    "own wavenet": own_bytes(WAVENET, "a"),
    "own lstm": own_bytes(LSTM, "a"),
    "own stack": own_bytes(random_stack(RNG), "a"),
    "foreign graph": graphs.as_bytes(graphs.one_pole()),
    "own wavenet with everything": own_bytes(
        random_wavenet(RNG, heads=(1, 2), films=FILM_NAMES, condition=steering(RNG, 2), outputs=2, stages=(1,)), "a"
    ),
}
# As many examples as fit into a few seconds; a longer run is `pytest --hypothesis-profile=…`.
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70_000),
    st.sampled_from([2**63, 10**400, float("nan"), float("inf"), -0.0, 1e39, 1e-46]),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.sampled_from(["type", "active", "a"]), st.integers(0, 3), max_size=2),
)


def plays_or_is_refused(data: bytes) -> None:
    """Read every size of a file; what is accepted must also run."""
    try:
        descriptions = read_variants_bytes(data, "fuzz.nam")
    except BadModelFile:
        return
    for description in descriptions:
        with np.errstate(all="ignore"):  # huge finite weights may overflow in the arithmetic: the limiter's concern
            engine = "onnx" if engine_for(description) == "onnx" else "reference"
            try:
                output = make_engine(engine, description).process(np.ones(3, np.float32))
            except BadModelFile:
                assert engine == "onnx", "a model of ours that was read must play"
                return
        assert output.shape == (3,)


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(data=st.data())
def test_cut_short(name: str, data: st.DataObject) -> None:
    whole = FILES[name]
    plays_or_is_refused(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(data=st.data())
def test_bytes_changed(name: str, data: st.DataObject) -> None:
    damaged = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    plays_or_is_refused(bytes(damaged))


@pytest.mark.parametrize("name", JSON_FILES)
@FUZZ
@given(data=st.data())
def test_values_replaced(name: str, data: st.DataObject) -> None:
    value = json.loads(FILES[name])
    for _ in range(data.draw(st.integers(1, 3))):
        replace_somewhere(value, data)
    plays_or_is_refused(as_bytes(value))


@pytest.mark.parametrize("name", ["own wavenet", "own wavenet with everything"])
@FUZZ
@given(data=st.data())
def test_values_replaced_in_the_metadata_of_our_own_file(name: str, data: st.DataObject) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.ModelProto()
    model.ParseFromString(FILES[name])
    entry = data.draw(st.sampled_from(list(model.metadata_props)))
    value = json.loads(entry.value)
    if isinstance(value, dict | list) and value:
        replace_somewhere(value, data)
    else:
        value = data.draw(JUNK)
    entry.value = json.dumps(value)
    plays_or_is_refused(model.SerializeToString())


def replace_somewhere(value: Any, data: st.DataObject) -> None:
    """Walk down at random; drop, double or replace what is there."""
    while True:
        keys = sorted(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if isinstance(value[key], dict | list) and value[key] and data.draw(st.integers(0, 4)):
            value = value[key]
            continue
        if data.draw(st.booleans()):
            value[key] = data.draw(JUNK)
        else:
            del value[key]
        return
