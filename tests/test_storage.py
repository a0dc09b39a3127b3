"""Saving survives a power cut and a full disk at every single system call."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import storage
from appliance.errors import ExitCode, StorageError

OLD = {"model": "old", "level_db": -3.0}
NEW = {"model": "new", "level_db": 1.5}
CALLS_IN_A_SAVE = 11


class FailingOs:
    """The os module, with the k-th call (from 0) failing; after a power cut all later ones fail too."""

    WATCHED = frozenset({"open", "write", "fsync", "close", "link", "replace", "unlink"})

    def __init__(self, fail_at: int, *, power_cut: bool, error: int = errno.ENOSPC) -> None:
        self.calls = 0
        self._fail_at = fail_at
        self._power_cut = power_cut
        self._error = error

    def __getattr__(self, name: str) -> Any:
        real: Callable[..., Any] = getattr(os, name)
        if name not in self.WATCHED:
            return real

        def call(*arguments: Any, **options: Any) -> Any:
            number, self.calls = self.calls, self.calls + 1
            if number == self._fail_at or (self._power_cut and number > self._fail_at):
                if name == "write":  # half of it reaches the disk
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                if name == "close":  # a failing close has closed all the same
                    real(*arguments)
                raise OSError(self._error, os.strerror(self._error))
            return real(*arguments, **options)

        return call


def test_a_save_makes_the_number_of_system_calls_the_fault_tests_walk_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    storage.save_json(path, 1, OLD)
    counting = FailingOs(-1, power_cut=False)
    monkeypatch.setattr(storage, "os", counting)
    storage.save_json(path, 1, NEW)
    assert counting.calls == CALLS_IN_A_SAVE


@pytest.mark.parametrize("power_cut", [True, False], ids=["power-cut", "one-error"])
@pytest.mark.parametrize("k", range(CALLS_IN_A_SAVE))
def test_whichever_system_call_fails_the_file_is_the_old_or_the_new_one_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, k: int, power_cut: bool
) -> None:
    path = tmp_path / "state.json"
    storage.save_json(path, 1, OLD)
    with monkeypatch.context() as patched:
        patched.setattr(storage, "os", FailingOs(k, power_cut=power_cut))
        try:
            storage.save_json(path, 1, NEW)
            finished = True
        except StorageError:
            finished = False
    loaded = storage.load_json(path, 1)
    assert loaded.note is None
    assert loaded.content in (OLD, NEW)
    if finished:
        assert loaded.content == NEW
    storage.save_json(path, 1, NEW)  # nothing that was left lying about is in the way of the next save
    assert storage.load_json(path, 1).content == NEW


def test_the_first_save_ever_leaves_nothing_or_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(CALLS_IN_A_SAVE):
        path = tmp_path / str(k) / "state.json"
        path.parent.mkdir()
        with monkeypatch.context() as patched:
            patched.setattr(storage, "os", FailingOs(k, power_cut=True))
            with contextlib.suppress(StorageError):
                storage.save_json(path, 1, NEW)
        assert storage.load_json(path, 1) in (storage.Loaded(None), storage.Loaded(NEW))


@pytest.mark.parametrize(
    ("error", "words"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EIO, "fault")]
)
def test_a_failed_save_says_why_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, words: str
) -> None:
    monkeypatch.setattr(storage, "os", FailingOs(1, power_cut=False, error=error))
    with pytest.raises(StorageError, match=words) as caught:
        storage.save(tmp_path / "presets.json", b"x")
    assert caught.value.exit_code is ExitCode.NO_STORAGE
    assert "presets.json" in str(caught.value)
    assert list(tmp_path.iterdir()) == []  # the half-written temporary file is gone


def test_the_previous_copy_is_kept_and_used_when_the_newest_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    storage.save_json(path, 1, OLD)
    storage.save_json(path, 1, NEW)
    damaged = path.read_text().replace("1.5", "9.5")
    path.write_text(damaged)
    loaded = storage.load_json(path, 1)
    assert loaded.content == OLD
    assert loaded.note is not None
    assert "checksum" in loaded.note
    assert "state.json.prev" in loaded.note


def test_without_a_previous_copy_there_is_none_and_the_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    storage.save(path, b"old", keep_previous=False)
    storage.save(path, b"new", keep_previous=False)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_file_does_not_push_out_the_good_previous_copy(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    storage.save_json(path, 1, OLD)
    storage.save_json(path, 1, NEW)
    path.write_bytes(path.read_bytes()[:20])
    storage.save_json(path, 1, {"model": "third"})
    path.unlink()
    assert storage.load_json(path, 1).content == OLD


def test_both_copies_damaged_is_a_fresh_start_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"\x00" * 100)
    storage.previous_copy(path).write_bytes(b"[1, 2")
    loaded = storage.load_json(path, 1)
    assert loaded.content is None
    assert loaded.note is not None
    assert "starting afresh" in loaded.note


def test_another_schema_version_is_not_taken_for_this_one(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    storage.save_json(path, 2, NEW)
    loaded = storage.load_json(path, 1)
    assert loaded.content is None
    assert loaded.note is not None
    assert "version 2" in loaded.note
    assert "version 1" in loaded.note


def test_nothing_saved_yet_is_no_fault(tmp_path: Path) -> None:
    assert storage.load_json(tmp_path / "state.json", 1) == storage.Loaded(None, None)


def test_a_file_system_without_links_still_keeps_the_previous_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoLinks(FailingOs):
        def __getattr__(self, name: str) -> Any:
            if name != "link":
                return getattr(os, name)

            def refuse(*_: Any) -> None:
                raise PermissionError(errno.EPERM, "no links here")

            return refuse

    path = tmp_path / "state.json"
    storage.save_json(path, 1, OLD)
    monkeypatch.setattr(storage, "os", NoLinks(-1, power_cut=False))
    storage.save_json(path, 1, NEW)
    assert storage.load_json(path, 1).content == NEW
    assert storage.load_json(storage.previous_copy(path), 1).content == OLD


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(content=json_values.filter(lambda value: value is not None), flip=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, content: Any, flip: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("flip") / "state.json"
    storage.save_json(path, 1, content)
    assert storage.load_json(path, 1) == storage.Loaded(content)
    data = bytearray(path.read_bytes())
    data[flip % len(data)] ^= 1 << bit
    path.write_bytes(data)
    assert storage.load_json(path, 1).content in (None, content)


def test_nan_is_refused_rather_than_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        storage.save_json(tmp_path / "state.json", 1, {"level_db": float("nan")})


def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("root")
    (tmp_path / ".state.json.tmp").symlink_to(precious)
    with pytest.raises(StorageError):
        storage.save(tmp_path / "state.json", b"new")
    storage.save(tmp_path / "state.json", b"new")  # the link is gone with the failure
    assert (tmp_path / "state.json").read_bytes() == b"new"
    assert precious.read_text() == "root"
