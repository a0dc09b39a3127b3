"""What training makes small: error-to-signal ratios, plain and as the ear weighs them, offset, and spectra.

ESR and DC: Wright, Damskägg, Juvela, Välimäki, Applied Sciences 10(3), 2020. The filters: Wright & Välimäki,
"Perceptual loss function for neural modelling of audio systems", ICASSP 2020. The spectral loss is auraloss's
multi-resolution STFT (Steinmetz & Reiss, 2020). What the default weights are good for: docs/training.md.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

DC_FLOOR = 1e-5  # as in the published code: silence has no offset worth a division by zero
A_WEIGHTING_POLES_HZ = (20.598997, 107.65265, 737.86223, 12194.217)  # IEC 61672
A_WEIGHTING_TAPS = 101


class Emphasis(enum.Enum):
    """The filter that weighs the error before its energy is taken."""

    NONE = "none"
    HIGH_PASS_95 = "high-pass-0.95"  # 1 - 0.95 z^-1
    HIGH_PASS_85 = "high-pass-0.85"  # 1 - 0.85 z^-1
    FOLDED = "folded"  # 1 - 0.85 z^-2: treble above a quarter of the rate falls again
    A_WEIGHTING = "a-weighting"


@dataclass(frozen=True)
class LossConfig:
    """Weights of the parts; 0 leaves a part out.

    evenness: 0 weighs every segment by its loudness (plain ESR of the whole recording), 1 weighs all alike, however
    soft. low_pass: a further 1 + 0.85 z^-1 after the emphasis, so that hiss and aliases in the top octave don't lead.
    """

    plain: float = 1.0
    emphasised: float = 0.0
    emphasis: Emphasis = Emphasis.HIGH_PASS_85
    low_pass: bool = False
    dc: float = 0.0
    spectral: float = 0.0
    evenness: float = 0.25


def emphasis_taps(emphasis: Emphasis, rate_hz: int, low_pass: bool = False) -> npt.NDArray[np.float64]:
    """The filter as FIR taps, the newest sample's first."""
    taps = {
        Emphasis.NONE: np.array([1.0]),
        Emphasis.HIGH_PASS_95: np.array([1.0, -0.95]),
        Emphasis.HIGH_PASS_85: np.array([1.0, -0.85]),
        Emphasis.FOLDED: np.array([1.0, 0.0, -0.85]),
    }.get(emphasis)
    if taps is None:
        taps = _a_weighting_taps(rate_hz)
    return np.convolve(taps, [1.0, 0.85]) if low_pass else taps


def _a_weighting_taps(rate_hz: int) -> npt.NDArray[np.float64]:
    """Linear-phase FIR with the A curve's magnitude (least squares), 0 dB at 1 kHz."""
    from scipy import signal

    frequencies_hz = np.linspace(0.0, rate_hz / 2, 512)
    magnitude = a_curve(frequencies_hz) / a_curve(np.array([1000.0]))
    taps: npt.NDArray[np.float64] = signal.firls(A_WEIGHTING_TAPS, frequencies_hz, magnitude, fs=rate_hz)
    return taps


def a_curve(frequencies_hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Magnitude of the A weighting, not yet scaled to 1 at 1 kHz (IEC 61672, annex E)."""
    low, middle, upper, high = A_WEIGHTING_POLES_HZ
    square = frequencies_hz**2
    made: npt.NDArray[np.float64] = (high**2 * square**2) / (
        (square + low**2) * np.sqrt((square + middle**2) * (square + upper**2)) * (square + high**2)
    )
    return made


def esr(output: Tensor, target: Tensor) -> Tensor:
    """Σ(output - target)² / Σ target² over everything; both of one shape."""
    return (output - target).square().sum() / target.square().sum()


def dc_ratio(output: Tensor, target: Tensor, energy: Tensor) -> Tensor:
    """|mean error|² / energy, per row: [batch]. energy: mean square of what a row is judged against, [batch]."""
    return (output - target).mean(-1).square() / (energy + DC_FLOOR)


def filtered(audio: Tensor, taps: Tensor) -> Tensor:
    """FIR along the last axis, without the samples whose past isn't there: [batch, frames - taps + 1]."""
    return torch.nn.functional.conv1d(audio[:, None], taps.flip(0)[None, None])[:, 0]


class Loss:
    """The weighted sum of the parts of a `LossConfig`.

    wet: some of the device's recorded sound, from which the energy that the emphasis leaves is measured, so that the
    plain and the emphasised part count as their weights say.
    """

    def __init__(self, config: LossConfig, rate_hz: int, wet: Tensor) -> None:
        self.config = config
        self._taps = torch.tensor(
            emphasis_taps(config.emphasis, rate_hz, config.low_pass), dtype=torch.float32, device=wet.device
        )
        self._emphasised_share = 1.0
        if config.emphasised:
            kept = filtered(wet.reshape(1, -1), self._taps).square().mean() / wet.square().mean().clamp_min(1e-12)
            self._emphasised_share = max(float(kept), 1e-6)
        self._spectral = _spectral_loss() if config.spectral else None

    def energy(self, target: Tensor, take_energy: Tensor) -> Tensor:
        """What each row's error is divided by. target [batch, frames]; take_energy: mean square of its take [batch]."""
        share = self.config.evenness
        # A share of the take's energy always stays, or silence and hiss would be learned before the playing.
        return share * target.square().mean(-1) + (1.0 - 0.95 * share) * take_energy

    def __call__(self, output: Tensor, target: Tensor, energy: Tensor) -> Tensor:
        """One number. output, target [batch, frames]; energy [batch]: `energy` of the whole segment."""
        config = self.config
        error = output - target
        total = config.plain * (error.square().mean(-1) / energy).mean()
        if config.emphasised:
            heard = filtered(error, self._taps).square().mean(-1)
            total = total + config.emphasised * (heard / (energy * self._emphasised_share)).mean()
        if config.dc:
            total = total + config.dc * dc_ratio(output, target, energy).mean()
        if self._spectral is not None:
            total = total + config.spectral * self._spectral(output[:, None], target[:, None])
        return total


def _spectral_loss() -> Any:
    """auraloss's defaults: windows of 600, 1200 and 240, spectral convergence + log magnitude."""
    from appliance.errors import NotInstalled

    try:
        from auraloss.freq import MultiResolutionSTFTLoss
    except ImportError as error:
        raise NotInstalled("The spectral loss is auraloss's: pip install 'appliance[train]'") from error
    return MultiResolutionSTFTLoss()
