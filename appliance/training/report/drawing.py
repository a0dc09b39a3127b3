"""How every figure of the report looks: made for a phone's width, in a light and a dark dress.

Colours are Okabe and Ito's, which colour-blind people tell apart; line styles differ as well, so that colour is never
alone in telling device from model. Figures are made without pyplot: no window, no global state.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

WIDTH_IN = 4.4
DPI = 200


@dataclass(frozen=True)
class Dress:
    """The colours of one theme; `ground` is the page's card that the figure lies on."""

    name: str
    ground: str
    ink: str
    soft: str
    grid: str
    device: str
    model: str
    difference: str
    shades: tuple[str, ...]  # from soft to loud, for several levels of one thing
    map: str


LIGHT = Dress(
    "light",
    "#fffdfa",
    "#221c16",
    "#6b6055",
    "#e4dcd1",
    "#0072b2",
    "#c2410c",
    "#7a4d8f",
    ("#8a8178", "#009e73", "#0072b2", "#c2410c"),
    "cividis",
)
DARK = Dress(
    "dark",
    "#1c1815",
    "#f6efe6",
    "#b9ad9f",
    "#3a322b",
    "#56b4e9",
    "#ff9d3c",
    "#d79ae0",
    ("#8f857a", "#2fc79a", "#56b4e9", "#ff9d3c"),
    "cividis",
)
DRESSES = (LIGHT, DARK)

DEVICE_LINE: dict[str, Any] = {"linewidth": 2.4, "solid_capstyle": "round"}
MODEL_LINE: dict[str, Any] = {"linewidth": 1.5, "linestyle": (0, (4, 1.6))}


def settings(dress: Dress) -> Any:
    """For `matplotlib.rc_context` (newer matplotlib types its keys one by one, so no type here)."""
    return {
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
        "font.size": 9.0,
        "axes.titlesize": 9.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.facecolor": dress.ground,
        "figure.facecolor": dress.ground,
        "savefig.facecolor": dress.ground,
        "text.color": dress.ink,
        "axes.labelcolor": dress.soft,
        "axes.edgecolor": dress.grid,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": dress.grid,
        "grid.linewidth": 0.7,
        "xtick.color": dress.soft,
        "ytick.color": dress.soft,
        "xtick.major.size": 0.0,
        "ytick.major.size": 0.0,
        "xtick.minor.size": 0.0,
        "ytick.minor.size": 0.0,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "legend.handlelength": 2.2,
        "legend.borderaxespad": 0.2,
    }


def new_figure(height_in: float, rows: int = 1, columns: int = 1, **more: Any) -> tuple[Figure, list[Axes]]:
    """A figure of the common width and its axes, row by row."""
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **more)
    return figure, list(axes.flat)


def as_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    file = io.BytesIO()
    # No Software chunk: the same figure is the same file.
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def context(dress: Dress) -> Any:
    """Draw and save inside `with context(dress):`."""
    return mpl.rc_context(settings(dress))


def legend_above(axes: Axes, columns: int = 3) -> None:
    """Legend in the room above the axes, clear of the curves."""
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, columnspacing=1.4)


def hz_axis(axes: Axes, low_hz: float, high_hz: float) -> None:
    """Logarithmic frequency axis with the names people use."""
    axes.set_xscale("log")
    axes.set_xlim(low_hz, high_hz)
    ticks = [hz for hz in (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000) if low_hz <= hz <= high_hz]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda hz, _: f"{hz / 1000:g}k" if hz >= 1000 else f"{hz:g}"))
    axes.set_xlabel("Hz")


def esr_axis(axes: Axes, values: Sequence[float]) -> None:
    """Logarithmic ESR axis that holds the values and at least one decade."""
    sound = [value for value in values if 0.0 < value < float("inf")]
    low, high = (min(sound), max(sound)) if sound else (1e-3, 1e-1)
    low, high = low / 1.5, high * 1.5
    if high / low < 10.0:
        middle = (low * high) ** 0.5
        low, high = middle / 10**0.5, middle * 10**0.5
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 100.0 else (1.0,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.9f}".rstrip("0").rstrip(".")))
    axes.set_ylabel("ESR")
