"""Everything the report tells, as numbers: measured once, drawn and written elsewhere. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from appliance.engine import pi_cost
from appliance.engine.aliasing import FREQUENCIES_HZ, alias_to_signal_db
from appliance.engine.bench import EngineTime, bench_engines
from appliance.engine.engines import engine_for
from appliance.engine.rates import OVERSAMPLING
from appliance.errors import BadRequest
from appliance.formats.description import Description
from appliance.training.report import distortion, dynamics, measures, sweeps
from appliance.training.report.playing import Player, play_span
from appliance.training.takes import DataSet, Float32, Take

PASSAGE_MS = 30.0  # two periods and a half of a low E
PERIOD_FRAMES = 64
_COST_SECONDS = 0.5


@dataclass(frozen=True)
class Judged:
    """A take's test audio, its spans one after the other, and what the model makes of it."""

    take: Take
    dry: Float32
    device: Float32
    model: Float32
    starts_s: tuple[float, ...]  # where in this audio each span begins
    esr: float
    esr_pre_emphasised: float


@dataclass(frozen=True)
class Passage:
    """A few periods of one take."""

    take: str
    at_s: float  # in the take's test audio
    esr: float
    device: Float32
    model: Float32


@dataclass(frozen=True)
class Aliases:
    """Aliases of a sine of the model, by oversampling: {1: dB, 2: dB, 4: dB}."""

    frequency_hz: int
    alias_to_signal_db: dict[int, float]


@dataclass(frozen=True)
class Gains:
    """Device and model after the same events."""

    device: dynamics.GainResponse
    model: dynamics.GainResponse


@dataclass(frozen=True)
class SweepFindings:
    """What a sweep in a take tells."""

    take: str
    sweep: sweeps.Sweep
    device: sweeps.SweepHarmonics
    model: sweeps.SweepHarmonics


@dataclass(frozen=True)
class Spectra:
    """Third-octave spectra of one level: soft, middle or loud playing. Levels in dB [bands]."""

    input_db: float
    centres_hz: measures.Float64
    device_db: measures.Float64
    model_db: measures.Float64
    device_transfer: distortion.TransferCurve
    model_transfer: distortion.TransferCurve


@dataclass(frozen=True)
class Findings:
    """See the fields. `shown`: the take that the curves are taken from, the one of middling error."""

    judged: tuple[Judged, ...]
    esr: float  # over the takes that were trained on, as one
    esr_pre_emphasised: float
    esr_heard: float  # mean over heard knob positions
    esr_unheard: float  # mean over positions held out; NaN without any
    shown: Judged
    windows: measures.ShortTimeError
    worst: Passage | None
    median: Passage | None
    error_spectrogram: measures.Spectrogram
    device_compression: dynamics.CompressionCurve
    model_compression: dynamics.CompressionCurve
    attack: Gains
    release: Gains
    levels: tuple[Spectra, ...]
    harmonics: distortion.SineHarmonics
    sine_transfer: list[tuple[float, measures.Float64, measures.Float64]]
    sweep: SweepFindings | None
    aliases: tuple[Aliases, ...]
    cost: EngineTime
    pi_estimates: list[dict[str, Any]]


