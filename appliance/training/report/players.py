"""The three sounds of the report: device, model and what is left between them, cut from the take and made one loudness.

FLAC of 16 bits: without loss, so that the difference is the difference, half the size of a WAV, and every browser since
2017 plays it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from appliance.training.report.measures import esr, rms, to_db
from appliance.training.takes import Float32

LONGEST_S = 10.0
_FASTEST_HZ = 48_000
_PEAK = 10.0 ** (-1.0 / 20.0)
_RAISE_DB = 20.0
_MODEST_CORRECTION_DB = 12.0


@dataclass(frozen=True)
class Players:
    """Three FLAC files of the same place. `difference_db`: how far the difference lies below the device."""

    at_s: float
    seconds: float
    device: bytes
    model: bytes
    difference: bytes
    model_gain_db: float  # applied to the model so that both are equally loud
    difference_db: float
    raise_db: float  # how much the difference can be raised without clipping, at most 20 dB


def make_players(device: Float32, model: Float32, rate_hz: int) -> Players:
    """Cut the most typical 10 s: sounding, and with an error nearest to that of the whole. May block.

    The difference is device - model before the model's level is matched.
    """
    first, last = typical_place(device, model, rate_hz)
    wanted, made = device[first:last].astype(np.float64), model[first:last].astype(np.float64)
    left = wanted - made
    match_db = float(to_db(rms(wanted)) - to_db(rms(made)))
    if abs(match_db) > _MODEST_CORRECTION_DB:
        match_db = 0.0  # one of the two is all but silent: that must be heard
    matched = made * 10.0 ** (match_db / 20.0)
    peak = max(float(np.abs(sound).max(initial=0.0)) for sound in (wanted, matched, left))
    gain = _PEAK / peak if peak > 0.0 else 1.0
    room_db = float(to_db(_PEAK) - to_db(np.abs(left * gain).max(initial=0.0)))
    return Players(
        first / rate_hz,
        (last - first) / rate_hz,
        _flac(wanted * gain, rate_hz),
        _flac(matched * gain, rate_hz),
        _flac(left * gain, rate_hz),
        match_db,
        float(to_db(rms(left)) - to_db(rms(wanted))),
        max(0.0, min(_RAISE_DB, room_db)),
    )


def typical_place(device: Float32, model: Float32, rate_hz: int) -> tuple[int, int]:
    """First frame and one past the last of the 10 s whose ESR is nearest to the whole's, of those at least as loud as
    the middle one."""
    frames = round(LONGEST_S * rate_hz)
    if len(device) <= frames:
        return 0, len(device)
    whole = esr(device, model)
    starts = range(0, len(device) - frames + 1, rate_hz)
    level = [rms(device[start : start + frames]) for start in starts]
    enough = float(np.median(level))
    rated = [
        (abs(esr(device[start : start + frames], model[start : start + frames]) - whole), start)
        for start, loud in zip(starts, level, strict=True)
        if loud >= enough and loud > 0.0
    ]
    start = min(rated)[1] if rated else 0
    return start, start + frames


def _flac(audio: np.typing.NDArray[np.float64], rate_hz: int) -> bytes:
    import soundfile
    import soxr

    if rate_hz > _FASTEST_HZ:  # a browser would do it anyway, and the page must not grow
        audio, rate_hz = np.clip(soxr.resample(audio, rate_hz, _FASTEST_HZ), -1.0, 1.0), _FASTEST_HZ
    file = io.BytesIO()
    soundfile.write(file, audio, rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()
