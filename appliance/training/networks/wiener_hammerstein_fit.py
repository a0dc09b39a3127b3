"""A Wiener–Hammerstein network fitted whole: Levenberg–Marquardt, started from the best linear approximation.

Where the dynamics of the linear approximation belong, before the curve or behind it, nobody can know beforehand: three
ways of sharing them out are tried for a few steps, and the best goes on (Schoukens, Tiels, "Identification of
block-oriented nonlinear systems starting from linear approximations", Automatica 85, 2017). Pure numpy and SciPy; may
block for seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.fft
import torch

from appliance.training.contract import DataSet, Float32, position_of

if TYPE_CHECKING:
    from appliance.training.networks.wiener_hammerstein import WienerHammersteinNetwork

Float64 = npt.NDArray[np.float64]

_BLOCK_FRAMES = 4096
_MOST_BLOCKS = 12  # a second: more changes the fit little
_TRIAL_BLOCKS = 4
_TRIAL_STEPS = 6
_MOST_STEPS = 30
_ENOUGH = 0.05  # relative improvement of a step below which the fit has arrived
_ENOUGH_ESR = 1e-5
_START_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-2, 1e-7, 1e6


@dataclass(frozen=True)
class Excerpt:
    """dry [past + frames], wet [frames], the knobs' positions 0…1."""

    dry: Float32
    wet: Float32
    positions: tuple[float, ...] = ()


