"""The root layer: a Debian of the size of Raspberry Pi OS Lite, with what the installer would fetch already there."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.system.kernel import APT_SOURCES, kernel
from tests.system.layers import command, layer
from tests.system.target import Target

GUEST = Path(__file__).resolve().parent / "guest"
IMAGE_BYTES = 3 << 30  # sparse
# As on Raspberry Pi OS, so that the installer needs no network; the last ones are the tests' own.
_PACKAGES = """
    systemd systemd-sysv dbus udev kmod python3 python3-venv alsa-utils libasound2 network-manager wpasupplicant
    dnsmasq-base avahi-daemon libnss-mdns polkitd iproute2 iw rfkill wireless-regdb procps sudo ca-certificates openssl
    e2fsprogs nftables gpiod i2c-tools rt-tests
""".split()
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
_MASKED = """
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer e2scrub_reap.service
    systemd-pstore.service
""".split()
_FSTAB = "/dev/vda / ext4 errors=remount-ro 0 1\n"
# Groups of Raspberry Pi OS that Debian has not; who may touch which device there.
_PI_GROUPS = ("gpio", "spi", "i2c")
_PI_RULES = (
    'SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="gpio", MODE="0660"\n'
    'SUBSYSTEM=="spidev", GROUP="spi", MODE="0660"\n'
    'SUBSYSTEM=="i2c-dev", GROUP="i2c", MODE="0660"\n'
)


def root_image(target: Target) -> Path:
    """The disk `root.ext4` of a machine that boots and has no pedal yet."""
    kernel_layer = kernel(target)
    ingredients = ["root 1", repr(target), *_PACKAGES, Path(__file__), GUEST, kernel_layer.name]
    name = f"root-{target.suite}-{target.arch}-{target.kernel}"
    return layer(name, ingredients, lambda made: _make(target, kernel_layer, made)) / "root.ext4"


def _tree(target: Target) -> Path:
    """Debian's packages, configured; the same for every kernel."""
    packages = ["tree 1", target.suite, target.arch, *_PACKAGES]
    return layer(f"tree-{target.suite}-{target.arch}", packages, lambda made: _bootstrap(target, made)) / "tree.tar"


def _bootstrap(target: Target, made: Path) -> None:
    options = ["--variant=minbase", "--mode=root", f"--architectures={target.arch}"]
    options += ['--aptopt=Apt::Install-Recommends "false"', *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT)]
    options.append(f"--include={','.join(_PACKAGES)}")
    command(["mmdebstrap", "-q", *options, target.suite, made / "tree.tar", APT_SOURCES])


def _make(target: Target, kernel_layer: Path, made: Path) -> None:
    root = made / "tree"
    root.mkdir()
    command(["tar", "-xf", _tree(target), "-C", root, "--exclude=./dev/*", "--numeric-owner"])
    (version,) = (kernel_layer / "modules").iterdir()
    shutil.copytree(version, root / "usr" / "lib" / "modules" / version.name)
    command(["depmod", "-b", root, version.name])
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
    (wanted / "appliance-test-agent.service").symlink_to("../appliance-test-agent.service")
    shutil.move(library / "appliance-test-agent.service", system)
    for unit in _MASKED:
        (system / unit).unlink(missing_ok=True)
        (system / unit).symlink_to("/dev/null")
