"""The report's sentences: verdict, how each figure was measured, what it shows. Plain English, no marketing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from appliance.formats.summary import spaced
from appliance.training.report import distortion, dynamics
from appliance.training.report.findings import PASSAGE_MS, Findings
from appliance.training.takes import DataSet, Take

# The words of the NAM trainer for an ESR below each bound.
_SCALE = (
    (0.01, "Great"),
    (0.035, "Not bad"),
    (0.1, "Might sound OK"),
    (0.3, "Probably won’t sound great"),
    (math.inf, "Something went wrong"),
)
SCALE_BOUNDS = tuple(bound for bound, _ in _SCALE[:-1])


@dataclass(frozen=True)
class Captioned:
    """A figure's title, what it shows and how it was measured."""

    title: str
    text: str
    source: str  # "take", "model" or "both": what was measured, for the badge


def verdict(esr: float) -> str:
    """The NAM trainer's word for an ESR."""
    if math.isnan(esr):
        return "Nothing to judge"
    return next(word for bound, word in _SCALE if esr < bound) if math.isfinite(esr) else _SCALE[-1][1]


def figure_words(esr: float) -> str:
    """An ESR as it is written everywhere in the report."""
    if math.isnan(esr):
        return "–"
    digits = 4 if esr >= 1e-3 else 6
    return f"{esr:.{digits}f}" if esr >= 1e-6 or esr == 0.0 else "below 0.000001"


def db(level: float) -> str:
    """Whole decibels with a true minus sign."""
    return f"{level:.0f}".replace("-", "−")


def summary(found: Findings, data: DataSet) -> list[str]:
    """The verdict, said in a few sentences."""
    error_db = 10.0 * math.log10(found.esr) if found.esr > 0.0 else -math.inf
    told = []
    if math.isfinite(error_db):
        told.append(
            f"What the model gets wrong lies {abs(error_db):.0f} dB {'below' if error_db < 0 else 'above'} "
            "the sound of the device, on recordings it was not trained on."
            if not _is_all_test(data)
            else f"What the model gets wrong lies {abs(error_db):.0f} dB {'below' if error_db < 0 else 'above'} "
            "the sound of the device."
        )
    if not math.isnan(found.esr_unheard):
        ratio = found.esr_unheard / found.esr_heard if found.esr_heard > 0.0 else math.inf
        told.append(
            f"At knob positions it never heard the error is {figure_words(found.esr_unheard)} on average, "
            f"{ratio:.1f} times that of the positions it heard ({figure_words(found.esr_heard)})."
        )
    if found.esr > 0.0 and found.esr_pre_emphasised > 2.0 * found.esr:
        told.append("With the highs raised the error is much greater: listen to the top end.")
    return told


def _is_all_test(data: DataSet) -> bool:
    return not any(take.train for take in data.takes)


def data_words(found: Findings, data: DataSet) -> str:
    """What was listened to."""
    rate_hz = data.sample_rate_hz
    count = len(data.takes)
    trained = sum(last - first for take in data.takes for first, last in take.train) / rate_hz
    judged = sum(len(one.device) for one in found.judged) / rate_hz
    takes = "one recording" if count == 1 else f"{count} recordings"
    training = f"{seconds(trained)} to train on, " if trained else ""
    return f"{takes} at {spaced(rate_hz)} Hz: {training}{seconds(judged)} to judge by"


def seconds(count: float) -> str:
    """95.2 → "1 min 35 s"."""
    if count < 60:
        return f"{count:.1f} s" if count < 10 else f"{count:.0f} s"
    minutes, rest = divmod(round(count), 60)
    return f"{minutes} min" + (f" {rest} s" if rest else "")


def position(take: Take, data: DataSet) -> str:
    """ "Gain 3, Tone 5 dB"."""
    return ", ".join(
        f"{knob.name} {value:g}{knob.unit and ' ' + knob.unit}"
        for knob, value in zip(data.knobs, take.knobs, strict=False)
    )


