"""ALSA cards through pyalsaaudio: the only module that imports it."""

from __future__ import annotations

import ctypes
import select
from collections.abc import Callable
from typing import Any, cast

try:
    import alsaaudio
except ImportError as missing:
    from appliance.errors import NotInstalled

    raise NotInstalled(
        "sound cards need pyalsaaudio 0.11: pip install 'appliance[pi]' (or play without a card: --demo)"
    ) from missing

from appliance.audio.card import FORMAT_PREFERENCE, CardPort, CardSettings, Pcm, PollEvents
from appliance.audio.error_texts import named_fault
from appliance.audio.ports import DeviceBusy, Side

_TYPES = {Side.CAPTURE: alsaaudio.PCM_CAPTURE, Side.PLAYBACK: alsaaudio.PCM_PLAYBACK}
_FORMATS = {name: getattr(alsaaudio, f"PCM_FORMAT_{name}") for name in FORMAT_PREFERENCE}

_LIBASOUND = ctypes.CDLL("libasound.so.2")
# A function of C that does nothing with what it is told, which the loop can call without the interpreter.
_NOBODY = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p)

# Sound servers of a PC, worth a line when ALSA offers them: they work, but add latency of their own.
_SERVERS = {
    "jack": "the JACK server",
    "pipewire": "the PipeWire server",
    "pulse": "the PulseAudio server",
    "default": "what this computer's other programs use",
}


class AlsaBackend:
    """See `card.Backend`."""

    error: type[Exception] = alsaaudio.ALSAAudioError

    def open(
        self, side: Side, device: str, sample_format: str, channels: int, rate_hz: int, period_frames: int, periods: int
    ) -> Pcm:
        """See `card.Backend.open`. Non-blocking, also because a blocking open waits for a card in use."""
        try:
            pcm = alsaaudio.PCM(
                type=_TYPES[side],
                mode=alsaaudio.PCM_NONBLOCK,
                device=device,
                rate=rate_hz,
                channels=channels,
                format=_FORMATS[sample_format],
                periodsize=period_frames,
                periods=periods,
            )
        except alsaaudio.ALSAAudioError:
            # libasound writes to stderr what it met: of use once, and not every two seconds while a card is away.
            _LIBASOUND.snd_lib_error_set_handler(_NOBODY)
            raise
        _LIBASOUND.snd_lib_error_set_handler(None)
        return cast(Pcm, pcm)

    def waiter(self, pcm: Pcm) -> Callable[[int], PollEvents]:
        """See `card.Backend.waiter`."""
        poller = select.poll()
        for descriptor, mask in cast(Any, pcm).polldescriptors():
            poller.register(descriptor, mask)
        return poller.poll


def open_card(settings: CardSettings) -> CardPort:
    """A port on ALSA's devices `settings.input_device` and `.output_device` (not opened yet)."""
    return CardPort(AlsaBackend(), settings)


def list_devices() -> list[dict[str, Any]]:
    """Every card that could be asked for, for `appliance devices`. May block for some milliseconds per card.

    Each is {device, name, capture, playback, words}; capture and playback are None where the card has none, else
    {busy: bool, formats: [...], rates_hz: [...], channels: [...]}; one that could not be opened has empty lists and a
    `reason`. rates_hz: all, or the two bounds of a range. `words` says it in a sentence. Opened without waiting.
    """
    capture, playback = set(alsaaudio.pcms(alsaaudio.PCM_CAPTURE)), set(alsaaudio.pcms(alsaaudio.PCM_PLAYBACK))
    cards = sorted(name for name in capture | playback if name.startswith("hw:"))
    found = [describe_device(device, device in capture, device in playback) for device in cards]
    for server, words in _SERVERS.items():
        if server in capture | playback:
            found.append(
                {"device": server, "name": words, "capture": None, "playback": None, "words": f"{server}: {words}"}
            )
    return found


def describe_device(device: str, has_capture: bool = True, has_playback: bool = True) -> dict[str, Any]:
    """One entry of `list_devices`."""
    capture = _probe(Side.CAPTURE, device) if has_capture else None
    playback = _probe(Side.PLAYBACK, device) if has_playback else None
    name = _card_name(device)
    parts = [f"in: {_side_in_words(capture)}", f"out: {_side_in_words(playback)}"]
    return {
        "device": device,
        "name": name,
        "capture": capture,
        "playback": playback,
        "words": f"{device} – {name}; {'; '.join(parts)}",
    }


def _probe(side: Side, device: str) -> dict[str, Any] | None:
    unknown: dict[str, Any] = {"busy": False, "formats": [], "rates_hz": [], "channels": []}
    try:
        pcm = alsaaudio.PCM(type=_TYPES[side], mode=alsaaudio.PCM_NONBLOCK, device=device)
    except alsaaudio.ALSAAudioError as error:
        fault = named_fault(str(error), device, side)
        return unknown | {"busy": isinstance(fault, DeviceBusy), "reason": str(fault)}
    try:
        supported = pcm.getformats()
        rates = pcm.getrates()  # one rate, a pair of bounds, or a list
        return {
            "busy": False,
            "formats": [name for name in FORMAT_PREFERENCE if name in supported],
            "rates_hz": [rates] if isinstance(rates, int) else list(rates),
            "channels": pcm.getchannels() if device.startswith("hw:") else [],
        }
    except alsaaudio.ALSAAudioError:
        return unknown
    finally:
        pcm.close()


def _side_in_words(side: dict[str, Any] | None) -> str:
    if side is None:
        return "none"
    if side["busy"]:
        return "in use by another program"
    if "reason" in side:
        return str(side["reason"])
    formats = ", ".join(side["formats"]) or "no format the pedal knows (use plughw:)"
    rates = "/".join(str(rate) for rate in side["rates_hz"])
    channels = "/".join(str(count) for count in side["channels"]) or "any number of"
    return f"{channels} channel(s), {formats}, {rates} Hz"


def _card_name(device: str) -> str:
    """The card's own name for people, for "hw:CARD=Pedal,DEV=0"."""
    identity = device.partition("CARD=")[2].partition(",")[0]
    for index, name in zip(alsaaudio.card_indexes(), alsaaudio.cards(), strict=True):
        if name == identity:
            return str(alsaaudio.card_name(index)[0])
    return identity or device
