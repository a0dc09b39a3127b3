"""The comparison with the NAM trainer: that it compares like with like, and says what it needs."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from appliance import paths
from appliance.errors import BadRequest, NotInstalled
from appliance.training import bench, bench_guitar, bench_nam
from appliance.training.networks.sizes import build, config_named
from tests.training.devices import data_set

SETTINGS = bench.Settings(paths.assets("models") / "lead-100.onnx", cpu_minutes=(0.02,))


def test_both_trainers_learn_the_same_network_from_the_same_spans() -> None:
    data = data_set(6.0)
    shorter, theirs = bench_nam.train_with_nam(data, "a1-nano", [0.5, 1.0], seed=0)
    ours = bench.train_here(data, lambda: build(config_named("a1-nano"), 0, 48_000), 0.02, seed=0)
    assert shorter.updates <= theirs.updates
    assert theirs.validation_esr <= shorter.validation_esr
    for side in (shorter, theirs, ours):
        assert side.updates > 0
        assert 0.5 < side.cpu_s < 30.0
        assert 0.0 < side.test_esr < 10.0
        assert side.throughput > 0.0


@pytest.mark.filterwarnings("ignore")
def test_one_training_of_theirs_is_marked_after_each_time_with_its_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    from appliance.training import bench_nam_watch

    network = torch.nn.Linear(1, 1, bias=False)
    trainer = SimpleNamespace(should_stop=False, callback_metrics={})
    module = SimpleNamespace(net=network)
    clock_s = iter(range(100))
    monkeypatch.setattr(bench_nam_watch.time, "process_time", lambda: float(next(clock_s)))
    watch = bench_nam_watch.Watch([2.5, 4.5])
    watch.on_train_start(trainer, module)
    for step, esr in enumerate([0.3, 0.1, 0.2, 0.05, 0.01], 1):  # a second each
        assert not trainer.should_stop
        with torch.no_grad():
            network.weight.fill_(step)
        watch.on_train_batch_end(trainer, module, None, None, step)
        trainer.callback_metrics["ESR"] = esr
        watch.on_validation_end(trainer, module)
    assert trainer.should_stop
    told = [(m.cpu_s, m.updates, float(m.weights["weight"]), float(m.best["weight"]), m.best_esr) for m in watch.marks]
    assert told == [(3.0, 3, 3.0, 2.0, 0.1), (5.0, 5, 5.0, 4.0, 0.05)]


@pytest.mark.parametrize("size", ["a1-nano", "a1-feather"])
@pytest.mark.filterwarnings("ignore")
def test_their_network_is_ours(size: str) -> None:
    from nam.train.lightning_module import LightningModule

    module = LightningModule.init_from_config(bench_nam._configuration(size))
    network = build(config_named(size), 0, 48_000)
    assert module.net.receptive_field - 1 == network.past_frames
    assert sum(p.numel() for p in module.net.parameters()) == sum(p.numel() for p in network.parameters())


def test_without_the_nam_trainer_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nam", None)
    with pytest.raises(NotInstalled, match="pip install neural-amp-modeler"):
        list(bench.bench(SETTINGS))


@pytest.mark.parametrize("network", ["a2", "lstm-8"])
def test_other_networks_are_refused(network: str) -> None:
    with pytest.raises(BadRequest, match="a1-feather"):
        list(bench.bench(replace(SETTINGS, network=network)))


def test_the_guitar_is_the_same_everywhere_and_plays_soft_and_hard() -> None:
    first, again = (bench_guitar.guitar(12.0, 5) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, bench_guitar.guitar(12.0, 6))
    seconds = np.abs(first.reshape(12, -1)).max(axis=1)
    assert seconds.max() > 0.3
    assert seconds.min() < 0.1
    assert np.abs(first).max() < 1.0


def test_the_result_tells_ratio_and_bars() -> None:
    side = bench_nam.Side(0.02, 0.03, 100, 60.0, 5.0)
    result = bench.Result(SETTINGS, 10.0, replace(side, test_esr=0.01), side, 2.0)
    assert result.as_json()["esr_ratio"] == 0.5
    assert "ESR 0.50 × theirs (bar: 0.7)" in result.as_text()
    assert Path(result.as_json()["settings"]["device"]).name == "lead-100.onnx"
