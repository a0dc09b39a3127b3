"""Whose the pedal's folders are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance import paths
from appliance.errors import NotAllowed


def test_another_users_folder_is_not_written_to_while_its_panel_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_DATA", str(tmp_path))
    assert paths.own_data_dir() == tmp_path
    ours = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: ours + 1)
    with pytest.raises(NotAllowed, match="systemctl start appliance-panel"):
        paths.own_data_dir()


def test_a_folder_that_is_not_there_yet_is_ours_to_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_DATA", str(tmp_path / "new"))
    assert paths.own_data_dir() == tmp_path / "new"
