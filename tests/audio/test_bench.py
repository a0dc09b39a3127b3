"""The loop's bench measures what it says."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from array import array
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from appliance.audio.bench import as_text, bench_loop, percentiles_us
from appliance.audio.bench_load import busy_neighbours, player_uploads
from appliance.audio.ports import Xrun
from appliance.engine._native import CardLoop, DemoCard, Pedal
from appliance.engine.packing import pack_model, pack_patch
from appliance.errors import BadRequest
from appliance.paths import assets
from tests.models import random_recurrent

NAMES = ["p50", "p99", "p99.9", "p99.99", "max"]
OWN = ["periods", "late", "wake_us", "busy_us", "python_us"]


def test_every_period_is_timed_and_python_is_part_of_busy() -> None:
    result = bench_loop(1.0, 128, 48_000)
    assert list(result) == ["period", *OWN, "python_loop", "native_loop"]
    assert (result["period"], result["periods"]) == (128, 375)
    for name in ("wake_us", "busy_us", "python_us"):
        times = result[name]
        assert isinstance(times, dict)
        assert list(times) == NAMES
        assert 0 < times["p50"] <= times["p99"] <= times["p99.9"] <= times["p99.99"] <= times["max"]
    assert result["python_us"]["p50"] < result["busy_us"]["p50"] < 2_666  # type: ignore[index]
    assert isinstance(result["late"], int)


def test_the_same_periods_are_played_by_a_loop_in_cpp() -> None:
    result = bench_loop(1.0, 128, 48_000)
    native = result["native_loop"]
    assert isinstance(native, dict)
    assert list(native) == ["periods", "late", "wake_us", "busy_us"]
    assert native["periods"] == result["periods"]
    for name in ("wake_us", "busy_us"):
        assert list(native[name]) == NAMES
        assert 0 < native[name]["p50"] < native[name]["max"] < 1e6
    assert native["busy_us"]["p50"] < result["busy_us"]["p50"] + 5  # type: ignore[index]
    in_python = result["python_loop"]
    assert isinstance(in_python, dict)
    assert list(in_python) == OWN
    assert in_python["python_us"]["p50"] > result["python_us"]["p50"]  # type: ignore[index]
    words = as_text(result)
    assert "375 periods of 128 frames in each loop" in words
    assert words.count("of the C++ loop") == 2
    assert words.count("of the loop in Python") == 3


class Clock:
    """Time that only the test moves; sleeping is exact."""

    def __init__(self) -> None:
        self.time_ns = 0

    def now_ns(self) -> int:
        return self.time_ns

    def sleep_until_ns(self, due_ns: int, /) -> None:
        self.time_ns = due_ns


def card_with(pedal: Pedal, samples: int, clock: Clock | None = None) -> tuple[DemoCard, CardLoop]:
    """A loaded card of the pedal's period, 256 frames, with 64 periods of slack, and its loop."""
    pedal.configure_io("S16_LE", 1, 0, "S32_LE", 2)
    card = DemoCard(48_000, 256, 64, Xrun, clock)
    card.load(bytes(2 * samples))
    return card, CardLoop(card, pedal, bytearray(8 * 256))


def columns(count: int) -> list[array[int]]:
    return [array("q", bytes(8 * count)) for _ in range(3)]


def test_the_cpp_loop_takes_the_time_of_its_periods_and_notes_them() -> None:
    wake_ns, busy_ns, engine_ns = times = columns(50)
    pedal = Pedal(48_000, 256)
    card, card_loop = card_with(pedal, 1_000)
    card.note(*times, 10, pedal)
    card.start()
    start = time.monotonic()
    card_loop.play_until_noted()
    assert card.is_noted()
    assert 59 * 256 / 48_000 < time.monotonic() - start < 64 * 256 / 48_000 + 1.0
    assert all(0 < engine <= busy for engine, busy in zip(engine_ns, busy_ns, strict=True))
    assert all(wake >= 0 for wake in wake_ns)


