"""Backup and restore on a real page, before a real pedal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from appliance.panel.restore import open_backup
from tests.browser.running_pedal import RunningPedal, eventually


def names(pedal: RunningPedal) -> list[str]:
    """Of the presets."""
    return [preset["name"] for preset in pedal.panel.request("state")["state"]["presets"]]


def test_a_backup_is_fetched_looked_at_and_restored_while_the_pedal_plays(
    phone: Any, pedal: RunningPedal, tmp_path: Path
) -> None:
    assert pedal.panel.request("preset_add", name="Before the backup")["status"] == "ok"
    phone.locator("#open-box").tap()
    phone.locator("#backup-get").wait_for()
    assert not phone.locator("#update-part").is_visible()  # a PC is not updated from here
    with phone.expect_download() as fetched:
        phone.locator("#backup-get").tap()
    backup = tmp_path / fetched.value.suggested_filename
    fetched.value.save_as(backup)
    assert backup.suffix == ".pedal-backup"
    with open_backup(backup) as opened:
        assert opened.summary()["presets"] == len(names(pedal))

    (tmp_path / "holiday.pedal-backup").write_bytes(b"no backup at all")
    phone.locator("#restore-file").set_input_files(tmp_path / "holiday.pedal-backup")
    phone.locator("#update-error").get_by_text("is no backup of a pedal").wait_for()

    last = pedal.panel.request("state")["state"]["preset"]
    pedal.panel.request("preset_rename", preset=last, name="After the backup")
    phone.locator("#restore-file").set_input_files(backup)
    phone.locator("#restore-facts").get_by_text("preset").wait_for(timeout=120_000)  # every model is looked at again
    assert not phone.locator("#update-error").is_visible()
    phone.locator("#restore-replace").check()
    phone.locator("#restore-yes").tap()
    eventually("the panel ends, to start anew with what was restored", lambda: pedal.ended("panel"))
    pedal.start("panel")
    eventually("the presets are back", lambda: pedal.answers() and "Before the backup" in names(pedal))
    assert "After the backup" not in names(pedal)
    phone.locator("#toast").get_by_text("Restored the backup of").wait_for()
    pedal.panel.request("preset_remove", preset=last)  # the other tests' presets are as they were
