"""Bring a backup back: looked through completely first, then taken over at one stroke.

Models and cabinets go the way of any import, through the checking process with its limits. Presets, set lists and what
the controls learnt are worked out beforehand and written down together in `restore.json`; from that moment the restore
has happened: whoever opens the folder next (`finish`) carries it out, as often as a power cut makes it begin anew.

What is on the box stays unless `replace`: then presets, set lists and learnt controls become the backup's. Models that
are only on the box stay in any case. May block for minutes.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from appliance import storage
from appliance.box import plain_tar
from appliance.errors import BadBundle, NotAllowed, StorageError, TooLarge
from appliance.library import presets, setlists
from appliance.library.items import clean_name
from appliance.library.store import MAX_FILE_BYTES, MAX_ITEMS, Library, Staged
from appliance.panel import kept, restore_journal
from appliance.panel.backup import CONTENT, FORMAT, HEAD, SETTINGS

Progress = Callable[[str, float], object]  # words, 0…1

MAX_BACKUP_BYTES = 8 << 30
_MAX_SETTINGS_BYTES = 512 << 10  # of a kind, so that the state with all of them fits a line of the panel's socket
_MAX_CONTENT_BYTES = 8 << 20
_CLEANED: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "presets": presets.cleaned,
    "setlists": setlists.cleaned,
    "controls": kept.cleaned,
}


@dataclass(frozen=True)
class BackedUp:
    """A model or cabinet in the backup, and where its bytes are."""

    id: str
    kind: str
    name: str
    file_name: str
    at: int
    size_bytes: int


class Backup:
    """An opened backup whose form is right. Use as a context. `settings`: cleaned; None for what was never saved."""

    def __init__(self, name: str, stream: IO[bytes], content: Mapping[str, Any], places: Mapping[str, tuple[int, int]]):
        self.name = name
        self.made = clean_name(str(content["made"]), "some day")
        self.version = clean_name(str(content["version"]), "unknown")
        self.items = tuple(_item(entry, places) for entry in content["items"])
        self.settings = {kind: _settings(kind, content["settings"].get(kind)) for kind in SETTINGS}
        wiring = content.get("wiring")
        self.wiring = wiring if isinstance(wiring, str) else None
        self._stream = stream

    def read(self, item: BackedUp) -> bytes:
        """The original file. Raises BadBundle (damaged)."""
        self._stream.seek(item.at)
        data = self._stream.read(item.size_bytes)
        if hashlib.sha256(data).hexdigest()[:16] != item.id:
            raise BadBundle(f"{self.name} is damaged: {item.name} is not what was saved. Nothing was changed")
        return data

    def summary(self) -> dict[str, Any]:
        """For the player to decide."""
        kinds = [item.kind for item in self.items]
        return {
            "name": self.name,
            "made": self.made,
            "version": self.version,
            "models": kinds.count("model"),
            "cabinets": kinds.count("cabinet"),
            "presets": len((self.settings["presets"] or {}).get("presets", ())),
            "setlists": len((self.settings["setlists"] or {}).get("setlists", ())),
            "pots": len((self.settings["controls"] or {}).get("ends", ())),
            "wiring": self.wiring is not None,
        }

    def __enter__(self) -> Backup:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()


def open_backup(path: Path) -> Backup:
    """Look through a backup's form; its models are read later. Raises BadBundle, TooLarge, StorageError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise BadBundle(f"{path.name} can't be opened: {error.strerror}") from error
    stream = os.fdopen(descriptor, "rb")
    try:
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise BadBundle("it is no file")
        if found.st_size > MAX_BACKUP_BYTES:
            raise TooLarge(f"{path.name} has {found.st_size >> 30} GiB; a backup has at most {MAX_BACKUP_BYTES >> 30}")
        places, content = _look_through(stream)
        return Backup(path.name, stream, content, places)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        stream.close()
        reason = str(error) if isinstance(error, BadBundle) else "what it says of itself makes no sense"
        if isinstance(error, TooLarge):
            raise
        raise BadBundle(f"{path.name} can't be restored: {reason}. Nothing was changed.") from error
    except OSError as error:
        stream.close()
        raise StorageError(f"{path.name} can't be read: {error.strerror or error}") from error


def restore(
    backup: Backup, library: Library, data: Path, *, replace: bool = False, tell: Progress = lambda words, share: None
) -> str:
    """Take a backup over. Presets, set lists and learnt controls are there after `restore_journal.finish`, which the
    caller has to see to: nobody may hold these files open meanwhile.

    Returns what came back, in words for the player. Raises BadBundle, BadModelFile, BadAudioFile, NotAllowed,
    StorageError; nothing is then changed.
    """
    staged: list[Staged] = []
    missing = [item for item in backup.items if not library.has(item.id)]
    try:
        for number, item in enumerate(backup.items, start=1):
            tell(f"Checking {item.name}", number / (len(backup.items) + 1))
            content = backup.read(item)
            if item in missing:
                staged.append(library.stage(content, item.file_name, name=item.name, kind=item.kind))
        planned = {kind: _merged(kind, data, backup.settings[kind], replace) for kind in SETTINGS}
        tell("Taking it over", 1.0)
        library.settle(staged)
    except BaseException:
        library.discard(staged)
        raise
    if replace:
        for item in backup.items:
            if item not in missing and library.name(item.id) != item.name:
                library.rename(item.id, item.name)
    words = _words(backup, len(missing), replace)
    restore_journal.decide(
        data, words, {kind: (SETTINGS[kind], content) for kind, content in planned.items() if content is not None}
    )
    return words


