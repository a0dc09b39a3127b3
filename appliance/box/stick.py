"""A USB stick with an update on it: `python -m appliance.box.stick /dev/sdX1`, as root, started by udev.

The stick is mounted read-only into a folder that this process alone sees (the unit has its own mount namespace), and
never written to. The newest signed bundle in its top folder that this box takes is installed; sticks without one are
left alone without a word.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import appliance
from appliance.box import updating
from appliance.box.bundle import ENDING
from appliance.box.quiet import be_quiet
from appliance.box.run import run as run_program
from appliance.box.trial import tell
from appliance.box.updating import Offer
from appliance.errors import ApplianceError, BadBundle, ExitCode

log = logging.getLogger(__name__)

MOUNT = Path("/run/appliance-stick")
# Of the kinds that a stick comes in; each driver more is one more that a stranger's stick can try to fool.
_OPTIONS = {"vfat": "", "exfat": "", "ext4": ",noload"}  # noload: not even its journal is written
_MOST_BUNDLES = 20


@contextlib.contextmanager
def mounted(device: str, run: Callable[..., str] = run_program, folder: Path = MOUNT) -> Iterator[Path]:
    """The stick, read-only. Raises BadBundle (a kind that is not mounted), SystemRefused."""
    kind = run(["blkid", "--output", "value", "--match-tag", "TYPE", device]).strip()
    if kind not in _OPTIONS:
        raise BadBundle(f"the stick is formatted as {kind!r:.20}: use one with FAT, exFAT or ext4")
    folder.mkdir(mode=0o700, exist_ok=True)
    options = f"ro,nosuid,nodev,noexec{_OPTIONS[kind]}"
    run(["mount", "--types", kind, "--options", options, device, str(folder)])
    try:
        yield folder
    finally:
        run(["umount", "--lazy", str(folder)])


def choose(folder: Path) -> tuple[Path, Offer] | None:
    """The newest bundle that this box would take; None: there is no bundle at all.

    Raises BadBundle with the reason of the last refusal when there are some and none will do.
    """
    from packaging.version import Version

    refusal: str | None = None
    best: tuple[Path, Offer] | None = None
    for path in sorted(folder.glob(f"*{ENDING}"))[:_MOST_BUNDLES]:
        if path.name.startswith("."):
            continue  # a Mac's leavings
        try:
            offer = updating.examine(path, whole=False)
        except ApplianceError as error:
            refusal = str(error)
            continue
        if offer.refusal is None and Version(offer.version) == Version(appliance.__version__):
            refusal = f"version {offer.version} on the stick is what runs already"
        elif offer.was_left:
            refusal = (
                f"version {offer.version} on the stick was tried before, and this box went back to "
                f"{appliance.__version__}: to try it again, choose the file on the page"
            )
        elif offer.refusal is not None:
            refusal = f"{path.name}: {offer.refusal}"
        elif best is None or Version(offer.version) > Version(best[1].version):
            best = path, offer
    if best is None and refusal is not None:
        raise BadBundle(refusal)
    return best


def main() -> int:
    """Look at the device named by the argument. Returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    be_quiet()
    found = False
    try:
        with mounted(sys.argv[1]) as folder:
            found = any(folder.glob(f"*{ENDING}"))
            chosen = choose(folder)
            if chosen is None:
                log.info("no update on the stick")
                return ExitCode.OK
            path, offer = chosen
            tell("working", f"An update to version {offer.version} is on the USB stick.", 0.0)
            updating.install(
                path,
                tell=lambda words, share: tell("working", f"From the USB stick: {words}. Leave it in.", share),
                follow_links=False,
            )
    except ApplianceError as error:
        log.error("%s", error)
        if found:
            tell("refused", f"The USB stick: {error}")
        return error.exit_code
    except OSError as error:  # pulled out, or worn out
        log.error("the stick can't be read: %s", error)
        if found:
            tell(
                "refused", f"The USB stick can't be read ({error.strerror or error}): leave it in, or try another one."
            )
        return ExitCode.NO_STORAGE
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
