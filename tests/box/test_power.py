"""Power off and restart: what root calls for each wish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from appliance import paths
from appliance.box import __main__ as box
from appliance.box import power, wishes
from appliance.errors import SystemRefused


@pytest.mark.parametrize(("wish", "verb"), [("poweroff", "poweroff"), ("restart", "reboot")])
def test_a_wish_of_the_panel_begins_what_it_names_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: str, verb: str
) -> None:
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path))
    paths.wishes_dir().mkdir()
    paths.answers_dir().mkdir()
    ran: list[Sequence[str]] = []
    monkeypatch.setattr(power, "run", ran.append)
    wishes.wish(wish)
    assert box.main() == 0
    assert box.main() == 0
    assert ran == [["systemctl", "--no-block", verb]]  # not waited for: this service ends before the box does
    found = wishes.answer(wish)
    assert found is not None
    assert found.status == "done"


def test_what_systemd_refuses_reaches_the_player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: Sequence[str]) -> str:
        raise SystemRefused("systemctl --no-block poweroff failed (exit code 1): an inhibitor is there")

    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path))
    paths.wishes_dir().mkdir()
    paths.answers_dir().mkdir()
    monkeypatch.setattr(power, "run", refuse)
    wishes.wish("poweroff")
    box.main()
    found = wishes.answer("poweroff")
    assert found is not None
    assert (found.status, "inhibitor" in found.words) == ("refused", True)
