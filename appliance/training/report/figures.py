"""The report's figures, each from `Findings` in one dress. What they mean is said on the page (`page.py`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from appliance.training.history import Epoch
from appliance.training.report import distortion, measures
from appliance.training.report.drawing import (
    DEVICE_LINE,
    DRESSES,
    MODEL_LINE,
    Dress,
    as_png,
    context,
    esr_axis,
    hz_axis,
    legend_above,
    new_figure,
)
from appliance.training.report.dynamics import CompressionCurve
from appliance.training.report.findings import PASSAGE_MS, Findings, Gains, Passage
from appliance.training.report.words import db
from appliance.training.takes import DataSet

_MARKERS = "os^D"


def draw_all(found: Findings, data: DataSet, history: Sequence[Epoch]) -> dict[str, dict[str, bytes]]:
    """PNG files by figure and dress: {"compression": {"light": …, "dark": …}, …}; what can't be told is left out."""
    wanted: dict[str, Callable[[Dress], Figure]] = {}
    rate_hz = data.sample_rate_hz
    if found.worst is not None and found.median is not None:
        worst, median = found.worst, found.median
        wanted["worst-passage"] = lambda dress: _waveform(worst, rate_hz, dress)
        wanted["median-passage"] = lambda dress: _waveform(median, rate_hz, dress)
        wanted["error-over-time"] = lambda dress: _error_over_time(found, rate_hz, dress)
    wanted["error-spectrogram"] = lambda dress: _spectrogram(found.error_spectrogram, dress)
    if len(found.judged) > 1:
        wanted["knob-positions"] = lambda dress: _positions(found, data, dress)
    if len(found.device_compression.input_db) > 1:
        wanted["compression"] = lambda dress: _compression(found.device_compression, found.model_compression, dress)
    if found.attack.device.events:
        wanted["attack"] = lambda dress: _gains(found.attack, "starts", dress)
    if found.release.device.events:
        wanted["release"] = lambda dress: _gains(found.release, "stops", dress)
    if found.levels:
        wanted["transfer-take"] = lambda dress: _take_transfer(found, dress)
        wanted["spectra-take"] = lambda dress: _take_spectra(found, dress)
    if found.sweep is not None:
        wanted["harmonics-sweep"] = lambda dress: _sweep_harmonics(found, dress)
    wanted["harmonics-sine"] = lambda dress: _sine_harmonics(found.harmonics, dress)
    wanted["transfer-sine"] = lambda dress: _sine_transfer(found, dress)
    if history:
        wanted["training"] = lambda dress: _training(history, dress)
    made: dict[str, dict[str, bytes]] = {name: {} for name in wanted}
    for dress in DRESSES:
        with context(dress):
            for name, draw in wanted.items():
                made[name][dress.name] = as_png(draw(dress))
    return made


def _waveform(passage: Passage, rate_hz: int, dress: Dress) -> Figure:
    figure, (top, bottom) = new_figure(3.1, 2, sharex=True, height_ratios=[3, 1])
    t = 1e3 * np.arange(len(passage.device)) / rate_hz
    top.plot(t, passage.device, color=dress.device, label="device", **DEVICE_LINE)
    top.plot(t, passage.model, color=dress.model, label="model", **MODEL_LINE)
    left = passage.device - passage.model
    bottom.plot(t, left, color=dress.difference, linewidth=1.0, label="difference")
    most = 1.08 * max(float(np.abs(passage.device).max()), float(np.abs(passage.model).max()), 1e-6)
    top.set_ylim(-most, most)
    room = 1.2 * max(float(np.abs(left).max()), most / 20)
    bottom.set_ylim(-room, room)
    bottom.set_xlim(0.0, float(t[-1]))
    bottom.set_xlabel("ms")
    bottom.set_ylabel("difference", color=dress.difference)
    top.set_ylabel("full scale = 1")
    legend_above(top, 2)
    return figure


