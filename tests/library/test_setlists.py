"""Set lists on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import BadRequest, NotAllowed, NotFound
from appliance.library import setlists
from appliance.library.setlists import SetLists


def test_lists_and_tonights_are_back_after_power_off(tmp_path: Path) -> None:
    lists = SetLists(tmp_path / "setlists.json")
    assert (lists.lists, lists.tonight) == ((), None)
    club = lists.add(" Club\t9 pm ", ["a", "b", "a"])
    lists.add("Wedding")
    lists.choose(club.id)
    lists.put(replace(club, presets=("b", "a", "b", "b")))
    again = SetLists(tmp_path / "setlists.json")
    assert [entry.name for entry in again.lists] == ["Club 9 pm", "Wedding"]
    assert again.tonight is not None
    assert again.tonight.presets == ("b", "a", "b", "b")
    again.choose(None)
    assert SetLists(tmp_path / "setlists.json").tonight is None


def test_a_removed_list_is_not_tonights(tmp_path: Path) -> None:
    lists = SetLists(tmp_path / "s.json")
    made = lists.add("Club")
    lists.choose(made.id)
    lists.remove(made.id)
    assert (lists.lists, lists.tonight) == ((), None)


def test_what_makes_no_sense_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = SetLists(tmp_path / "s.json")
    made = lists.add("Club")
    for act in (lists.get, lists.remove, lists.choose):
        with pytest.raises(NotFound, match="no set list 'x'"):
            act("x")
    for wrong in ("abc", [1], ["a"] * 101):
        with pytest.raises(BadRequest):
            lists.put(replace(made, presets=wrong))  # type: ignore[arg-type]
    monkeypatch.setattr(setlists, "MAX_SETLISTS", 1)
    with pytest.raises(NotAllowed):
        lists.add("Too many")
    assert lists.lists == (made,)


def test_a_torn_file_falls_back_to_the_copy_before_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "setlists.json"
    lists = SetLists(file)
    lists.add("Club")
    lists.add("Wedding")
    file.write_text("{")
    again = SetLists(file)
    assert [entry.name for entry in again.lists] == ["Club"]
    assert "setlists.json.prev" in (again.note or "")
