"""An emulated machine: started, spoken to, cut off from power, started again."""

from __future__ import annotations

import base64
import json
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.supervisor import die_with_parent
from tests.system.layers import command
from tests.system.target import Target

SCRIPTS = Path(__file__).resolve().parent / "scripts"
_SCRIPTS_THERE = "/run/appliance-test"
_BOOT_S = 180.0
_COMMAND_LINE = "quiet panic=-1 mitigations=off init_on_alloc=0 random.trust_cpu=on net.ifnames=0"


@dataclass(frozen=True)
class Result:
    """What a command in the machine came to."""

    rc: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Hardware:
    """What a machine is made of.

    exact_time: its clock counts executed instructions (one is 2 ns; idle time is skipped), so that nothing in it
    depends on how busy our machine is. Without, its time is ours, with our stalls in it.
    data_disk: an NBD socket or a raw image that becomes /var/lib/appliance. other_disks: raw images, read only.
    """

    target: Target = field(default_factory=Target)
    exact_time: bool = True
    cpus: int = 1
    memory_mb: int = 1024
    data_disk: Path | None = None
    other_disks: Sequence[Path] = ()
    usb: bool = False
    more: Sequence[str] = ()


class Machine:
    """A machine with a disk of its own over an image that is never written; a context manager.

    `folder` takes the disk, `serial.txt` (the console) and sockets.
    """

    def __init__(self, image: Path, kernel: Path, folder: Path, hardware: Hardware | None = None) -> None:
        self.hardware = hardware or Hardware()
        self.folder = folder
        self.console = folder / "serial.txt"
        self._kernel = kernel
        self._disk = folder / "root.qcow2"
        self._process: subprocess.Popen[bytes] | None = None
        self._agent = _Line(folder / "agent.sock")
        self._monitor = _Line(folder / "monitor.sock")
        self._boots = 0
        self._has_scripts = False  # they are in memory: gone with the power
        self._asked = 0
        self._is_paused = False
        folder.mkdir(parents=True, exist_ok=True)
        command(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image.resolve(), "-F", _format(image), self._disk])

    def __enter__(self) -> Machine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def disk(self) -> Path:
        """The disk (qcow2), to be copied while the machine is off."""
        return self._disk

    def start(self) -> None:
        """Switch on and wait until commands can be run (which is before the services are up). Blocks, 5 to 20 s."""
        assert self._process is None, "it is on already"
        self._boots += 1
        self._has_scripts = False
        with self.console.open("ab") as log:
            log.write(b"\n--- boot %d\n" % self._boots)
        with (self.folder / "emulator.txt").open("ab") as words:
            self._process = subprocess.Popen(
                [str(word) for word in self._words()],
                stdin=subprocess.DEVNULL,
                stderr=words,
                preexec_fn=die_with_parent(os.getpid()),
            )
        self._monitor.connect(self._process)
        self._monitor.send({"execute": "qmp_capabilities"})
        self._agent.connect(self._process)
        self._await(self._agent, lambda said: said.get("id") == 0, _BOOT_S)

    def run(self, words: str, *, timeout_s: float = 60.0, check: bool = True) -> Result:
        """Run a bash command as root, up to so many seconds of the machine's time; check: AssertionError unless it
        succeeds."""
        said = self._ask({"do": "run", "command": words, "timeout_s": timeout_s}, 10 * timeout_s + 60)
        result = Result(said["rc"], _text(said["stdout"]), _text(said["stderr"]))
        told = f"{words}\nexit {result.rc}\n{result.stdout[-6000:]}\n{result.stderr[-6000:]}"
        assert result.rc == 0 or not check, told
        return result

    def python(self, script: str, *arguments: object, timeout_s: float = 60.0) -> Any:
        """Run scripts/SCRIPT.py with the pedal's own Python; what it printed, as JSON."""
        return json.loads(self.run(self.python_words(script, *arguments), timeout_s=timeout_s).stdout)

    def python_words(self, script: str, *arguments: object) -> str:
        """The command that `python` runs, with the scripts where it looks for them."""
        if not self._has_scripts:
            for file in SCRIPTS.glob("*.py"):
                self.put(f"{_SCRIPTS_THERE}/{file.name}", file.read_bytes())
            self._has_scripts = True
        return shlex.join(["/opt/appliance/current/bin/python", f"{_SCRIPTS_THERE}/{script}.py", *map(str, arguments)])

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Make a file in the machine."""
        self._ask({"do": "put", "path": path, "data": base64.b64encode(data).decode(), "mode": mode}, 60)

    def get(self, path: str) -> bytes:
        """What is in a file of the machine."""
        return base64.b64decode(self._ask({"do": "get", "path": path}, 60)["data"])

    def wait_until(self, words: str, *, timeout_s: float = 60.0) -> Result:
        """Run a command again and again, in the machine, until it succeeds."""
        loop = f"until ({words}) >/tmp/until 2>&1; do sleep 0.1; done; cat /tmp/until"
        result = self.run(loop, timeout_s=timeout_s, check=False)
        if result.rc:
            raise AssertionError(f"not within {timeout_s} s: {words}\n{self.run('cat /tmp/until').stdout}")
        return result

    def kill(self) -> None:
        """Cut the power: what the machine had only in memory is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
        self._gone(10)

    def shut_down(self, *, by: str = "systemctl poweroff --no-block") -> None:
        """Power off as one should and wait for it. Blocks."""
        self.run(by)
        self._gone(120)

    def reboot(self, *, by: str = "systemctl reboot --no-block") -> None:
        """Restart as one should and wait until it is up again. Blocks."""
        self.shut_down(by=by)
        self.start()

    def pause(self) -> None:
        """Let its time stand still; it can't be asked anything meanwhile."""
        if not self._is_paused:
            self.monitor("stop")
        self._is_paused = True

    def resume(self) -> None:
        """Let its time go on."""
        if self._is_paused:
            self.monitor("cont")
        self._is_paused = False

    def monitor(self, execute: str, **arguments: Any) -> Any:
        """A command to the emulator (QEMU Machine Protocol), as device_add; what it returned."""
        self._monitor.send({"execute": execute, "arguments": arguments})
        said = self._await(self._monitor, lambda found: "return" in found or "error" in found, 30)
        assert "error" not in said, said
        return said["return"]

    def report(self) -> str:
        """What to read after a failure: the console's end and the journal."""
        told = [f"--- console\n{self.console.read_text(errors='replace')[-4000:]}"]
        if self._process is not None and self._process.poll() is None and not self._is_paused:
            commands = ("systemctl --failed --no-pager", "journalctl -b --no-pager -o short-monotonic | tail -150")
            told += [f"--- {words}\n{self.run(words, check=False).stdout}" for words in commands]
        return "\n".join(told)

    def _words(self) -> Sequence[str | Path]:
        hardware = self.hardware
        words: list[str | Path] = [f"qemu-system-{hardware.target.machine}", *_board(hardware)]
        words += ["-accel", "tcg,tb-size=512" + ("" if hardware.exact_time else ",thread=multi")]
        words += ["-icount", "shift=1,sleep=off"] if hardware.exact_time else []
        words += ["-m", str(hardware.memory_mb), "-smp", str(hardware.cpus)]
        words += ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"]
        words += ["-kernel", self._kernel / "vmlinux", "-initrd", self._kernel / "initramfs"]
        data = "" if hardware.data_disk is None else f" appliance.data=/dev/vd{'cdefgh'[len(hardware.other_disks)]}"
        words += ["-append", f"console={_console(hardware.target)} {_COMMAND_LINE}{data}"]
        words += ["-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console"]
        words += ["-chardev", f"socket,id=agent,path={self._agent.path},server=on,wait=off"]
        words += ["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=appliance.agent"]
        words += ["-qmp", f"unix:{self._monitor.path},server=on,wait=off", "-device", "virtio-rng-pci"]
        words += _disk("root", f"file={self._disk},format=qcow2,cache=unsafe")
        words += _disk("modules", f"file={self._kernel / 'modules.ext4'},format=raw,readonly=on")
        for number, image in enumerate(hardware.other_disks):
            words += _disk(f"other{number}", f"file={image},format=raw,readonly=on")
        if hardware.data_disk is not None:
            words += _disk("data", f"file={_source(hardware.data_disk)},format=raw")
        words += ["-device", "qemu-xhci,id=usb"] if hardware.usb else []
        return [*words, *hardware.more]

    def _ask(self, request: dict[str, Any], patience_s: float) -> dict[str, Any]:
        assert self._process is not None, "it is off"
        self._asked += 1
        self._agent.send({"id": self._asked, **request})
        said = self._await(self._agent, lambda found: found.get("id") == self._asked, patience_s)
        assert "error" not in said, f"{request}: {said['error']}"
        return said

    def _await(self, line: _Line, wanted: Callable[[dict[str, Any]], bool], patience_s: float) -> dict[str, Any]:
        end = time.monotonic() + patience_s
        while True:
            said = line.receive(end - time.monotonic())
            if said is None:
                raise AssertionError(f"the machine said nothing for {patience_s:.0f} s or ended\n{self._last_words()}")
            if wanted(said):
                return said

    def _gone(self, patience_s: float) -> None:
        if self._process is None:
            return
        self._process.wait(patience_s)
        self._process = None
        self._agent.close()
        self._monitor.close()

    def _last_words(self) -> str:
        emulator = (self.folder / "emulator.txt").read_text(errors="replace")
        return f"{self.console.read_text(errors='replace')[-4000:]}\n{emulator[-2000:]}"


