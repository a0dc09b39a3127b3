"""Wishes: what the panel asks root for, and how little root believes of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance import paths
from appliance.box import __main__ as box
from appliance.box import wishes
from appliance.box.wishes import Answer, Wish
from appliance.errors import BadRequest, NotInstalled, StorageError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of an installed box."""
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path))
    paths.wishes_dir().mkdir()
    paths.answers_dir().mkdir()
    return paths.wishes_dir()


def test_what_was_wished_is_taken_once_with_its_arguments(folder: Path) -> None:
    wishes.wish("hotspot", on=True)
    wishes.wish("hotspot", on=False)  # changed one's mind before it was read
    wishes.wish("poweroff")
    assert list(wishes.take()) == [Wish("hotspot", {"on": False}), Wish("poweroff")]
    assert list(wishes.take()) == []


def test_without_an_installed_box_the_words_say_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path))
    assert not wishes.granted()
    with pytest.raises(NotInstalled, match=r"'poweroff'.*install\.sh"):
        wishes.wish("poweroff")


def _link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_link, "can't be read"),
        (_pipe, "no plain file"),
        (Path.mkdir, "no plain file"),
        (lambda path: path.write_bytes(b"{" * 5000), "longer than 4096"),
        (lambda path: path.write_bytes(b"\xff"), "no JSON"),
        (lambda path: path.write_bytes(b"[" * 4000), "no JSON"),
        (lambda path: path.write_bytes(b"[1]"), "no JSON object"),
    ],
)
def test_what_is_no_wish_is_removed_and_refused(folder: Path, make: Callable[[Path], object], words: str) -> None:
    make(folder / "poweroff")
    [taken] = wishes.take()
    assert taken.fault is not None
    assert words in taken.fault
    assert list(folder.iterdir()) == []
    assert box.fulfil(taken).status == "refused"


def test_root_answers_every_wish_and_a_bug_in_one_keeps_no_other_waiting(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(arguments: Mapping[str, Any]) -> Answer:
        raise BadRequest("not on a Sunday")

    def break_(arguments: Mapping[str, Any]) -> Answer:
        raise ZeroDivisionError("a bug")

    known = {
        "good": lambda arguments: Answer("done", f"Did {arguments['what']}.", {"count": 3}),
        "unwilling": refuse,
        "broken": break_,
    }
    monkeypatch.setattr(box, "handlers", lambda: known)
    for name in ("broken", "unwilling", "unknown", "good"):
        wishes.wish(name, what="it")
    assert wishes.answer("good") is None
    assert box.main() == 0
    assert wishes.answer("good") == Answer("done", "Did it.", {"count": 3})
    assert wishes.answer("unwilling") == Answer("refused", "not on a Sunday")
    assert wishes.answer("unknown") == Answer("refused", "Nobody here does 'unknown'.")
    wishes.wish("good", what="more")
    assert wishes.answer("good") is None  # that answer was to the wish before
    broken = wishes.answer("broken")
    assert broken is not None
    assert (broken.status, "a bug" in broken.words) == ("failed", True)


def test_a_folder_of_wishes_that_leads_elsewhere_costs_nobody_a_file(folder: Path, tmp_path: Path) -> None:
    """The panel owns it, and may put a link in its place."""
    precious = tmp_path / "etc"
    precious.mkdir()
    (precious / "passwd").write_text("root")
    folder.rmdir()
    folder.symlink_to(precious)
    with pytest.raises(StorageError, match="can't be opened"):
        list(wishes.take())
    assert (precious / "passwd").read_text() == "root"
    assert not folder.is_symlink(), "systemd would start root's side for ever"


def test_an_answer_goes_nowhere_but_into_roots_own_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "etc"
    precious.mkdir()
    (precious / "passwd").write_text("root")
    answers = paths.answers_dir()
    (answers / ".poweroff").symlink_to(precious / "passwd")
    with pytest.raises(StorageError):
        wishes.tell("poweroff", Answer("done", ""))
    assert (precious / "passwd").read_text() == "root"
    with monkeypatch.context() as somebody:
        somebody.setattr(os, "geteuid", lambda: answers.stat().st_uid + 1)
        with pytest.raises(StorageError, match="owner"):
            wishes.tell("restart", Answer("done", ""))
    shutil.rmtree(answers)
    answers.symlink_to(precious)
    with pytest.raises(StorageError):
        wishes.tell("passwd", Answer("done", ""))
    assert (precious / "passwd").read_text() == "root"


def test_a_full_folder_among_the_wishes_is_taken_away_whole(folder: Path) -> None:
    (folder / "poweroff" / "deep").mkdir(parents=True)
    (folder / "poweroff" / "deep" / "file").touch()
    assert [wish.fault for wish in wishes.take()] == ["it is no plain file"]
    assert not any(folder.iterdir())


def test_a_wish_is_fulfilled_though_the_answer_reaches_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def off(arguments: Mapping[str, Any]) -> Answer:
        done.append("off")
        return Answer("done", "Off.")

    monkeypatch.setattr(box, "handlers", lambda: {"poweroff": off})
    paths.answers_dir().rmdir()
    wishes.wish("poweroff")
    assert box.main() == 0
    assert done == ["off"]
