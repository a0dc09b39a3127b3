"""Backup and restore: what comes back, what stays, what is refused, and the power going in between."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from appliance import storage
from appliance.box import plain_tar
from appliance.errors import ApplianceError, BadBundle, BadModelFile, NotAllowed
from appliance.library.presets import PRESETS_SCHEMA, Preset, PresetBook
from appliance.library.setlists import SetLists
from appliance.library.store import Library
from appliance.panel import restore_journal
from appliance.panel.backup import CONTENT, HEAD, save, write
from appliance.panel.kept import SCHEMA as KEPT_SCHEMA
from appliance.panel.restore import open_backup, restore
from tests.library_files import write_cabinet, write_knobbed, write_linear
from tests.test_storage import FailingOs


class Pedal:
    """A data folder, and what of it a player sees."""

    def __init__(self, root: Path) -> None:
        self.data = root
        self.library = Library(root)

    def presets(self) -> PresetBook:
        return PresetBook(self.data / "presets.json")

    def setlists(self) -> SetLists:
        return SetLists(self.data / "setlists.json")

    def learn(self, **ends: list[float]) -> None:
        storage.save_json(self.data / "controls.json", KEPT_SCHEMA, {"ends": ends, "midi": {"cc 11": "bypass"}})

    def learnt(self) -> dict[str, Any]:
        content: dict[str, Any] = storage.load_json(self.data / "controls.json", KEPT_SCHEMA).content
        return content

    def seen(self) -> tuple[Any, ...]:
        """All of it."""
        return (
            [(item.id, item.name) for item in self.library.models()],
            [(item.id, item.name) for item in self.library.cabinets()],
            self.presets().presets,
            self.setlists().lists,
            storage.load_json(self.data / "controls.json", KEPT_SCHEMA).content,
        )

    def restore(self, path: Path, *, replace: bool = False) -> str:
        with open_backup(path) as backup:
            words = restore(backup, self.library, self.data, replace=replace)
        assert restore_journal.finish(self.data) == words
        return words

    def left_over(self) -> list[str]:
        return [path.name for path in self.data.rglob("*") if path.name.startswith((".incoming", "restore"))]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pedal, Path]:
    """A pedal with a bit of everything, and its backup."""
    folder = tmp_path_factory.mktemp("full")
    pedal = Pedal(folder / "data")
    model = pedal.library.import_file(write_linear(folder / "my-amp.nam"), name="My amp")
    cabinet = pedal.library.import_file(write_cabinet(folder / "box.wav"))
    factory = pedal.library.import_file(write_knobbed(folder / "theirs.onnx"), factory=True)
    first, second = pedal.presets().add(
        [
            Preset("", "Clean", model=model.id, cabinet=cabinet.id, knobs={"Gain": 0.25}),
            Preset("", "Loud", model=factory.id, level_db=3.0, bindings={"left": "boost"}),
        ]
    )
    pedal.setlists().add("Saturday", [second.id, first.id, second.id])
    pedal.learn(gain=[0.1, 0.9])
    (folder / "appliance.toml").write_text("# mine\n")
    backup = folder / "a.pedal-backup"
    written = save(backup, pedal.library, pedal.data, folder / "appliance.toml")
    assert (written.models, written.cabinets, written.presets, written.notes) == (1, 1, 2, ())
    return pedal, backup


@pytest.fixture
def fresh(tmp_path: Path) -> Pedal:
    return Pedal(tmp_path / "fresh")


def test_everything_comes_back_on_a_new_box_but_what_came_with_the_old_one(
    full: tuple[Pedal, Path], fresh: Pedal
) -> None:
    words = fresh.restore(full[1])
    old = full[0]
    assert [(item.id, item.name) for item in fresh.library.models()] == [
        (item.id, item.name) for item in old.library.models() if not item.factory
    ]
    assert fresh.seen()[1:] == old.seen()[1:]
    assert fresh.library.model_blob(fresh.library.models()[0].id) == old.library.model_blob(
        fresh.library.models()[0].id
    )
    assert "2 models and cabinets came back; 2 presets, 1 set lists" in words
    assert fresh.left_over() == []
    assert Library(fresh.data).notes == []
    before = fresh.seen()
    assert "0 models and cabinets came back, 2 were there" in fresh.restore(full[1])
    assert fresh.seen() == before


def test_what_is_on_the_box_stays_unless_it_is_to_be_replaced(full: tuple[Pedal, Path], fresh: Pedal) -> None:
    fresh.restore(full[1])
    clean = fresh.presets().presets[0]
    fresh.presets().rename(clean.id, "Clean, but mine")
    fresh.presets().add([Preset("", "New")])
    fresh.learn(gain=[0.2, 0.8], tone=[0.0, 1.0])
    model = fresh.library.models()[0]
    fresh.library.rename(model.id, "Renamed")
    fresh.restore(full[1])
    assert [preset.name for preset in fresh.presets().presets] == ["Clean, but mine", "Loud", "New"]
    assert fresh.learnt()["ends"] == {"gain": [0.2, 0.8], "tone": [0.0, 1.0]}
    assert fresh.library.model(model.id).name == "Renamed"
    assert "They replace those of before." in fresh.restore(full[1], replace=True)
    assert [preset.name for preset in fresh.presets().presets] == ["Clean", "Loud"]
    assert fresh.learnt()["ends"] == {"gain": [0.1, 0.9]}
    assert fresh.library.model(model.id).name == "My amp"


def test_a_backup_is_an_ordinary_tar_file_that_can_be_written_into_a_pipe(full: tuple[Pedal, Path]) -> None:
    class Pipe(BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: Any) -> int:
            raise OSError("a pipe")

        def tell(self) -> int:
            raise OSError("a pipe")

    pipe = Pipe()
    write(pipe, full[0].library, full[0].data, None)
    with tarfile.open(fileobj=BytesIO(pipe.getvalue())) as archive:
        names = archive.getnames()
    assert (names[0], names[-1], len(names)) == (HEAD, CONTENT, 4)


def test_no_secrets_and_no_paths_are_in_a_backup(full: tuple[Pedal, Path]) -> None:
    data = full[1].read_bytes()
    assert b"# mine" in data
    assert str(full[0].data).encode() not in data
    assert b"psk" not in data


def test_a_backup_that_was_cut_off_anywhere_is_refused_and_changes_nothing(
    full: tuple[Pedal, Path], fresh: Pedal, tmp_path: Path
) -> None:
    data = full[1].read_bytes()
    before = fresh.seen()
    for share in (0, 100, 600, len(data) // 3, len(data) // 2, len(data) - 3000, len(data) - 1100):
        path = tmp_path / "cut.pedal-backup"
        path.write_bytes(data[:share])
        with pytest.raises(BadBundle, match=r"no backup|not whole|in the middle|makes no sense"):
            fresh.restore(path)
    assert fresh.seen() == before
    assert fresh.left_over() == []


def _rewritten(path: Path, source: Path, change: Callable[[dict[str, Any]], None], **files: bytes) -> Path:
    """The backup with its list changed and some of its files replaced."""
    with source.open("rb") as stream, path.open("wb") as output:
        for member in plain_tar.members(stream):
            data = stream.read(member.size_bytes)
            if member.name == CONTENT:
                content = json.loads(data)
                change(content)
                data = json.dumps(content).encode()
            data = next((new for prefix, new in files.items() if member.name.startswith(prefix)), data)
            plain_tar.write(output, member.name, data)
        plain_tar.finish(output)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content.update(product="toaster"), "of something else"),
        (lambda content: content.update(format=2), "format 2 and this version reads 1: update the pedal first"),
        (lambda content: content["settings"]["presets"].update(schema=99), "newer version: update the pedal first"),
        (lambda content: content["items"][0].update(member="gone"), "is missing in it"),
        (lambda content: content["items"][0].update(kind="virus"), "makes no sense"),
        (lambda content: content["items"][0].update(id="../../../etc/x"), "makes no sense"),
        (lambda content: content.pop("items"), "makes no sense"),
        (lambda content: content["settings"].update(presets=[1]), None),  # as if it had none
        (lambda content: content["settings"]["presets"].update(content={"presets": 5}), "makes no sense"),
        (lambda content: content["settings"]["presets"].update(schema=0), None),
    ],
)
def test_a_list_that_makes_no_sense_is_refused_in_words(
    full: tuple[Pedal, Path], fresh: Pedal, tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str | None
) -> None:
    path = _rewritten(tmp_path / "x.pedal-backup", full[1], change)
    if words is None:
        fresh.restore(path)
        return
    before = fresh.seen()
    with pytest.raises(BadBundle, match=words):
        fresh.restore(path)
    assert fresh.seen() == before


def test_hostile_presets_are_cleaned_before_they_are_kept(
    full: tuple[Pedal, Path], fresh: Pedal, tmp_path: Path
) -> None:
    def spoil(content: dict[str, Any]) -> None:
        for preset in content["settings"]["presets"]["content"]["presets"]:
            preset.update(name="a\n\x1b[31m" + "x" * 500, bindings={"x" * 50: "boost"}, knobs={"Gain": "loud"})

    fresh.restore(_rewritten(tmp_path / "x.pedal-backup", full[1], spoil))
    for preset in fresh.presets().presets:
        assert preset.name.startswith("a [31m")
        assert len(preset.name) == 80
        assert (preset.bindings, preset.knobs) == ({}, {})


def test_too_many_presets_together_are_refused(full: tuple[Pedal, Path], fresh: Pedal, tmp_path: Path) -> None:
    def many(content: dict[str, Any]) -> None:
        presets = content["settings"]["presets"]["content"]["presets"]
        presets[:] = [{**presets[0], "id": f"{number:08x}"} for number in range(200)]

    fresh.presets().add([Preset("", "Mine")])
    before = fresh.seen()
    with pytest.raises(NotAllowed, match="would be 201 presets, 200 is the most"):
        fresh.restore(_rewritten(tmp_path / "x.pedal-backup", full[1], many))
    assert fresh.seen() == before
    assert fresh.left_over() == []


def test_a_model_is_checked_as_any_import_and_a_damaged_one_stops_everything(
    full: tuple[Pedal, Path], fresh: Pedal, tmp_path: Path
) -> None:
    import hashlib

    before = fresh.seen()
    with pytest.raises(BadBundle, match="My amp is not what was saved"):
        fresh.restore(_rewritten(tmp_path / "x.pedal-backup", full[1], lambda content: None, model=b"{}"))
    evil = b'{"architecture": "Evil"}'

    def take(content: dict[str, Any]) -> None:
        content["items"][0]["id"] = hashlib.sha256(evil).hexdigest()[:16]

    with pytest.raises(BadModelFile):
        fresh.restore(_rewritten(tmp_path / "x.pedal-backup", full[1], take, model=evil))
    assert fresh.seen() == before
    assert fresh.left_over() == []


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04" + bytes(1000), os.urandom(4096), b"ustar" * 1000])
def test_what_is_no_backup_is_refused(fresh: Pedal, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.pedal-backup"
    path.write_bytes(data)
    with pytest.raises(BadBundle, match="no backup of a pedal"):
        fresh.restore(path)


def test_a_damaged_model_on_the_disk_is_left_out_with_a_note(tmp_path: Path) -> None:
    pedal = Pedal(tmp_path / "data")
    item = pedal.library.import_file(write_linear(tmp_path / "a.nam"), name="Cracked")
    pedal.library.source(item.id).write_bytes(b"x")
    written = save(tmp_path / "b.pedal-backup", pedal.library, pedal.data, None)
    assert written.models == 0
    assert "Cracked is left out: it is damaged on the disk" in written.notes[0]
    with open_backup(tmp_path / "b.pedal-backup") as backup:
        assert backup.summary()["models"] == 0


@pytest.fixture
def taken(full: tuple[Pedal, Path], tmp_path: Path) -> Iterator[Pedal]:
    """A pedal with other presets, so that old and new can be told apart."""
    pedal = Pedal(tmp_path / "taken")
    pedal.restore(full[1])
    for preset in pedal.presets().presets:
        pedal.presets().rename(preset.id, f"{preset.name} (mine)")
    pedal.learn(gain=[0.3, 0.7])
    return pedal


def test_wherever_the_power_goes_all_of_the_settings_are_the_old_or_all_are_the_new(
    full: tuple[Pedal, Path], taken: Pedal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = taken.seen()[2:]
    start = tmp_path / "start"
    shutil.copytree(taken.data, start)

    def replace_all() -> None:
        with open_backup(full[1]) as backup:
            restore(backup, Library(taken.data), taken.data, replace=True)
        restore_journal.finish(taken.data)

    counting = FailingOs(-1, power_cut=False)
    with monkeypatch.context() as patched:
        for module in (storage, restore_journal):
            patched.setattr(module, "os", counting)
        replace_all()
    new = taken.seen()[2:]
    assert new != old
    assert counting.calls > 40
    outcomes = set()
    for k in range(counting.calls):
        shutil.rmtree(taken.data)
        shutil.copytree(start, taken.data)
        with monkeypatch.context() as patched:
            failing = FailingOs(k, power_cut=True)
            for module in (storage, restore_journal):
                patched.setattr(module, "os", failing)
            with pytest.raises(ApplianceError):
                replace_all()
        restore_journal.finish(taken.data)  # the next start
        assert taken.seen()[2:] in (old, new), k
        outcomes.add(taken.seen()[2:] == new)
        assert not (taken.data / "restore.json").exists()
    assert outcomes == {True, False}


def test_an_older_schema_of_presets_gets_the_defaults_of_today(
    full: tuple[Pedal, Path], fresh: Pedal, tmp_path: Path
) -> None:
    def strip(content: dict[str, Any]) -> None:
        saved = content["settings"]["presets"]
        saved["schema"] = PRESETS_SCHEMA - 1
        saved["content"]["presets"] = [{"id": "0a", "name": "Old", "model": "f" * 16}]

    fresh.restore(_rewritten(tmp_path / "x.pedal-backup", full[1], strip))
    (preset,) = fresh.presets().presets
    assert preset == Preset("0a", "Old", model="f" * 16)
