"""Two files → one take: read, brought to one rate, aligned, checked; repaired or refused, always in words.

The user's files are never changed: repairs are made to what is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from appliance.capture.align import Alignment, align
from appliance.capture.checks import Noise, compare_order, measure_noise, quiet_spans, repeat_error
from appliance.capture.layout import Layout, recognise
from appliance.capture.recording import Recording, read_recording, resampled, rms
from appliance.errors import BadAudioFile

Float32 = npt.NDArray[np.float32]

USUAL_RATES_HZ = (44_100, 48_000)
DEFAULT_RATE_HZ = 48_000
# Checks that a player who knows better may switch off, by these names.
ACCEPTABLE = ("order", "repeat", "clipping")
MIN_SECONDS = 8.0
MAX_REPEAT_ESR = 0.01  # as NAM's trainer
_MIN_SHARE = 0.5
_SILENT_RMS_DB = -75.0
_RUINED_SHARE = 0.01
_OFFSET_SHARE = 1e-3  # of the RMS: below that nobody hears about it
_HUM_WORTH_DB = -60.0
_NOISE_WORTH_DB = -35.0
_ORDER_SPREAD, _ORDER_CREST_DB = 1.3, 3.0
_ORDER_SPREAD_AHEAD, _ORDER_CREST_AHEAD_DB = 1.15, 1.5
_AHEAD_FRAMES = -4


@dataclass(frozen=True)
class PreparedTake:
    """dry and wet of the same length, wet[n] answering dry[n], at rate_hz. notes: what was found and repaired."""

    dry: Float32
    wet: Float32
    rate_hz: int
    layout: Layout | None
    alignment: Alignment
    noise: Noise | None
    notes: tuple[str, ...]

    @property
    def first_frame(self) -> int:
        """What lies before it was not recorded."""
        return max(0, -self.alignment.shift_frames)


@dataclass(frozen=True)
class Dry:
    """An input file at the data set's rate, read once for all its takes."""

    recording: Recording
    layout: Layout | None


def read_dry(path: Path, rate_hz: int | None = None) -> Dry:
    """rate_hz: the rate to work at; by default the file's own if it is a usual one, else 48000. Raises BadAudioFile."""
    recording = read_recording(path)
    if rms(recording.audio) < 10 ** (_SILENT_RMS_DB / 20):
        raise BadAudioFile(f"{path} is silent: it should hold what was played into the device.")
    own_hz = recording.rate_hz
    wanted_hz = rate_hz or (own_hz if own_hz in USUAL_RATES_HZ else DEFAULT_RATE_HZ)
    ready = resampled(recording, own_hz, wanted_hz)
    if wanted_hz != own_hz:
        ready = replace(ready, notes=(*ready.notes, f"{path.name} was brought from {own_hz} to {wanted_hz} Hz."))
    return Dry(ready, recognise(ready.audio, wanted_hz))


def prepare_take(
    dry: Dry,
    wet_path: Path,
    *,
    invert: bool = False,
    accept: Collection[str] = (),
    where: str = "",
    others: Callable[[], Collection[Dry]] = tuple,
) -> PreparedTake:
    """Read, align and check one wet file. May block (some seconds for three minutes).

    invert: turn its polarity. accept: names in ACCEPTABLE. where: the knob position, for the words. others: dry files
    that it may belong to instead, asked for only when it does not belong to this one. Raises BadAudioFile.
    """
    wet = read_recording(wet_path)
    name = f"{wet_path}{f' ({where})' if where else ''}"
    notes = list(wet.notes)
    rate_hz, dry_audio = dry.recording.rate_hz, dry.recording.audio
    _refuse_silent(wet, name)
    notes += _clipping_notes(wet, name, accept)
    if wet.rate_hz != rate_hz:
        notes.append(f"{wet_path.name} was brought from {wet.rate_hz} to {rate_hz} Hz.")
    if dry.layout is None and "order" not in accept and recognise(resampled(wet, wet.rate_hz, rate_hz).audio, rate_hz):
        raise BadAudioFile(
            f"{name} is the capture signal itself and {dry.recording.path.name} is not: the two are swapped. "
            "Give what was played first and what was recorded second."
        )
    audio = resampled(wet, wet.rate_hz, rate_hz).audio
    if invert:
        audio = -audio
        notes.append("Its polarity was turned, as asked.")
    found = align(dry_audio, audio, rate_hz, dry.layout)
    if found is None:
        raise BadAudioFile(_stranger_words(dry, wet, name, audio, others()))
    dry_audio, audio, cut_notes = _cut(dry, found, name)
    notes += _alignment_notes(found, rate_hz) + cut_notes
    noise = measure_noise(audio, quiet_spans(dry_audio, rate_hz, _reached(dry.layout, audio, rate_hz)), rate_hz)
    if noise is not None:
        audio, more = _noise_repaired(audio, noise)
        notes += more
    if "order" not in accept:
        _refuse_swapped(dry_audio, audio, found, name, dry.recording.path.name)
    layout = _reached(dry.layout, audio, rate_hz)
    if layout is not None:
        error = repeat_error(audio, layout, rate_hz, max(0, -found.shift_frames))
        notes += _repeat_notes(error, name, accept)
    return PreparedTake(dry_audio, np.ascontiguousarray(audio), rate_hz, layout, found, noise, tuple(notes))