def measure(description: Description, data: DataSet, progress: Callable[[str], None] = lambda _: None) -> Findings:
    """Play the model against every take's test audio and measure. Blocks for seconds to minutes.

    progress: called with a few words at each step. Raises BadRequest where there is no test audio or the knobs of
    model and data differ in number, UnsupportedModel.
    """
    _check(description, data)
    rate_hz = data.sample_rate_hz
    judged = []
    for take in data.takes:
        if take.test:
            progress(f"playing {take.name}")
            judged.append(_judge(description, take, rate_hz))
    heard = [one for one in judged if not one.take.held_out] or judged
    unheard = [one.esr for one in judged if one.take.held_out]
    shown = sorted(heard, key=lambda one: (math.isnan(one.esr), one.esr))[(len(heard) - 1) // 2]
    progress("measuring dynamics")
    frames = round(rate_hz * PASSAGE_MS / 1e3)
    windows = measures.short_time_error(shown.device, shown.model, frames)
    places = measures.worst_and_median(windows)
    starts_ms, stops_ms = dynamics.events(shown.dry, rate_hz)
    pairs = [(one.device, one.model) for one in heard]
    progress("measuring distortion")
    knobs = shown.take.knobs
    harmonics = distortion.sine_harmonics(Player(description, rate_hz, knobs).process, rate_hz)
    transfer = distortion.sine_transfer(Player(description, rate_hz, knobs).process, rate_hz)
    progress("measuring aliases")
    aliases = _aliases(description, rate_hz, knobs)
    progress("measuring cost")
    engine = engine_for(description)
    (cost,) = bench_engines([(description.name, description)], [engine], PERIOD_FRAMES, seconds_per_model=_COST_SECONDS)
    return Findings(
        judged=tuple(judged),
        esr=measures.esr_over(pairs),
        esr_pre_emphasised=measures.esr_over(pairs, measures.PRE_EMPHASIS),
        esr_heard=fmean(one.esr for one in heard),
        esr_unheard=fmean(unheard) if unheard else math.nan,
        shown=shown,
        windows=windows,
        worst=_passage(shown, windows, places[0], rate_hz) if places else None,
        median=_passage(shown, windows, places[1], rate_hz) if places else None,
        error_spectrogram=measures.spectrogram(shown.device - shown.model, rate_hz),
        device_compression=dynamics.compression_curve(shown.dry, shown.device, rate_hz),
        model_compression=dynamics.compression_curve(shown.dry, shown.model, rate_hz),
        attack=_gains(shown, rate_hz, starts_ms),
        release=_gains(shown, rate_hz, stops_ms),
        levels=_levels(shown, rate_hz),
        harmonics=harmonics,
        sine_transfer=transfer,
        sweep=_sweep(description, data, shown.take),
        aliases=aliases,
        cost=cost,
        pi_estimates=pi_cost.estimates(description),
    )


def _check(description: Description, data: DataSet) -> None:
    if not any(take.test for take in data.takes):
        raise BadRequest(f"{data.name} has no audio set aside for testing: nothing to judge the model by.")
    for take in data.takes:
        if len(take.knobs) not in (0, len(description.knobs)):
            raise BadRequest(
                f"{take.name} tells {len(take.knobs)} knob positions and {description.name} has "
                f"{len(description.knobs)} knobs: they must be the same knobs."
            )


def _judge(description: Description, take: Take, rate_hz: int) -> Judged:
    made = [play_span(description, take.dry, span, rate_hz, take.knobs) for span in take.test]
    device = [take.wet[first:last] for first, last in take.test]
    lengths = [last - first for first, last in take.test]
    starts = np.concatenate(([0], np.cumsum(lengths)))[:-1] / rate_hz
    pairs = list(zip(device, made, strict=True))
    return Judged(
        take,
        np.concatenate([take.dry[first:last] for first, last in take.test]),
        np.concatenate(device),
        np.concatenate(made),
        tuple(float(start) for start in starts),
        measures.esr_over(pairs),
        measures.esr_over(pairs, measures.PRE_EMPHASIS),
    )


def _passage(one: Judged, windows: measures.ShortTimeError, index: int, rate_hz: int) -> Passage:
    part = slice(index * windows.window_frames, (index + 1) * windows.window_frames)
    return Passage(one.take.name, part.start / rate_hz, float(windows.esr[index]), one.device[part], one.model[part])


def _gains(one: Judged, rate_hz: int, at_ms: list[int]) -> Gains:
    device, model = (dynamics.gain_response(one.dry, wet, rate_hz, at_ms) for wet in (one.device, one.model))
    return Gains(device, model)


def _levels(one: Judged, rate_hz: int) -> tuple[Spectra, ...]:
    found = []
    for mask, input_db in zip(*distortion.level_masks(one.dry, rate_hz), strict=True):
        centres, device_db = distortion.third_octave_db(one.device, mask, rate_hz)
        _, model_db = distortion.third_octave_db(one.model, mask, rate_hz)
        device, model = (distortion.transfer_curve(one.dry[mask], wet[mask]) for wet in (one.device, one.model))
        found.append(Spectra(input_db, centres, device_db, model_db, device, model))
    return tuple(found)


def _sweep(description: Description, data: DataSet, shown: Take) -> SweepFindings | None:
    """From the shown take if it has a sweep, anywhere in it: also where it was trained on, which the page says."""
    rate_hz = data.sample_rate_hz
    found = sweeps.find_sweeps(shown.dry, rate_hz)
    if not found:
        return None
    sweep = found[0]
    margin = rate_hz // 5
    span = max(0, sweep.first - margin), min(len(shown.dry), sweep.last + margin)
    model = np.zeros_like(shown.wet)
    model[slice(*span)] = play_span(description, shown.dry, span, rate_hz, shown.knobs)
    device_harmonics, model_harmonics = (
        sweeps.sweep_harmonics(shown.dry, wet, sweep, rate_hz) for wet in (shown.wet, model)
    )
    return SweepFindings(shown.name, sweep, device_harmonics, model_harmonics)


def _aliases(description: Description, rate_hz: int, knobs: tuple[float, ...]) -> tuple[Aliases, ...]:
    times = OVERSAMPLING if engine_for(description) == "native" else (1,)
    return tuple(
        Aliases(
            frequency_hz,
            {
                many: alias_to_signal_db(Player(description, rate_hz, knobs, oversample=many), rate_hz, frequency_hz)
                for many in times
            },
        )
        for frequency_hz in FREQUENCIES_HZ
        if frequency_hz < rate_hz / 2 and rate_hz % frequency_hz
    )
