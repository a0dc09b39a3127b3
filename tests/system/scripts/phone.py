"""A phone in the machine: a DHCP client, and HTTP by a name that the network's own DNS resolves. Run in its namespace.

phone.py lease INTERFACE     takes a lease and configures the interface; prints what was offered
phone.py look SERVER NAME T  a DNS question of type T (A is 1, AAAA 28); prints the code and the addresses
phone.py get ADDRESS URL     GET of a URL from the server at ADDRESS; prints status, headers and body
"""

import http.client
import json
import os
import socket
import struct
import subprocess
import sys
import time
from urllib.parse import urlsplit

_MAGIC = b"\x63\x82\x53\x63"
_DISCOVER, _OFFER, _REQUEST, _ACK = 1, 2, 3, 5
_BROADCAST = 0x8000


def _options(data: bytes) -> dict[int, bytes]:
    found, at = {}, 240
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        found[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return found


def lease(interface: str) -> dict[str, object]:
    """Take a lease (RFC 2131) and use it."""
    with open(f"/sys/class/net/{interface}/address") as file:  # noqa: PTH123
        hardware = bytes.fromhex(file.read().strip().replace(":", ""))
    transaction = os.urandom(4)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        line.bind(("", 68))
        line.settimeout(3.0)

        def ask(kind: int, more: bytes, wanted: int) -> tuple[bytes, dict[int, bytes]]:
            head = struct.pack("!BBBB4sHH16x16s64x128x", 1, 1, 6, 0, transaction, 0, _BROADCAST, hardware)
            # Asked for like a phone does: mask, router, DNS, captive portal (114).
            message = head + _MAGIC + bytes([53, 1, kind]) + more + bytes([55, 4, 1, 3, 6, 114, 255])
            for _ in range(10):
                line.sendto(message, ("255.255.255.255", 67))
                try:
                    data = line.recv(2048)
                except TimeoutError:
                    continue
                options = _options(data)
                if data[4:8] == transaction and options.get(53) == bytes([wanted]):
                    return data, options
            raise SystemExit("no answer to DHCP")

        offer, options = ask(_DISCOVER, b"", _OFFER)
        address = offer[16:20]
        _, options = ask(_REQUEST, b"\x32\x04" + address + b"\x36\x04" + options[54], _ACK)
    ours = socket.inet_ntoa(address)
    router = socket.inet_ntoa(options[3][:4])
    for words in (
        f"addr flush dev {interface}",
        f"addr add {ours}/24 dev {interface}",
        f"route add default via {router}",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    return {"address": ours, "router": router, "dns": socket.inet_ntoa(options[6][:4]), "portal": 114 in options}


def look(server: str, name: str, kind: str) -> dict[str, object]:
    """Ask a DNS server."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", int(kind), 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(5.0)
        line.sendto(question, (server, 53))
        data = line.recv(2048)
    answers = struct.unpack("!H", data[6:8])[0]
    rest = data[len(question) :]
    ttl = struct.unpack("!I", rest[6:10])[0] if answers else None
    return {
        "code": data[3] & 15,
        "answers": answers,
        "ttl_s": ttl,
        "last": socket.inet_ntoa(data[-4:]) if answers else None,
    }


def get(address: str, url: str) -> dict[str, object]:
    """GET as a browser does that has looked the name up. How long a refusal took, where there is one."""
    parts = urlsplit(url)
    begun_s = time.monotonic()
    try:
        if parts.scheme == "https":
            socket.create_connection((address, 443), timeout=20).close()
        line = http.client.HTTPConnection(address, 80, timeout=20)
        line.request("GET", parts.path or "/", headers={"Host": parts.netloc, "Accept": "text/html,*/*"})
        answer = line.getresponse()
        return {"status": answer.status, "headers": dict(answer.getheaders()), "body": answer.read().decode()}
    except OSError as error:
        return {"refused": str(error), "after_s": time.monotonic() - begun_s}


if __name__ == "__main__":
    deed = {"lease": lease, "look": look, "get": get}[sys.argv[1]]
    print(json.dumps(deed(*sys.argv[2:])))  # type: ignore[operator]  # noqa: T201
