"""The installer on a tree: says what it would do, does it once, and takes it away without a trace."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance import paths
from appliance.box import host, setup, system_files
from appliance.box.layout import Box
from appliance.errors import ExitCode

CONFIG = b"dtparam=audio=on\n[cm5]\ndtoverlay=dwc2,dr_mode=host\n"
CMDLINE = b"console=serial0,115200 root=PARTUUID=1 rootwait\n"
NOTHING = "Nothing to do: everything is as it should be.\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making users in a tree takes root")


@pytest.fixture
def root() -> Iterator[Path]:
    """A Raspberry Pi OS, as far as the installer looks; in memory, because every step is synced."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield _system(Path(folder) / "root")


def _system(root: Path) -> Path:
    for path, content in {
        "etc/os-release": b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        "etc/hostname": b"raspberrypi\n",
        "etc/hosts": b"127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n",
        "etc/passwd": b"root:x:0:0:root:/root:/bin/bash\n",
        "etc/group": b"root:x:0:\naudio:x:29:\ndialout:x:20:\n",
        "boot/firmware/config.txt": CONFIG,
        "boot/firmware/cmdline.txt": CMDLINE,
        "proc/device-tree/model": b"Raspberry Pi 4 Model B Rev 1.4\0",
        "sys/devices/system/cpu/present": b"0-3\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


Install = Callable[..., tuple[int, str]]


@pytest.fixture
def install(root: Path, capsys: pytest.CaptureFixture[str]) -> Install:
    """Run the installer on the tree: exit code, and what it said."""

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = setup.main(["--root", str(root), *arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def everything(root: Path) -> dict[str, bytes | str | None]:
    """Every path under the root, with its content, where it leads to, or None for a folder."""
    return {
        str(path.relative_to(root)): str(path.readlink())
        if path.is_symlink()
        else None
        if path.is_dir()
        else path.read_bytes()
        for path in root.rglob("*")
    }


def test_a_dry_run_says_all_and_changes_nothing(root: Path, install: Install) -> None:
    before = everything(root)
    code, said = install("--dry-run", "--hat", "pisound")
    assert code == ExitCode.OK
    assert everything(root) == before
    assert "would write /usr/lib/systemd/system/appliance-audio.service" in said
    assert "dtoverlay=pisound" in said
    assert "isolcpus=domain,managed_irq,3 irqaffinity=0-2" in said
    wet = install("--hat", "pisound")[1]
    dry_changes = [line.removeprefix("would ") for line in said.splitlines() if line.startswith("would ")]
    assert [line.removesuffix(" …") for line in wet.splitlines() if line.endswith(" …")] == dry_changes


def test_the_second_run_changes_nothing_and_says_so(root: Path, install: Install) -> None:
    assert install("--hat", "wm8960")[0] == ExitCode.OK
    before = everything(root)
    code, said = install()
    assert code == ExitCode.OK
    assert said.endswith(NOTHING)
    assert everything(root) == before


def test_everything_of_the_tree_lies_where_it_belongs(root: Path, install: Install) -> None:
    install("--hat", "none", "--card", "USB")
    box = Box(root)
    files = list(system_files.tree(paths.assets("system")))
    assert len(files) > 10
    assert all(file.is_laid(box) for file in files)
    assert (root / "usr/local/bin/appliance").readlink() == Path("/opt/appliance/current/bin/appliance")
    assert "appliance-panel:" in (root / "etc/passwd").read_text()
    wants = root / "etc/systemd/system/appliance.target.wants"
    assert (wants / "appliance-audio.service").is_symlink()
    text = (root / "etc/appliance/audio.conf").read_text()
    assert 'APPLIANCE_AUDIO_ARGUMENTS="--input hw:CARD=USB --output hw:CARD=USB --period 64"\n' in text


def test_uninstall_with_purge_leaves_no_trace(root: Path, install: Install) -> None:
    foreign = root / "usr/lib/sysctl.d/90-appliance.conf"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("somebody else's\n")
    command = root / "usr/local/bin/appliance"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n")
    before = everything(root)
    install("--hat", "audioinjector")
    assert foreign.read_text() != "somebody else's\n"
    code, _ = install("--uninstall", "--purge")
    assert code == ExitCode.OK
    after = everything(root)
    for name in [name for name in after if name.startswith(("etc/systemd", "etc/.pwd", "etc/shadow", "etc/gshadow"))]:
        del after[name]  # systemctl's and the user database's own
    for name in [name for name in after if name in ("etc/passwd-", "etc/group-", "etc/subuid", "etc/subgid")]:
        del after[name]
    assert {name for name in after if name not in before} == set()
    assert after == before
    assert install("--uninstall")[1] == "Nothing to do: the pedal is not installed here.\n"


def test_uninstall_keeps_presets_and_settings(root: Path, install: Install) -> None:
    install("--hat", "codec-zero")
    (root / "var/lib/appliance").mkdir(parents=True)
    (root / "var/lib/appliance/state.json").write_text("mine")
    code, said = install("--uninstall")
    assert code == ExitCode.OK
    assert "--purge" in said
    assert (root / "var/lib/appliance/state.json").read_text() == "mine"
    assert (root / "etc/appliance/audio.conf").is_file()
    assert (root / "boot/firmware/config.txt").read_bytes() == CONFIG
    assert (root / "boot/firmware/cmdline.txt").read_bytes() == CMDLINE
    assert not (root / "opt/appliance").exists()


def test_what_the_owner_wrote_stays_until_a_flag_names_it(root: Path, install: Install) -> None:
    install("--hat", "none", "--card", "USB")
    path = root / "etc/appliance/audio.conf"
    own = path.read_text().replace("--period 64", "--period 48") + "MINE=1\n"
    path.write_text(own)
    assert install()[1].endswith(NOTHING)
    assert path.read_text() == own
    install("--period", "32")
    assert path.read_text() == own.replace("--period 48", "--period 32")


def test_another_hat_takes_the_place_of_the_first_in_the_boot_settings(root: Path, install: Install) -> None:
    install("--hat", "pisound")
    install("--hat", "iqaudio-codec")
    config = (root / "boot/firmware/config.txt").read_text()
    assert "dtoverlay=iqaudio-codec" in config
    assert "pisound" not in config
    assert "hw:CARD=IQaudIOCODEC" in (root / "etc/appliance/audio.conf").read_text()
    assert (root / "boot/firmware/config.txt.before-appliance").read_bytes() == CONFIG


def test_a_file_that_a_later_version_no_longer_has_is_removed(
    root: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("--hat", "wm8960")
    place = "usr/lib/modules-load.d/appliance.conf"
    fewer = [file for file in system_files.tree(paths.assets("system")) if file.place != place]
    monkeypatch.setattr(system_files, "tree", lambda system: iter(fewer))
    _, said = install()
    assert f"remove /{place}" in said
    assert not (root / place).exists()
    assert install()[1].endswith(NOTHING)


@pytest.mark.parametrize("after", [0, 1, 8, 21, 45])
def test_cut_off_anywhere_it_goes_on_the_next_time_and_can_be_undone(
    root: Path, install: Install, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    before = everything(root)
    saves = 0
    save = setup.record.save

    def cut_off(path: Path, record: setup.record.Record) -> None:
        nonlocal saves
        saves += 1
        if saves > after:
            raise KeyboardInterrupt
        save(path, record)

    monkeypatch.setattr(setup.record, "save", cut_off)
    with pytest.raises(KeyboardInterrupt):
        install("--hat", "pisound")
    monkeypatch.setattr(setup.record, "save", save)
    assert install("--hat", "pisound")[0] == ExitCode.OK
    assert install()[1].endswith(NOTHING)
    install("--uninstall", "--purge")
    kept = everything(root)
    assert all(kept[name] == content for name, content in before.items() if not name.startswith("etc/"))
    assert not [name for name in kept if "appliance" in name]


@pytest.mark.parametrize(
    ("release", "words"),
    [
        (b'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04"\n', "Ubuntu 24.04; the pedal is installed on"),
        (b'ID=debian\nVERSION_ID="11"\n', "bookworm (12) or trixie (13)"),
        (b"", "an unknown system"),
    ],
)
def test_other_systems_are_refused_in_words(root: Path, install: Install, release: bytes, words: str) -> None:
    (root / "etc/os-release").write_bytes(release)
    before = everything(root)
    code, said = install("--hat", "pisound")
    assert code == ExitCode.SYSTEM_REFUSED
    assert words in said
    assert everything(root) == before


def test_without_a_card_it_says_how_to_name_one(root: Path, install: Install) -> None:
    code, said = install("--hat", "none")
    assert code == ExitCode.SYSTEM_REFUSED
    assert "none is plugged in" in said
    assert "--card" in said


def test_it_takes_root_but_for_looking(root: Path, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, said = install("--hat", "pisound")
    assert code == ExitCode.SYSTEM_REFUSED
    assert "sudo" in said
    assert install("--dry-run", "--hat", "pisound")[0] == ExitCode.OK


def test_a_32_bit_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "armv7l")
    monkeypatch.setattr(host, "_release", lambda root: {"ID": "debian", "VERSION_ID": "12"})
    with pytest.raises(host.SystemRefused, match=r"32-bit system .*64-bit image"):
        host.look(Box())


def test_pins_that_the_wiring_plan_needs_too_are_named(root: Path, install: Install) -> None:
    assert "Pisound needs GPIO 13, 17, 26" in install("--dry-run", "--hat", "pisound")[1]
    (root / "etc/appliance").mkdir()
    (root / "etc/appliance/appliance.toml").write_text('[switch.A]\npin = 5\ntap = "next"\n')
    assert "needs GPIO" not in install("--dry-run", "--hat", "pisound")[1]


def test_another_hats_overlay_of_the_owner_is_pointed_at(root: Path, install: Install) -> None:
    (root / "boot/firmware/config.txt").write_bytes(CONFIG + b"dtoverlay=hifiberry-dacplusadc\n")
    assert "take that line out" in install("--dry-run", "--hat", "pisound")[1]
    assert "take that line out" not in install("--dry-run", "--hat", "hifiberry-dacplusadc")[1]
