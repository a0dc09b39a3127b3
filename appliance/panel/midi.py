"""MIDI in: the only module that imports mido, whose parser makes messages of bytes.

The bytes come straight from the kernel: every MIDI port is a device file in /dev/snd, which appears when a device is
plugged in. So nothing has to be compiled, no thread runs, and without any device nothing happens.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.errors import NotInstalled
from appliance.panel.midi_messages import Message, Received, Sort

log = logging.getLogger(__name__)

_SCAN_S = 1.0
_CHUNK_BYTES = 1024
_CHUNKS = 4  # a look; a device that sends faster than MIDI can is not waited for


class MidiIn:
    """All MIDI inputs, whichever come and go. For one thread; a look takes some microseconds and never blocks."""

    def __init__(self, folder: Path = Path("/dev/snd")) -> None:
        """Raises NotInstalled."""
        try:
            from mido import Parser
        except ImportError as error:
            raise NotInstalled("MIDI needs mido: pip install 'appliance[pi]'") from error
        self._new_parser = Parser
        self._folder = folder
        self._open: dict[Path, tuple[int, _Stream]] = {}
        self._refused: dict[Path, int] = {}
        self._scanned_s = float("-inf")

    @property
    def devices(self) -> Sequence[str]:
        """Names of the device files that are open."""
        return sorted(path.name for path in self._open)

    def poll(self, now_s: float) -> list[Received]:
        """What came since the last look, in order."""
        if now_s - self._scanned_s >= _SCAN_S:
            self._scanned_s = now_s
            self._scan()
        found: list[Received] = []
        for path in list(self._open):
            self._read(path, found)
        return found

    def close(self) -> None:
        """Close all inputs."""
        for path in list(self._open):
            self._close(path)

    def _scan(self) -> None:
        there = {path for path in self._folder.glob("midiC*D*") if path not in self._open}
        self._refused = {path: number for path, number in self._refused.items() if path in there}
        for path in sorted(there):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                if self._refused.get(path) != error.errno:  # said once, tried again and again
                    self._refused[path] = error.errno or 0
                    hint = " (is this user in the group audio?)" if error.errno == errno.EACCES else ""
                    log.warning("MIDI input %s can't be used: %s%s", path.name, error.strerror, hint)
                continue
            self._open[path] = descriptor, _Stream(self._new_parser())
            log.info("MIDI input %s is there", path.name)

    def _read(self, path: Path, found: list[Received]) -> None:
        descriptor, stream = self._open[path]
        for _ in range(_CHUNKS):
            try:
                data = os.read(descriptor, _CHUNK_BYTES)
            except BlockingIOError:
                break
            except OSError:
                self._close(path)
                return
            if not data:
                if stat.S_ISFIFO(os.fstat(descriptor).st_mode) and path.exists():
                    break  # a pipe that nobody writes to at the moment
                self._close(path)
                return
            stream.feed(data)
        found.extend(received for message in stream.parser if (received := _received(message)) is not None)

    def _close(self, path: Path) -> None:
        descriptor, _ = self._open.pop(path)
        os.close(descriptor)
        log.info("MIDI input %s is gone", path.name)


class _Stream:
    """Bytes of one device. Puts in the status bytes that running status leaves out, which mido's parser wants."""

    def __init__(self, parser: Any) -> None:
        self.parser = parser
        self._status = 0  # of the channel message that runs; 0: none
        self._needed = self._left = 0

    def feed(self, data: bytes) -> None:
        for byte in data:
            if byte >= 0xF8:  # real time: may stand anywhere
                pass
            elif byte >= 0xF0:
                self._status = 0
            elif byte >= 0x80:
                self._status = byte
                self._needed = self._left = 1 if byte & 0xE0 == 0xC0 else 2
            elif self._status:
                if self._left == 0:
                    self.parser.feed_byte(self._status)
                    self._left = self._needed
                self._left -= 1
            self.parser.feed_byte(byte)


def _received(message: Any) -> Received | None:
    if message.type == "control_change":
        return Received(Message(Sort.CONTROL, message.control), message.channel + 1, message.value / 127.0)
    if message.type in ("note_on", "note_off"):
        velocity = message.velocity if message.type == "note_on" else 0
        return Received(Message(Sort.NOTE, message.note), message.channel + 1, velocity / 127.0)
    if message.type == "program_change":
        return Received(Message(Sort.PROGRAM, message.program), message.channel + 1, 1.0)
    return None