def captions(found: Findings, data: DataSet) -> dict[str, Captioned]:
    """Words for each figure that `figures.draw_all` may make."""
    shown = found.shown.take
    place = position(shown, data)
    of_take = f"“{shown.name}”" + (f" ({place})" if place else "")
    told = {
        "error-over-time": Captioned(
            "Error over time",
            f"ESR of {of_take}, window by window. Windows 40 dB below the loudest are left out: in near "
            "silence the ratio tells of hiss alone.",
            "both",
        ),
        "error-spectrogram": Captioned(
            "Where the error is",
            "Spectrogram of device minus model over the same time. An error that follows the notes is tone; an even "
            "carpet is noise, which no model can learn.",
            "both",
        ),
        "knob-positions": Captioned(
            "Error at each knob position",
            "Round marks were trained on, diamonds never. A model that has learned the knob does nearly as well "
            "in between.",
            "both",
        ),
        "compression": Captioned(
            "Compression",
            f"Level of what goes in against level of what comes out, in windows of {dynamics.WINDOW_MS:.0f} ms, "
            "medians. A straight diagonal is no compression; the flatter, the more. The band is where 80 % of the "
            "device’s windows lie. Read off ordinary playing, so the pitch and tone of the notes are in it too.",
            "both",
        ),
        "attack": Captioned("Attack", _gain_words(found.attack.device, found.attack.model, "starts"), "both"),
        "release": Captioned("Release", _gain_words(found.release.device, found.release.model, "stops"), "both"),
        "transfer-take": Captioned(
            "Transfer, from the recording",
            "Median output sample for each input sample, in the softest, middle and loudest third of the "
            "playing. The band holds 80 % of the device’s samples: filters and memory make it wide, so this is "
            "the curve of the clipping only where the band is narrow.",
            "both",
        ),
        "spectra-take": Captioned(
            "Spectrum by level, from the recording",
            f"Output in thirds of an octave while the input is soft, middle and loud (about {_levels(found)} "
            "dB). As the playing gets louder the harmonics rise: they should rise alike.",
            "both",
        ),
        "harmonics-sine": Captioned(
            "Harmonics of a sine",
            f"Sines of {found.harmonics.frequency_hz} Hz sent through the model at each level. Of the device there is "
            "no such measurement: the recording holds no steady sines.",
            "model",
        ),
        "transfer-sine": Captioned(
            "Transfer with a sine",
            f"One settled period of {distortion.TRANSFER_HZ} Hz at several levels, output over input. A loop instead "
            "of a line is memory: filters, coupling capacitors, bias that moves. Measured on the model alone.",
            "model",
        ),
        "training": Captioned(
            "Training",
            "Loss on the audio it was trained on, and ESR on audio kept aside to choose the best epoch.",
            "model",
        ),
    }
    for name, title, passage in (
        ("worst-passage", "Worst passage", found.worst),
        ("median-passage", "Median passage", found.median),
    ):
        if passage is not None:
            told[name] = Captioned(
                title,
                f"{PASSAGE_MS:.0f} ms at {passage.at_s:.2f} s of the test audio of {of_take}: "
                f"ESR {figure_words(passage.esr)}.",
                "both",
            )
    if found.sweep is not None:
        told["harmonics-sweep"] = Captioned(
            "Harmonics over frequency, from the sweep",
            f"The recording holds a sweep that peaks at {db(found.sweep.sweep.peak_db)} dB. Its answer, of device and "
            "model alike, is taken apart into harmonics (Farina 2000). "
            + ("It was part of the training audio. " if _trained_on(shown, found.sweep.sweep.first) else "")
            + "What lies 60 dB down is noise rather than harmonics.",
            "both",
        )
    return told


def missing(found: Findings) -> list[str]:
    """What could not be measured, and why."""
    told = []
    if not found.attack.device.events:
        told.append("Attack: no clear starts of notes (rises of 10 dB with calm behind them) in the test audio.")
    if not found.release.device.events:
        told.append("Release: no clear stops of notes (falls of 10 dB with sound left to judge) in the test audio.")
    if found.sweep is None:
        told.append(
            "Harmonics of the device over frequency: the recording holds no sweep. The signal that "
            "“appliance signal” writes has some."
        )
    if len(found.device_compression.input_db) <= 1:
        told.append("Compression: the test audio is all at one level, or too short.")
    if found.worst is None:
        told.append("Passages: the device is silent in all of the test audio.")
    return told


def _gain_words(device: dynamics.GainResponse, model: dynamics.GainResponse, event: str) -> str:
    count = f"{device.events} notes" if device.events > 1 else "one note"
    told = [f"Gain (output level less input level) after a note {event}, median of {count} in the test audio."]
    apart_db = dynamics.gain_difference_db(device, model)
    if not math.isnan(apart_db):
        told.append(f"The model’s is within {apart_db:.1f} dB of the device’s on average.")
    constants = [dynamics.settling_ms(response) for response in (device, model)]
    if not device.steady:
        told.append(
            "The notes change in level meanwhile, so that the curve shows compression as they do, not only how fast "
            "the device reacts."
        )
    elif any(math.isnan(constant) for constant in constants):
        told.append("It moves by less than 1 dB.")
    else:
        told.append(f"63 % of the way takes the device {constants[0]:.0f} ms and the model {constants[1]:.0f} ms.")
    told.append(f"The level’s own window blurs what is faster than {dynamics.LEVEL_WINDOW_MS:.0f} ms.")
    return " ".join(told)


def _levels(found: Findings) -> str:
    return ", ".join(db(level.input_db) for level in found.levels)


def _trained_on(take: Take, frame: int) -> bool:
    return any(first <= frame < last for first, last in take.train)
