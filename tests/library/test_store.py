"""The library on disk: whole or absent, immutable, found again, and never felled by damage."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import BadModelFile, NotAllowed, NotFound, StorageError, TooLarge
from appliance.library import store
from appliance.library.items import CabinetItem, ModelItem
from appliance.library.store import Library
from tests.library_files import write_cabinet, write_knobbed, write_linear

pytest.importorskip("appliance.engine._native", reason="the native engine is not built")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


def contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_an_imported_model_is_there_after_a_restart(root: Path, tmp_path: Path) -> None:
    path = write_knobbed(tmp_path / "Amp GainKnob.json")
    library = Library(root)
    item = library.import_file(path, name="My Amp")
    identity = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert (item.id, item.name, item.file_name, item.factory) == (identity, "My Amp", "Amp GainKnob.json", False)
    assert contents(root) == {f"models/{identity}/{name}" for name in ("source.json", "about.json", "model.blob")}
    assert (root / "models" / identity / "source.json").read_bytes() == path.read_bytes()
    again = Library(root)
    assert again.models() == [item]
    assert again.notes == []
    assert again.model_blob(identity) == library.model_blob(identity)


def test_a_cabinet_goes_to_the_cabinets_with_its_samples(root: Path, tmp_path: Path) -> None:
    item = Library(root).import_file(write_cabinet(tmp_path / "4x12.wav", rate_hz=44_100))
    assert isinstance(item, CabinetItem)
    samples, rate_hz = Library(root).impulse_response(item.id)
    assert (len(samples), rate_hz, samples.dtype) == (882, 44_100, np.float32)
    with pytest.raises(NotFound, match="no model"):
        Library(root).model(item.id)


def test_the_same_file_twice_is_one_item(root: Path, tmp_path: Path) -> None:
    library = Library(root)
    first = library.import_file(write_linear(tmp_path / "a.nam"), name="First")
    second = library.import_file(Path(shutil.copy(tmp_path / "a.nam", tmp_path / "b.nam")), name="Second")
    assert second == first
    assert len(library.models()) == 1


def test_a_refused_file_leaves_nothing_behind(root: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.nam").write_text("<html>")
    library = Library(root)
    with pytest.raises(BadModelFile, match=r"bad\.nam is a web page"):
        library.import_file(tmp_path / "bad.nam")
    assert list((root / "models").iterdir()) == []
    with pytest.raises(BadModelFile, match="can't be read"):
        library.import_file(tmp_path / "absent.nam")
    with pytest.raises(BadModelFile, match=r"can't be read|not a file"):
        library.import_file(tmp_path)


def test_too_big_a_file_is_refused_before_it_is_looked_at(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_FILE_BYTES", 100)
    with pytest.raises(TooLarge, match="bigger than"):
        Library(root).import_file(write_knobbed(tmp_path / "a.json"))


def test_a_full_library_says_so(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(root)
    library.import_file(write_linear(tmp_path / "a.nam"))
    monkeypatch.setattr(store, "MAX_ITEMS", 1)
    with pytest.raises(NotAllowed, match="full"):
        library.import_file(write_linear(tmp_path / "b.nam", (1.0,)))


@pytest.mark.parametrize("name", ["../../etc/passwd.nam", "a\x07b.nam", "…é .nam", ".nam", "x." + "y" * 200])
def test_no_name_reaches_the_file_system(root: Path, tmp_path: Path, name: str) -> None:
    item = Library(root)._take_in("0" * 16, write_linear(tmp_path / "a.nam").read_bytes(), name, None, "auto", False)
    assert contents(root) <= {
        f"models/{'0' * 16}/{file}" for file in ("source.nam", "source", "about.json", "model.blob")
    }
    assert item.name


def test_renaming_changes_the_name_and_nothing_else(root: Path, tmp_path: Path) -> None:
    library = Library(root)
    item = library.import_file(write_linear(tmp_path / "a.nam"))
    blob = library.model_blob(item.id)
    library.rename(item.id, "  Brown\nSound ")
    again = Library(root)
    assert again.model(item.id) == item.renamed("Brown Sound")
    assert again.model_blob(item.id) == blob
    with pytest.raises(NotFound):
        library.rename("nothing", "x")


def test_removing_deletes_the_folder_and_what_does_not_exist_is_not_found(root: Path, tmp_path: Path) -> None:
    library = Library(root)
    item = library.import_file(write_linear(tmp_path / "a.nam"))
    library.remove(item.id)
    assert library.models() == Library(root).models() == []
    assert list((root / "models").iterdir()) == []
    with pytest.raises(NotFound):
        library.remove(item.id)


def test_damaged_entries_are_left_out_with_a_note_and_can_be_imported_again(root: Path, tmp_path: Path) -> None:
    library = Library(root)
    paths = [write_linear(tmp_path / f"{n}.nam", (0.1 * n,)) for n in range(1, 5)]
    items = [library.import_file(path) for path in paths]
    folders = [root / "models" / item.id for item in items]
    (folders[0] / "about.json").write_text((folders[0] / "about.json").read_text().replace("48000", "96000"))
    (folders[1] / "model.blob").write_bytes(b"short")
    (folders[2] / "about.json").unlink()
    again = Library(root)
    assert again.models() == [items[3]]
    assert len(again.notes) == 3
    assert all("damaged" in note for note in again.notes)
    assert again.import_file(paths[0]).id == items[0].id
    assert len(Library(root).models()) == 2


def test_a_blob_that_changed_on_the_disk_is_noticed_when_it_is_wanted(root: Path, tmp_path: Path) -> None:
    library = Library(root)
    item = library.import_file(write_linear(tmp_path / "a.nam"))
    path = root / "models" / item.id / "model.blob"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(StorageError, match="damaged on the disk"):
        Library(root).model_blob(item.id)


def test_what_a_power_cut_left_of_an_import_is_swept_away(root: Path, tmp_path: Path) -> None:
    Library(root)
    left = root / "models" / ".incoming-abc"
    left.mkdir()
    (left / "source.nam").write_text("half")
    assert Library(root).models() == []
    assert not left.exists()


def test_an_older_prepared_form_is_made_anew_from_the_source(root: Path, tmp_path: Path) -> None:
    library = Library(root)
    item = library.import_file(write_linear(tmp_path / "a.nam"), name="Kept Name")
    blob = library.model_blob(item.id)
    about = root / "models" / item.id / "about.json"
    content = json.loads(about.read_text())["content"]
    content["prepared"]["version"] = 0
    store.storage.save_json(about, store.ABOUT_SCHEMA, content)
    (root / "models" / item.id / "model.blob").write_bytes(b"old form")
    again = Library(root)
    assert again.model_blob(item.id) == blob
    assert again.model(item.id).name == "Kept Name"


def test_factory_items_are_marked_stay_and_follow_the_software(root: Path, tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    (assets / "cabinets").mkdir(parents=True)
    write_linear(assets / "clean.nam", name="Clean")
    write_linear(assets / "dirty.nam", (0.9,), name="Dirty")
    write_cabinet(assets / "cabinets" / "1x12.wav")
    (assets / "broken.nam").write_text("{")
    library = Library(root)
    faults = library.import_factory(assets)
    assert [fault for fault in faults if "broken.nam" not in fault] == []
    assert len(faults) == 1
    assert [(item.name, item.factory) for item in library.models()] == [("Clean", True), ("Dirty", True)]
    assert [item.factory for item in library.cabinets()] == [True]
    with pytest.raises(NotAllowed, match="came with the pedal"):
        library.remove(library.models()[0].id)
    (assets / "dirty.nam").unlink()
    later = Library(root)
    later.import_factory(assets)
    assert [(item.name, item.factory) for item in Library(root).models()] == [("Clean", True), ("Dirty", False)]


def test_two_imports_at_once_both_arrive(root: Path, tmp_path: Path) -> None:
    library = Library(root)
    paths = [write_linear(tmp_path / f"{n}.nam", (0.1 * n,)) for n in (1, 2)]
    threads = [threading.Thread(target=library.import_file, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(library.models()) == 2


def test_a_disk_that_refuses_keeps_the_library_as_it_was(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(root)

    def full(_path: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(store.storage, "sync_folder", full)
    with pytest.raises(StorageError, match="disk is full"):
        library.import_file(write_linear(tmp_path / "a.nam"))
    monkeypatch.undo()
    assert library.models() == []
    assert [path for path in (root / "models").iterdir() if path.name.startswith(".")] == []


def test_good_files_of_the_field_are_taken_in(root: Path, shared_data: Path) -> None:
    library = Library(root)
    for name in ("BossWN-nano.nam", "aidax-tw40-blues-deluxe.json", "proteus-TS9_DriveKnob.json"):
        item = library.import_file(shared_data / "models" / name)
        assert isinstance(item, ModelItem)
        assert item.loudness_db is not None
    with pytest.raises(BadModelFile, match="web page"):
        library.import_file(shared_data / "models" / "bad-web-page-bluesJR-Clean.json")
    assert len(library.models()) == 3
