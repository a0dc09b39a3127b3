"""Losses against their formulas and scipy's filters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import signal

from appliance.training import losses
from appliance.training.losses import Emphasis, Loss, LossConfig

RATE_HZ = 48_000


def _pair(frames: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.from_numpy(np.random.default_rng(3).normal(0, 0.3, (2, 3, frames)).astype(np.float32))
    return made[0], made[1]


def _loss(config: LossConfig, wet: torch.Tensor) -> Loss:
    return Loss(config, RATE_HZ, wet)


def test_plain_loss_with_no_evenness_is_the_esr_of_the_whole_take() -> None:
    output, target = _pair()
    loss = _loss(LossConfig(evenness=0.0), target)
    energy = loss.energy(target, target.square().mean().expand(3))
    wanted = float(((output - target) ** 2).sum() / (target**2).sum())
    assert float(loss(output, target, energy)) == pytest.approx(wanted, rel=1e-5)
    assert float(losses.esr(output, target)) == pytest.approx(wanted, rel=1e-6)


def test_a_perfect_output_costs_nothing() -> None:
    _, target = _pair()
    config = LossConfig(plain=1.0, emphasised=1.0, dc=1.0, spectral=0.1)
    loss = _loss(config, target)
    assert float(loss(target, target, loss.energy(target, torch.ones(3)))) == pytest.approx(0.0, abs=1e-6)


def test_evenness_makes_a_soft_segment_count() -> None:
    output, target = _pair()
    quiet = torch.tensor([1.0, 1.0, 0.05])[:, None]
    take_energy = (target * quiet).square().mean().expand(3)

    def share_of_soft(evenness: float) -> float:
        loss = _loss(LossConfig(evenness=evenness), target)
        energy = loss.energy(target * quiet, take_energy)
        rows = [
            float(loss(output[i : i + 1] * quiet[i], target[i : i + 1] * quiet[i], energy[i : i + 1])) for i in range(3)
        ]
        return rows[2] / sum(rows)

    assert share_of_soft(0.0) < 0.002 < share_of_soft(0.5) < 0.02 < share_of_soft(1.0)


@pytest.mark.parametrize(
    ("emphasis", "taps"),
    [
        (Emphasis.HIGH_PASS_95, [1.0, -0.95]),
        (Emphasis.HIGH_PASS_85, [1.0, -0.85]),
        (Emphasis.FOLDED, [1.0, 0.0, -0.85]),
    ],
)
@pytest.mark.parametrize("low_pass", [False, True])
def test_emphasised_loss_is_that_of_scipy_filtered_audio(emphasis: Emphasis, taps: list[float], low_pass: bool) -> None:
    output, target = _pair()
    if low_pass:
        taps = list(np.convolve(taps, [1.0, 0.85]))
    config = LossConfig(plain=0.0, emphasised=1.0, emphasis=emphasis, low_pass=low_pass, evenness=0.0)
    loss = _loss(config, target)
    found = float(loss(output, target, loss.energy(target, target.square().mean().expand(3))))
    error, heard = (signal.lfilter(taps, [1.0], x.numpy())[:, len(taps) - 1 :] for x in (output - target, target))
    # The filter's own share of the sound is measured on the takes joined, here rows in a line: nearly the rows' mean.
    assert found == pytest.approx(float((error**2).mean() / (heard**2).mean()), rel=5e-3)


def test_a_weighting_follows_the_curve_of_the_standard() -> None:
    taps = losses.emphasis_taps(Emphasis.A_WEIGHTING, RATE_HZ)
    frequencies_hz = np.array([200.0, 1000.0, 4000.0, 10_000.0])
    _, response = signal.freqz(taps, worN=frequencies_hz, fs=RATE_HZ)
    wanted_db = np.array([-10.9, 0.0, 1.0, -2.5])  # IEC 61672, table 3
    # 101 taps resolve no finer than some 480 Hz: the low end is rounded off.
    assert np.abs(20 * np.log10(np.abs(response)) - wanted_db)[1:].max() < 0.5
    assert 20 * np.log10(np.abs(response[0])) < -4.0


def test_dc_is_the_square_of_the_mean_error() -> None:
    output, target = _pair()
    found = losses.dc_ratio(output + 0.1, output, torch.ones(3))
    assert found.numpy() == pytest.approx(np.full(3, 0.01 / (1 + losses.DC_FLOOR)), rel=1e-3)
    config = LossConfig(plain=0.0, dc=1.0)
    loss = _loss(config, target)
    assert float(loss(output + 0.1, output, torch.ones(3))) == pytest.approx(0.01, rel=1e-2)


def test_spectral_part_is_auralosss_and_has_a_gradient() -> None:
    from auraloss.freq import MultiResolutionSTFTLoss

    output, target = _pair()
    output.requires_grad_()
    loss = _loss(LossConfig(plain=0.0, spectral=0.5), target)
    found = loss(output, target, torch.ones(3))
    wanted = MultiResolutionSTFTLoss()(output[:, None], target[:, None])
    assert float(found.detach()) == pytest.approx(0.5 * float(wanted.detach()), rel=1e-6)
    (gradient,) = torch.autograd.grad(found, output)
    assert float(gradient.abs().max()) > 0
