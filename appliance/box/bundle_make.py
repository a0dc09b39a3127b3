"""Make an update bundle from a folder of wheels: the maker's side, on a PC. May block (disk)."""

from __future__ import annotations

import datetime
import email.parser
import hashlib
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from appliance.box import plain_tar
from appliance.box.bundle import (
    ENDING,
    LONGEST_NOTES,
    MANIFEST,
    MAX_BUNDLE_BYTES,
    PRODUCT,
    SIGNATURE,
    BundleFile,
    Manifest,
    signature_line,
)
from appliance.box.fitting import unpacked_bytes
from appliance.box.signing import sign
from appliance.errors import BadBundle, BadRequest, TooLarge
from appliance.storage import storage_error

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def make_bundle(
    output: Path,
    wheels: Path,
    key: Ed25519PrivateKey,
    *,
    notes: str = "",
    oldest: str = "",
    extras: Sequence[str] = ("pi",),
) -> Manifest:
    """Write the bundle of all wheels in a folder, signed; what it says of itself.

    Raises BadRequest (no wheel of the pedal, or of two versions), BadBundle (a wheel is damaged, or one that another
    needs is missing), TooLarge, StorageError.
    """
    found = sorted(wheels.glob("*.whl"))
    if output.suffix != ENDING:
        raise BadRequest(f"{output.name}: an update bundle is named *{ENDING}")
    if len(notes) > LONGEST_NOTES:
        raise TooLarge(f"the notes have {len(notes)} characters, {LONGEST_NOTES} is the most")
    version = _version(found, wheels)
    _check_complete(found, extras)
    if (size := sum(wheel.stat().st_size for wheel in found)) > MAX_BUNDLE_BYTES:
        raise TooLarge(f"the wheels have {size >> 20} MiB; a bundle has at most {MAX_BUNDLE_BYTES >> 20}")
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    manifest = Manifest(version, made, oldest, notes.strip(), tuple(extras), tuple(_described(found)))
    data = manifest.to_bytes()
    temporary = output.with_name(f".{output.name}.tmp")
    try:
        with temporary.open("wb") as stream:
            plain_tar.write(stream, MANIFEST, data)
            plain_tar.write(stream, SIGNATURE, signature_line(*sign(data, key)))
            for wheel in found:
                plain_tar.write(stream, wheel.name, wheel)
            plain_tar.finish(stream)
        temporary.replace(output)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage_error(f"{output.name} could not be written", error) from error
    return manifest


def _version(wheels: Iterable[Path], folder: Path) -> str:
    versions = set()
    for wheel in wheels:
        try:
            name, version, _, _ = parse_wheel_filename(wheel.name)
        except InvalidWheelFilename:
            raise BadRequest(f"{wheel.name} is not named as a wheel is") from None
        if name == PRODUCT:
            versions.add(str(version))
    if len(versions) != 1:
        what = f"wheels of {PRODUCT} {' and '.join(sorted(versions))}" if versions else f"no wheel of {PRODUCT}"
        raise BadRequest(f"{folder} holds {what}: a bundle brings one version")
    return versions.pop()


def _described(wheels: Iterable[Path]) -> Iterable[BundleFile]:
    for wheel in wheels:
        with wheel.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        yield BundleFile(wheel.name, wheel.stat().st_size, digest, unpacked_bytes(wheel))


def _check_complete(wheels: Sequence[Path], extras: Sequence[str]) -> None:
    """Every wheel that one of them needs must be there, by name: better told here than on a box without internet."""
    needs: dict[str, list[Requirement]] = defaultdict(list)
    for wheel in wheels:
        needs[_name(wheel)] += _requirements(wheel)
    wanted: list[tuple[str, frozenset[str]]] = [(PRODUCT, frozenset(extras))]
    seen = set(wanted)
    while wanted:
        name, with_extras = wanted.pop()
        for need in needs[name]:
            environments = [{"extra": extra} for extra in (*with_extras, "")]
            if need.marker is not None and not any(need.marker.evaluate(given) for given in environments):
                continue
            needed = canonicalize_name(need.name)
            if needed not in needs:
                raise BadBundle(
                    f"{name} needs {need}, and there is no wheel of it: add one (pip download or pip wheel)"
                )
            if (entry := (needed, frozenset(need.extras))) not in seen:
                seen.add(entry)
                wanted.append(entry)


def _name(wheel: Path) -> str:
    return parse_wheel_filename(wheel.name)[0]


def _requirements(wheel: Path) -> list[Requirement]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            path = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            headers = email.parser.Parser().parsestr(archive.read(path).decode(), headersonly=True)
        return [Requirement(line) for line in headers.get_all("Requires-Dist", [])]
    except (zipfile.BadZipFile, StopIteration, OSError, UnicodeDecodeError, InvalidRequirement) as error:
        raise BadBundle(f"{wheel.name} is no wheel: {error}") from error
