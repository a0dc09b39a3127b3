"""From a bundle to a version on trial: a real virtual environment, and everything that can be in the way."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import appliance
from appliance import storage
from appliance.audio.realtime import parse_cores
from appliance.box import quiet, stick, trial, update_service, updating, versions
from appliance.box.bundle import open_bundle
from appliance.box.judge import Audio, Look
from appliance.box.layout import Box
from appliance.box.signing import KEY_FOLDER, trusted_keys
from appliance.errors import BadBundle, BadRequest, NotAllowed, NotFound, NotInstalled, StorageError, SystemRefused
from tests.box.bundles import bundle_of, key_pair, wheel

OLD, OLDER = "0.1.0-aaaa", "0.0.9-cccc"
WAS = Look(Audio.PLAYS, 1, panel=True, web=True)
# What the smoke test asks of a pedal, in a wheel without dependencies.
PEDAL = {
    "appliance/__init__.py": "__version__ = '9.1'\n",
    "appliance/__main__.py": "print('appliance, version 9.1')\n",
    "appliance/engine/__init__.py": "",
    "appliance/engine/_native.py": "class Pedal:\n    def __init__(self, rate_hz, period_frames): ...\n",
    "appliance/paths.py": "from pathlib import Path\n\ndef assets(name):\n    return Path(__file__).parent\n",
    "appliance/a.onnx": "x",
    "appliance/inspection.py": "def inspect_file(m):\n    return {'self_test': {'passed': m.suffix == '.onnx'}}\n",
}


class Installed:
    """A tree with two versions, a trusted key, and what was asked of the system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.box = Box(root)
        for name in (OLD, OLDER):
            (self.box.versions / name).mkdir(parents=True)
            (self.box.versions / name / ".complete").touch()
        versions.point(self.box.previous, OLDER)
        versions.point(self.box.current, OLD)
        self.key, _ = key_pair(root / "maker")
        (root / KEY_FOLDER).mkdir(parents=True)
        shutil.copy(self.key.with_name("maker.pub"), root / KEY_FOLDER)
        self.asked: list[Sequence[str]] = []
        self.told: list[tuple[str, float]] = []

    def run(self, command: Sequence[str], *, timeout_s: float = 0.0) -> str:
        self.asked.append(command)
        return "appliance, version 9.1" if "--version" in command else ""

    def bundle(self, **options: Any) -> Path:
        """A bundle of a pedal that does not need anything."""
        return bundle_of(self.root, self.key, wheel(self.root / "wheels", files=PEDAL, **options))

    def install(self, bundle: Path, **options: Any) -> str:
        told: Callable[[str, float], object] = lambda words, share: self.told.append((words, share))  # noqa: E731
        return updating.install(bundle, box=self.box, run=self.run, tell=told, look=lambda: WAS, **options)

    def nothing_changed(self) -> bool:
        """Links, versions and what is left lying about are as at the start."""
        left = {path.name for path in self.box.opt.iterdir()} - {"versions", "current", "previous", ".lock"}
        names = {path.name for path in self.box.versions.iterdir()}
        return not left and names == {OLD, OLDER} and versions.name_of(self.box.current) == OLD and not self.asked


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No virtual environment: only the folder."""

    def make(box: Box, name: str, arguments: Sequence[str], *, test: Callable[[str], object]) -> None:
        wheels = Path(arguments[arguments.index("--find-links") + 1])
        assert [path.name for path in wheels.iterdir()] == ["appliance-9.1-py3-none-any.whl"]
        assert wheels.stat().st_mode & 0o777 == 0o700  # what root installs, nobody else may change meanwhile
        assert "--no-index" in arguments
        test("python")
        (box.versions / name).mkdir(parents=True)
        (box.versions / name / ".complete").touch()

    monkeypatch.setattr(versions, "make", make)


def test_a_real_bundle_becomes_a_version_that_runs_and_is_put_on_trial(installed: Installed) -> None:
    real = updating.run_program

    def run(command: Sequence[str], *, timeout_s: float = 0.0) -> str:
        installed.asked.append(command)
        return "" if command[0] == "systemctl" else real(command, timeout_s=timeout_s)

    installed.run = run  # type: ignore[method-assign]
    name = installed.install(installed.bundle())
    assert name.startswith("9.1-")
    assert versions.is_whole(installed.box, name)
    said = real([str(installed.box.versions / name / "bin/python"), "-P", "-m", "appliance"])
    assert said == "appliance, version 9.1\n"
    assert versions.name_of(installed.box.current) == OLD  # until the trial begins
    assert trial.is_on(installed.box)
    assert installed.asked[-1] == ["systemctl", "start", "--no-block", trial.UNIT]
    assert not (installed.box.opt / "incoming").exists()
    shares = [share for _, share in installed.told]
    assert shares == sorted(shares)
    assert [words for words, share in installed.told][-1] == "Putting it in"
    with pytest.raises(NotAllowed, match="on trial at present"):
        installed.install(installed.bundle())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"--version": "appliance, version 9.0"}, "says it is 'appliance, version 9.0', not 9.1"),
        (
            {"-c": SystemRefused("exit code 1: lead.onnx fails its own test")},
            "does not work on this box.*fails its own",
        ),
    ],
)
def test_a_version_that_fails_its_test_is_never_put_in(installed: Installed, said: dict[str, Any], words: str) -> None:
    real = installed.run

    def run(command: Sequence[str], *, timeout_s: float = 0.0) -> str:
        found = next((answer for part, answer in said.items() if part in command), None)
        if isinstance(found, Exception):
            raise found
        return found if found is not None else real(command, timeout_s=timeout_s)

    installed.run = run  # type: ignore[method-assign]
    with pytest.raises(BadBundle, match=words):
        installed.install(installed.bundle())
    installed.asked.clear()
    assert installed.nothing_changed()


@pytest.mark.usefixtures("quick")
def test_what_is_not_for_this_box_changes_nothing(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = installed.bundle()
    data = bytearray(bundle.read_bytes())
    data[-2000] ^= 1
    (damaged := bundle.with_name("damaged.whl-bundle")).write_bytes(data)
    with pytest.raises(BadBundle, match=r"appliance-9\.1-py3-none-any\.whl is not what was signed"):
        installed.install(damaged)
    elsewhere = bundle_of(
        installed.root, installed.key, wheel(installed.root / "others", tag="cp27-cp27m-win32"), name="w.whl-bundle"
    )
    with pytest.raises(BadBundle, match=r"for cp27 win32; this box has Python 3"):
        installed.install(elsewhere)
    monkeypatch.setattr(appliance, "__version__", "9.2")
    with pytest.raises(NotAllowed, match=r"older than 9\.2"):
        installed.install(bundle)
    assert installed.nothing_changed()
    installed.install(bundle, force_older=True)


@pytest.mark.usefixtures("quick")
def test_a_full_card_gives_up_the_version_to_go_back_to_before_it_refuses(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = installed.bundle()
    free = [10 << 20]
    usage = shutil.disk_usage(installed.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free[0]))
    with pytest.raises(StorageError, match=r"takes \d+ MiB and 10 MiB are free"):
        installed.install(bundle)
    assert installed.nothing_changed()
    with (installed.box.versions / OLDER / "big").open("wb") as file:
        file.truncate(100 << 20)
    assert updating.examine(bundle, box=installed.box).refusal is None
    assert installed.nothing_changed()  # looking alone removes nothing
    installed.install(bundle)
    assert not (installed.box.versions / OLDER).exists()
    assert (installed.box.versions / OLD).exists()


@pytest.mark.usefixtures("quick")
def test_only_one_update_at_a_time(installed: Installed) -> None:
    bundle = installed.bundle()

    def meanwhile(words: str, share: float) -> None:
        with pytest.raises(NotAllowed, match="another update is at work"):
            updating.install(bundle, box=installed.box, look=lambda: WAS)

    updating.install(bundle, box=installed.box, run=installed.run, tell=meanwhile, look=lambda: WAS)
    assert trial.is_on(installed.box)


def test_what_a_bundle_is_is_told_without_root_and_without_a_box(installed: Installed, tmp_path: Path) -> None:
    offer = updating.examine(installed.bundle(), box=installed.box)
    assert (offer.version, offer.notes, offer.signed_by, offer.refusal) == ("9.1", "Two new amps.", "maker", None)
    assert offer.running == appliance.__version__
    with pytest.raises(NotInstalled, match=r"install\.sh"):
        updating.install(installed.bundle(), box=Box(tmp_path / "elsewhere"))
    assert installed.nothing_changed()


def test_going_back_needs_something_to_go_back_to(installed: Installed) -> None:
    shutil.rmtree(installed.box.versions / OLDER)
    with pytest.raises(NotFound, match="no version before"):
        updating.go_back(box=installed.box, run=installed.run, look=lambda: WAS)
    assert not trial.is_on(installed.box)


# ---- as the panel asks for it ----


def test_the_wish_becomes_a_request_that_only_root_reads_and_a_unit_that_begins(tmp_path: Path) -> None:
    asked: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> str:
        asked.append(command)
        return ""

    file = tmp_path / "request.json"
    answer = update_service.ask({"do": "install", "path": "/x/a.whl-bundle"}, run, file)
    assert answer.status == "working"
    assert json.loads(file.read_text()) == {"do": "install", "path": "/x/a.whl-bundle"}
    assert file.stat().st_mode & 0o777 == 0o600
    assert asked == [["systemctl", "start", "--no-block", update_service.UNIT]]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"do": "format"},
        {"do": "install"},
        {"do": "install", "path": 3},
        {"do": "install", "path": "relative"},
        {"do": "install", "path": "/a\0b"},
        {"do": "install", "path": "/" + "a" * 2000},
        {"do": "install", "path": "/a", "root": "/"},
        {"do": "install", "path": "/a", "force_older": True},
        {"do": "back", "path": "/a"},
    ],
)
def test_a_wish_that_makes_no_sense_begins_nothing(tmp_path: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        update_service.ask(arguments, lambda command: pytest.fail("begun"), tmp_path / "request.json")
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_inbox_is_not_followed_by_root(installed: Installed) -> None:
    link = installed.root / "link.whl-bundle"
    link.symlink_to(installed.bundle())
    with pytest.raises(BadBundle, match="can't be opened"):
        installed.install(link, follow_links=False)
    assert installed.nothing_changed()


# ---- from a stick ----


@pytest.fixture
def on_this_box(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    monkeypatch.setattr(updating, "Box", lambda: installed.box)
    return installed


def test_of_several_bundles_on_a_stick_the_newest_that_fits_is_taken(on_this_box: Installed) -> None:
    root, key = on_this_box.root, on_this_box.key
    pen = root / "stick"
    pen.mkdir()
    assert stick.choose(pen) is None
    for version in ("0.0.1", appliance.__version__):
        bundle_of(pen, key, wheel(root / version, version=version), name=f"{version}.whl-bundle")
    with pytest.raises(BadBundle, match=rf"version {appliance.__version__} on the stick is what runs"):
        stick.choose(pen)
    for version in ("9.9", "10.0"):
        bundle_of(pen, key, wheel(root / version, version=version), name=f"{version}.whl-bundle")
    bundle_of(pen, key_pair(root / "stranger")[0], wheel(root / "11", version="11"), name="11.whl-bundle")
    (pen / "._x.whl-bundle").write_bytes(b"a Mac was here")
    chosen = stick.choose(pen)
    assert chosen is not None
    assert chosen[0].name == "10.0.whl-bundle"


@pytest.mark.parametrize("how", ["it did not play", "the player went back"])
def test_a_stick_left_in_does_not_bring_back_at_the_next_start_what_was_left(on_this_box: Installed, how: str) -> None:
    """Each time it would cost the sound a restart or two, on stage."""
    pen, box = on_this_box.root / "stick", on_this_box.box
    pen.mkdir()
    bundle = on_this_box.bundle().rename(pen / "pedal.whl-bundle")
    assert stick.choose(pen) is not None
    with open_bundle(bundle, trusted_keys(box.root)) as opened:
        name = f"9.1-{opened.identity}"
    if how == "it did not play":
        outcome = {"result": "went back", "words": "", "version": name, "when": "2026-01-01"}
        storage.save_json(box.opt / "last-update.json", trial.SCHEMA, outcome)
    else:
        (box.versions / name).mkdir()
        (box.versions / name / ".complete").touch()
        versions.point(box.previous, name)
    with pytest.raises(BadBundle, match=r"9\.1 on the stick was tried before.*choose the file on the page"):
        stick.choose(pen)
    assert updating.examine(bundle).refusal is None, "the player may"


def test_a_stick_is_mounted_read_only_and_let_go_whatever_happens(tmp_path: Path) -> None:
    asked: list[str] = []

    def run(command: Sequence[str]) -> str:
        asked.append(" ".join(command))
        return "vfat\n" if command[0] == "blkid" else ""

    def fall_over() -> None:
        with stick.mounted("/dev/sda1", run, tmp_path / "m") as folder:
            assert folder.stat().st_mode & 0o777 == 0o700
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fall_over()
    assert asked[1] == f"mount --types vfat --options ro,nosuid,nodev,noexec /dev/sda1 {tmp_path}/m"
    assert asked[2] == f"umount --lazy {tmp_path}/m"
    with pytest.raises(BadBundle, match="formatted as 'btrfs'"), stick.mounted("/dev/sda1", lambda command: "btrfs"):
        pytest.fail("mounted")


def test_the_work_goes_to_the_cores_that_the_sound_does_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(parse_cores("1,3-4\n")) == {1, 3, 4}
    assert set(parse_cores("\n")) == set()
    asked: dict[str, Any] = {}
    monkeypatch.setattr(os, "setpriority", lambda which, who, value: asked.update(nice=value))
    monkeypatch.setattr(os, "sched_setscheduler", lambda pid, policy, param: asked.update(policy=policy))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: asked.update(cores=cores))
    monkeypatch.setattr(quiet, "run", lambda command: asked.update(io=command[:3]))
    (tmp_path / "isolated").write_text("3\n")
    quiet.be_quiet(tmp_path / "isolated")
    assert asked == {"nice": 19, "policy": os.SCHED_IDLE, "cores": {0, 1, 2}, "io": ["ionice", "--class", "idle"]}
