"""The simulated box's keys and page, and the text of the live view."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from appliance import paths
from appliance.errors import DeviceError, NotRunning
from appliance.panel.live_view import lines
from appliance.panel.sim_keys import Keys
from appliance.panel.sim_page import SimPage


def pot(**fields: Any) -> dict[str, Any]:
    plain = {
        "raw": 0.5, "position": 0.5, "turns": "Gain", "stands_at": 0.25, "waiting": False, "fault": None,
        "learning": False, "low": 0.01, "high": 0.99,
    }  # fmt: skip
    return plain | fields


REPORT: dict[str, Any] = {
    "switches": {
        "left": {"down": True, "stuck": False, "last": "hold"},
        "right": {"down": False, "stuck": True, "last": None},
    },
    "chords": {"left+right": "chord"},
    "pots": {
        "gain": pot(waiting=True),
        "tone": pot(turns=None),
        "level": pot(fault="jumps about"),
        "new": pot(position=None),
    },
    "encoders": {"turn": 3},
    "leds": {"left": True},
    "midi": {"devices": ["midiC1D0"], "last": "cc 11 = 0.50 (channel 1)", "learning": None, "bindings": {}},
    "notes": ["Something to know"],
}  # fmt: skip


def test_every_control_has_its_line() -> None:
    shown = lines(REPORT)
    assert len(shown) == 2 + 1 + 4 + 1 + 1 + 1 + 1
    assert "DOWN  hold" in shown[0]
    assert "shorted" in shown[1]
    assert shown[3].count("█") == 12
    assert "Gain (waits at 0.25)" in shown[3]
    assert "nothing in this sound" in shown[4]
    assert shown[5].endswith("jumps about")
    assert shown[6].endswith("not read yet")
    assert shown[-1] == "! Something to know"


class Asked:
    """Records what is asked of the panel."""

    def __init__(self) -> None:
        self.moves: list[dict[str, Any]] = []

    def __call__(self, request: str, **fields: Any) -> dict[str, Any]:
        if fields.get("pot") == "gone":
            raise NotRunning("the panel went away")
        self.moves.append(fields)
        return {"status": "ok", "request": request}


def test_keys_move_the_box() -> None:
    asked, slept = Asked(), []
    keys = Keys(asked, slept.append, REPORT)
    for key in "1qqs:czv":
        keys.press(key)
    assert asked.moves == [
        {"switch": "left", "down": True},
        {"switch": "left", "down": False},
        {"switch": "left", "down": True},
        {"switch": "left", "down": False},
        {"pot": "tone", "level": 0.55},
        {"pot": "level", "level": 0.45},
        {"pot": "gain", "level": 0.45},
        {"pot": "new", "level": 0.45},
    ]
    assert slept == [0.12]
    keys.press("g")
    assert asked.moves[-1] == {"encoder": "turn", "clicks": 1}
    assert len(keys.help()) == 2 + 5 + 1


@pytest.fixture
def served() -> Iterator[tuple[Asked, SimPage]]:
    asked = Asked()
    page = SimPage(asked, paths.assets("web") / "sim.html", 0)
    page.start()
    yield asked, page
    page.close()


def fetch(page: SimPage, method: str, path: str, body: str = "", **headers: str) -> tuple[int, bytes]:
    port = int(page.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_the_page_moves_the_box(served: tuple[Asked, SimPage]) -> None:
    asked, page = served
    status, body = fetch(page, "GET", "/")
    assert status == 200
    assert b"<title>Simulated box</title>" in body
    assert b"http" not in body.replace(b"http-equiv", b"")  # nothing from elsewhere
    assert json.loads(fetch(page, "GET", "/controls")[1])["request"] == "controls"
    move = json.dumps({"pot": "gain", "level": 0.5})
    status, body = fetch(page, "POST", "/move", move, Content_Type="application/json")
    assert (status, json.loads(body)["request"]) == (200, "sim")
    assert asked.moves[-1] == {"pot": "gain", "level": 0.5}
    gone = json.dumps({"pot": "gone", "level": 0.5})
    assert b"went away" in fetch(page, "POST", "/move", gone, Content_Type="application/json")[1]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ('{"switch": "left"}', {"Content_Type": "text/plain"}, 403),  # what another site's form can send
        ('{"switch": "left"}', {"Content_Type": "application/json", "Host": "evil.example:80"}, 403),
        ('{"timeout_s": 9}', {"Content_Type": "application/json"}, 400),
        ("[" * 2000, {"Content_Type": "application/json"}, 400),
        ("x" * 5000, {"Content_Type": "application/json"}, 400),
        ("[1]", {"Content_Type": "application/json"}, 400),
    ],
)
def test_what_is_not_a_move_of_this_page_is_refused(
    served: tuple[Asked, SimPage], body: str, headers: dict[str, str], status: int
) -> None:
    asked, page = served
    assert fetch(page, "POST", "/move", body, **headers)[0] == status
    assert asked.moves == []


def test_a_taken_port_is_a_sentence(served: tuple[Asked, SimPage]) -> None:
    _, page = served
    port = int(page.url.rpartition(":")[2])
    with pytest.raises(DeviceError, match="choose another one with --port"):
        SimPage(Asked(), paths.assets("web") / "sim.html", port)