class _Line:
    """JSON lines over a socket that the emulator listens on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket: socket.socket | None = None
        self._waiting = b""

    def connect(self, emulator: subprocess.Popen[bytes]) -> None:
        for _ in range(200):
            made = socket.socket(socket.AF_UNIX)
            try:
                made.connect(str(self.path))
            except OSError:
                made.close()
                assert emulator.poll() is None, "the emulator ended; emulator.txt has its words"
                time.sleep(0.05)
                continue
            self._socket = made
            self._waiting = b""
            return
        raise AssertionError("the emulator does not listen")

    def send(self, what: dict[str, Any]) -> None:
        assert self._socket is not None
        self._socket.settimeout(60)
        self._socket.sendall(json.dumps(what).encode() + b"\n")

    def receive(self, patience_s: float) -> dict[str, Any] | None:
        """The next line; None: nothing came in time, or the other end has gone."""
        assert self._socket is not None
        while b"\n" not in self._waiting:
            self._socket.settimeout(max(patience_s, 0.001))
            try:
                data = self._socket.recv(1 << 20)
            except (TimeoutError, ConnectionError):
                return None
            if not data:
                return None
            self._waiting += data
        line, self._waiting = self._waiting.split(b"\n", 1)
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self.path.unlink(missing_ok=True)


def _board(hardware: Hardware) -> list[str]:
    if hardware.target.arch == "arm64":
        return ["-machine", "virt", "-cpu", "cortex-a72"]
    return ["-machine", "q35", "-cpu", "max,-erms,-fsrm"]


def _console(target: Target) -> str:
    return "ttyAMA0" if target.arch == "arm64" else "ttyS0"


def _disk(name: str, drive: str) -> list[str]:
    return ["-drive", f"if=none,id={name},{drive}", "-device", f"virtio-blk-pci,drive={name}"]


def _format(image: Path) -> str:
    return "qcow2" if image.suffix == ".qcow2" else "raw"


def _source(disk: Path) -> str:
    return f"nbd+unix:///?socket={disk}" if disk.is_socket() else str(disk)


def _text(data: str) -> str:
    return base64.b64decode(data).decode(errors="replace")