def _refuse_silent(wet: Recording, name: str) -> None:
    if rms(wet.audio - wet.audio.mean()) < 10 ** (_SILENT_RMS_DB / 20):
        raise BadAudioFile(
            f"{name} is silent, and a network that hears silence at one knob position learns it everywhere. Record it "
            "again; if the device really makes no sound there, choose a position just above, or leave this take out."
        )


def _clipping_notes(wet: Recording, name: str, accept: Collection[str]) -> list[str]:
    found = wet.clipping
    if not found.frames:
        return []
    where = ", ".join(f"{at:g} s" for at in found.at_s)
    much = f"{found.frames} frames ({found.share:.2%}) lie flat at {wet.peak_db:.1f} dBFS, the first at {where}"
    if found.is_full_scale and found.share > _RUINED_SHARE and "clipping" not in accept:
        raise BadAudioFile(
            f"{name} is clipped: {much}. Turn the recording level down until its peaks stay below -3 dBFS and record "
            'again; if it is the device that sounds like this, accept it: --accept clipping, or accept = ["clipping"].'
        )
    kind = "It is clipped" if found.is_full_scale else "It may have been clipped before it was made quieter"
    return [f"{kind}: {much}. The network will learn that as part of the sound."]


def _stranger_words(dry: Dry, wet: Recording, name: str, audio: Float32, others: Collection[Dry]) -> str:
    dry_name = dry.recording.path.name
    words = f"{name} has too little in common with {dry_name} to be its recording"
    for other in others:
        if other.recording.rate_hz == dry.recording.rate_hz and align(
            other.recording.audio, audio, dry.recording.rate_hz, other.layout
        ):
            return f"{words}; it belongs to {other.recording.path.name}. Put the pairs right."
    longer = wet.seconds / max(dry.recording.seconds, 1e-9)
    for ratio, said, true in ((48 / 44.1, 44_100, 48_000), (44.1 / 48, 48_000, 44_100)):
        if abs(longer / ratio - 1) < 0.002:
            return f"{words}. It is {ratio:.3f} times as long: it says {said} Hz and seems to be at {true} Hz."
    return (
        f"{words}. Check that it is the right file, that it starts within a second of {dry_name}, and that the device "
        "(not only its noise) is on it."
    )


def _cut(dry: Dry, found: Alignment, name: str) -> tuple[Float32, Float32, list[str]]:
    """Both from the dry file's first frame on; what is missing at the wet file's start is silence only if it was."""
    dry_audio, wet, shift = dry.recording.audio, found.wet, found.shift_frames
    rate_hz = dry.recording.rate_hz
    notes = []
    if shift >= 0:
        wet = wet[shift:]
    else:
        wet = np.concatenate([np.full(-shift, wet[0], np.float32), wet])
        lost = float(np.abs(dry_audio[:-shift]).max(initial=0.0))
        if lost > 1e-3:
            notes.append(f"Its first {-shift / rate_hz:.3f} s were not recorded: that much is left out.")
    if len(wet) > len(dry_audio):
        tail_s = (len(wet) - len(dry_audio)) / rate_hz
        if tail_s > 0.01:
            notes.append(f"{tail_s:.2f} s after the end of {dry.recording.path.name} were cut off.")
    elif len(dry_audio) - len(wet) > 0.01 * rate_hz:
        missing_s = (len(dry_audio) - len(wet)) / rate_hz
        if len(wet) < _MIN_SHARE * len(dry_audio):
            raise BadAudioFile(
                f"{name} ends {missing_s:.1f} s before {dry.recording.path.name} does, which is more than half of it: "
                "record it whole."
            )
        notes.append(f"Its last {missing_s:.2f} s are missing: what there is is used.")
    frames = min(len(wet), len(dry_audio))
    if frames < MIN_SECONDS * rate_hz:
        raise BadAudioFile(
            f"{name} and {dry.recording.path.name} share {frames / rate_hz:.1f} s; {MIN_SECONDS:g} s at least are "
            "needed, and two or three minutes make a good model."
        )
    return dry_audio[:frames], wet[:frames], notes


