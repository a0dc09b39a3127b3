"""Shared memory files: made whole, found whole, never cut."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from appliance.bridge.shared_memory import open_shared
from appliance.errors import NotRunning, StorageError


def test_a_writer_makes_a_zeroed_file_and_a_reader_sees_what_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "runtime" / "status"
    with open_shared(path, 4096, writable=True) as writer, open_shared(path, 4096, writable=False) as reader:
        assert bytes(reader) == bytes(4096)
        writer[10:14] = b"loud"
        assert reader[10:14] == b"loud"


def test_a_reader_can_not_write(tmp_path: Path) -> None:
    path = tmp_path / "status"
    open_shared(path, 64, writable=True).close()
    with open_shared(path, 64, writable=False) as reader, pytest.raises(TypeError):
        reader[0] = 1


def test_an_existing_good_file_is_kept_with_its_contents(tmp_path: Path) -> None:
    path = tmp_path / "controls"
    with open_shared(path, 128, writable=True) as first:
        first[:4] = b"keep"
        inode = path.stat().st_ino
        with open_shared(path, 128, writable=True) as second:
            assert second[:4] == b"keep"
    assert path.stat().st_ino == inode


def test_a_file_of_another_size_is_replaced_and_old_mappings_live_on(tmp_path: Path) -> None:
    path = tmp_path / "controls"
    with open_shared(path, 128, writable=True) as old:
        old[:3] = b"old"
        with open_shared(path, 256, writable=True) as new:
            assert bytes(new) == bytes(256)
            assert old[:3] == b"old"  # a truncated file would be SIGBUS here
    assert path.stat().st_size == 256


@pytest.mark.parametrize("mode", [0o660, 0o640])
def test_the_rights_are_as_asked_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        open_shared(tmp_path / "tap", 16, writable=True, mode=mode).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "tap").stat().st_mode) == mode


def test_nothing_but_the_file_is_left_in_the_folder(tmp_path: Path) -> None:
    open_shared(tmp_path / "tap", 16, writable=True).close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["tap"]


def test_processes_that_make_it_at_once_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / "controls"
    start = threading.Barrier(8)
    maps = []

    def make() -> None:
        start.wait()
        maps.append(open_shared(path, 64, writable=True))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    maps[0][:2] = b"ok"
    assert [bytes(each[:2]) for each in maps] == [b"ok"] * 8
    for each in maps:
        each.close()


def test_an_absent_file_is_named_to_a_reader(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match=r"does not exist.*start the pedal"):
        open_shared(tmp_path / "status", 64, writable=False)


def test_a_file_of_another_size_is_refused_to_a_reader(tmp_path: Path) -> None:
    (tmp_path / "status").write_bytes(bytes(10))
    with pytest.raises(NotRunning, match="10 bytes where 64"):
        open_shared(tmp_path / "status", 64, writable=False)


def test_a_folder_that_can_not_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="can't be used"):
        open_shared(tmp_path / "file" / "status", 64, writable=True)
