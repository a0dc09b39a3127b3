"""Is a bundle for this box: its Python, its processor, what runs now, the room on its card? Mostly pure."""

from __future__ import annotations

import platform
import sys
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path

from packaging.tags import Tag, sys_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from appliance.box.bundle import MAX_UNPACKED_BYTES, PRODUCT, BundleFile, Manifest
from appliance.errors import BadBundle, NotAllowed, StorageError, TooLarge

BYTECODE_SHARE = 0.5  # of what is unpacked, on top: what Python makes of it, and the virtual environment's own
SPARE_BYTES = 64 << 20  # left free on the card whatever happens


def fitting_wheels(manifest: Manifest, tags: Collection[Tag] | None = None) -> list[BundleFile]:
    """The wheels that this machine's Python takes. `tags`: what it takes (default: of the Python that runs).

    Raises BadBundle: none of the pedal itself is among them, or a name is no wheel's.
    """
    takes = frozenset(tags if tags is not None else sys_tags())
    fits: list[BundleFile] = []
    offered: set[Tag] = set()
    for file in manifest.files:
        try:
            name, version, _, made_for = parse_wheel_filename(file.name)
        except (InvalidWheelFilename, InvalidVersion):
            raise BadBundle(f"it holds {file.name!r:.60}, which is no wheel") from None
        if name == PRODUCT:
            offered |= made_for
        if made_for & takes and (name != PRODUCT or version == Version(manifest.version)):
            fits.append(file)
    if not any(file.name.startswith(f"{PRODUCT}-") for file in fits):
        wanted = f"Python {sys.version_info.major}.{sys.version_info.minor} on {platform.machine()}"
        theirs = ", ".join(sorted({f"{tag.interpreter} {tag.platform}" for tag in offered})) or "nothing known"
        raise BadBundle(f"this update is for {theirs}; this box has {wanted}: fetch the one for it")
    unpacked = sum(file.unpacked_bytes for file in fits)
    if unpacked > MAX_UNPACKED_BYTES:
        raise TooLarge(
            f"unpacked it would take {unpacked >> 20} MiB; an update takes at most {MAX_UNPACKED_BYTES >> 20}"
        )
    return fits


def check_age(manifest: Manifest, running: str, *, force_older: bool = False) -> None:
    """Refuse to go back, or to leap too far. Raises NotAllowed, BadBundle."""
    try:
        offered, present = Version(manifest.version), Version(running)
        oldest = Version(manifest.oldest) if manifest.oldest else None
    except InvalidVersion as error:
        raise BadBundle(f"a version makes no sense: {error}") from None
    if offered < present and not force_older:
        raise NotAllowed(
            f"the update is version {offered}, older than {present}, which runs: "
            "if you mean it, appliance update --force-older"
        )
    if oldest is not None and present < oldest:
        raise NotAllowed(f"version {offered} updates from {oldest} on, and {present} runs: update to {oldest} first")


def needed_bytes(files: Sequence[BundleFile]) -> int:
    """Free bytes it takes to install these wheels: their copies, what is in them, what Python makes of it."""
    copies = sum(file.size_bytes for file in files)
    return copies + int(sum(file.unpacked_bytes for file in files) * (1.0 + BYTECODE_SHARE)) + SPARE_BYTES


def check_room(files: Sequence[BundleFile], free_bytes: int) -> None:
    """Raises StorageError when the card is too full."""
    needed = needed_bytes(files)
    if free_bytes < needed:
        raise StorageError(
            f"the update takes {needed >> 20} MiB and {free_bytes >> 20} MiB are free: "
            "remove models or recordings you don't need, then try again"
        )


def unpacked_bytes(wheel: Path) -> int:
    """What is in a wheel, by its own list. Raises BadBundle."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return max(1, sum(info.file_size for info in archive.infolist()))
    except (zipfile.BadZipFile, OSError) as error:
        raise BadBundle(f"{wheel.name} is no wheel: {error}") from error