def _alignment_notes(found: Alignment, rate_hz: int) -> list[str]:
    late = found.shift_frames
    by = "its blips" if found.blip_frames is not None else "comparing the sound"
    way = "later" if late >= 0 else "earlier"
    notes = [
        f"It is {abs(late)} frame{'s' * (abs(late) != 1)} ({abs(late) / rate_hz * 1000:.2f} ms) {way} than the input, "
        f"told by {by}: moved."
    ]
    if found.drift is not None:
        over = abs(found.drift.per_frame) * len(found.wet)
        notes.append(
            f"The clocks of playing and recording differ by {found.drift.ppm:+.1f} ppm ({over:.0f} frames over the "
            "file): it was resampled. Play and record with the same interface to avoid that."
        )
    if found.sign < 0:
        notes.append(
            "Its polarity is turned. Many amps do that, so it is kept; if a cable did it, turn it back (invert = true)."
        )
    return notes


def _noise_repaired(audio: Float32, noise: Noise) -> tuple[Float32, list[str]]:
    notes = []
    if abs(noise.offset) > _OFFSET_SHARE * rms(audio):
        audio = audio - np.float32(noise.offset)
        notes.append(f"A constant offset of {noise.offset:+.4f} (DC of the recorder) was taken off.")
    if noise.hum_hz is not None and noise.level_db > _HUM_WORTH_DB:
        notes.append(
            f"It hums: {noise.hum_hz:g} Hz and its multiples are {-noise.level_db:.0f} dB below the sound. Try another "
            "socket, cable or place (away from transformers and screens) if that is not the device's own."
        )
    elif noise.level_db > _NOISE_WORTH_DB:
        notes.append(
            f"It is noisy: {-noise.level_db:.0f} dB below the sound. No model can learn noise, so its ESR will not "
            f"fall below about {10 ** (noise.level_db / 10):.1g}."
        )
    return audio, notes


def _refuse_swapped(dry: Float32, wet: Float32, found: Alignment, name: str, dry_name: str) -> None:
    order = compare_order(dry, wet)
    is_ahead = found.delay.frames < _AHEAD_FRAMES
    spread, crest_db = (_ORDER_SPREAD_AHEAD, _ORDER_CREST_AHEAD_DB) if is_ahead else (_ORDER_SPREAD, _ORDER_CREST_DB)
    if order.spread > spread and order.crest_db > crest_db:
        ahead = ", and it starts earlier" if is_ahead else ""
        raise BadAudioFile(
            f"{name} seems to be what was played and {dry_name} what came out: the second is the compressed one "
            f"({order.crest_db:.1f} dB less crest{ahead}). Give them the other way round; if the device really makes "
            'loud louder, accept it: --accept order, or accept = ["order"].'
        )


def _reached(layout: Layout | None, audio: Float32, rate_hz: int) -> Layout | None:
    """The layout, if the take holds all of it that matters."""
    if layout is None or len(audio) < layout.repeat[1][1] * rate_hz - 2:
        return None
    return layout


def _repeat_notes(error: float | None, name: str, accept: Collection[str]) -> list[str]:
    if error is None:
        return []
    if error <= MAX_REPEAT_ESR:
        return [f"The passage played twice came out alike (ESR {error:.1g})."]
    if "repeat" in accept:
        return [f"The passage played twice came out different (ESR {error:.2g}); accepted, as asked."]
    raise BadAudioFile(
        f"{name}: the passage played twice came out different (ESR {error:.2g}, at most {MAX_REPEAT_ESR} is good). "
        "A knob was moved, the device drifted or warmed up, an effect that moves (chorus, tremolo, delay) is on, or "
        'it is very noisy. Record again; or accept it: --accept repeat, or accept = ["repeat"].'
    )
