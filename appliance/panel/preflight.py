"""Pre-flight: before the evening, every preset of the list is looked at, loaded, played and timed. Go or no-go.

May block for seconds a preset; never touches what sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from appliance.errors import ApplianceError
from appliance.library.presets import Preset
from appliance.library.store import Library
from appliance.library.trial import Trial
from appliance.panel.levelling import MOST_DB, TARGET_LUFS, Levelling

MOST_LOAD = 0.8  # of a period: what is left is for the card, the system and a warm day
TIGHT_LOAD = 0.6
_SILENT_LUFS = -60.0


@dataclass(frozen=True)
class Verdict:
    """On one preset. `load`: share of a period that its work takes (95th percentile); None where it did not play."""

    preset: str
    name: str
    go: bool
    words: str
    load: float | None = None
    lufs: float | None = None


def fly(
    presets: Sequence[Preset], what: str, library: Library, levelling: Levelling, rate_hz: int, period_frames: int
) -> dict[str, Any]:
    """The report on these presets: {"go", "words", "presets": [Verdict…]}, as the socket tells it. `what`: the list's
    name, for the words."""
    verdicts = [
        _verdict(preset, library, levelling, rate_hz, period_frames)
        for preset in {preset.id: preset for preset in presets}.values()
    ]
    bad = [verdict for verdict in verdicts if not verdict.go]
    if not verdicts:
        words = f"No go: there are no presets in {what}."
    elif bad:
        words = (
            f"No go: {len(bad)} of {len(verdicts)} presets of {what} would fail you: {', '.join(v.name for v in bad)}."
        )
    else:
        words = f"Go: all {len(verdicts)} presets of {what} are whole, load, play and fit this machine."
    return {
        "go": bool(verdicts) and not bad,
        "words": words,
        "rate_hz": rate_hz,
        "period_frames": period_frames,
        "presets": [asdict(verdict) for verdict in verdicts],
    }


def _verdict(preset: Preset, library: Library, levelling: Levelling, rate_hz: int, period_frames: int) -> Verdict:
    for kind, item, name in (
        ("model", preset.model, preset.model_name),
        ("cabinet", preset.cabinet, preset.cabinet_name),
    ):
        if item is not None and not library.has(item):
            shown = f"{name} ({item})" if name else item
            words = f"Its {kind} {shown} is not in the library: import its file again, or choose another {kind}."
            return Verdict(preset.id, preset.name, False, words)
    try:
        for item in (preset.model, preset.cabinet):
            if item is not None:
                library.verify(item)
        found = levelling.measure(preset)
    except ApplianceError as error:
        return Verdict(preset.id, preset.name, False, f"{str(error).rstrip('.')}.")
    load = found.period_us * 1e-6 * rate_hz / period_frames
    go, words = _judged(found, load, period_frames)
    return Verdict(preset.id, preset.name, go, words, round(load, 3), round(found.lufs, 1))


def _judged(found: Trial, load: float, period_frames: int) -> tuple[bool, str]:
    takes = f"{100 * load:.{1 if load < 0.0995 else 0}f} % of a period of {period_frames} frames"
    if found.bad_blocks:
        return False, f"Its model gave no numbers in {found.bad_blocks} blocks: choose another one, or train it again."
    if load > MOST_LOAD:
        return False, f"Too heavy: it takes {takes}. Choose a lighter model, less oversampling or a longer period."
    if found.lufs < _SILENT_LUFS:
        return False, "It is silent on an ordinary guitar: look at its gate, its levels and its model."
    notes = [f"Tight: {takes}" if load > TIGHT_LOAD else f"Plays, {takes}"]
    if abs(TARGET_LUFS - found.lufs) > MOST_DB:
        notes.append(f"its loudness ({found.lufs:.0f} LUFS) is beyond what can be matched")
    return True, f"{'; '.join(notes)}."