def test_missed_deadlines_are_counted_and_their_periods_not_noted() -> None:
    wake_ns, _, _ = times = columns(20)
    pedal, clock = Pedal(48_000, 256), Clock()
    card, card_loop = card_with(pedal, 1_000, clock)
    card.note(*times, 0, pedal)
    card.start()
    card_loop.play(5)
    clock.time_ns += 65 * 256 * 10**9 // 48_000
    with pytest.raises(Xrun, match=r"capture.*a deadline was missed"):
        card_loop.play(5)
    assert card_loop.moved == 0
    card.start()
    card_loop.play_until_noted()
    assert card.missed == 1
    assert list(wake_ns) == [0] * 20


def test_what_the_card_and_its_loop_cannot_play_is_refused() -> None:
    pedal = Pedal(48_000, 256)
    with pytest.raises(ValueError, match="shorter than one period"):
        card_with(pedal, 255)
    card, _ = card_with(pedal, 256)
    with pytest.raises(ValueError, match="not of one length"):
        card.note(array("q", bytes(8)), array("q", bytes(8)), array("q", bytes(16)), 0, pedal)
    with pytest.raises(ValueError, match="too small for the period"):
        CardLoop(card, pedal, bytearray(8 * 255))
    with pytest.raises(ValueError, match="the pedal's period is not the card's"):
        CardLoop(card, Pedal(48_000, 128), bytearray(8 * 256))
    with pytest.raises(ValueError, match="was not told the card's format"):
        CardLoop(card, Pedal(48_000, 256), bytearray(8 * 256))
    with pytest.raises(ValueError, match="8000 to 384000 Hz"):
        DemoCard(48_000, 64, 1, Xrun)
    card.unload()
    with pytest.raises(ValueError, match="not open"):
        card.read()


def test_the_load_is_a_pedal_that_answers_and_is_gone_afterwards() -> None:
    with busy_neighbours(os.sched_getaffinity(0)) as port:
        end = time.monotonic() + 20
        models: list[object] = []
        while not models and time.monotonic() < end:
            time.sleep(0.2)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", "/api/state")
            models = json.loads(connection.getresponse().read())["models"]
            connection.close()
        assert models
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_the_load_uploads_factory_files_whole_and_damaged_in_turn() -> None:
    bodies: list[bytes] = []

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # http.server calls it so
            assert self.path == "/api/upload"
            assert self.headers["X-Pedal"] == "1"
            assert self.headers["Content-Type"].startswith("multipart/form-data; boundary=")
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.close_connection = len(bodies) == 4
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises((OSError, http.client.HTTPException)):  # the page ends, and with it the upload
            player_uploads(server.server_port, patience_s=2.0)
        thread.join()
    first, second = sorted(assets("models").glob("*.onnx"))[:2]
    for whole, damaged, file in ((bodies[0], bodies[1], first), (bodies[2], bodies[3], second)):
        assert f'filename="{file.name}"'.encode() in whole
        assert file.read_bytes() in whole
        assert f'filename="{file.name}"'.encode() in damaged
        assert file.read_bytes() not in damaged


def test_a_model_makes_the_engine_busier_and_python_not() -> None:
    model = pack_model(random_recurrent(np.random.default_rng(1), hidden=64))
    patch = pack_patch(generation=1, sample_rate_hz=48_000, model_blob=model)
    dry, wet = bench_loop(0.5, 256), bench_loop(0.5, 256, model_patch=patch)
    assert wet["busy_us"]["p50"] > dry["busy_us"]["p50"] + 50  # type: ignore[index]
    assert wet["python_us"]["p50"] < dry["python_us"]["p50"] + 50  # type: ignore[index]


def test_percentiles_are_samples_by_nearest_rank() -> None:
    thousand = [1_000 * n for n in range(1_000, 0, -1)]
    assert percentiles_us(thousand) == {"p50": 500.0, "p99": 990.0, "p99.9": 999.0, "p99.99": 1000.0, "max": 1000.0}
    assert percentiles_us([7_000]) == dict.fromkeys(NAMES, 7.0)


def test_a_period_out_of_range_is_refused() -> None:
    with pytest.raises(BadRequest, match="a period of 8 frames was asked for; it must be 16…1024"):
        bench_loop(1, 8)
