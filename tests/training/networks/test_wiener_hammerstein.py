"""The gray box: what is trained is what the engine plays, and it finds a device of its own kind."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal
import torch

from appliance.engine.engines import make_engine
from appliance.formats.description import Description, Knob
from appliance.training.contract import DataSet, Take
from appliance.training.networks.wiener_hammerstein import WienerHammersteinNetwork
from tests.models import guitarish

RATE_HZ = 48_000
KNOBS = (Knob("Drive", 0.0, 10.0, 5.0, heard=(0.0, 5.0, 10.0)), Knob("Bias", -1.0, 1.0, 0.0))
Float32 = npt.NDArray[np.float32]


def _device(dry: Float32, drive: float = 8.0) -> Float32:
    """Band-pass around 1 kHz → tanh, a little one-sided → shelving low-pass at 1.5 kHz."""
    band = scipy.signal.butter(1, (300.0, 3500.0), "bandpass", fs=RATE_HZ, output="sos")
    curve = np.tanh(drive * scipy.signal.sosfilt(band, dry) + 0.3) - np.tanh(0.3)
    pole, zero = (np.exp(-2 * np.pi * hz / RATE_HZ) for hz in (1500.0, 6000.0))
    return scipy.signal.lfilter([0.35, -0.35 * zero], [1.0, -pole], curve).astype(np.float32)


def _guitar(seed: int, seconds: float) -> Float32:
    rng = np.random.default_rng(seed)
    frames = int(seconds * RATE_HZ)
    corners = np.arange(0, frames + 6000, 6000)
    loudness = np.interp(np.arange(frames), corners, rng.uniform(0.1, 1.0, len(corners)))
    noise = scipy.signal.lfilter([0.3], [1, -0.7], rng.standard_normal(frames))
    return (loudness * (guitarish(rng, frames) + 0.15 * noise)).astype(np.float32)


def _esr(network: WienerHammersteinNetwork, dry: Float32, wet: Float32, positions: tuple[float, ...] = ()) -> float:
    with torch.no_grad():
        made = network(torch.from_numpy(dry)[None], torch.tensor([positions]).reshape(1, -1))[0][0].numpy()
    wanted = wet[network.past_frames :]
    return float(np.sum((made - wanted) ** 2) / np.sum(wanted**2))


def test_it_finds_a_device_of_its_own_kind() -> None:
    dry, unheard = _guitar(1, 2.0), _guitar(2, 1.0)
    take = Take("take", dry, _device(dry), train=((0, len(dry)),))
    network = WienerHammersteinNetwork(first_taps=140, last_taps=48, branches=5)
    network.start_from(DataSet("device", RATE_HZ, (take,)))
    assert _esr(network, unheard, _device(unheard)) < 1e-3


def test_it_finds_what_a_drive_knob_does() -> None:
    knob = KNOBS[0]
    drives = {value: 2.0 + value for value in knob.heard}
    dry = _guitar(3, 2.0)
    takes = tuple(Take(f"{v}", dry, _device(dry, g), (v,), train=((0, len(dry)),)) for v, g in drives.items())
    network = WienerHammersteinNetwork(first_taps=100, last_taps=32, branches=4, knob_count=1)
    network.start_from(DataSet("device", RATE_HZ, takes, (knob,)))
    unheard = _guitar(4, 1.0)
    assert _esr(network, unheard, _device(unheard, 2.0 + 2.5), (0.25,)) < 0.01


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("engine", ["reference", "native", "onnx"])
def test_the_engine_plays_what_was_trained(engine: str, count: int) -> None:
    torch.manual_seed(1)
    network = WienerHammersteinNetwork(first_taps=30, last_taps=20, branches=5, knob_count=count)
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(0.2 * torch.randn_like(weights))
    knobs, values, positions = KNOBS[:count], [7.5, -0.5][:count], [0.75, 0.25][:count]
    audio = guitarish(np.random.default_rng(1), 500)
    # The engine starts with silent filters, not with those of a silent input: what comes after is compared.
    heard = np.concatenate([np.zeros(network.past_frames, np.float32), audio])
    with torch.no_grad():
        output = network(torch.from_numpy(heard)[None], torch.tensor([positions]).reshape(1, -1))[0][0].numpy()
    described = Description("test", "test", network.architecture(knobs), RATE_HZ, knobs=knobs)
    played = make_engine(engine, described).process(heard, np.array(values, np.float32) if knobs else None)
    assert np.abs(output - played[network.past_frames :]).max() < 5e-6


def test_its_gradient_is_that_of_what_it_plays() -> None:
    torch.manual_seed(2)
    network = WienerHammersteinNetwork(first_taps=5, last_taps=4, branches=2, knob_count=1).double()
    audio, positions = torch.randn(2, 20, dtype=torch.double), torch.rand(2, 1, dtype=torch.double)
    weights = tuple(network.parameters())

    def played(*_: torch.Tensor) -> torch.Tensor:
        return network(audio, positions)[0]

    assert torch.autograd.gradcheck(played, weights)


def test_no_branch_is_refused() -> None:
    with pytest.raises(ValueError, match="0 branches"):
        WienerHammersteinNetwork(first_taps=5, last_taps=4, branches=0)
