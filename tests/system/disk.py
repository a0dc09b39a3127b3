"""A disk whose cache forgets: what was written and not flushed may be gone after the power was cut, in part or all.

Real disks and SD cards acknowledge a write before it is on the medium; only a flush, or a write with forced unit
access, promises it. The emulator's own disks keep everything that reached our page cache, which hides a missing fsync.
So this one serves the emulator over the Network Block Device protocol and keeps unflushed writes to itself: `cut` lets
each of them survive or not by a toss, block by block, so that a long write may also be torn.

Protocol: the NBD project's doc/proto.md (fixed newstyle handshake, simple replies).
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import threading
from pathlib import Path

BLOCK_BYTES = 4096
_MAGIC, _OPTION_MAGIC, _REPLY_MAGIC = 0x4E42444D41474943, 0x49484156454F5054, 0x3E889045565A9
_REQUEST_MAGIC, _SIMPLE_REPLY_MAGIC = 0x25609513, 0x67446698
_FIXED_NEWSTYLE, _NO_ZEROES = 1, 2
_OPTION_EXPORT_NAME, _OPTION_ABORT, _OPTION_GO = 1, 2, 7
_ACK, _UNSUPPORTED, _INFO, _INFO_EXPORT = 1, 1 << 31 | 1, 3, 0
_HAS_FLAGS, _SEND_FLUSH, _SEND_FUA = 1, 4, 8
_READ, _WRITE, _DISCONNECT, _FLUSH = 0, 1, 2, 3
_FUA = 1


class ForgetfulDisk:
    """Serves `image` (a raw file, made elsewhere) on the socket `path` to one machine after the other."""

    def __init__(self, image: Path, path: Path, seed: int) -> None:
        self.path = path
        self._image = os.open(image, os.O_RDWR | os.O_CLOEXEC)
        self._bytes = image.stat().st_size
        self._unflushed: dict[int, bytes] = {}  # block number → what was written to it
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._writes_left: int | None = None  # until the power goes
        self._dead = threading.Event()  # the power is gone
        self._alive = threading.Event()  # and is back: the machine that was there is not
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(1)
        threading.Thread(target=self._serve, daemon=True).start()

    def die_after(self, writes: int) -> threading.Event:
        """The power goes with the nth write from now: this one may be torn, nothing after it comes to the disk or
        is answered. The event is set then; kill the machine, and call `cut`."""
        with self._lock:
            self._alive.clear()
            self._writes_left = writes
        return self._dead

    def cut(self) -> tuple[int, int]:
        """The power is gone: how many blocks had not been flushed, and how many of them are lost. Call it when the
        machine has been killed."""
        with self._lock:
            self._writes_left = None
            self._dead.clear()
            self._alive.set()
            lost = [block for block in self._unflushed if self._chance.random() < 0.5]
            waiting = len(self._unflushed)
            for block in lost:
                del self._unflushed[block]
            self._flush()
            return waiting, len(lost)

    def close(self) -> None:
        """Write down what is left, and stop serving."""
        with self._lock:
            self._flush()
        self._server.close()
        os.close(self._image)
        self.path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client, contextlib.suppress(ConnectionError):
                if self._shake_hands(client):
                    self._answer(client)

    def _shake_hands(self, client: socket.socket) -> bool:
        client.sendall(struct.pack(">QQH", _MAGIC, _OPTION_MAGIC, _FIXED_NEWSTYLE | _NO_ZEROES))
        (client_flags,) = struct.unpack(">I", _take(client, 4))
        flags = _HAS_FLAGS | _SEND_FLUSH | _SEND_FUA
        while True:
            _, option, length = struct.unpack(">QII", _take(client, 16))
            _take(client, length)
            if option == _OPTION_EXPORT_NAME:
                client.sendall(struct.pack(">QH", self._bytes, flags) + bytes(0 if client_flags & _NO_ZEROES else 124))
                return True
            if option == _OPTION_GO:
                self._reply_option(client, option, _INFO, struct.pack(">HQH", _INFO_EXPORT, self._bytes, flags))
                self._reply_option(client, option, _ACK, b"")
                return True
            if option == _OPTION_ABORT:
                self._reply_option(client, option, _ACK, b"")
                return False
            self._reply_option(client, option, _UNSUPPORTED, b"")

    def _reply_option(self, client: socket.socket, option: int, kind: int, data: bytes) -> None:
        client.sendall(struct.pack(">QIII", _REPLY_MAGIC, option, kind, len(data)) + data)

    def _answer(self, client: socket.socket) -> None:
        while True:
            magic, flags, kind, handle, offset, length = struct.unpack(">IHHQQI", _take(client, 28))
            assert magic == _REQUEST_MAGIC
            data = _take(client, length) if kind == _WRITE else b""
            found = b""
            with self._lock:
                if kind == _READ:
                    found = self._read(offset, length)
                elif kind == _WRITE:
                    self._write(offset, data)
                    self._count_down()
                if not self._dead.is_set() and (kind == _FLUSH or flags & _FUA):
                    self._flush()
            if self._dead.is_set():
                self._alive.wait()
                return  # what that machine had sent besides never came
            if kind == _DISCONNECT:
                return
            client.sendall(struct.pack(">IIQ", _SIMPLE_REPLY_MAGIC, 0, handle) + found)

    def _read(self, offset: int, length: int) -> bytes:
        found = bytearray(os.pread(self._image, length, offset))
        for block in range(offset // BLOCK_BYTES, (offset + length - 1) // BLOCK_BYTES + 1):
            if (cached := self._unflushed.get(block)) is not None:
                at = block * BLOCK_BYTES - offset
                start, stop = max(at, 0), min(at + BLOCK_BYTES, length)
                found[start:stop] = cached[start - at : stop - at]
        return bytes(found)

    def _write(self, offset: int, data: bytes) -> None:
        first, last = offset // BLOCK_BYTES, (offset + len(data) - 1) // BLOCK_BYTES
        whole = bytearray(self._read(first * BLOCK_BYTES, (last + 1 - first) * BLOCK_BYTES))
        at = offset - first * BLOCK_BYTES
        whole[at : at + len(data)] = data
        for block in range(first, last + 1):
            start = (block - first) * BLOCK_BYTES
            self._unflushed[block] = bytes(whole[start : start + BLOCK_BYTES])

    def _count_down(self) -> None:
        if self._writes_left is None:
            return
        self._writes_left -= 1
        if self._writes_left == 0:
            self._dead.set()

    def _flush(self) -> None:
        for block, data in self._unflushed.items():
            os.pwrite(self._image, data, block * BLOCK_BYTES)
        self._unflushed.clear()


def _take(client: socket.socket, length: int) -> bytes:
    parts = []
    while length:
        part = client.recv(length)
        if not part:
            raise ConnectionResetError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
