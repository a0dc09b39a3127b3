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
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import appliance
from appliance import storage
from appliance.box import trial
from appliance.box.bundle import PRODUCT, Bundle, BundleFile, open_bundle
from appliance.box.fitting import check_age, check_room, fitting_wheels
from appliance.box.health import Onlooker
from appliance.box.judge import Look
from appliance.box.run import run as run_program
from appliance.box.signing import trusted_keys
from appliance.box.versions import Versions
from appliance.errors import ApplianceError, BadBundle, NotAllowed, NotFound, StorageError, SystemRefused

Run = Callable[..., str]
Tell = Callable[[str, float], None]  # words for the player, 0…1

_VENV_TIMEOUT_S = 600.0
_PIP_TIMEOUT_S = 1800.0
_TEST_TIMEOUT_S = 180.0
# Shares of the whole that the steps are taken to be, for the bar on the page.
_UNPACKED, _VENV, _INSTALLED = 0.25, 0.4, 0.85

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
    """What a bundle is, for the player to decide. `refusal`: why this box can't take it; None: it can."""

    name: str
    version: str
    made: str
    notes: str
    signed_by: str
    running: str
    size_bytes: int
    refusal: str | None

    def to_json(self) -> dict[str, Any]:
        """As the page gets it."""
        return dict(vars(self))


def examine(path: Path, *, versions: Versions | None = None, force_older: bool = False, whole: bool = True) -> Offer:
    """Look at a bundle without changing anything. `whole`: read all of it and check every hash.

    Raises BadBundle (unsigned, unknown key, damaged), TooLarge, StorageError.
    """
    with open_bundle(path, trusted_keys()) as bundle:
        if whole:
            bundle.verify()
        manifest = bundle.manifest
        refusal = None
        try:
            check_age(manifest, appliance.__version__, force_older=force_older)
            files = fitting_wheels(manifest)
            place = versions or Versions()
            if place.base.is_dir():
                _make_room(place, files)
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
        )


def install(
    path: Path,
    *,
    versions: Versions | None = None,
    tell: Tell = lambda words, share: None,
    run: Run = run_program,
    force_older: bool = False,
    follow_links: bool = True,
    look: Callable[[], Look] | None = None,
) -> str:
    """Make the bundle's version and have it tried; its name in `Versions`. The trial goes on by itself.

    Raises BadBundle, NotAllowed, TooLarge, StorageError, SystemRefused, NotInstalled; what plays is then as before.
    """
    versions = versions or Versions()
    versions.check_installed()
    with _alone(versions):
        tell("Checking who signed it", 0.0)
        with open_bundle(path, trusted_keys(), follow_links=follow_links) as bundle:
            check_age(bundle.manifest, appliance.__version__, force_older=force_older)
            name = f"{bundle.manifest.version}-{bundle.identity}"
            if name == versions.current:
                raise NotAllowed(f"this very update is what runs already ({bundle.manifest.version})")
            files = fitting_wheels(bundle.manifest)
            versions.tidy()
            _make_room(versions, files, for_good=True)
            if not versions.is_finished(name):
                _make(bundle, name, files, versions, tell, run)
        tell("Putting it in", 1.0)
        trial.begin(versions, name, (look or _look)(), run)
    return name


def go_back(*, versions: Versions | None = None, run: Run = run_program, look: Callable[[], Look] | None = None) -> str:
    """Have the previous version tried in place of the current one; its name. Raises NotFound, NotAllowed, as `install`.

    It is on trial as any other: should it not play, the present one comes back.
    """
    versions = versions or Versions()
    versions.check_installed()
    with _alone(versions):
        name = versions.previous
        if name is None:
            raise NotFound("there is no version before this one on the box")
        trial.begin(versions, name, (look or _look)(), run)
    return name


def _make(bundle: Bundle, name: str, files: list[BundleFile], versions: Versions, tell: Tell, run: Run) -> None:
    incoming = versions.base / "incoming"
    try:
        shutil.rmtree(incoming, ignore_errors=True)
        os.makedirs(incoming, mode=0o700)  # noqa: PTH103 – the module's system calls stand in `os`, where a test fails them
        tell("Unpacking", 0.01)
        wheels = bundle.unpack(incoming, files, lambda share: tell("Unpacking", share * _UNPACKED))
        folder = versions.begin(name)
        try:
            tell("Making its environment", _UNPACKED)
            run([sys.executable, "-m", "venv", str(folder)], timeout_s=_VENV_TIMEOUT_S)
            tell(f"Installing {len(wheels)} parts", _VENV)
            wanted = f"{PRODUCT}[{','.join(bundle.manifest.extras)}]=={bundle.manifest.version}"
            pip = [str(versions.python(name)), "-m", "pip", "--isolated", "--disable-pip-version-check", "install"]
            options = ["--quiet", "--no-cache-dir", "--no-index", "--find-links", str(incoming)]
            run([*pip, *options, wanted], timeout_s=_PIP_TIMEOUT_S)
            tell("Testing it", _INSTALLED)
            _test(str(versions.python(name)), bundle.manifest.version, run)
            tell("Writing it to the card", 0.95)
            versions.finish(name)
        except Exception:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        if isinstance(error, ApplianceError):
            raise
        raise storage.storage_error("the update could not be installed", error) from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _test(python: str, version: str, run: Run) -> None:
    """Raises BadBundle: it would not play."""
    try:
        said = run([python, "-m", "appliance", "--version"], timeout_s=_TEST_TIMEOUT_S)
        if version not in said.split():
            raise BadBundle(f"the update says it is {said.strip()!r:.60}, not {version}: its maker made a mistake")
        run([python, "-c", _SELF_TEST], timeout_s=_TEST_TIMEOUT_S)
    except SystemRefused as error:
        raise BadBundle(f"the new version does not work on this box, so it is not put in: {error}") from error


def _make_room(versions: Versions, files: list[BundleFile], *, for_good: bool = False) -> None:
    """Raises StorageError. The version to go back to gives way when the card is short of room (`for_good`)."""
    try:
        check_room(files, shutil.disk_usage(versions.base).free)
        return
    except StorageError:
        previous = versions.previous
        if previous is None:
            raise
    held = sum(path.lstat().st_size for path in versions.path(previous).rglob("*") if not path.is_dir())
    check_room(files, shutil.disk_usage(versions.base).free + held)
    if for_good:
        versions.forget_previous()
        versions.tidy()


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
def _alone(versions: Versions) -> Iterator[None]:
    """One update at a time, and none while a version is on trial. Raises NotAllowed, StorageError."""
    try:
        descriptor = os.open(versions.base / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise NotAllowed("an update takes root: put sudo before the command") from error
    except OSError as error:
        raise storage.storage_error("the update could not begin", error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NotAllowed("another update is at work: let it end first") from error
        if trial.is_on(versions):
            raise NotAllowed("a version is on trial at present: wait until it has played for a minute")
        yield
    finally:
        os.close(descriptor)
