"""The container of an update bundle: a tar file of the plainest kind (ustar), read by hand because strangers make them.

Only regular files with plain names, one behind the other. No links, folders, long names, sparse files or extensions:
what isn't needed can't be abused, and a reader of forty lines can be looked at whole. `tar tf` lists one all the same.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from appliance.errors import BadBundle

BLOCK = 512
LONGEST_NAME = 100
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!~-]*")  # of a wheel, a manifest: never a path, never hidden
_MAGIC = b"ustar\x0000"


@dataclass(frozen=True)
class Member:
    """One file in the container: the stream stands at its first byte when it is handed out."""

    name: str
    size_bytes: int


def is_plain_name(name: str) -> bool:
    """Whether it may be the name of a file in a bundle: letters, digits and ._+!~-, no folder, not hidden."""
    return len(name) <= LONGEST_NAME and _NAME.fullmatch(name) is not None


def members(stream: IO[bytes]) -> Iterator[Member]:
    """Every file in order. The caller reads exactly `size_bytes` (or nothing) before it asks for the next.

    `stream` can seek. Raises BadBundle for anything that isn't the plain kind.
    """
    at = stream.tell()
    while True:
        stream.seek(at)
        header = stream.read(BLOCK)
        if header == bytes(BLOCK):
            return
        member = _member(header)
        yield member
        at += BLOCK + -(-member.size_bytes // BLOCK) * BLOCK


def write(stream: IO[bytes], name: str, source: bytes | Path) -> None:
    """Append one file. Ends are written by `finish`. Raises OSError; ValueError for a name that is not plain."""
    if not is_plain_name(name):
        raise ValueError(f"{name!r} can't be the name of a file in a bundle")
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as content:
        info.size = content.seek(0, io.SEEK_END)
        content.seek(0)
        stream.write(info.tobuf(tarfile.USTAR_FORMAT))
        while chunk := content.read(1 << 20):
            stream.write(chunk)
    stream.write(bytes(-info.size % BLOCK))


def finish(stream: IO[bytes]) -> None:
    """Write the end mark."""
    stream.write(bytes(2 * BLOCK))


def _member(header: bytes) -> Member:
    if len(header) < BLOCK:
        raise BadBundle("it ends in the middle: it was not copied or sent whole. Fetch it again")
    if header[257:265] != _MAGIC:
        raise BadBundle("it is no update bundle (a .whl-bundle file)")
    try:
        stated = _octal(header[148:156])
        size_bytes = _octal(header[124:136])
        name = header[:100].rstrip(b"\0").decode("ascii")
    except ValueError:
        raise BadBundle("it is damaged: one of its headers makes no sense. Fetch it again") from None
    if stated != sum(header) - sum(header[148:156]) + 8 * ord(" "):
        raise BadBundle("it is damaged: one of its headers makes no sense. Fetch it again")
    if header[156:157] != b"0" or header[345:500].strip(b"\0") or not is_plain_name(name):
        raise BadBundle(f"it holds {name!r:.60}, which is no plain file: a bundle has none of these")
    return Member(name, size_bytes)


def _octal(field: bytes) -> int:
    digits = field.rstrip(b"\0 ").lstrip(b" ")
    if not digits or not all(digit in b"01234567" for digit in digits):
        raise ValueError(field)
    return int(digits, 8)
