"""Each refused wish is a warning that says what to do, never a crash."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from appliance.audio.realtime import choose_core, parse_cores

# In a process of its own: affinity, priority and locked memory can't be taken back here.
PROGRAM = """
import gc, json, os, sys, threading
from appliance.audio import realtime
ordinary = threading.Event()
seen = {}
def other():
    ordinary.wait()
    seen["policy"] = os.sched_getscheduler(0)
    seen["cores"] = len(os.sched_getaffinity(0))
thread = threading.Thread(target=other)
thread.start()
if "low" in sys.argv:
    import resource
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, 4096))
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    os.setuid(65534)
granted = realtime.set_up(json.loads(sys.argv[1]))
with open("/proc/self/status") as file:
    locked = [line.split()[1] for line in file if line.startswith("VmLck")][0]
policy = os.sched_getscheduler(0)
ordinary.set()
thread.join()
print(json.dumps(granted.__dict__ | {"policy": policy, "cores": sorted(os.sched_getaffinity(0)), "gc": gc.isenabled(),
    "frozen": gc.get_freeze_count(), "locked_kb": int(locked), "other": seen}))
"""


def set_up(core: object, *extra: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(core), *extra], capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_what_is_said_to_be_granted_is_what_the_kernel_gave() -> None:
    found = set_up(None)
    assert (found["policy"] == os.SCHED_FIFO) == (found["priority"] == 80)
    assert (found["core"] is None) or found["cores"] == [found["core"]]
    assert (int(str(found["locked_kb"])) > 1_000) == found["memory_locked"]
    assert found["gc"] is False
    assert int(str(found["frozen"])) > 1_000
    refused = [found["priority"] is None, found["memory_locked"] is False]
    assert len(found["warnings"]) >= sum(refused)  # type: ignore[arg-type]


def test_threads_started_before_stay_ordinary() -> None:
    found = set_up(None)
    other = found["other"]
    assert other == {"policy": os.SCHED_OTHER, "cores": len(os.sched_getaffinity(0))}


def test_a_core_can_be_chosen_and_the_choice_can_be_left_to_the_kernel() -> None:
    first = min(os.sched_getaffinity(0))
    assert set_up(first)["cores"] == [first]
    assert set_up("none")["cores"] == sorted(os.sched_getaffinity(0))


def test_a_core_that_does_not_exist_is_a_warning_that_says_what_to_do() -> None:
    found = set_up(999)
    assert found["core"] is None
    assert "core 999 was refused" in found["warnings"][0]  # type: ignore[index]
    assert "--core none" in found["warnings"][0]  # type: ignore[index]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody with fewer rights")
def test_without_rights_every_refusal_is_a_warning_that_says_what_to_do() -> None:
    found = set_up(None, "low")
    assert found["priority"] is None
    assert found["memory_locked"] is False
    words = "\n".join(found["warnings"])  # type: ignore[arg-type]
    assert "rtprio 95" in words
    assert "memlock unlimited" in words
    assert words.count("limits.conf") == 2


@pytest.mark.parametrize(
    ("words", "cores"), [("", []), ("\n", []), ("3\n", [3]), ("2-3", [2, 3]), ("1,3-5\n", [1, 3, 4, 5])]
)
def test_the_kernels_core_lists_are_understood(words: str, cores: list[int]) -> None:
    assert parse_cores(words) == cores


def test_the_isolated_core_goes_before_the_last_and_the_only_core_is_shared() -> None:
    assert choose_core([2, 3], {0, 1}) == 3
    assert choose_core([], {0, 1, 2}) == 2
    assert choose_core([], {0}) is None
