"""From a trained network to files, and back through every engine."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import Tensor

from appliance.engine.engines import make_engine
from appliance.engine.onnx_graph import initial_states
from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats.description import Cell, Knob
from appliance.formats.read import read_model, read_variants
from appliance.inspection import inspect_file
from appliance.library.loudness import model_loudness_db
from appliance.training.contract import DataSet, Network, position_of
from appliance.training.export import Facts, describe, export_nam, export_onnx
from appliance.training.networks.recurrent import RecurrentNetwork
from appliance.training.networks.sizes import build, config_named
from tests.models import guitarish

REST_FRAMES = 24_000
KNOBS = (Knob("Gain", 0.0, 10.0, 4.0, heard=(0.0, 5.0, 10.0)), Knob("Tone", -1.0, 1.0, 0.0, heard=(-1.0, 1.0)))
FACTS = Facts(
    "Crunch", "CC0-1.0", (0.0125,), 12.5, 10.0, summary={"minutes": 10, "epochs": [{"esr": 0.1}, {"esr": 0.0125}]}
)


def _trained(name: str, knob_count: int) -> Network:
    torch.manual_seed(7)
    network = build(config_named(name), knob_count, 48_000)
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(0.02 * torch.randn_like(weights))
    return network


def _forward(network: Network, audio: np.ndarray, values: Sequence[float]) -> np.ndarray:
    """The network's own output, after silence as long as its past, or at their defaults until it rests."""
    held = KNOBS[: len(values)]
    positions, defaults = (
        torch.tensor([[position_of(knob, value) for knob, value in zip(held, settings, strict=True)]]).reshape(1, -1)
        for settings in (values, [knob.default for knob in held])
    )
    heard = torch.from_numpy(np.concatenate([np.zeros(network.past_frames, np.float32), audio]))[None]
    state = None
    with torch.no_grad():
        if not network.past_frames:
            _, state = network(torch.zeros(1, REST_FRAMES), defaults)
        output: Tensor = network(heard, positions, state)[0]
    return output[0].numpy()


@pytest.mark.parametrize("name", ["lstm-16", "gru-2x8", "wh", "a1-nano"])
@pytest.mark.parametrize("knob_count", [0, 2])
def test_every_engine_plays_the_file_as_the_network_plays(name: str, knob_count: int, tmp_path: Path) -> None:
    network, values = _trained(name, knob_count), [7.5, -0.5][:knob_count]
    data = DataSet("amp", 48_000, (), KNOBS[:knob_count])
    export_onnx(describe(network, data, FACTS), tmp_path / "amp.onnx")
    found = read_model(tmp_path / "amp.onnx")
    audio = guitarish(np.random.default_rng(1), 600)
    knobs = np.array(values, np.float32) if knob_count else None
    wanted = _forward(network, audio, values)
    for engine in ("native", "onnx"):
        playing = make_engine(engine, found)
        if network.past_frames:
            playing.process(np.zeros(network.past_frames, np.float32), knobs)
        assert np.abs(playing.process(audio, knobs) - wanted).max() < 1e-5, engine


def test_plain_onnx_runtime_plays_the_file(tmp_path: Path) -> None:
    network = _trained("lstm-16", 2)
    export_onnx(describe(network, DataSet("amp", 48_000, (), KNOBS), FACTS), tmp_path / "amp.onnx")
    model = onnx.load(tmp_path / "amp.onnx")
    audio = guitarish(np.random.default_rng(2), 500)
    knobs = np.array([2.5, 0.25], np.float32).reshape(1, 2, 1)
    session = ort.InferenceSession(str(tmp_path / "amp.onnx"))
    output = session.run(["output"], {"audio": audio[None, None], "knobs": knobs, **initial_states(model)})[0]
    assert np.abs(output[0, 0] - _forward(network, audio, [2.5, 0.25])).max() < 1e-5