def _error_over_time(found: Findings, rate_hz: int, dress: Dress) -> Figure:
    figure, (axes,) = new_figure(2.7)
    fine = found.windows
    coarse = measures.short_time_error(found.shown.device, found.shown.model, rate_hz // 2)
    axes.plot(
        (np.arange(len(fine.esr)) + 0.5) * fine.window_frames / rate_hz,
        fine.esr,
        ".",
        color=dress.soft,
        markersize=2.2,
        alpha=0.5,
        label=f"each {PASSAGE_MS:.0f} ms",
    )
    axes.plot(
        (np.arange(len(coarse.esr)) + 0.5) * coarse.window_frames / rate_hz,
        coarse.esr,
        color=dress.model,
        linewidth=1.8,
        label="each half second",
    )
    axes.axhline(found.shown.esr, color=dress.ink, linewidth=1.0, linestyle=":", label="whole")
    for start in found.shown.starts_s[1:]:
        axes.axvline(start, color=dress.grid, linewidth=1.2)
    # A few windows of near silence would flatten the rest.
    told = fine.esr[np.isfinite(fine.esr)]
    esr_axis(axes, [*np.percentile(told, [2, 100]), found.shown.esr])
    axes.set_xlabel("seconds of test audio")
    axes.set_xlim(0.0, len(found.shown.device) / rate_hz)
    legend_above(axes)
    return figure


def _spectrogram(error: measures.Spectrogram, dress: Dress) -> Figure:
    figure, (axes,) = new_figure(2.9)
    top = float(error.level_db.max())
    mesh = axes.pcolormesh(
        error.times_s,
        error.frequencies_hz[1:],
        error.level_db[1:],
        vmin=max(top - 70.0, -140.0),
        vmax=top,
        cmap=dress.map,
        rasterized=True,
        shading="nearest",
    )
    axes.set_yscale("log")
    axes.set_ylim(50.0, float(error.frequencies_hz[-1]))
    axes.set_yticks([100, 1000, 10_000], ["100", "1k", "10k"])
    axes.minorticks_off()
    axes.set_ylabel("Hz")
    axes.set_xlabel("seconds of test audio")
    axes.grid(visible=False)
    bar = figure.colorbar(mesh, ax=axes, pad=0.02, aspect=30)
    bar.set_label("dB of full scale")
    bar.outline.set_visible(False)
    return figure


def _positions(found: Findings, data: DataSet, dress: Dress) -> Figure:
    if len(data.knobs) == 1:
        figure, (axes,) = new_figure(2.7)
        places = [one.take.knobs[0] for one in found.judged]
        axes.set_xlabel(" ".join(filter(None, (data.knobs[0].name, data.knobs[0].unit and f"({data.knobs[0].unit})"))))
        axes.set_xticks(sorted(set(places)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    else:
        figure, (axes,) = new_figure(2.9)
        places = [float(index) for index in range(1, len(found.judged) + 1)]
        axes.set_xlabel("row of the table")
        axes.set_xticks(places[:: max(1, len(places) // 12)])
    for held_out, colour, marker, label in (
        (False, dress.device, "o", "heard in training"),
        (True, dress.model, "D", "never heard"),
    ):
        chosen = [(x, one.esr) for x, one in zip(places, found.judged, strict=True) if one.take.held_out is held_out]
        if chosen:
            axes.plot(*zip(*chosen, strict=True), marker, color=colour, markersize=8, label=label)
    esr_axis(axes, [one.esr for one in found.judged])
    axes.margins(x=0.08)
    legend_above(axes, 2)
    return figure


def _compression(device: CompressionCurve, model: CompressionCurve, dress: Dress) -> Figure:
    figure, (axes,) = new_figure(3.3)
    axes.fill_between(
        device.input_db,
        device.low_db,
        device.high_db,
        color=dress.device,
        alpha=0.18,
        linewidth=0,
        label="device, 80 %",
    )
    axes.plot(device.input_db, device.output_db, color=dress.device, label="device", **DEVICE_LINE)
    axes.plot(model.input_db, model.output_db, color=dress.model, marker="o", markersize=3, label="model", **MODEL_LINE)
    axes.set_xlabel("input level, dB")
    axes.set_ylabel("output level, dB")
    legend_above(axes)
    return figure


def _gains(gains: Gains, event: str, dress: Dress) -> Figure:
    figure, (axes,) = new_figure(2.6)
    axes.axvline(0.0, color=dress.soft, linewidth=1.0, linestyle=":")
    axes.plot(gains.device.times_ms, gains.device.gain_db, color=dress.device, label="device", **DEVICE_LINE)
    axes.plot(gains.model.times_ms, gains.model.gain_db, color=dress.model, label="model", **MODEL_LINE)
    axes.set_xlabel(f"ms after a note {event}")
    axes.set_ylabel("gain, dB")
    axes.set_xlim(float(gains.device.times_ms[0]), float(gains.device.times_ms[-1]))
    _at_least(axes, 6.0)
    legend_above(axes, 2)
    return figure


def _take_transfer(found: Findings, dress: Dress) -> Figure:
    figure, several = new_figure(2.5, 1, len(found.levels))
    names = {1: ("playing",), 2: ("soft", "loud"), 3: ("soft", "middle", "loud")}[len(found.levels)]
    for axes, level, name in zip(several, found.levels, names, strict=True):
        device, model = level.device_transfer, level.model_transfer
        axes.fill_between(device.input, device.low, device.high, color=dress.device, alpha=0.18, linewidth=0)
        axes.plot(device.input, device.output, color=dress.device, label="device", **DEVICE_LINE)
        axes.plot(model.input, model.output, color=dress.model, label="model", **MODEL_LINE)
        axes.set_title(name)
        axes.locator_params(nbins=3)
        axes.tick_params(labelsize=7.5)
    several[0].set_ylabel("output sample")
    several[len(several) // 2].set_xlabel("input sample")
    handles, labels = several[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2)
    return figure


def _take_spectra(found: Findings, dress: Dress) -> Figure:
    figure, (axes,) = new_figure(3.3)
    for index, level in enumerate(found.levels):
        first = index == 0
        axes.plot(
            level.centres_hz, level.device_db, color=dress.device, label="device" if first else None, **DEVICE_LINE
        )
        axes.plot(level.centres_hz, level.model_db, color=dress.model, label="model" if first else None, **MODEL_LINE)
    hz_axis(axes, 60.0, float(found.levels[0].centres_hz[-1]) * 1.05)
    top = max(float(np.nanmax(level.device_db)) for level in found.levels)
    axes.set_ylim(max(top - 90.0, axes.get_ylim()[0]), top + 8.0)
    axes.set_ylabel("dB, thirds of an octave")
    legend_above(axes, 2)
    return figure


def _sweep_harmonics(found: Findings, dress: Dress) -> Figure:
    assert found.sweep is not None
    figure, several = new_figure(4.2, 2, 2, sharex=True, sharey=True)
    device, model = found.sweep.device, found.sweep.model
    for index, axes in enumerate(several):
        axes.plot(device.frequencies_hz, device.harmonics_db[index], color=dress.device, label="device", **DEVICE_LINE)
        axes.plot(model.frequencies_hz, model.harmonics_db[index], color=dress.model, label="model", **MODEL_LINE)
        axes.set_title(f"{_ordinal(distortion.HARMONICS[index])} harmonic")
        hz_axis(axes, float(device.frequencies_hz[0]), float(device.frequencies_hz[-1]) / 2)
        axes.set_xlabel("")
        axes.tick_params(labelsize=7.5)
    for axes in several[2:]:
        axes.set_xlabel("Hz of the sweep")
        axes.set_xticks([100, 1000, 10_000], ["100", "1k", "10k"])
        axes.minorticks_off()
    for axes in several[::2]:
        axes.set_ylabel("dB of fundamental")
    top = float(np.nanmax(device.harmonics_db))
    several[0].set_ylim(max(top - 70.0, -110.0), top + 8.0)
    handles, labels = several[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2)
    return figure


def _sine_harmonics(found: distortion.SineHarmonics, dress: Dress) -> Figure:
    figure, (axes,) = new_figure(3.2)
    for index, number in enumerate(distortion.HARMONICS):
        axes.plot(
            found.levels_db,
            found.harmonics_db[:, index],
            color=dress.shades[(3 - index) % 4],
            marker=_MARKERS[index],
            markersize=4,
            linewidth=1.6,
            label=_ordinal(number),
        )
    axes.plot(found.levels_db, found.total_db, color=dress.ink, linewidth=1.2, linestyle=":", label="all")
    top = max(0.0, float(found.total_db.max()))
    axes.set_ylim(-100.0, top + 6.0)
    axes.set_xticks(found.levels_db[::2])
    axes.set_xlabel(f"level of a {found.frequency_hz} Hz sine, dB")
    axes.set_ylabel("dB of fundamental")
    legend_above(axes, 5)
    return figure


def _sine_transfer(found: Findings, dress: Dress) -> Figure:
    figure, (axes,) = new_figure(3.2)
    for index, (level_db, sent, heard) in reversed(list(enumerate(found.sine_transfer))):
        axes.plot(
            np.append(sent, sent[0]),
            np.append(heard, heard[0]),
            color=dress.shades[index + 1],
            linewidth=1.0 + 0.6 * (2 - index),
            label=f"{db(level_db)} dB",
        )
    axes.set_xlabel(f"input sample of a {distortion.TRANSFER_HZ} Hz sine")
    axes.set_ylabel("output sample")
    legend_above(axes)
    return figure


def _training(history: Sequence[Epoch], dress: Dress) -> Figure:
    figure, (axes,) = new_figure(2.8)
    numbers = [epoch.number for epoch in history]
    told = [(epoch.number, epoch.validation_esr) for epoch in history if math.isfinite(epoch.validation_esr)]
    axes.plot(numbers, [epoch.loss for epoch in history], color=dress.soft, linewidth=1.6, label="training loss")
    values = [epoch.loss for epoch in history if math.isfinite(epoch.loss)]
    if told:
        axes.plot(*zip(*told, strict=True), color=dress.model, linewidth=1.8, marker=".", label="validation ESR")
        best = min(told, key=lambda one: one[1])
        axes.plot(*best, "*", color=dress.device, markersize=11, label=f"best {best[1]:.2g}")
        values += [esr for _, esr in told]
    esr_axis(axes, values)
    axes.set_ylabel("")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(axes)
    return figure


def _at_least(axes: Axes, span_db: float) -> None:
    """No zooming into hundredths of a dB."""
    low, high = axes.get_ylim()
    if high - low < span_db:
        middle = (low + high) / 2.0
        axes.set_ylim(middle - span_db / 2.0, middle + span_db / 2.0)


def _ordinal(number: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(number, f"{number}th")
