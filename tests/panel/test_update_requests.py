"""What the panel answers about updates and backups, and what it asks root for."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance import paths
from appliance.box import trial, wishes
from appliance.box.wishes import Answer
from appliance.errors import BadBundle, BadRequest, NotInstalled
from appliance.panel import restore_journal
from appliance.panel.actions import Condition
from appliance.panel.restore import open_backup
from tests.box.bundles import bundle_of, key_pair, wheel
from tests.panel.bench import Bench


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setenv("APPLIANCE_DATA", str(tmp_path / "data"))
    (tmp_path / "run").mkdir()


@pytest.fixture
def root(places: None) -> None:
    """Somebody fulfils wishes."""
    paths.wishes_dir().mkdir()
    paths.answers_dir().mkdir()


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def wished() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((paths.wishes_dir() / "update").read_text())
    return found


def test_on_a_pc_there_is_no_update_and_the_words_say_so(bench: Bench) -> None:
    standing = bench.ask("update")["update"]
    assert (standing["installed"], standing["current"], standing["answer"]) == (False, None, None)
    with pytest.raises(NotInstalled, match=r"install\.sh"):
        bench.ask("update", do="back")


@pytest.mark.usefixtures("root")
def test_what_root_is_to_do_is_wished_for_and_no_more(bench: Bench) -> None:
    bench.ask("update", do="install", path="/inbox/a.whl-bundle")
    assert wished() == {"do": "install", "path": "/inbox/a.whl-bundle"}
    bench.ask("update", do="back")
    assert wished() == {"do": "back"}
    for wrong in (
        {"do": "erase"},
        {"do": "install"},
        {"path": "/x"},
        {"do": "back", "path": "/x"},
        {"do": "check", "path": 3},
        {"do": "install", "path": "/x", "force_older": True},
    ):
        with pytest.raises(BadRequest):
            bench.ask("update", **wrong)


def test_a_bundle_is_looked_at_in_a_process_of_its_own_and_refused_in_its_words(bench: Bench, tmp_path: Path) -> None:
    key, _ = key_pair(tmp_path / "maker")
    bundle = bundle_of(tmp_path, key, wheel(tmp_path / "wheels"))
    with pytest.raises(BadBundle, match=r"^pedal\.whl-bundle can't be used: this box trusts nobody's updates yet"):
        bench.ask("update", do="check", path=str(bundle))
    with pytest.raises(BadBundle, match=r"can't be opened: No such file"):
        bench.ask("update", do="check", path=str(tmp_path / "none"))


@pytest.mark.usefixtures("root")
def test_the_player_hears_when_an_update_begins_and_how_it_ends_and_the_leds_show_it(bench: Bench) -> None:
    now_s = [10.0]

    def later() -> str | None:
        now_s[0] += 2.0
        bench.panel.updates.look(now_s[0])
        message: str | None = bench.state["message"]
        return message

    def root_says(status: str, words: str) -> None:
        time.sleep(0.01)  # another time of the file
        trial.tell(status, words, 0.5)

    assert later() is None
    root_says("working", "An update to version 2 is on the USB stick.")
    assert later() == "An update to version 2 is on the USB stick."
    assert bench.panel.performer.condition() is Condition.UPDATING
    root_says("working", "Unpacking.")
    assert later() == "An update to version 2 is on the USB stick."  # each step is for the bar alone
    assert bench.ask("update")["update"]["answer"] == {"status": "working", "words": "Unpacking.", "share": 0.5}
    root_says("done", "Version 2 plays.")
    assert later() == "Version 2 plays."
    assert bench.panel.performer.condition() is Condition.PLAYING


@pytest.mark.usefixtures("root")
def test_an_answer_of_before_the_panel_began_is_not_told_again(bench: Bench) -> None:
    wishes.tell("update", Answer("done", "Version 2 plays."))
    panel = bench.switch_on()
    panel.updates.look(100.0)
    assert panel.state()["message"] is None


def test_a_backup_is_read_from_a_pipe_and_restored_by_the_panels_next_start(bench: Bench, tmp_path: Path) -> None:
    bench.ask("preset_add", name="Mine")
    made = bench.ask("backup", do="write")["backup"]
    backup = tmp_path / made["name"]
    backup.write_bytes(Path(made["pipe"]).read_bytes())
    until(lambda: not Path(made["pipe"]).exists())
    with open_backup(backup) as opened:
        assert opened.summary()["models"] == 2
        assert opened.summary()["cabinets"] == 2
    assert bench.ask("backup", do="check", path=str(backup))["backup"]["presets"] == 1

    bench.ask("preset_rename", preset=bench.state["preset"], name="Spoilt")
    assert not bench.panel.updates.afresh.is_set()
    bench.ask("backup", do="restore", path=str(backup), replace=True)
    until(bench.panel.updates.afresh.is_set)
    bench.panel.close()
    words = restore_journal.finish(tmp_path / "data")
    assert words is not None
    assert words.startswith("Restored the backup of ")
    bench.switch_on()
    assert [preset["name"] for preset in bench.state["presets"]] == ["Mine"]


def test_a_restore_that_is_refused_says_why_and_the_panel_goes_on(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(os.urandom(5000))
    bench.ask("backup", do="restore", path=str(tmp_path / "x"))
    going = until(lambda: (found := bench.ask("backup")["backup"]["restoring"])["status"] != "working" and found)
    assert going["status"] == "refused"
    assert "no backup of a pedal" in going["words"]
    assert not bench.panel.updates.afresh.is_set()


def test_a_backup_that_nobody_fetches_leaves_nothing_behind(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.panel.update_requests._READER_TIMEOUT_S", 0.1)
    pipe = Path(bench.ask("backup", do="write")["backup"]["pipe"])
    until(lambda: not pipe.exists())
