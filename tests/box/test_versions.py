"""Versions side by side: whole or not there, switched at once, named after what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from appliance.box import versions
from appliance.box.layout import Box
from appliance.errors import StorageError, SystemRefused


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def made(box: Box, *names: str) -> None:
    for name in names:
        (box.versions / name).mkdir(parents=True)
        (box.versions / name / ".complete").touch()


def test_switching_keeps_the_version_before(box: Box) -> None:
    made(box, "1", "2", "3")
    assert versions.name_of(box.current) is None
    for name in ("1", "2", "2", "3"):
        versions.switch(box, name)
    assert (versions.name_of(box.current), versions.name_of(box.previous)) == ("3", "2")
    assert versions.forgotten(box) == ["1"]
    assert box.current.resolve() == (box.versions / "3").resolve()
    assert not box.current.readlink().is_absolute()  # so that it leads there from within a tree as well


def test_a_switch_that_fails_leaves_what_plays(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    made(box, "1", "2")
    versions.switch(box, "1")
    (box.opt / ".current.new").mkdir()  # in the way of the new link
    with pytest.raises(StorageError, match="version 2 could not be switched to"):
        versions.switch(box, "2")
    assert versions.name_of(box.current) == "1"


def test_a_version_that_could_not_be_made_leaves_nothing(box: Box, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemRefused, match="appliance"):
        versions.make(box, "1", ["--no-index", "--find-links", str(tmp_path / "empty"), "appliance"])
    assert not versions.is_whole(box, "1")
    assert versions.forgotten(box) == []


def test_one_that_was_cut_off_is_not_whole_and_made_anew(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    (box.versions / "1").mkdir(parents=True)
    (box.versions / "1" / "half").touch()
    assert not versions.is_whole(box, "1")
    ran: list[Sequence[str]] = []
    monkeypatch.setattr(versions, "run", lambda command, timeout_s=0.0: ran.append(command) or _venv(command))
    versions.make(box, "1", ["appliance"])
    assert versions.is_whole(box, "1")
    assert not (box.versions / "1" / "half").exists()
    assert any("appliance" in command for command in ran)


def _venv(command: Sequence[str]) -> str:
    if "venv" in command:
        Path(command[-1]).mkdir()
    return ""


def test_a_name_stands_for_exactly_these_wheels(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"1")
    first = versions.name_for_wheels(tmp_path, "0.1.0")
    (tmp_path / "notes.txt").write_text("no part of it")
    assert versions.name_for_wheels(tmp_path, "0.1.0") == first
    assert first.startswith("0.1.0-")
    (tmp_path / "a.whl").write_bytes(b"2")
    second = versions.name_for_wheels(tmp_path, "0.1.0")
    (tmp_path / "a.whl").rename(tmp_path / "b.whl")
    assert len({first, second, versions.name_for_wheels(tmp_path, "0.1.0")}) == 3


def test_a_name_stands_for_exactly_these_sources(tmp_path: Path) -> None:
    (tmp_path / "appliance/__pycache__").mkdir(parents=True)
    (tmp_path / "appliance/a.py").write_text("1")
    (tmp_path / "pyproject.toml").write_text("")
    first = versions.name_for_checkout(tmp_path, "0.1.0")
    (tmp_path / "appliance/__pycache__/a.pyc").write_text("made by Python")
    (tmp_path / "appliance/_native.so").write_text("made by the compiler")
    (tmp_path / "README.md").write_text("no part of it")
    assert versions.name_for_checkout(tmp_path, "0.1.0") == first
    (tmp_path / "pyproject.toml").write_text("other")
    second = versions.name_for_checkout(tmp_path, "0.1.0")
    (tmp_path / "appliance/a.py").write_text("2")
    assert len({first, second, versions.name_for_checkout(tmp_path, "0.1.0")}) == 3
