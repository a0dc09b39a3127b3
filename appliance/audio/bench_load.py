"""Work for the other cores while the loop is measured: what a busy evening with the phone page is like.

A panel and a web process of their own, in a temporary folder and on the loopback interface; against them a process that
plays four phones (three that load the page and the state over and over, one that listens to the events) and one player
who uploads models and cabinets without a pause, each also cut short somewhere, so that it is no file the panel knows
and has to be checked (in a process of its own) before it is refused.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from appliance import paths
from appliance.addresses import free_port
from appliance.errors import NotRunning
from appliance.probes import panel_probe, web_probe
from appliance.supervisor import die_with_parent

_HOST = "127.0.0.1"
_UP_WITHIN_S = 30.0
_TERM_S = 3.0
_PAGE_PHONES = 3
_PATIENCE_S = 30.0
_RETRY_S = 0.2


@contextlib.contextmanager
def busy_neighbours(cores: set[int]) -> Iterator[int]:
    """Keeps `cores` busy while the block runs. Gives the page's port. Blocks until it is up. Errors: NotRunning."""
    with tempfile.TemporaryDirectory(prefix="appliance-bench-") as folder, contextlib.ExitStack() as started:
        here = {"APPLIANCE_RUNTIME": f"{folder}/runtime", "APPLIANCE_DATA": f"{folder}/data"}
        port = free_port(_HOST)

        def start(*command: str) -> subprocess.Popen[bytes]:
            return started.enter_context(_process((sys.executable, "-m", *command), os.environ | here, cores))

        panel = start("appliance.panel")
        _wait("the panel", panel, panel_probe(Path(folder) / "runtime" / "panel.sock"))
        web = start("appliance.web", "--host", _HOST, "--port", str(port))
        _wait("the web process", web, web_probe(_HOST, port))
        phones = start("appliance.audio.bench_load", str(port))
        yield port
        for name, process in (("the panel", panel), ("the web process", web), ("the phones' process", phones)):
            if (code := process.poll()) is not None:
                raise NotRunning(f"the load was not there all the time: {name} ended with code {code}; measure again")


@contextlib.contextmanager
def _process(
    command: tuple[str, ...], environment: dict[str, str], cores: set[int]
) -> Iterator[subprocess.Popen[bytes]]:
    tie_to_parent = die_with_parent(os.getpid())

    def set_up() -> None:  # between fork and exec
        tie_to_parent()
        os.sched_setaffinity(0, cores)

    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=set_up,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_TERM_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(name: str, process: subprocess.Popen[bytes], is_up: Callable[[int], bool]) -> None:
    end = time.monotonic() + _UP_WITHIN_S
    while not is_up(process.pid):
        if process.poll() is not None or time.monotonic() > end:
            raise NotRunning(f"{name} of the load did not start: try `appliance run --demo`, which says why")
        time.sleep(_RETRY_S)


def _phone_loads_the_page(port: int) -> None:
    connection = http.client.HTTPConnection(_HOST, port, timeout=_PATIENCE_S)
    try:
        while True:
            for path in ("/", "/api/state"):
                connection.request("GET", path)
                connection.getresponse().read()
    finally:
        connection.close()


def _phone_listens_to_events(port: int) -> None:
    connection = http.client.HTTPConnection(_HOST, port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/api/events")
        response = connection.getresponse()
        while response.readline():
            pass
    finally:
        connection.close()


def player_uploads(port: int, patience_s: float = _PATIENCE_S) -> None:
    """Upload one file after the other, whole and cut short in turn. Blocks. Errors: OSError, HTTPException when the
    page does not answer (any more)."""
    models = paths.assets("models")
    files = [*sorted(models.glob("*.onnx")), *sorted(models.glob("cabinets/*.wav"))]
    connection = http.client.HTTPConnection(_HOST, port, timeout=patience_s)
    try:
        while True:
            for file, damaged in itertools.product(files, (False, True)):
                data = file.read_bytes()
                if damaged:
                    data = data[: 1 + secrets.randbelow(len(data) - 1)]
                boundary = secrets.token_hex(16)
                head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'
                body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
                kind = f"multipart/form-data; boundary={boundary}"
                connection.request("POST", "/api/upload", body, {"Content-Type": kind, "X-Pedal": "1"})
                connection.getresponse().read()
    finally:
        connection.close()


def _again_and_again(work: Callable[[int], None], port: int) -> None:
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):  # the web process is busy or ends
            work(port)
        time.sleep(_RETRY_S)


def _main(port: int) -> None:
    """Runs until it is ended from outside."""
    clients = [_phone_loads_the_page] * _PAGE_PHONES + [_phone_listens_to_events, player_uploads]
    threads = [threading.Thread(target=_again_and_again, args=(client, port), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
