"""The report as one HTML page: everything inside, nothing fetched, readable on a phone."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.engine import pi_cost
from appliance.formats.description import Description, architecture_name, multiply_adds_per_sample
from appliance.formats.summary import spaced
from appliance.training.history import Epoch
from appliance.training.report import words
from appliance.training.report.findings import PERIOD_FRAMES, Findings
from appliance.training.report.players import Players
from appliance.training.takes import DataSet

TEMPLATE = Path(__file__).with_name("page.html.j2")

_SECTIONS = (
    ("Where it errs", ("median-passage", "worst-passage", "error-over-time", "error-spectrogram")),
    ("Dynamics", ("compression", "attack", "release")),
    ("Distortion", ("transfer-take", "spectra-take", "harmonics-sweep", "harmonics-sine", "transfer-sine")),
)
_BADGES = {"both": "device and model, from the recording", "model": "model only"}


@dataclass(frozen=True)
class Facts:
    """What the caller knows and the model file doesn't tell."""

    made_on: str = ""  # a date, as it is to be read
    notes: tuple[str, ...] = ()
    recipe: Mapping[str, str] | None = None  # how it was trained: {"Loss": "ESR + MR-STFT", …}


def render_page(
    description: Description,
    data: DataSet,
    history: Sequence[Epoch],
    found: Findings,
    figures: Mapping[str, Mapping[str, bytes]],
    players: Players,
    facts: Facts,
) -> str:
    """The page's text. Pure but for reading the template."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["db"] = words.db
    captions = words.captions(found, data)

    def cards(names: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "title": captions[name].title,
                "text": captions[name].text,
                "badge": _BADGES[captions[name].source],
                "light": _data_uri("image/png", figures[name]["light"]),
                "dark": _data_uri("image/png", figures[name]["dark"]),
            }
            for name in names
            if name in figures
        ]

    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        name=description.name,
        verdict=words.verdict(found.esr),
        esr=words.figure_words(found.esr),
        esr_pre_emphasised=words.figure_words(found.esr_pre_emphasised),
        scale_percent=_scale_percent(found.esr),
        scale_bounds=[(f"{bound:g}", _scale_percent(bound)) for bound in words.SCALE_BOUNDS],
        summary=words.summary(found, data),
        facts=_facts(description, data, found, facts),
        notes=[*data.notes, *(f"{take.name}: {note}" for take in data.takes for note in take.notes), *facts.notes],
        players=_players(players),
        positions=_positions(found, data),
        position_cards=cards(["knob-positions"]),
        sections=[(title, cards(names)) for title, names in _SECTIONS],
        missing=words.missing(found),
        aliases=found.aliases,
        oversampling=sorted({many for one in found.aliases for many in one.alias_to_signal_db}),
        cost=_cost(found),
        boards=[(told["board"], pi_cost.as_words(told)) for told in found.pi_estimates],
        training_cards=cards(["training"]),
        training=_training(history, facts),
    )


def _facts(description: Description, data: DataSet, found: Findings, facts: Facts) -> list[tuple[str, str]]:
    knobs = ", ".join(
        f"{knob.name} {knob.minimum:g}…{knob.maximum:g}{knob.unit and ' ' + knob.unit}" for knob in description.knobs
    )
    rows = [
        ("Network", architecture_name(description.architecture)),
        ("Size", f"{spaced(multiply_adds_per_sample(description.architecture))} multiply-adds a sample"),
        ("Rate", f"{spaced(description.sample_rate_hz)} Hz"),
        ("Knobs", knobs or "none"),
        ("Device", data.name),
        ("Data", words.data_words(found, data)),
        ("Licence", description.licence or "not stated"),
        ("Made", facts.made_on),
    ]
    return [(title, text) for title, text in rows if text]


def _positions(found: Findings, data: DataSet) -> list[dict[str, Any]]:
    if len(found.judged) < 2:
        return []
    return [
        {
            "number": number,
            "name": one.take.name,
            "place": words.position(one.take, data) or "–",
            "heard": not one.take.held_out,
            "esr": words.figure_words(one.esr),
            "esr_pre_emphasised": words.figure_words(one.esr_pre_emphasised),
        }
        for number, one in enumerate(found.judged, start=1)
    ]


def _players(players: Players) -> dict[str, Any]:
    return {
        "seconds": f"{players.seconds:.1f}",
        "at": f"{players.at_s:.0f}",
        "sounds": [
            ("device", "Device", _data_uri("audio/flac", players.device)),
            ("model", "Model", _data_uri("audio/flac", players.model)),
            ("difference", "Difference", _data_uri("audio/flac", players.difference)),
        ],
        "raise_db": f"{players.raise_db:.0f}",
        "raise_gain": f"{10.0 ** (players.raise_db / 20.0):.4f}",
        "level": _level_words(players),
    }


def _level_words(players: Players) -> str:
    matched = (
        f"The model’s level was corrected by {players.model_gain_db:+.1f} dB so that loudness does not decide."
        if abs(players.model_gain_db) >= 0.05
        else "Both are equally loud as they are."
    )
    if players.difference_db < -139.0:
        return f"{matched} There is no difference to hear."
    return f"{matched} The difference lies {-players.difference_db:.0f} dB below the device."


def _cost(found: Findings) -> str:
    cost = found.cost
    share = 1.0 / cost.realtime_factor
    return (
        f"{100 * share:.1f} % of a period of {PERIOD_FRAMES} frames, {cost.ns_per_sample:.0f} ns a sample, "
        f"{cost.realtime_factor:.0f} times faster than real time ({cost.engine} engine, one core, median)"
    )


def _training(history: Sequence[Epoch], facts: Facts) -> list[tuple[str, str]]:
    rows = list((facts.recipe or {}).items())
    if history:
        last = history[-1]
        took = f" in {words.seconds(last.seconds)}" if last.seconds else ""
        rows.append(("Epochs", f"{len(history)}{took}"))
        told = [epoch for epoch in history if math.isfinite(epoch.validation_esr)]
        if told:
            best = min(told, key=lambda epoch: epoch.validation_esr)
            rows.append(("Best", f"epoch {best.number}, validation ESR {words.figure_words(best.validation_esr)}"))
    return rows


def _scale_percent(esr: float) -> float:
    """Place on a logarithmic bar from 0.001 (left) to 1 (right)."""
    if math.isnan(esr):
        return 100.0
    return round(100.0 * min(1.0, max(0.0, (math.log10(max(esr, 1e-9)) + 3.0) / 3.0)), 1)


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
