"""Network addresses and ports of this machine, for telling a player where the page is."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import socket
import struct

from appliance.errors import DeviceError

_SIOCGIFADDR = 0x8915


def local_addresses() -> list[str]:
    """IPv4 addresses of this machine that others on its networks can reach."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # an interface without an address
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.append(socket.inet_ntoa(answer[20:24]))
    return [address for address in found if not address.startswith("127.")]


def reachable(host: str) -> str:
    """The address at which this machine reaches a server that listens on `host`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


def free_port(host: str) -> int:
    """A port that nobody listens on at the moment."""
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


def check_port_is_free(host: str, port: int) -> None:
    """Raises DeviceError when a server can't listen there: in use, not ours, not a port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DeviceError(
                f"the page can't be served at {host} port {port} ({reason}): choose another one with --port"
            ) from error
