"""Runs inside the emulated machine, as root: does what the test asks for over a virtio serial port.

One JSON object a line, both ways. Asked: {"id", "do": "run", "command", "timeout_s"}, {"id", "do": "put", "path",
"data" (base64), "mode"}, {"id", "do": "get", "path"}. Answered: {"id", …} with what came of it, or "error". Requests
are done side by side.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

PORT = "appliance.agent"
_ANSWERING = threading.Lock()


def port() -> Path:
    """The device of the port with our name; waits for its driver."""
    while True:
        for name in Path("/sys/class/virtio-ports").glob("*/name"):
            if name.read_text().strip() == PORT:
                return Path("/dev") / name.parent.name
        time.sleep(0.05)


def run(request: dict[str, Any]) -> dict[str, Any]:
    """A command for bash, in a process group of its own; its exit status (124: it took too long) and output."""
    process = subprocess.Popen(
        ["bash", "-c", request["command"]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd="/root",
    )
    try:
        output, errors = process.communicate(timeout=request["timeout_s"])
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        output, errors = process.communicate()
        code = 124
    return {"rc": code, "stdout": _packed(output), "stderr": _packed(errors)}


def put(request: dict[str, Any]) -> dict[str, Any]:
    """A file."""
    path = Path(request["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(request["data"]))
    path.chmod(request["mode"])
    return {}


def get(request: dict[str, Any]) -> dict[str, Any]:
    """What is in a file."""
    return {"data": _packed(Path(request["path"]).read_bytes())}


def answer(line: bytes, to: BinaryIO) -> None:
    """Do what a line asks for and say what came of it."""
    request = json.loads(line)
    try:
        found = {"run": run, "put": put, "get": get}[request["do"]](request)
    except Exception as error:
        found = {"error": f"{type(error).__name__}: {error}"}
    with _ANSWERING:
        left = memoryview(json.dumps({"id": request["id"], **found}).encode() + b"\n")
        while left:  # the port takes 32 KiB at once
            left = left[to.write(left) :]


def main() -> None:
    """Answer until the machine stops."""
    with port().open("r+b", buffering=0) as both:
        both.write(b'{"id": 0}\n')  # here
        waiting = b""
        while True:
            waiting += both.read(65536)
            *lines, waiting = waiting.split(b"\n")
            for line in lines:
                threading.Thread(target=answer, args=(line, both), daemon=True).start()


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


if __name__ == "__main__":
    main()