@pytest.mark.parametrize("name", ["lstm-8", "gru-8"])
def test_a_recurrent_network_is_at_rest_from_the_first_frame(name: str, tmp_path: Path) -> None:
    """With its knobs at their defaults nothing moves: no thump in a program that plays the file at once."""
    export_onnx(describe(_trained(name, 2), DataSet("amp", 48_000, (), KNOBS), FACTS), tmp_path / "amp.onnx")
    defaults = np.array([knob.default for knob in KNOBS], np.float32)
    heard = make_engine("native", read_model(tmp_path / "amp.onnx")).process(np.zeros(480, np.float32), defaults)
    assert np.ptp(heard) < 1e-6


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    export_onnx(describe(_trained("gru-16", 2), DataSet("amp", 44_100, (), KNOBS), FACTS), tmp_path / "amp.onnx")
    found = read_model(tmp_path / "amp.onnx")
    assert (found.name, found.licence, found.esr, found.sample_rate_hz) == ("Crunch", "CC0-1.0", 0.0125, 44_100)
    assert found.knobs == KNOBS
    assert found.levels.input_level_dbu == 12.5
    assert found.levels.loudness_db == pytest.approx(model_loudness_db(found), abs=0.01)
    assert found.metadata["training"] == FACTS.summary
    told = inspect_file(tmp_path / "amp.onnx")
    assert "self_test" in told
    assert found.self_test is not None
    assert np.abs(found.self_test.expected).max() > 0.01
    assert np.abs(make_engine("native", found).process(found.self_test.audio) - found.self_test.expected).max() < 1e-5


class _Pack(Network):
    """Two LSTMs in one file."""

    def __init__(self) -> None:
        super().__init__()
        self.small, self.large = RecurrentNetwork(Cell.LSTM, 8, skip=False), RecurrentNetwork(Cell.LSTM, 16, skip=False)

    @property
    def members(self) -> Sequence[Network]:
        return (self.small, self.large)

    def forward(self, audio: Tensor, positions: Tensor, state: object = None) -> tuple[Tensor, object]:
        return self.large(audio, positions, state)  # type: ignore[no-any-return]

    def architecture(self, knobs: Sequence[Knob]) -> object:  # type: ignore[override]
        return self.large.architecture(knobs)


def test_members_are_sizes_of_one_file(tmp_path: Path) -> None:
    torch.manual_seed(3)
    pack = _Pack()
    sizes = describe(pack, DataSet("amp", 48_000, ()), Facts("Pack", esr=(0.2, 0.1)))
    export_onnx(sizes, tmp_path / "pack.onnx")
    export_nam(sizes, tmp_path / "pack.nam")
    audio = guitarish(np.random.default_rng(3), 400)
    for file in ("pack.onnx", "pack.nam"):
        for found, member, esr in zip(read_variants(tmp_path / file), pack.members, (0.2, 0.1), strict=True):
            assert found.esr == esr
            assert np.abs(make_engine("native", found).process(audio) - _forward(member, audio, ())).max() < 1e-5


def test_a2_is_one_file_of_two_sizes(tmp_path: Path) -> None:
    network = _trained("a2", 0)
    sizes = describe(network, DataSet("amp", 48_000, ()), Facts("A2"))
    export_onnx(sizes, tmp_path / "a2.onnx")
    export_nam(sizes, tmp_path / "a2.nam")
    for file in ("a2.onnx", "a2.nam"):
        assert [found.variant for found in read_variants(tmp_path / file)] == ["1 of 2", "2 of 2"]


def test_nam_plays_a_trained_network_at_one_position_of_its_knobs(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nam = pytest.importorskip("nam.models")
    import json

    for name in ("a1-nano", "wh"):
        network = _trained(name, 1)
        data = DataSet("amp", 48_000, (), KNOBS[:1])
        export_nam(describe(network, data, FACTS), tmp_path / "amp.nam", {"Gain": 7.5})
        audio = guitarish(np.random.default_rng(4), 3000)
        model = nam.init_from_nam(json.loads((tmp_path / "amp.nam").read_text()))
        model.eval()
        with torch.no_grad():
            played = model(torch.from_numpy(audio), pad_start=True).numpy()
        assert np.abs(played - _forward(network, audio, [7.5])).max() < 1e-5


def test_an_lstm_with_skip_is_no_nam_file(tmp_path: Path) -> None:
    sizes = describe(_trained("lstm-16", 0), DataSet("amp", 48_000, ()), FACTS)
    with pytest.raises(UnsupportedModel, match="skip"):
        export_nam(sizes, tmp_path / "amp.nam")


def test_a_network_gone_wrong_is_not_exported() -> None:
    network = RecurrentNetwork(Cell.GRU, 8)
    with torch.no_grad():
        network.head.weight.fill_(float("nan"))
    with pytest.raises(BadModelFile, match="NaN"):
        describe(network, DataSet("amp", 48_000, ()), Facts("broken"))
