"""ALSA devices that need no hardware: a private configuration, and a JACK server with a dummy card."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HEAD = "</usr/share/alsa/alsa.conf>\n"
SERVER = "pedal-test"


def file_device(name: str, *, reads: Path | None = None, writes: Path | None = None) -> str:
    """A PCM that reads and writes raw files, as fast as it is asked."""
    reading = f'infile "{reads}"' if reads else ""
    return f'pcm.{name} {{ type file slave.pcm null file "{writes or "/dev/null"}" {reading} format raw }}\n'


def jack_device(name: str, channels: int = 1) -> str:
    """A duplex PCM of the JACK server (its sample format is FLOAT_LE)."""
    ports = [" ".join(f"{n} system:{side}_{n + 1}" for n in range(channels)) for side in ("playback", "capture")]
    return f"pcm.{name} {{ type jack playback_ports {{ {ports[0]} }} capture_ports {{ {ports[1]} }} }}\n"


@contextmanager
def jack_server(folder: Path, rate_hz: int = 48_000, period_frames: int = 64) -> Iterator[dict[str, str]]:
    """A JACK server with a dummy card; gives the environment for its clients. Skips where jackd is absent."""
    if shutil.which("jackd") is None:
        pytest.skip("jackd is not installed (apt install jackd2 libasound2-plugins)")
    name = f"{SERVER}-{os.getpid()}"
    card = ["-d", "dummy", "-r", str(rate_hz), "-p", str(period_frames)]
    log = folder / "jackd.log"
    environment = os.environ | {"JACK_NO_AUDIO_RESERVATION": "1"}
    for realtime in (["-R", "-P", "70"], ["-r"]):
        with log.open("w") as output:
            server = subprocess.Popen(
                ["jackd", "-n", name, *realtime, *card], stdout=output, stderr=output, env=environment
            )
        try:
            client = {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
            if _is_up(server, environment | client):
                yield client
                return
        finally:
            server.terminate()
            server.wait(10)
    pytest.skip(f"jackd does not start here: {log.read_text()[-500:]}")


def _is_up(server: subprocess.Popen[bytes], environment: dict[str, str]) -> bool:
    for _ in range(50):
        if server.poll() is not None:
            return False
        if subprocess.run(["jack_lsp"], env=environment, capture_output=True, check=False).returncode == 0:
            return True
        time.sleep(0.1)
    return False


def jack_ports(environment: dict[str, str]) -> list[str]:
    """Names of all ports of the server."""
    done = subprocess.run(["jack_lsp"], env=os.environ | environment, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if ":" in line]


def jack_connect(environment: dict[str, str], source: str, target: str) -> None:
    """Connect two ports."""
    subprocess.run(["jack_connect", source, target], env=os.environ | environment, check=True, capture_output=True)
