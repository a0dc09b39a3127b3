"""The other end of the cable: what is played here is the pedal's input, what is recorded here is its output."""

from __future__ import annotations

import threading

import alsaaudio
import numpy as np
import numpy.typing as npt

RATE_HZ = 48_000
GUITAR, AMP = "hw:Loopback,0,0", "hw:Loopback,1,1"
_PERIOD_FRAMES = 480


def play_and_record(played: npt.NDArray[np.int32], frames: int) -> npt.NDArray[np.int32]:
    """Play mono S32 samples while recording `frames` of them. Raises alsaaudio.ALSAAudioError, RuntimeError (a frame
    was lost on this side)."""
    recorded: list[bytes] = []
    faults: list[str] = []
    recorder = _open(alsaaudio.PCM_CAPTURE, AMP)
    player = _open(alsaaudio.PCM_PLAYBACK, GUITAR)

    def record() -> None:
        taken = 0
        while taken < frames:
            length, data = recorder.read()
            if length < 0:
                faults.append(f"recording: {length}")
            recorded.append(data)
            taken += max(length, 0)

    ear = threading.Thread(target=record)
    ear.start()
    silence = np.zeros(-len(played) % _PERIOD_FRAMES + RATE_HZ // 2, np.int32)  # the end is lost when it is drained
    whole = np.concatenate([played, silence])
    whole = whole[: len(whole) // _PERIOD_FRAMES * _PERIOD_FRAMES]
    for start in range(0, len(whole), _PERIOD_FRAMES):
        written = player.write(whole[start : start + _PERIOD_FRAMES].tobytes())
        if written != _PERIOD_FRAMES:
            faults.append(f"playing: {written}")
    ear.join()
    player.close()
    recorder.close()
    if faults:
        raise RuntimeError(f"frames were lost by the test itself: {faults[:5]}")
    return np.frombuffer(b"".join(recorded), np.int32)[:frames]


def _open(kind: int, device: str) -> alsaaudio.PCM:
    return alsaaudio.PCM(
        kind,
        alsaaudio.PCM_NORMAL,
        device=device,
        rate=RATE_HZ,
        channels=1,
        format=alsaaudio.PCM_FORMAT_S32_LE,
        periodsize=_PERIOD_FRAMES,
        periods=16,
    )
