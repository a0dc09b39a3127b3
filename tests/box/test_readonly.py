"""The read-only root: what is looked at, switched and written, in a tree that stands for a system."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from appliance.box import readonly
from appliance.errors import SystemRefused

SYSTEM = Path(__file__).resolve().parents[2] / "system"
PLAIN = "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n"
OVERLAID = (
    "/dev/mmcblk0p2 /run/overlay/lower ext4 ro,noatime 0 0\noverlay / overlay rw,lowerdir=/run/overlay/lower 0 0\n"
)
DATA = "/dev/mmcblk0p3 /data ext4 {},noatime,errors=remount-ro 0 0\n"


class Tree:
    """A system's root. `ran`: the programs called, with what they did to the tree."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ran: list[list[str]] = []
        for folder in ("proc", "etc", "usr/sbin", "dev/disk/by-label", "data", "run/overlay/lower/etc"):
            (root / folder).mkdir(parents=True)
        script = "usr/share/initramfs-tools/scripts/init-bottom/appliance-overlay"
        (root / script).parent.mkdir(parents=True)
        shutil.copy(SYSTEM / "root" / script, root / script)
        (root / "usr/sbin/update-initramfs").touch()
        (root / "dev/disk/by-label/appliance-data").touch()
        self.mounts(PLAIN)

    def mounts(self, *lines: str) -> None:
        (self.root / "proc/mounts").write_text("".join(lines))

    def run(self, command: list[str], **_: Any) -> str:
        self.ran.append(command)
        return ""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_on_and_off_from_a_written_root(tree: Tree) -> None:
    assert readonly.standing(tree.root) == readonly.Standing(False, False, True, False, False)
    readonly.switch_on(tree.root, tree.run)
    assert [command[0] for command in tree.ran] == ["systemctl", "update-initramfs"]
    assert readonly.standing(tree.root) == readonly.Standing(False, True, True, False, False)
    assert "from the next start on read-only" in readonly.standing(tree.root).in_words()
    readonly.switch_off(tree.root, tree.run)
    assert readonly.standing(tree.root).next_start is False
    readonly.switch_off(tree.root, tree.run)  # twice is no fault


def test_off_and_on_again_from_below_the_overlay_is_written_to_the_card_and_not_to_memory(tree: Tree) -> None:
    flag = tree.root / "run/overlay/lower/etc/appliance-read-only"
    flag.touch()
    tree.mounts(OVERLAID, DATA.format("rw"))
    found = readonly.standing(tree.root)
    assert (found.now, found.next_start, found.kept, found.writable) == (True, True, True, True)
    assert found.data_free_bytes > 0
    readonly.switch_off(tree.root, tree.run)
    assert not flag.exists()
    lower = str(tree.root / "run/overlay/lower")
    assert tree.ran == [["mount", "-o", "remount,rw", lower], ["mount", "-o", "remount,ro", lower]]
    assert "from the next start on written as usual" in readonly.standing(tree.root).in_words()
    readonly.switch_on(tree.root, tree.run)
    assert flag.exists()
    assert not (tree.root / "etc/appliance-read-only").exists()


def test_the_card_is_read_only_again_whatever_happens_to_the_update(tree: Tree) -> None:
    tree.mounts(OVERLAID)
    update = ExitStack()
    assert update.enter_context(readonly.writable_root(tree.root, tree.run)) == tree.root / "run/overlay/lower"
    update.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert tree.ran[-1][2] == "remount,ro"
    tree.mounts(PLAIN)
    with readonly.writable_root(tree.root, tree.run) as own:
        assert own == tree.root


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("dev/disk/by-label/appliance-data", "mkfs.ext4 -L appliance-data"),
        ("usr/share/initramfs-tools/scripts/init-bottom/appliance-overlay", "install.sh"),
        ("usr/sbin/update-initramfs", "apt install initramfs-tools"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_changed(tree: Tree, missing: str, words: str) -> None:
    (tree.root / missing).unlink()
    with pytest.raises(SystemRefused, match=words):
        readonly.switch_on(tree.root, tree.run)
    assert tree.ran == []
    assert readonly.standing(tree.root).next_start is False


def test_a_system_whose_initramfs_can_t_be_made_is_left_as_it_was(tree: Tree) -> None:
    def full(command: list[str], **_: Any) -> str:
        if command[0] == "update-initramfs":
            raise SystemRefused("No space left on device")
        return ""

    with pytest.raises(SystemRefused, match="No space"):
        readonly.switch_on(tree.root, full)
    assert readonly.standing(tree.root).next_start is False


def test_words_for_a_card_that_gave_up_and_for_one_that_keeps_nothing(tree: Tree) -> None:
    tree.mounts(OVERLAID, DATA.format("ro"))
    assert "after an error" in readonly.standing(tree.root).in_words()
    (tree.root / "dev/disk/by-label/appliance-data").unlink()
    tree.mounts(OVERLAID)
    assert "Nothing that is changed is kept!" in readonly.standing(tree.root).in_words()


def may_mount() -> bool:
    """Whether this user may make mounts in a namespace of its own, and overlays are there."""
    if os.geteuid() != 0 or "overlay" not in Path("/proc/filesystems").read_text():
        return False
    return subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="only root may mount")
def test_the_script_of_the_initramfs_puts_memory_over_a_root(tmp_path: Path) -> None:
    """The real script, in a mount namespace, with a tmpfs that stands for the card."""
    script = SYSTEM / "root/usr/share/initramfs-tools/scripts/init-bottom/appliance-overlay"
    tried = f"""
        set -e
        mount --make-rprivate /
        mount -t tmpfs run /run
        mkdir {tmp_path}/root; mount -t tmpfs card {tmp_path}/root
        cd {tmp_path}/root; mkdir -p etc dev
        printf '# a card\\nLABEL=r / ext4 noatime 0 1\\n/dev/s none swap sw 0 0\\n' > etc/fstab
        printf 'LABEL=b /boot/firmware vfat ro 0 2\\n' >> etc/fstab
        echo old > etc/hostname
        cd /
        export rootmnt={tmp_path}/root
        PATH={tmp_path}:$PATH sh {script}; findmnt -no FSTYPE {tmp_path}/root
        echo > {tmp_path}/root/etc/appliance-read-only
        sh {script} 2>{tmp_path}/log; findmnt -no FSTYPE {tmp_path}/root
        echo new > {tmp_path}/root/etc/hostname
        cat {tmp_path}/root/etc/hostname /run/overlay/lower/etc/hostname
        echo fstab; cat {tmp_path}/root/etc/fstab
        ! echo spoilt > /run/overlay/lower/etc/hostname
    """
    (tmp_path / "modprobe").write_text("#!/bin/sh\n")
    done = subprocess.run(["unshare", "-m", "sh", "-c", tried], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, after, over, below, _, *fstab = done.stdout.splitlines()
    assert (before.strip(), after.strip(), over, below) == ("tmpfs", "overlay", "new", "old")
    assert fstab == ["# a card", "LABEL=b /boot/firmware vfat ro 0 2"]
