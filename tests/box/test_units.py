"""The units as systemd reads them: nothing it does not understand, nothing that waits for a network, few rights."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance import paths

UNITS = paths.assets("system") / "root/usr/lib/systemd/system"
FILES = sorted(path for path in UNITS.iterdir() if path.is_file())
SERVICES = [path for path in FILES if path.suffix == ".service"]
# What may keep a start waiting for minutes, or for ever on a stage.
SLOW = {
    "network-online.target", "nss-lookup.target", "time-sync.target", "time-set.target", "remote-fs.target",
    "NetworkManager-wait-online.service", "systemd-networkd-wait-online.service", "systemd-time-wait-sync.service",
    "systemd-udev-settle.service", "sound.target", "multi-user.target",
}  # fmt: skip
# As `systemd-analyze security` counts: 0 is nothing to take away any more, 10 is everything allowed.
MOST_EXPOSED = {"audio": 2.0, "web": 2.0, "panel": 3.0}

needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (apt install systemd)"
)


def parsed(path: Path) -> dict[str, dict[str, list[str]]]:
    """Section → key → every value it is given."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in path.read_text().splitlines():
        if section := re.fullmatch(r"\[(\w+)]", line):
            keys = found.setdefault(section[1], {})
        elif line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            keys.setdefault(key, []).append(value)
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with this system's units, ours, and something in the place of Python."""
    root = tmp_path_factory.mktemp("tree")
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, root / "usr/lib/systemd/system", dirs_exist_ok=True)
    for version in ("current", "trial/judge"):
        python = root / "opt/appliance" / version / "bin/python"
        python.parent.mkdir(parents=True)
        shutil.copy("/bin/true", python)
    (root / "bin").mkdir()
    shutil.copy("/bin/true", root / "bin/kill")
    for helper in (path for path in (UNITS.parents[2] / "lib").rglob("*") if path.is_file()):
        target = root / "usr/lib" / helper.relative_to(UNITS.parents[2] / "lib")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(helper, target)
            target.chmod(0o755)
    return root


@needs_systemd_analyze
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_systemd_understands_every_line(tree: Path, path: Path) -> None:
    name = path.name.replace("@.", "@1.")
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--root={tree}", "--man=no", "--recursive-errors=no", name],
        cwd=tree / "usr/lib/systemd/system",
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "appliance" in line]
    assert ours == []


@needs_systemd_analyze
@pytest.mark.parametrize(("name", "limit"), MOST_EXPOSED.items())
def test_few_rights_are_left(tree: Path, name: str, limit: float) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--root={tree}", "--no-pager", f"appliance-{name}.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) <= limit, done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_waits_for_a_network_or_the_time(path: Path) -> None:
    unit = parsed(path).get("Unit", {})
    keys = ("After", "Requires", "Requisite", "BindsTo")
    waited_for = {name for key in keys for line in unit.get(key, []) for name in line.split()}
    assert waited_for & SLOW == set()
    if path.stem.removeprefix("appliance-") in MOST_EXPOSED:
        assert not [name for name in waited_for if name.lower().startswith("network")]


def test_the_sound_waits_for_its_files_alone() -> None:
    unit = parsed(UNITS / "appliance-audio.service")["Unit"]
    assert unit["DefaultDependencies"] == ["no"]  # not even for the rest of the early start
    assert {name for line in unit["After"] for name in line.split()} <= {
        "local-fs.target", "systemd-tmpfiles-setup.service", "systemd-modules-load.service", "appliance-data.service",
    }  # fmt: skip


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_the_three_are_watched_and_started_again_for_ever(name: str) -> None:
    unit = parsed(UNITS / f"appliance-{name}.service")
    assert unit["Service"]["Type"] == ["notify"]
    assert unit["Service"]["Restart"] == ["always"]
    assert float(unit["Service"]["WatchdogSec"][0].removesuffix("s")) <= 30
    assert unit["Unit"]["StartLimitIntervalSec"] == ["0"]


def test_the_watchdog_of_the_sound_outlasts_the_longest_pause_between_tries_to_open_the_card() -> None:
    from appliance.audio.recovery import REOPEN_DELAY_S

    watchdog_s = float(parsed(UNITS / "appliance-audio.service")["Service"]["WatchdogSec"][0].removesuffix("s"))
    assert watchdog_s >= 2 * max(REOPEN_DELAY_S)


def test_the_sound_has_no_network_and_the_web_no_port_of_its_own() -> None:
    audio = parsed(UNITS / "appliance-audio.service")["Service"]
    assert audio["PrivateNetwork"] == ["yes"]
    assert audio["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert audio["CapabilityBoundingSet"] == [""]
    web = parsed(UNITS / "appliance-web.service")["Service"]
    assert web["CapabilityBoundingSet"] == [""]
    assert parsed(UNITS / "appliance-web.socket")["Socket"]["ListenStream"] == ["0.0.0.0:80"]


def test_the_web_writes_its_inbox_alone() -> None:
    web = parsed(UNITS / "appliance-web.service")["Service"]
    assert web["ProtectSystem"] == ["strict"]
    assert web["ReadOnlyPaths"] == ["/run /dev/shm"]  # which strict does not take in
    assert web.get("ReadWritePaths", []) == []
    assert web["BindPaths"] == ["/var/lib/appliance/inbox"]
    environment = dict(word.split("=", 1) for line in web["Environment"] for word in line.split())
    assert environment["APPLIANCE_INBOX"] == environment["TMPDIR"] == "/var/lib/appliance/inbox"


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_every_service_runs_the_version_that_is_current(path: Path) -> None:
    command = parsed(path)["Service"]["ExecStart"][0].lstrip("-+!@:")
    # A version on trial is judged by the one before it.
    judge = (
        "/opt/appliance/trial/judge/bin/" if path.name == "appliance-trial.service" else "/opt/appliance/current/bin/"
    )
    assert command.startswith((judge, "/usr/lib/appliance/"))


def test_every_user_and_folder_that_a_unit_names_is_made() -> None:
    users = {
        line.split()[1] for line in (UNITS.parents[1] / "sysusers.d/appliance.conf").read_text().splitlines() if line
    }
    folders = (UNITS.parents[1] / "tmpfiles.d/appliance.conf").read_text()
    for path in SERVICES:
        service = parsed(path)["Service"]
        assert set(service.get("User", [])) <= users
        assert set(service.get("Group", [])) <= users
    for folder in ("/run/appliance", "/run/appliance/wishes", "/run/appliance/answers", "/var/lib/appliance/inbox"):
        assert f" {folder} " in folders
