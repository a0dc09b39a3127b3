"""Install an update bundle beside the version that plays, then have it tried. As root; the sound goes on meanwhile.

The bundle is read once: what is signed and fits is copied, hash-checked, into a folder only root may write, and nothing
but those copies is used. pip puts them into a fresh virtual environment without looking at any index; the new version
must then start, load its engine and play the test vector of a factory model before anything changes. May block for
minutes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import appliance
from appliance import storage
from appliance.box import trial, versions
from appliance.box.bundle import PRODUCT, Bundle, BundleFile, open_bundle
from appliance.box.fitting import check_age, check_room, fitting_wheels
from appliance.box.health import Onlooker
from appliance.box.judge import Look
from appliance.box.layout import Box
from appliance.box.run import run as run_program
from appliance.box.signing import trusted_keys
from appliance.errors import ApplianceError, BadBundle, NotAllowed, NotFound, NotInstalled, StorageError, SystemRefused

Run = Callable[..., str]
Tell = Callable[[str, float], object]  # words for the player, 0…1

_TEST_TIMEOUT_S = 180.0
# Shares of the whole that the steps are taken to be, for the bar on the page.
_UNPACKED, _INSTALLED, _TESTED = 0.25, 0.85, 0.95

# One that the wheel carries must be read, checked and played; all families are the test suite's business.
_SELF_TEST = """
import sys
from appliance import paths
from appliance.engine import _native
from appliance.inspection import inspect_file
model = sorted(path for path in paths.assets("models").glob("*.onnx"))[0]
result = inspect_file(model)
test = result["self_test"]
sys.exit(0 if test and test["passed"] else f"{model.name} fails its own test: {test}")
"""


@dataclass(frozen=True)
class Offer:
    """What a bundle is, for the player to decide. `refusal`: why this box can't take it; None: it can.

    `was_left`: it played here, or was to, and something else plays since: nobody but the player should choose it again.
    """

    name: str
    version: str
    made: str
    notes: str
    signed_by: str
    running: str
    size_bytes: int
    refusal: str | None
    was_left: bool

    def to_json(self) -> dict[str, Any]:
        """As the page gets it."""
        return dict(vars(self))


def examine(path: Path, *, box: Box | None = None, force_older: bool = False, whole: bool = True) -> Offer:
    """Look at a bundle without changing anything. `whole`: read all of it and check every hash.

    Raises BadBundle (unsigned, unknown key, damaged), TooLarge, StorageError.
    """
    box = box or Box()
    with open_bundle(path, trusted_keys(box.root)) as bundle:
        if whole:
            bundle.verify()
        manifest = bundle.manifest
        refusal = None
        try:
            check_age(manifest, appliance.__version__, force_older=force_older)
            files = fitting_wheels(manifest)
            if box.opt.is_dir():
                _make_room(box, files)
        except ApplianceError as error:
            refusal = str(error)
        return Offer(
            name=path.name,
            version=manifest.version,
            made=manifest.made,
            notes=manifest.notes,
            signed_by=bundle.key.who,
            running=appliance.__version__,
            size_bytes=path.stat().st_size,
            refusal=refusal,
            was_left=_was_left(box, _name_of(bundle)),
        )


def install(
    path: Path,
    *,
    box: Box | None = None,
    tell: Tell = lambda words, share: None,
    run: Run = run_program,
    force_older: bool = False,
    follow_links: bool = True,
    look: Callable[[], Look] | None = None,
) -> str:
    """Make the bundle's version and have it tried; its name in `Versions`. The trial goes on by itself.

    Raises BadBundle, NotAllowed, TooLarge, StorageError, SystemRefused, NotInstalled; what plays is then as before.
    """
    box = box or Box()
    with _alone(box):
        tell("Checking who signed it", 0.0)
        with open_bundle(path, trusted_keys(box.root), follow_links=follow_links) as bundle:
            check_age(bundle.manifest, appliance.__version__, force_older=force_older)
            name = _name_of(bundle)
            if name == versions.name_of(box.current):
                raise NotAllowed(f"this very update is what runs already ({bundle.manifest.version})")
            files = fitting_wheels(bundle.manifest)
            versions.tidy(box)
            _make_room(box, files, for_good=True)
            if not versions.is_whole(box, name):
                _make(bundle, name, files, box, tell, run)
        tell("Putting it in", 1.0)
        trial.begin(box, name, (look or _look)(), run)
    return name


def go_back(*, box: Box | None = None, run: Run = run_program, look: Callable[[], Look] | None = None) -> str:
    """Have the previous version tried in place of the current one; its name. Raises NotFound, NotAllowed, as `install`.

    It is on trial as any other: should it not play, the present one comes back.
    """
    box = box or Box()
    with _alone(box):
        name = versions.back(box)
        if name is None:
            raise NotFound("there is no version before this one on the box")
        trial.begin(box, name, (look or _look)(), run)
    return name


def _name_of(bundle: Bundle) -> str:
    return f"{bundle.manifest.version}-{bundle.identity}"


def _was_left(box: Box, name: str) -> bool:
    outcome = trial.last_outcome(box)
    failed = outcome is not None and (outcome.result, outcome.version) == ("went back", name)
    return failed or versions.back(box) == name


def _make(bundle: Bundle, name: str, files: list[BundleFile], box: Box, tell: Tell, run: Run) -> None:
    incoming = box.opt / "incoming"
    try:
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(mode=0o700)
        wheels = bundle.unpack(incoming, files, lambda share: tell("Unpacking", share * _UNPACKED))
        tell(f"Installing {len(wheels)} parts", _UNPACKED)
        manifest = bundle.manifest

        def test(python: str) -> None:
            tell("Testing it", _INSTALLED)
            _test(python, manifest.version, run)
            tell("Writing it to the card", _TESTED)

        wanted = f"{PRODUCT}[{','.join(manifest.extras)}]=={manifest.version}"
        options = ["--isolated", "--no-cache-dir", "--no-index", "--find-links", str(incoming)]
        versions.make(box, name, [*options, wanted], test=test)
    except OSError as error:
        if isinstance(error, ApplianceError):
            raise
        raise storage.storage_error("the update could not be installed", error) from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _test(python: str, version: str, run: Run) -> None:
    """Raises BadBundle: it would not play."""
    try:
        said = run([python, "-I", "-m", "appliance", "--version"], timeout_s=_TEST_TIMEOUT_S)
        if version not in said.split():
            raise BadBundle(f"the update says it is {said.strip()!r:.60}, not {version}: its maker made a mistake")
        run([python, "-I", "-c", _SELF_TEST], timeout_s=_TEST_TIMEOUT_S)
    except SystemRefused as error:
        raise BadBundle(f"the new version does not work on this box, so it is not put in: {error}") from error


def _make_room(box: Box, files: list[BundleFile], *, for_good: bool = False) -> None:
    """Raises StorageError. The version to go back to gives way when the card is short of room (`for_good`)."""
    try:
        check_room(files, shutil.disk_usage(box.opt).free)
        return
    except StorageError:
        previous = versions.back(box)
        if previous is None:
            raise
    held = sum(path.lstat().st_size for path in (box.versions / previous).rglob("*") if not path.is_dir())
    check_room(files, shutil.disk_usage(box.opt).free + held)
    if for_good:
        box.previous.unlink(missing_ok=True)
        versions.tidy(box)


def _look() -> Look:
    """How the pedal is before: two looks, since frames are seen to move between them."""
    import time

    onlooker = Onlooker()
    try:
        onlooker.look()
        time.sleep(0.5)
        return onlooker.look()
    finally:
        onlooker.close()


@contextlib.contextmanager
def _alone(box: Box) -> Iterator[None]:
    """One update at a time, and none while a version is on trial. Raises NotInstalled, NotAllowed, StorageError."""
    if versions.name_of(box.current) is None:
        raise NotInstalled(
            f"nothing is installed in {box.opt}: an update takes the pedal installed as a service "
            "(sudo ./system/install.sh)"
        )
    try:
        descriptor = os.open(box.opt / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise NotAllowed("an update takes root: put sudo before the command") from error
    except OSError as error:
        raise storage.storage_error("the update could not begin", error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NotAllowed("another update is at work: let it end first") from error
        if trial.is_on(box):
            raise NotAllowed("a version is on trial at present: wait until it has played for a minute")
        yield
    finally:
        os.close(descriptor)
