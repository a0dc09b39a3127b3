"""Power off and restart: what root calls for each wish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from appliance import paths
from appliance.box import __main__ as box
from appliance.box import boot, power, wishes
from appliance.box.hats import HATS
from appliance.errors import SystemRefused
from appliance.panel import wiring_file


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


def test_the_power_button_has_a_pin_that_nothing_else_has() -> None:
    wired = frozenset(switch.pin for switch in wiring_file.load(None).switches.values())
    for hat in (None, *HATS):
        assert boot.POWER_BUTTON in boot.config_lines(hat, wired)  # the plan as it is leaves it free, with every HAT
        assert boot.POWER_BUTTON_PIN not in (hat.pins if hat else ())
    assert boot.POWER_BUTTON not in boot.config_lines(None, wired | {boot.POWER_BUTTON_PIN})
