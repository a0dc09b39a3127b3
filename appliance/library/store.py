"""Models and cabinets on disk: hash-named, immutable once in, each in a folder that appears whole or not at all.

    models/<id>/   source.<ext> (the original bytes)   about.json   model.blob
    cabinets/<id>/ source.<ext>                        about.json   impulse.f32

An item is made in a folder `.incoming-…` beside them, synced, and renamed in. Only the name in about.json ever changes.
May block (disk, child processes). Thread-safe: imports run one after the other, everything else meanwhile.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import stat
import tempfile
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from appliance import storage
from appliance.engine.packing import MODEL_VERSION
from appliance.errors import ApplianceError, BadModelFile, NotAllowed, NotFound, StorageError, TooLarge
from appliance.library.check import CABINET_VERSION
from appliance.library.items import CabinetItem, Checked, Item, ModelItem, clean_name
from appliance.library.sandbox import check_in_child

log = logging.getLogger(__name__)

ABOUT_SCHEMA = 1
MAX_FILE_BYTES = 32 << 20
MAX_ITEMS = 1000  # so that the state with all of them fits a line of the panel's socket
_FOLDERS: dict[str, type[ModelItem] | type[CabinetItem]] = {"models": ModelItem, "cabinets": CabinetItem}
_FACTORY_PATTERNS = {
    "model": ("*.onnx", "*.nam", "*.json"),
    "cabinet": ("cabinets/*.wav", "cabinets/*.flac"),
}
_INCOMING = ".incoming-"
_ItemT = TypeVar("_ItemT", ModelItem, CabinetItem)


class Staged(NamedTuple):
    """An item that was checked and prepared, in a folder of its own, but is not in the library yet."""

    item: ModelItem | CabinetItem
    folder: Path


class Library:
    """The library in `root` (`paths.data_dir()`). Opening it reads what is there and never fails for damage:
    `notes` says what had to be left out. Raises StorageError when the folders can't be made.
    `tidy=False`: for reading, beside the panel whose library it is; imports that are under way are let be.
    """

    def __init__(self, root: Path, *, tidy: bool = True) -> None:
        self.root = root
        self.notes: list[str] = []
        self._items: dict[str, ModelItem | CabinetItem] = {}
        self._guard = threading.Lock()  # the index
        self._importing = threading.Lock()  # one child at a time: the pedal has little memory
        try:
            for folder in _FOLDERS:
                (root / folder).mkdir(parents=True, exist_ok=True)
                for left in (root / folder).glob(f"{_INCOMING}*") if tidy else ():
                    shutil.rmtree(left, ignore_errors=True)  # an import that a power cut ended
        except OSError as error:
            raise storage.storage_error(f"the library in {root} can't be opened", error) from error
        for folder, kind in _FOLDERS.items():
            for entry in sorted((root / folder).iterdir()):
                if not entry.name.startswith(_INCOMING):
                    self._open(entry, kind)

    def models(self) -> list[ModelItem]:
        """All models, by name."""
        return self._all(ModelItem)

    def cabinets(self) -> list[CabinetItem]:
        """All cabinets, by name."""
        return self._all(CabinetItem)

    def has(self, identity: str) -> bool:
        """Whether there is a model or a cabinet of this id."""
        return identity in self._items

    def name(self, identity: str) -> str:
        """Raises NotFound."""
        return self._find(identity).name

    def model(self, identity: str) -> ModelItem:
        """Raises NotFound."""
        return self._one(identity, ModelItem, "model")

    def cabinet(self, identity: str) -> CabinetItem:
        """Raises NotFound."""
        return self._one(identity, CabinetItem, "cabinet")

    def model_blob(self, identity: str) -> bytes:
        """What `packing.pack_patch` takes. Raises NotFound, StorageError (damaged on disk)."""
        return self._prepared(self.model(identity))

    def impulse_response(self, identity: str) -> tuple[npt.NDArray[np.float32], int]:
        """(float32 mono, rate in Hz), as in the file. Raises NotFound, StorageError."""
        item = self.cabinet(identity)
        return np.frombuffer(self._prepared(item), "<f4").astype(np.float32, copy=False), item.sample_rate_hz

    def verify(self, identity: str) -> None:
        """Read an item back: its source must be what its id says, its prepared file whole. Raises NotFound,
        StorageError. Blocks for as long as the disk takes."""
        with self._guard:
            item = self._find(identity)
        self._prepared(item)
        try:
            data = next(self._folder(item).glob("source*")).read_bytes()
        except (OSError, StopIteration):
            data = b""
        if hashlib.sha256(data).hexdigest()[: len(item.id)] != item.id:
            raise StorageError(
                f"{item.name} plays, but its file is damaged on the disk: remove it and import {item.file_name} again"
            )

    def import_file(
        self, path: Path, *, name: str | None = None, kind: str = "auto", factory: bool = False
    ) -> ModelItem | CabinetItem:
        """Check a file and take it in. A file that is here already gives the item that it is.

        kind: "model", "cabinet" or "auto". Blocks for seconds.
        Raises BadModelFile, BadAudioFile, TooLarge, StorageError, NotAllowed; the library is then as before.
        """
        with self._importing:
            data = _read(path)
            identity = hashlib.sha256(data).hexdigest()[:16]
            with self._guard:
                known = self._items.get(identity)
                full = len(self._items) >= MAX_ITEMS
            if known is not None:
                return known
            if full:
                raise NotAllowed(f"the library is full ({MAX_ITEMS} models and cabinets): remove some first")
            return self._take_in(identity, data, path.name, name, kind, factory)

    def source(self, identity: str) -> Path:
        """The file that an item was imported from. Raises NotFound, StorageError."""
        with self._guard:
            item = self._find(identity)
        found = next(self._folder(item).glob("source*"), None)
        if found is None:
            raise StorageError(f"the file of {item.name} is gone from the disk: import {item.file_name} again")
        return found

    def stage(self, data: bytes, file_name: str, *, name: str, kind: str) -> Staged:
        """Check and prepare a file as `import_file` does, without taking it in. Blocks for seconds.

        Raises BadModelFile, BadAudioFile, StorageError.
        """
        with self._importing:
            identity = hashlib.sha256(data).hexdigest()[:16]
            return self._stage(identity, data, file_name, name, kind, factory=False)

    def settle(self, staged: Iterable[Staged]) -> None:
        """Take in what was staged; each item appears whole. Raises StorageError, NotAllowed (too many)."""
        found = list(staged)
        with self._guard:
            fresh = [one for one in found if one.item.id not in self._items]
            if len(self._items) + len(fresh) > MAX_ITEMS:
                raise NotAllowed(f"the library would hold more than {MAX_ITEMS} models and cabinets: remove some first")
        try:
            for one in fresh:
                self._settle(one)
        except OSError as error:
            raise storage.storage_error("the models could not be taken in", error) from error
        finally:
            self.discard(found)

    def discard(self, staged: Iterable[Staged]) -> None:
        """Throw away what was staged and is not in."""
        for one in staged:
            shutil.rmtree(one.folder, ignore_errors=True)

    def rename(self, identity: str, name: str) -> ModelItem | CabinetItem:
        """Give an item another name. Raises NotFound, StorageError."""
        with self._guard:
            old = self._find(identity)
            item = old.renamed(clean_name(name, otherwise=old.name))
            storage.save_json(self._folder(item) / "about.json", ABOUT_SCHEMA, item.to_json())
            self._items[identity] = item
            return item

    def remove(self, identity: str) -> None:
        """Delete an item. Raises NotFound, NotAllowed (it came with the pedal), StorageError."""
        with self._guard:
            item = self._find(identity)
            if item.factory:
                raise NotAllowed(f"{item.name} came with the pedal and stays")
            folder = self._folder(item)
            leaving = folder.with_name(f"{_INCOMING}removed-{identity}")
            try:
                folder.rename(leaving)  # gone at once, even if the power goes while its files are deleted
                storage.sync_folder(folder.parent)
            except OSError as error:
                raise storage.storage_error(f"{item.name} could not be removed", error) from error
            del self._items[identity]
        shutil.rmtree(leaving, ignore_errors=True)

    def import_factory(self, assets: Path) -> list[str]:
        """Take in what came with the pedal, and mark it so; returns what went wrong, in words. Blocks for seconds."""
        faults, found = [], set()
        for kind, patterns in _FACTORY_PATTERNS.items():
            for path in sorted(path for pattern in patterns for path in assets.glob(pattern)):
                try:
                    item = self.import_file(path, kind=kind, factory=True)
                    found.add(item.id)
                    self._mark(item.id, factory=True)
                except ApplianceError as error:
                    faults.append(f"the factory {kind} {path.name} is left out: {error}")
        if found:  # what an update of the software no longer brings is the player's own to remove
            for held in (*self.models(), *self.cabinets()):
                if held.factory and held.id not in found:
                    self._mark(held.id, factory=False)
        return faults

    def _mark(self, identity: str, *, factory: bool) -> None:
        with self._guard:
            item = self._items[identity]
            if item.factory != factory:
                item = item.with_factory(factory)
                storage.save_json(self._folder(item) / "about.json", ABOUT_SCHEMA, item.to_json())
                self._items[identity] = item

    def _take_in(
        self, identity: str, data: bytes, file_name: str, name: str | None, kind: str, factory: bool
    ) -> ModelItem | CabinetItem:
        staged = self._stage(identity, data, file_name, name, kind, factory)
        try:
            return self._settle(staged)
        except OSError as error:
            raise storage.storage_error(f"{file_name} could not be taken in", error) from error
        finally:
            self.discard([staged])

    def _stage(self, identity: str, data: bytes, file_name: str, name: str | None, kind: str, factory: bool) -> Staged:
        folder = Path()
        whole = False
        try:
            folder = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=self.root / "models"))
            source = folder / f"source{_safe_suffix(file_name)}"
            source.write_bytes(data)
            checked = check_in_child(source, kind, clean_name(file_name, otherwise="file"))
            item = _item(checked, identity, clean_name(file_name, otherwise="file"), name, factory)
            storage.save_json(folder / "about.json", ABOUT_SCHEMA, item.to_json())
            for file in folder.iterdir():
                storage.sync_file(file)
            storage.sync_folder(folder)
            whole = True
            return Staged(item, folder)
        except OSError as error:
            if isinstance(error, ApplianceError):
                raise
            raise storage.storage_error(f"{file_name} could not be taken in", error) from error
        finally:
            if not whole and folder.name.startswith(_INCOMING):
                shutil.rmtree(folder, ignore_errors=True)

    def _settle(self, staged: Staged) -> ModelItem | CabinetItem:
        final = self._folder(staged.item)
        shutil.rmtree(final, ignore_errors=True)  # a damaged one of the same content, or there would be no import
        staged.folder.rename(final)
        storage.sync_folder(final.parent)
        with self._guard:
            self._items[staged.item.id] = staged.item
        return staged.item

    def _open(self, folder: Path, kind: type[ModelItem] | type[CabinetItem]) -> None:
        """Put one folder of the disk into the index, or a note into `notes`."""
        loaded = storage.load_json(folder / "about.json", ABOUT_SCHEMA)
        try:
            if loaded.content is None:
                raise ValueError(loaded.note or "about.json is missing")
            item = kind.from_json(loaded.content)
            if item.id != folder.name:
                raise ValueError(f"it holds {item.id}")
            prepared = folder / item.prepared.file_name
            wanted = MODEL_VERSION if kind is ModelItem else CABINET_VERSION
            if item.prepared.version != wanted:
                item = self._prepare_anew(item, folder)
            elif prepared.stat().st_size != item.prepared.size_bytes:
                raise ValueError(f"{prepared.name} is not whole")
        except (ApplianceError, OSError, ValueError, KeyError, TypeError) as error:
            note = f"{folder.parent.name}/{folder.name} is damaged and left out: {error}. Import its file again."
            log.warning("%s", note)
            self.notes.append(note)
            return
        if loaded.note:
            self.notes.append(f"{item.name}: {loaded.note}")
        self._items[item.id] = item

    def _prepare_anew(self, item: ModelItem | CabinetItem, folder: Path) -> ModelItem | CabinetItem:
        """After an update that changed what engines are fed from. The source file is the truth."""
        source = next(folder.glob("source*"))
        checked = check_in_child(source, "model" if isinstance(item, ModelItem) else "cabinet", item.file_name)
        fresh = type(item).from_json({**item.to_json(), "prepared": vars(checked.prepared)})
        storage.save_json(folder / "about.json", ABOUT_SCHEMA, fresh.to_json())
        return fresh

    def _prepared(self, item: Item) -> bytes:
        prepared = item.prepared
        advice = f"{item.name} is damaged on the disk: remove it and import its file {item.file_name} again"
        try:
            data = (self._folder(item) / prepared.file_name).read_bytes()
        except OSError as error:
            raise StorageError(f"{advice} ({error.strerror})") from error
        if len(data) != prepared.size_bytes or zlib.crc32(data) != prepared.crc32:
            raise StorageError(advice)
        return data

    def _folder(self, item: Item) -> Path:
        return self.root / ("models" if isinstance(item, ModelItem) else "cabinets") / item.id

    def _find(self, identity: str) -> ModelItem | CabinetItem:
        if identity not in self._items:
            raise NotFound(f"there is no model or cabinet {identity} in the library")
        return self._items[identity]

    def _one(self, identity: str, kind: type[_ItemT], word: str) -> _ItemT:
        with self._guard:
            item = self._items.get(identity)
        if not isinstance(item, kind):
            raise NotFound(f"there is no {word} {identity} in the library")
        return item

    def _all(self, kind: type[_ItemT]) -> list[_ItemT]:
        with self._guard:
            found = [item for item in self._items.values() if isinstance(item, kind)]
        return sorted(found, key=lambda item: (item.name.casefold(), item.id))


def _read(path: Path) -> bytes:
    """The bytes of a stranger's file, capped. Raises BadModelFile, TooLarge."""
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(path.stat().st_mode):
                raise BadModelFile(f"{path.name} is not a file: choose a model or an impulse response")
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadModelFile(f"{path.name} can't be read: {error.strerror or error}") from error
    if len(data) > MAX_FILE_BYTES:
        raise TooLarge(f"{path.name} is bigger than {MAX_FILE_BYTES >> 20} MiB: is this the right file?")
    return data


def _safe_suffix(file_name: str) -> str:
    suffix = Path(file_name).suffix.lower()
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 8 else ""


def _item(checked: Checked, identity: str, file_name: str, name: str | None, factory: bool) -> ModelItem | CabinetItem:
    content = {
        **checked.about,
        "id": identity,
        "file_name": file_name,
        "name": clean_name(name or str(checked.about["name"]), otherwise=clean_name(file_name, otherwise=identity)),
        "factory": factory,
        "prepared": vars(checked.prepared),
    }
    return ModelItem.from_json(content) if checked.kind == "model" else CabinetItem.from_json(content)
