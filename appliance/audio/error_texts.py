"""From the texts of ALSA's errors to named faults: the card library tells its errors apart by text alone."""

from __future__ import annotations

import errno
import os

from appliance.audio.ports import (
    DeviceBusy,
    DeviceGone,
    DeviceRefused,
    PortFault,
    Side,
    Stalled,
    Suspended,
    Xrun,
)

# One line per error number: the fault it means and what the player can do.
_MEANINGS: tuple[tuple[int, type[PortFault], str], ...] = (
    (errno.EPIPE, Xrun, "a deadline was missed; if it happens often use a longer period or a smaller model"),
    (errno.ESTRPIPE, Suspended, "it sleeps; it will be restarted"),
    (errno.EIO, Stalled, "it stopped moving frames; check its cable and power"),
    (errno.ENODEV, DeviceGone, "it was unplugged or switched off; plug it in"),
    (errno.ENXIO, DeviceGone, "it was unplugged or switched off; plug it in"),
    (errno.EBADFD, DeviceGone, "it was lost; it will be opened again"),
    (errno.ENOENT, DeviceGone, "there is no such device; `appliance devices` lists those that are there"),
    (errno.EBUSY, DeviceBusy, "another program uses it; stop that program or choose another device"),
    (errno.EACCES, DeviceRefused, "this user may not use it; add the user to the group audio and log in again"),
    (errno.EPERM, DeviceRefused, "this user may not use it; add the user to the group audio and log in again"),
    (errno.EINVAL, DeviceRefused, "it takes none of what was asked; `appliance devices` says what it can do"),
)
_BY_TEXT = {os.strerror(number): (fault, advice) for number, fault, advice in _MEANINGS}
_CLOSED = "PCM device is closed"


def named_fault(text: str, device: str, side: Side) -> PortFault:
    """The fault that an error text of the card library stands for. A text nobody knows is a plain PortFault."""
    reason = text.split(" [", 1)[0]  # the device's name follows
    if reason == _CLOSED:
        return DeviceGone(f"{device} ({side.value}): it was closed; it will be opened again")
    fault, advice = _BY_TEXT.get(reason, (PortFault, "this is unknown here; it will be opened again"))
    return fault(f"{device} ({side.value}): {reason}: {advice}")
