"""An update bundle: one signed file with every wheel that a box needs for one version of the pedal.

    manifest.json   version, when made, the oldest version it updates from, notes for the player; of each file its size,
                    SHA-256 and unpacked size
    manifest.sig    "KEY-ID BASE64": the Ed25519 signature over manifest.json (`signing.py`)
    *.whl           in the order of the manifest; for several Pythons and processors if the maker put them in

Nothing is believed before the signature fits: until then two small files are read as bytes and not looked into.
Afterwards the manifest says what must follow, byte by byte. Whoever wrote the file may do so again while it is read, so
what is used is what was copied and hashed in one go (`unpack`). May block (disk).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from appliance.box import plain_tar, signing
from appliance.box.signing import TrustedKey
from appliance.errors import BadBundle, StorageError, TooLarge
from appliance.storage import storage_error

FORMAT = 1
PRODUCT = "appliance"
ENDING = ".whl-bundle"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MAX_BUNDLE_BYTES = 768 << 20
MAX_UNPACKED_BYTES = 2 << 30  # of one box's share
MAX_MANIFEST_BYTES = 256 << 10
MAX_FILES = 400
LONGEST_NOTES = 4000
_MAX_SIGNATURE_BYTES = 256
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class BundleFile:
    """A wheel in the bundle. `unpacked_bytes`: of everything in it."""

    name: str
    size_bytes: int
    sha256: str
    unpacked_bytes: int


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself. `made`: UTC, ISO 8601. `oldest`: it updates from this version on; "" from any.

    `extras`: those of the package that the box installs.
    """

    version: str
    made: str
    oldest: str
    notes: str
    extras: tuple[str, ...]
    files: tuple[BundleFile, ...]

    def to_bytes(self) -> bytes:
        """As it stands in the bundle and is signed."""
        content = {"format": FORMAT, "product": PRODUCT, **asdict(self)}
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


class Bundle:
    """An opened bundle whose signature fits. Use it as a context; its file stays open until then."""

    def __init__(self, name: str, stream: IO[bytes], manifest: Manifest, identity: str, key: TrustedKey) -> None:
        self.name = name
        self.manifest = manifest
        self.identity = identity  # the first 8 hex digits of the manifest's SHA-256: tells two of one version apart
        self.key = key
        self._stream = stream

    def verify(self, told: Callable[[float], object] = lambda share: None) -> None:
        """Read all of it. `told` gets 0…1. Raises BadBundle, which names the damaged file."""
        self._go_through(lambda file: None, told)

    def unpack(
        self, folder: Path, wanted: Collection[BundleFile], told: Callable[[float], object] = lambda share: None
    ) -> list[Path]:
        """Copy some of the wheels into `folder`, each checked while it is copied; the copies, in order.

        Raises BadBundle (damaged; nothing copied may then be used), StorageError.
        """
        made: list[Path] = []

        def target(file: BundleFile) -> Path | None:
            if file not in wanted:
                return None
            made.append(folder / file.name)
            return made[-1]

        self._go_through(target, told)
        return made

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _go_through(self, target: Callable[[BundleFile], Path | None], told: Callable[[float], object]) -> None:
        self._stream.seek(0)
        found = plain_tar.members(self._stream)
        total = max(1, sum(file.size_bytes for file in self.manifest.files))
        done = 0
        for name in (MANIFEST, SIGNATURE):
            if next(found, plain_tar.Member("", 0)).name != name:
                raise BadBundle(f"{self.name} changed while it was read")
        for file in self.manifest.files:
            member = next(found, None)
            if member is None or (member.name, member.size_bytes) != (file.name, file.size_bytes):
                raise BadBundle(f"{self.name} is damaged: {file.name} is missing or not whole. Fetch it again")
            self._copy(file, target(file))
            done += file.size_bytes
            told(done / total)
        if next(found, None) is not None:
            raise BadBundle(f"{self.name} is damaged: it holds more than its manifest says")

    def _copy(self, file: BundleFile, target: Path | None) -> None:
        digest = hashlib.sha256()
        left = file.size_bytes
        try:
            output = target.open("xb") if target is not None else None
            try:
                while left:
                    chunk = self._stream.read(min(left, _COPY_BYTES))
                    if not chunk:
                        break
                    digest.update(chunk)
                    left -= len(chunk)
                    if output is not None:
                        output.write(chunk)
            finally:
                if output is not None:
                    output.close()
        except OSError as error:
            raise storage_error(f"{file.name} of {self.name} could not be unpacked", error) from error
        if left or digest.hexdigest() != file.sha256:
            raise BadBundle(f"{self.name} is damaged: {file.name} is not what was signed. Fetch it again")


