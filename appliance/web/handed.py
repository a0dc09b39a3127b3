"""Listening sockets that systemd opened for us (sd_listen_fds(3)), so that port 80 takes no rights of ours."""

from __future__ import annotations

import os
import socket

_FIRST_DESCRIPTOR = 3


def handed_sockets() -> list[socket.socket]:
    """The listening sockets this process was started with; none when it was started by hand.

    The variables that say so are taken away, so that no child believes that they are meant for it.
    """
    meant_for, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if meant_for != str(os.getpid()) or not count.isdecimal():
        return []
    descriptors = range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count))
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]
