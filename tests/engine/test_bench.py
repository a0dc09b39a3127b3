"""What `appliance bench engine` tells is true of the models it measures."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.engine import bench_report
from appliance.engine.bench import EngineTime, bench_engines
from appliance.engine.bench_accuracy import Judge, demo_guitar
from appliance.engine.bench_loading import load_times
from appliance.engine.bench_models import representatives
from appliance.engine.native_engine import NativeEngine
from appliance.formats.consistency import check_description
from appliance.formats.description import (
    ConvNet,
    Description,
    Linear,
    Recurrent,
    WaveNet,
    architecture_name,
    receptive_field_frames,
)
from appliance.formats.stack import Stack
from tests.models import random_recurrent, random_wavenet

MODELS = representatives()
IDS = [name for name, _ in MODELS]


def test_there_is_a_model_of_every_family_and_of_every_shape_people_use() -> None:
    kinds = {type(description.architecture) for _, description in MODELS}
    assert kinds == {WaveNet, Recurrent, ConvNet, Linear, Stack}
    names = {architecture_name(description.architecture) for _, description in MODELS}
    assert {f"WaveNet A1 {size}" for size in ("standard", "lite", "feather", "nano")} <= names
    assert {"WaveNet A2 full", "WaveNet A2 lite", "LSTM 1×16", "LSTM 2×8", "LSTM 1×40", "GRU 1×24"} <= names
    assert [len(description.knobs) for name, description in MODELS if name == "LSTM 1×40 with a knob"] == [1]
    fields = {name: receptive_field_frames(description.architecture) for name, description in MODELS}
    assert (fields["A1 standard"], fields["A2 full"]) == (4_093, 6_347)  # as of files from NAM's own trainer


@pytest.mark.parametrize(("name", "description"), MODELS, ids=IDS)
def test_a_model_fits_together_and_sounds(name: str, description: Description) -> None:
    check_description(description, name)
    knobs = np.full(len(description.knobs), 0.5, np.float32) if description.knobs else None
    heard = NativeEngine(description).process(demo_guitar(), knobs)
    assert 1e-3 < np.abs(heard).max() < 2.0
    assert np.std(heard[24_000:]) > 1e-4  # an answer to the guitar, not only an offset


@pytest.mark.parametrize(("name", "description"), MODELS, ids=IDS)
def test_both_engines_are_within_a_hundred_thousandth_of_the_reference(name: str, description: Description) -> None:
    judge = Judge(description, seconds=0.1)
    for engine in ("native", "onnx"):
        assert 0 < judge.error(engine, 256) < 1e-5, engine


def test_an_error_is_the_largest_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    class Off:
        def __init__(self, engine: NativeEngine) -> None:
            self.engine, self.blocks = engine, 0

        def process(self, audio: np.ndarray, knobs: np.ndarray | None) -> np.ndarray:
            self.blocks += 1
            heard = self.engine.process(audio, knobs)
            heard[3] += 0.01 if self.blocks == 7 else 0.0
            return heard

    description = random_wavenet(np.random.default_rng(5))
    judge = Judge(description, seconds=0.1)
    monkeypatch.setattr("appliance.engine.bench_accuracy.make_engine", lambda name, model: Off(NativeEngine(model)))
    assert judge.error("native", 100) == pytest.approx(0.01, rel=1e-3)


def test_loading_takes_in_the_whole_receptive_field() -> None:
    rng = np.random.default_rng(6)
    near = load_times(random_wavenet(rng, channels=(8,), dilations=((1,),)), 64)
    far = load_times(random_wavenet(rng, channels=(8,), dilations=((60_000,),)), 64)
    assert 0 < near.load_ms <= near.load_ms_max
    assert far.load_ms > 20 * near.load_ms
    assert 0 < near.patch_ms < 100


def test_rows_agree_with_themselves() -> None:
    models = [("a", random_recurrent(np.random.default_rng(7))), ("b", random_wavenet(np.random.default_rng(8)))]
    told: list[None] = []
    rows = bench_engines(
        models,
        ["native", "onnx", "reference"],
        [64, 16],
        seconds_per_model=0.05,
        guitar_seconds=0.1,
        progress=lambda: told.append(None),
    )
    assert len(told) == 4
    names = ("native", "onnx", "reference")
    assert [(row.model, row.block, row.engine) for row in rows] == [
        (model, block, engine) for model in "ab" for block in (64, 16) for engine in names
    ]
    for row in rows:
        onnx = next(r for r in rows if (r.model, r.block, r.engine) == (row.model, row.block, "onnx"))
        assert row.onnx_ratio == pytest.approx(row.ns_per_sample / onnx.ns_per_sample, rel=0.01, abs=1e-4)  # rounded
        assert (row.load_ms is None) == (row.engine != "native")
        assert row.error is not None
        assert row.error < (1e-7 if row.engine == "reference" else 1e-5)


def test_without_onnx_runtime_there_is_no_ratio_and_only_times_are_only_times() -> None:
    model = [("a", random_recurrent(np.random.default_rng(7)))]
    (row,) = bench_engines(model, ["native"], [64], seconds_per_model=0.05, only_times=True)
    assert (row.onnx_ratio, row.error, row.load_ms, row.load_ms_max, row.patch_ms) == (None,) * 5


def row_of(engine: str, error: float | None, load_ms: float | None) -> EngineTime:
    return EngineTime("amp", engine, 64, 250.0, 83.3, 0.067, 13_256, 106.0, 0.44, error, load_ms, load_ms, 0.1)


def test_the_table_for_the_docs_has_both_errors_in_one_row() -> None:
    lines = bench_report.as_markdown([row_of("native", 1.5e-7, 1.25), row_of("onnx", 1.1e-7, None)]).splitlines()
    assert len(lines) == 3
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2] == "| amp | 64 | 250.0 | 0.067 | 13,256 | 106.0 | 44% | 1.5e-07 | 1.1e-07 | 1.25 (1.25) | 0.10 |"


def test_the_table_for_people_has_a_row_for_each_engine_and_dashes_where_nothing_is_known() -> None:
    head, native, onnx, _ = bench_report.as_table(
        [row_of("native", None, 1.25), row_of("onnx", 1e-7, None)]
    ).splitlines()
    assert native.split() == [
        "amp",
        "64",
        "native",
        "250.0",
        "1.20%",
        "0.067",
        "13256",
        "106.0",
        "44%",
        "–",
        "1.25",
        "(1.25)",
        "0.10",
    ]
    assert onnx.split()[-3:] == ["1.0e-07", "–", "0.10"]
    assert len(head) == len(native) == len(onnx)