def open_bundle(path: Path, trusted: Iterable[TrustedKey], *, follow_links: bool = True) -> Bundle:
    """Open a bundle and check who signed it; the wheels are not read yet.

    Raises BadBundle (no bundle, unsigned, unknown key, made for another product), TooLarge, StorageError.
    """
    stream = _open(path, follow_links)
    try:
        manifest, key_id, signature = _head(stream)
        key = signing.check_signature(manifest, key_id, signature, trusted)
        return Bundle(path.name, stream, _parse(manifest), hashlib.sha256(manifest).hexdigest()[:8], key)
    except BadBundle as error:
        stream.close()
        raise BadBundle(f"{path.name} can't be used: {error}.") from error
    except OSError as error:
        stream.close()
        raise StorageError(f"{path.name} can't be read: {error.strerror or error}") from error
    except BaseException:
        stream.close()
        raise


def signature_line(key_id: str, signature: bytes) -> bytes:
    """What stands in manifest.sig."""
    return f"{key_id} {base64.b64encode(signature).decode()}\n".encode()


def _open(path: Path, follow_links: bool) -> IO[bytes]:
    """Only a plain file, and without waiting for one: a pipe must not hold up root."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise BadBundle(f"{path.name} can't be opened: {error.strerror}") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BUNDLE_BYTES:
        os.close(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise BadBundle(f"{path.name} is no file: an update is one file, *{ENDING}")
        raise TooLarge(f"{path.name} has {found.st_size >> 20} MiB; an update has at most {MAX_BUNDLE_BYTES >> 20}")
    return os.fdopen(descriptor, "rb")


def _head(stream: IO[bytes]) -> tuple[bytes, str, bytes]:
    """(manifest, key id, signature) as they stand there, not understood yet."""
    found = plain_tar.members(stream)
    first = next(found, None)
    if first is None or first.name != MANIFEST:
        raise BadBundle("it does not begin with a manifest, so it is no update bundle")
    if not 0 < first.size_bytes <= MAX_MANIFEST_BYTES:
        raise BadBundle("its manifest is too long")
    manifest = stream.read(first.size_bytes)
    second = next(found, None)
    if second is None or second.name != SIGNATURE or second.size_bytes > _MAX_SIGNATURE_BYTES:
        raise BadBundle("it is not signed")
    try:
        key_id, encoded = stream.read(second.size_bytes).decode("ascii").split()
        signature = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise BadBundle("its signature can't be read") from None
    if len(signature) != signing.SIGNATURE_BYTES or len(key_id) != 16:
        raise BadBundle("its signature can't be read")
    return manifest, key_id, signature


def _parse(data: bytes) -> Manifest:
    """A manifest whose signature fits: still checked, because makers make mistakes. Raises BadBundle."""
    try:
        content = json.loads(data)
        if content["product"] != PRODUCT:
            raise BadBundle(f"it is an update of {content['product']!r:.40}, not of {PRODUCT}")
        if content["format"] != FORMAT:
            raise BadBundle(
                f"it is of format {content['format']!r:.20}, this version reads {FORMAT}: update to a version between"
            )
        files = tuple(_file(entry) for entry in content["files"])
        texts = [content[name] for name in ("version", "made", "oldest", "notes")]
        extras = tuple(content["extras"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, BadBundle):
            raise
        raise BadBundle("its manifest makes no sense, though it is signed: its maker made a mistake") from None
    if not all(isinstance(text, str) for text in (*texts, *extras)) or len(texts[3]) > LONGEST_NOTES:
        raise BadBundle("its manifest makes no sense, though it is signed: its maker made a mistake")
    if not 0 < len(files) <= MAX_FILES or len({file.name for file in files}) < len(files):
        raise BadBundle("its manifest lists no files, too many, or one twice")
    return Manifest(texts[0], texts[1], texts[2], texts[3], extras, files)


def _file(entry: Mapping[str, Any]) -> BundleFile:
    file = BundleFile(entry["name"], entry["size_bytes"], entry["sha256"], entry["unpacked_bytes"])
    sizes_fit = all(
        type(size) is int and 0 < size <= MAX_UNPACKED_BYTES for size in (file.size_bytes, file.unpacked_bytes)
    )
    if not sizes_fit or not isinstance(file.name, str) or not isinstance(file.sha256, str):
        raise ValueError(entry)
    if not plain_tar.is_plain_name(file.name) or not file.name.endswith(".whl"):
        raise BadBundle(f"it holds {file.name!r:.60}, which is no wheel")
    return file
