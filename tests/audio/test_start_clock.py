"""How long the start took: counted from the start of the process, told once and a beat later."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from appliance.audio.start_clock import StartClock

LATE = """
import time; time.sleep(0.4)
from appliance.audio.start_clock import since_process_start_s
print(since_process_start_s())
"""


def test_it_counts_from_the_start_of_the_process() -> None:
    begun_s = time.monotonic()
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)
    assert 0.39 < float(done.stdout) < time.monotonic() - begun_s + 0.02


def test_the_first_beat_is_noted_the_second_tells_and_the_others_say_nothing() -> None:
    said: list[str] = []
    clock = StartClock(said.append)
    clock.sounds = "Crunch"
    clock.beat()
    assert said == []
    first = time.monotonic()
    clock.beat()
    clock.beat()
    assert len(said) == 1
    words, _, name = said[0].partition(", with ")
    assert (words.split()[:2], words.split()[3:], name) == (["first", "period"], ["ms", "after", "start"], "Crunch")
    assert float(words.split()[2]) > 0
    assert time.monotonic() >= first


def test_the_steps_are_told_when_asked_for_in_their_order() -> None:
    said: list[str] = []
    clock = StartClock(said.append, tells_steps=True)
    clock.done("python", 1.5)
    clock.done("card")
    clock.beat()
    clock.beat()
    steps = json.loads(said[1])
    assert list(steps) == ["python", "card", "first period"]
    assert steps["python"] == 1.5
    assert steps["card"] <= steps["first period"] == pytest.approx(time.monotonic(), abs=1.0)
