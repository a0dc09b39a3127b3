"""The root layer: a Debian of the size of Raspberry Pi OS Lite, with what the installer would fetch already there."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.system.kernel import APT_SOURCES
from tests.system.layers import command, layer
from tests.system.target import Target

GUEST = Path(__file__).resolve().parent / "guest"
IMAGE_BYTES = 3 << 30  # sparse
# As on Raspberry Pi OS, so that the installer needs no network; the last line's are the tests' own.
_PACKAGES = (Path(__file__).resolve().parent / "packages.txt").read_text().split()
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
_MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer", "e2scrub_all.timer")
_FSTAB = "/dev/vda / ext4 errors=remount-ro 0 1\n"
# Groups of Raspberry Pi OS that Debian has not; who may touch which device there.
_PI_GROUPS = ("gpio", "spi", "i2c")
_PI_RULES = (
    'SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="gpio", MODE="0660"\n'
    'SUBSYSTEM=="spidev", GROUP="spi", MODE="0660"\n'
    'SUBSYSTEM=="i2c-dev", GROUP="i2c", MODE="0660"\n'
)
# The panel has a /proc of its own, in which the processor is not a Pi's.
_PANEL_ON_A_PI = "[Service]\nBindReadOnlyPaths=-/run/appliance-test-cpuinfo:/proc/cpuinfo\n"


def root_image(target: Target) -> Path:
    """The disk `root.ext4` of a machine that boots and has no pedal yet."""
    ingredients = [target.suite, target.arch, *_PACKAGES, Path(__file__), GUEST]
    name = f"root-{target.suite}-{target.arch}"
    return layer(name, ingredients, lambda made: _make(target, made)) / "root.ext4"


def _tree(target: Target) -> Path:
    """Debian's packages, configured."""
    packages = ["tree 1", target.suite, target.arch, *_PACKAGES]
    return layer(f"tree-{target.suite}-{target.arch}", packages, lambda made: _bootstrap(target, made)) / "tree.tar"


def _bootstrap(target: Target, made: Path) -> None:
    options = ["--variant=minbase", "--mode=root", f"--architectures={target.arch}"]
    options += ['--aptopt=Apt::Install-Recommends "false"', *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT)]
    options.append(f"--include={','.join(_PACKAGES)}")
    command(["mmdebstrap", "-q", *options, target.suite, made / "tree.tar", APT_SOURCES])


def _make(target: Target, made: Path) -> None:
    root = made / "tree"
    root.mkdir()
    command(["tar", "-xf", _tree(target), "-C", root, "--exclude=./dev/*", "--numeric-owner"])
    (root / "usr" / "lib" / "modules").mkdir(exist_ok=True)
    _set_up(root)
    command(["mkfs.ext4", "-q", "-L", "root", "-d", root, made / "root.ext4", str(IMAGE_BYTES >> 10) + "k"])
    shutil.rmtree(root)


def _set_up(root: Path) -> None:
    etc = root / "etc"
    (etc / "hostname").write_text("pedal\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n127.0.1.1 pedal\n")
    (etc / "fstab").write_text(_FSTAB)
    (etc / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "udev" / "rules.d" / "99-pi.rules").write_text(_PI_RULES)
    (etc / "sysusers.d").mkdir(exist_ok=True)
    (etc / "sysusers.d" / "pi.conf").write_text("".join(f"g {group} -\n" for group in _PI_GROUPS))
    command(["systemd-sysusers", f"--root={root}"])
    library = root / "usr" / "local" / "lib" / "appliance-test"
    shutil.copytree(GUEST, library, ignore=shutil.ignore_patterns("__pycache__"))
    system = etc / "systemd" / "system"
    wanted = system / "sysinit.target.wants"
    wanted.mkdir(exist_ok=True)
    for service in library.glob("*.service"):
        (wanted / service.name).symlink_to(f"../{service.name}")
        shutil.move(service, system)
    (system / "appliance-panel.service.d").mkdir()
    (system / "appliance-panel.service.d" / "pi.conf").write_text(_PANEL_ON_A_PI)
    for unit in _MASKED:
        (system / unit).unlink(missing_ok=True)
        (system / unit).symlink_to("/dev/null")
