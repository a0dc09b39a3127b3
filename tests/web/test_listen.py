"""Listen: the output as it is now, without end, without piling up."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.web import listen
from tests.web.scripted_pedal import RATE_HZ, ScriptedPedal


def _stream(phone: FlaskClient) -> tuple[Iterator[bytes], TestResponse]:
    response = phone.get("/api/listen", buffered=False)
    assert response.status_code == 200
    return response.iter_encoded(), response


def _after(action: Callable[[], None], chunks: Iterator[bytes]) -> npt.NDArray[np.int16]:
    """The next chunk, while `action` happens meanwhile."""
    timer = threading.Timer(0.1, action)
    timer.start()
    chunk = next(chunks)
    timer.join()
    return np.frombuffer(chunk, "<i2")


def test_it_begins_with_its_layout_and_goes_on_from_now(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    pedal.audio.play(np.full(1000, 0.9, np.float32))  # the past
    chunks, response = _stream(phone)
    assert struct.unpack("<4sIHHI", next(chunks)) == (b"PCM1", RATE_HZ, 1, 16, 0)
    ramp = np.linspace(-1.0, 1.0, 2000, dtype=np.float32)
    heard = _after(lambda: pedal.audio.play(ramp), chunks)
    assert len(heard) == 2000
    np.testing.assert_allclose(heard / 32767.0, ramp, atol=1e-4)
    response.close()


def test_who_is_far_behind_skips_to_now(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    chunks, response = _stream(phone)
    next(chunks)
    _after(lambda: pedal.audio.play(np.zeros(64, np.float32)), chunks)
    pedal.audio.play(np.zeros(2 * RATE_HZ, np.float32))
    pedal.audio.play(np.full(4800, 0.5, np.float32))
    frames = np.frombuffer(next(chunks), "<i2")
    assert len(frames) < RATE_HZ * listen.BEHIND_S
    assert np.all(frames == 16383)
    response.close()


def test_loud_and_broken_numbers_become_sound_that_fits() -> None:
    frames = np.frombuffer(listen.to_pcm(np.array([2.0, -2.0, np.nan, 0.0], np.float32)), "<i2")
    assert list(frames) == [32767, -32767, 0, 0]


def test_a_silent_pedal_ends_the_stream(
    pedal: ScriptedPedal, phone: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "SILENT_S", 0.2)
    chunks, response = _stream(phone)
    start = time.monotonic()
    assert [len(chunk) for chunk in chunks] == [16]
    assert time.monotonic() - start < 5.0
    response.close()


def test_without_audio_it_says_so(phone: FlaskClient) -> None:
    answer = phone.get("/api/listen")
    assert answer.status_code == 503
    assert answer.json is not None
    assert "audio process" in answer.json["message"]


def test_places_are_counted_and_come_back(pedal: ScriptedPedal, app: Flask) -> None:
    streams = [_stream(app.test_client())[1] for _ in range(listen.MAX_LISTENERS)]
    refused = app.test_client().get("/api/listen")
    assert refused.status_code == 503
    for response in streams:
        response.close()
    _stream(app.test_client())[1].close()