def excerpts_of(data: DataSet, past_frames: int) -> list[Excerpt]:
    """Blocks of the takes' training spans, from soft to loud; as many of each take."""
    takes = [take for take in data.takes if take.train]
    found: list[Excerpt] = []
    for take in takes:
        positions = tuple(position_of(knob, value) for knob, value in zip(data.knobs, take.knobs, strict=True))
        starts = [
            start
            for first, end in take.train
            for start in range(max(first, past_frames), end - _BLOCK_FRAMES + 1, _BLOCK_FRAMES)
        ]
        starts.sort(key=lambda start: float(np.sum(np.square(take.wet[start : start + _BLOCK_FRAMES]))))
        loud = starts[len(starts) // 3 :]  # pauses and tails tell nothing of the curve
        wanted = min(max(1, _MOST_BLOCKS // len(takes)), len(loud))
        for index in np.linspace(0, len(loud) - 1, wanted).round().astype(int) if loud else ():
            start = loud[index]
            dry = take.dry[start - past_frames : start + _BLOCK_FRAMES]
            found.append(Excerpt(dry, take.wet[start : start + _BLOCK_FRAMES], positions))
    return found


def fit(network: WienerHammersteinNetwork, excerpts: Sequence[Excerpt], steps: int = _MOST_STEPS) -> float:
    """Set the network's weights to the best fit that was found; returns its ESR on the excerpts."""
    trial = [excerpts[i] for i in np.linspace(0, len(excerpts) - 1, min(_TRIAL_BLOCKS, len(excerpts))).astype(int)]
    starts = [_Model.started(network, excerpts, trial, share) for share in (1.0, 0.0, 0.5)]
    trials = [_descend(start, trial, _TRIAL_STEPS) for start in starts]
    model, error = _descend(min(trials, key=lambda pair: pair[1])[0], excerpts, steps)
    model.store(network)
    return error / max(_energy(excerpts), 1e-30)


@dataclass
class _Model:
    """The network in double precision. `gain`, `bias`, `level`: [branches, 1 + knobs]."""

    first: Float64
    gain: Float64
    bias: Float64
    level: Float64
    last: Float64
    offset: Float64  # [1]

    @classmethod
    def started(
        cls, network: WienerHammersteinNetwork, excerpts: Sequence[Excerpt], trial: Sequence[Excerpt], share: float
    ) -> _Model:
        """`share` of the best linear approximation's dynamics before the curve, the rest behind it."""
        first_taps, last_taps = len(network.first), len(network.last)
        first, last = np.zeros(first_taps), np.zeros(last_taps)
        first[0] = last[0] = 1.0
        if share == 1.0:
            first = _linear_approximation(excerpts, first_taps, network.past_frames)
        elif share == 0.0:
            last = _linear_approximation(excerpts, last_taps, network.past_frames)
        else:
            half = _half_of(_linear_approximation(excerpts, max(first_taps, last_taps), network.past_frames))
            first, last = half[:first_taps].copy(), half[:last_taps].copy()
        heard = np.concatenate([_convolved(excerpt.dry, first) for excerpt in trial])
        first = first / max(float(np.sqrt(np.mean(heard**2))), 1e-9)
        branches, columns = network.gain.shape
        gain, bias, level = (np.zeros((branches, columns)) for _ in range(3))
        gain[:, 0] = np.logspace(-1.0, 0.5, branches)
        bias[:, 0] = np.linspace(-0.6, 0.6, branches) if branches > 1 else 0.0
        level[:, 0] = 1.0 / branches
        model = cls(first, gain, bias, level, last, np.zeros(1))
        model._solve_levels(trial)
        return model

    def _solve_levels(self, excerpts: Sequence[Excerpt]) -> None:
        """Levels and offset are linear in the output once the rest is given: least squares."""
        branches = len(self.gain)
        columns = np.concatenate([self._branches(excerpt)[1] for excerpt in excerpts])
        target = np.concatenate([excerpt.wet for excerpt in excerpts])
        design = np.column_stack([columns, np.ones(len(target))])
        square = design.T @ design
        square += 1e-6 * np.trace(square) / len(square) * np.eye(len(square))
        solved: Float64 = np.linalg.solve(square, design.T @ target).astype(np.float64)
        self.level[:, 0], self.offset[0] = solved[:branches], solved[branches]

    def at(self, positions: Sequence[float]) -> tuple[Float64, Float64, Float64]:
        """(gain, bias, level) of each branch with the knobs there."""
        known = np.array([1.0, *positions])
        return self.gain @ known, self.bias @ known, self.level @ known

    def _branches(self, excerpt: Excerpt) -> tuple[Float64, Float64]:
        """(y, every branch's tanh behind the last filter [frames, branches])."""
        heard = _convolved(excerpt.dry, self.first)
        gain, bias, _ = self.at(excerpt.positions)
        return heard, _convolved_columns(np.tanh(heard[:, None] * gain + bias), self.last)

    def residual(self, excerpt: Excerpt) -> Float64:
        """wet - output."""
        gain, bias, level = self.at(excerpt.positions)
        curve = np.tanh(_convolved(excerpt.dry, self.first)[:, None] * gain + bias) @ level
        difference: Float64 = excerpt.wet - (_convolved(curve, self.last) + self.offset[0])
        return difference

    def derivatives(self, excerpt: Excerpt) -> tuple[Float32, Float64]:
        """(what each weight does to the output [frames, weights], residual). Weights in the order of `moved`."""
        gain, bias, level = self.at(excerpt.positions)
        known = np.array([1.0, *excerpt.positions])
        heard = _convolved(excerpt.dry, self.first)
        tanh = np.tanh(heard[:, None] * gain + bias)
        slopes = (1.0 - tanh**2) * level
        curve = tanh @ level
        delayed = np.lib.stride_tricks.sliding_window_view(excerpt.dry, len(self.first))[:, ::-1]
        inner = np.column_stack([delayed * (slopes @ gain)[:, None], slopes * heard[:, None], slopes, tanh])
        inner = _convolved_columns(inner.astype(np.float32), self.last.astype(np.float32))
        taps, branches = len(self.first), len(gain)
        parts = [inner[:, :taps]]
        for start in range(taps, taps + 3 * branches, branches):
            part = inner[:, start : start + branches]
            parts.append((part[:, :, None] * known.astype(np.float32)).reshape(len(part), -1))
        parts.append(np.lib.stride_tricks.sliding_window_view(curve, len(self.last))[:, ::-1])
        parts.append(np.ones((len(inner), 1)))
        residual = excerpt.wet - (_convolved(curve, self.last) + self.offset[0])
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind"), residual

    def moved(self, step: Float64) -> _Model:
        """The model with `step` added to its weights."""
        arrays = (self.first, self.gain, self.bias, self.level, self.last, self.offset)
        ends = np.cumsum([array.size for array in arrays])
        parts = np.split(step, ends[:-1])
        return _Model(*(array + part.reshape(array.shape) for array, part in zip(arrays, parts, strict=True)))

    def store(self, network: WienerHammersteinNetwork) -> None:
        with torch.no_grad():
            for name in ("first", "gain", "bias", "level", "last"):
                getattr(network, name).copy_(torch.from_numpy(getattr(self, name)))
            network.offset.fill_(float(self.offset[0]))


def _descend(model: _Model, excerpts: Sequence[Excerpt], steps: int) -> tuple[_Model, float]:
    """(the model after so many steps or when it has arrived, its squared error)."""
    damping = _START_DAMPING
    error = _squared_error(model, excerpts)
    enough = _ENOUGH_ESR * _energy(excerpts)
    small_steps = 0
    for _ in range(steps):
        square, downhill = _normal_equations(model, excerpts)
        # Weights that change nothing (a frequency that isn't in the recording) would run away: hold them a little.
        scale = np.diag(square) + 1e-6 * np.trace(square) / len(square)
        before = error
        while damping <= _MOST_DAMPING:
            step: Float64 = np.linalg.solve(square + damping * np.diag(scale), downhill).astype(np.float64)
            tried = model.moved(step)
            tried_error = _squared_error(tried, excerpts)
            if tried_error < error:
                model, error, damping = tried, tried_error, max(damping / 4.0, _LEAST_DAMPING)
                break
            damping *= 4.0
        small_steps = small_steps + 1 if before - error < _ENOUGH * before else 0
        if error < enough or small_steps == 3 or damping > _MOST_DAMPING:
            break
    return model, error


def _energy(excerpts: Sequence[Excerpt]) -> float:
    return sum(float(np.sum(np.square(excerpt.wet, dtype=np.float64))) for excerpt in excerpts)


def _squared_error(model: _Model, excerpts: Sequence[Excerpt]) -> float:
    error = sum(float(np.sum(model.residual(excerpt) ** 2)) for excerpt in excerpts)
    return error if np.isfinite(error) else np.inf


def _normal_equations(model: _Model, excerpts: Sequence[Excerpt]) -> tuple[Float64, Float64]:
    """(JᵀJ, Jᵀ residual), summed in double precision block by block."""
    square, downhill = np.zeros(()), np.zeros(())
    for excerpt in excerpts:
        slopes, residual = model.derivatives(excerpt)
        square = square + (slopes.T @ slopes).astype(np.float64)
        downhill = downhill + slopes.T.astype(np.float64) @ residual
    return square, downhill


def _linear_approximation(excerpts: Sequence[Excerpt], taps: int, past_frames: int) -> Float64:
    """The FIR filter that comes nearest to wet from dry, by least squares."""
    square, product = np.zeros((taps, taps)), np.zeros(taps)
    for excerpt in excerpts:
        known = excerpt.dry[past_frames - taps + 1 :]
        delayed = np.lib.stride_tricks.sliding_window_view(known, taps)[:, ::-1].astype(np.float64)
        square += delayed.T @ delayed
        product += delayed.T @ excerpt.wet
    # Where the recording has no energy nothing is known: keep the taps small there.
    square += 1e-5 * np.trace(square) / taps * np.eye(taps)
    solved: Float64 = np.linalg.solve(square, product).astype(np.float64)
    return solved


def _half_of(taps: Float64) -> Float64:
    """The minimum-phase filter of the square root of this one's magnitude: twice in a row it is as strong."""
    size = 8 * scipy.fft.next_fast_len(len(taps))
    magnitude = np.abs(np.fft.fft(taps, size))
    log = 0.5 * np.log(np.maximum(magnitude, 1e-4 * magnitude.max() + 1e-12))
    cepstrum = np.fft.ifft(log).real
    folded = np.zeros(size)
    folded[0], folded[1 : size // 2] = cepstrum[0], 2.0 * cepstrum[1 : size // 2]
    folded[size // 2] = cepstrum[size // 2]
    half = np.fft.ifft(np.exp(np.fft.fft(folded))).real[: len(taps)]
    return half.astype(np.float64)


def _convolved(signal: npt.NDArray[np.floating], taps: Float64) -> Float64:
    return _convolved_columns(signal.astype(np.float64)[:, None], taps)[:, 0]


def _convolved_columns(columns: npt.NDArray[np.floating], taps: npt.NDArray[np.floating]) -> Float64:
    """Each column behind a causal FIR filter; what isn't known whole is cut off: [frames - taps + 1, columns]."""
    size = scipy.fft.next_fast_len(len(columns), real=True)
    spectrum = scipy.fft.rfft(columns, size, axis=0) * scipy.fft.rfft(taps, size)[:, None]
    convolved: Float64 = scipy.fft.irfft(spectrum, size, axis=0)[len(taps) - 1 : len(columns)]
    return convolved