def _look_through(stream: IO[bytes]) -> tuple[dict[str, tuple[int, int]], dict[str, Any]]:
    """Where each file is, and the content. Raises BadBundle and whatever JSON raises."""
    places: dict[str, tuple[int, int]] = {}
    try:
        for member in plain_tar.members(stream):
            if not places and member.name != HEAD:
                raise BadBundle("it is no backup of a pedal")
            if member.name in places or len(places) > MAX_ITEMS + 2:
                raise BadBundle("it holds too many files, or one twice")
            if member.size_bytes > MAX_FILE_BYTES:
                raise BadBundle(f"{member.name} in it is bigger than {MAX_FILE_BYTES >> 20} MiB")
            places[member.name] = stream.tell(), member.size_bytes
    except BadBundle as error:
        words = "it is no backup of a pedal" if not places else str(error)
        raise BadBundle(words) from error
    if CONTENT not in places:
        raise BadBundle("it is not whole: it was cut off while it was saved or sent" if places else "it is no backup")
    at, size_bytes = places[CONTENT]
    if size_bytes > _MAX_CONTENT_BYTES:
        raise BadBundle("its list is too long")
    stream.seek(at)
    content = json.loads(stream.read(size_bytes))
    if content["product"] != "appliance":
        raise BadBundle("it is a backup of something else")
    if content["format"] != FORMAT:
        raise BadBundle(
            f"it is of format {content['format']!r:.20} and this version reads {FORMAT}: update the pedal first"
        )
    return places, content


def _item(entry: Mapping[str, Any], places: Mapping[str, tuple[int, int]]) -> BackedUp:
    identity, kind = entry["id"], entry["kind"]
    if kind not in ("model", "cabinet") or not isinstance(identity, str) or len(identity) != 16:
        raise ValueError(entry)
    if entry["member"] not in places:
        raise BadBundle(f"{clean_name(str(entry['name']), 'a model')} is missing in it")
    name = clean_name(str(entry["name"]), identity)
    return BackedUp(identity, kind, name, clean_name(str(entry["file_name"]), name), *places[entry["member"]])


def _settings(kind: str, saved: Any) -> dict[str, Any] | None:
    """What was saved, understood by this version. Raises BadBundle when it comes from a newer one."""
    if not isinstance(saved, dict) or saved.get("content") is None:
        return None
    schema = saved["schema"]
    if not isinstance(schema, int) or schema > SETTINGS[kind]:
        raise BadBundle(f"its {kind} were saved by a newer version: update the pedal first")
    cleaned = _CLEANED[kind](saved["content"])  # older ones lack fields; the reader gives them their defaults
    if len(json.dumps(cleaned)) > _MAX_SETTINGS_BYTES:
        raise BadBundle(f"its {kind} are too many")
    return cleaned


def _merged(kind: str, data: Path, theirs: dict[str, Any] | None, replace: bool) -> dict[str, Any] | None:
    """What the file of that kind shall hold; None: as it is. Raises NotAllowed."""
    if theirs is None:
        return None
    here = _CLEANED[kind](storage.load_json(data / f"{kind}.json", SETTINGS[kind]).content)
    if replace:
        return theirs
    if kind == "controls":
        return {part: {**theirs[part], **here[part]} for part in ("ends", "midi")}
    known = {entry["id"] for entry in here[kind]}
    both = [*here[kind], *(entry for entry in theirs[kind] if entry["id"] not in known)]
    most = presets.MAX_PRESETS if kind == "presets" else setlists.MAX_SETLISTS
    if len(both) > most:
        what = "presets" if kind == "presets" else "set lists"
        raise NotAllowed(f"with the backup's there would be {len(both)} {what}, {most} is the most: delete some first")
    return {**here, kind: both}


def _words(backup: Backup, taken_in: int, replace: bool) -> str:
    found = backup.summary()
    there = len(backup.items) - taken_in
    parts = [f"{taken_in} models and cabinets came back" + (f", {there} were there" if there else "")]
    parts += [f"{found['presets']} presets, {found['setlists']} set lists"]
    kept_words = "They replace those of before." if replace else "What was on the box is kept."
    return f"Restored the backup of {backup.made}: {'; '.join(parts)}. {kept_words}"
