"""The kernel layer: Debian's kernel as the emulator takes it, the modules the tests use, the initramfs.

gpio-sim (lines of a GPIO chip moved by files) is part of Linux and of none of Debian's kernels, snd-dummy (a card with
a clock) and i2c-stub (a converter's registers) of some: they are built from Debian's source against Debian's headers.
"""

from __future__ import annotations

import lzma
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.system import initramfs
from tests.system.layers import command, layer
from tests.system.target import Target

APT_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
# What a machine may need; what a kernel lacks is left out.
_MODULES = (Path(__file__).resolve().parent / "modules.txt").read_text().split()
_EARLY_MODULES = ["virtio_pci", "virtio_console", "virtio_blk", "crc32c_generic", "ext4"]
# gpio-sim is in none of Debian's kernels, the others in some.
_BUILT = (
    "drivers/gpio/gpio-sim.c",
    "drivers/gpio/gpiolib.h",
    "drivers/i2c/i2c-stub.c",
    "kernel/irq/irq_sim.c",
    "sound/drivers/dummy.c",
)
_MAKEFILE = "obj-m := gpio-sim.o i2c-stub.o snd-dummy.o\ngpio-sim-y := sim.o irq_sim.o\nsnd-dummy-y := dummy.o\n"


def kernel(target: Target) -> Path:
    """A folder with `vmlinux`, `initramfs` and `modules.ext4`.

    The last is a disk that becomes /lib/modules, so that the layers above are the same for every kernel.
    """
    ingredients = [repr(target), *_MODULES, Path(__file__), Path(initramfs.__file__), _newest(target)]
    return layer(f"kernel-{target.suite}-{target.arch}-{target.kernel}", ingredients, lambda made: _make(target, made))


def _newest(target: Target) -> str:
    """The kernel the machine's apt would install for it; "" where apt can't say (another architecture)."""
    found = re.search(r"Candidate: (.*)", command(["apt-cache", "policy", target.kernel_package]))
    return found.group(1) if found else ""


def _make(target: Target, made: Path) -> None:
    packages = made / "packages"
    wanted = [target.kernel_package, target.headers_package, target.source_package, "busybox-static"]
    extract(target, wanted, packages)
    (tree,) = (packages / "lib" / "modules").resolve().iterdir()
    version = tree.name
    build_modules(target, packages, version, made / "build")
    extra = tree / "extra"
    extra.mkdir()
    for module in (made / "build").glob("*.ko"):
        if not list(tree.rglob(f"{module.name}*")):
            shutil.copy(module, extra)
    command(["depmod", "-b", packages, version])
    needs = _Needs(tree)
    for module in needs.closure(_MODULES):
        place = made / "modules" / version / module.relative_to(tree)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(module, place)
    for listed in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(tree / listed, made / "modules" / version)
    _write_modules(made / "modules", version, made / "modules.ext4")
    (image,) = (packages / "boot").glob("vmlinuz-*")
    (made / "vmlinux").write_bytes(_unpacked(target, image.read_bytes()))
    initramfs.write(made / "initramfs", packages / "bin" / "busybox", _plain(needs.closure(_EARLY_MODULES), made))
    for folder in ("packages", "build", "plain", "modules", "usr"):
        shutil.rmtree(made / folder, ignore_errors=True)


def _write_modules(modules: Path, version: str, disk: Path) -> None:
    base = modules.parent / "usr"  # depmod looks for lib/modules
    (base / "lib").mkdir(parents=True)
    (base / "lib" / "modules").symlink_to(modules)
    command(["depmod", "-b", base, version])
    bytes_used = sum(path.stat().st_size for path in modules.rglob("*"))
    command(["mkfs.ext4", "-q", "-d", modules, disk, f"{(bytes_used >> 10) * 5 // 4 + 8192}k"])


def extract(target: Target, packages: list[str], place: Path) -> None:
    """Unpack Debian packages and all they depend on, without running anything of them. Blocks."""
    options = ["--variant=extract", f"--architectures={target.arch}", '--aptopt=Apt::Install-Recommends "false"']
    command(["mmdebstrap", "-q", *options, f"--include={','.join(packages)}", target.suite, place, APT_SOURCES])


def build_modules(target: Target, packages: Path, version: str, build: Path) -> None:
    """gpio-sim.ko (with the interrupt simulator it needs, irq_sim) i2c-stub.ko and snd-dummy.ko."""
    (archive,) = (packages / "usr" / "src").glob("linux-source-*.tar.xz")
    build.mkdir()
    _take_sources(archive, build)
    # irq_to_desc is not exported to modules; the same descriptor is had from the interrupt's data.
    simulator = build / "irq_sim.c"
    text = simulator.read_text().replace("irq_to_desc(irqnum)", "irq_data_to_desc(irq_get_irq_data(irqnum))")
    simulator.write_text("#include <linux/irq.h>\n#include <linux/irqdesc.h>\n" + text)
    (build / "Makefile").write_text(_MAKEFILE)
    headers = packages / "usr" / "src" / f"linux-headers-{version}"
    compiler = "" if target.arch == "amd64" else f"{target.machine}-linux-gnu-"
    kernels_name = {"amd64": "x86", "arm64": "arm64"}[target.arch]
    _use_own_tools(target, packages, headers)
    options = [f"M={build}", f"ARCH={kernels_name}", f"CROSS_COMPILE={compiler}", f"CC={compiler}gcc"]
    command(["make", "-s", "-C", headers, *options, "modules"])


def _take_sources(archive: Path, build: Path) -> None:
    wanted = set(_BUILT)
    with tarfile.open(archive) as source:
        for member in source:
            inside = member.name.split("/", 1)[-1]
            if inside in wanted:
                member.name = Path(inside).name.replace("gpio-sim", "sim")
                source.extract(member, build, filter="data")
                wanted.remove(inside)
            if not wanted:
                return
    raise RuntimeError(f"{archive} has no {', '.join(wanted)}")


def _use_own_tools(target: Target, packages: Path, headers: Path) -> None:
    """Debian's headers name places of an installed system, and bring tools of their own architecture."""
    tools = packages
    if target.arch != "amd64":
        tools = packages / "tools"
        extract(Target("amd64", suite=target.suite), [target.source_package.replace("source", "kbuild")], tools)
    (kbuild,) = (tools / "usr" / "lib").glob("linux-kbuild-*")
    common = next((packages / "usr" / "src").glob("linux-headers-*-common*"))
    for folder in ("scripts", "tools"):
        (headers / folder).unlink()
        (headers / folder).symlink_to(kbuild / folder)
    for makefile in (headers / "Makefile", headers / ".kernelvariables"):
        text = makefile.read_text()
        makefile.write_text(re.sub(r"/usr/src/linux-headers-[\w.+-]*common[\w-]*", str(common), text))


class _Needs:
    """Which modules a module needs, from depmod's table."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._files: dict[str, str] = {}
        self._needs: dict[str, list[str]] = {}
        for line in (tree / "modules.dep").read_text().splitlines():
            file, _, needed = line.partition(":")
            self._files[_name(file)] = file
            self._needs[file] = needed.split()

    def closure(self, names: list[str]) -> list[Path]:
        """Files of the modules and of what they need, each after what it needs; unknown names are left out."""
        files: dict[str, None] = {}
        for name in names:
            if file := self._files.get(name.replace("-", "_")):
                files.update(dict.fromkeys([*reversed(self._needs[file]), file]))
        return [self._tree / file for file in files]


def _name(file: str) -> str:
    return Path(file).name.split(".")[0].replace("-", "_")


def _plain(modules: list[Path], made: Path) -> list[Path]:
    """Modules as busybox's insmod takes them: not compressed."""
    folder = made / "plain"
    folder.mkdir()
    plain = []
    for module in modules:
        path = folder / module.name.removesuffix(".xz")
        data = module.read_bytes()
        path.write_bytes(lzma.decompress(data) if module.suffix == ".xz" else data)
        plain.append(path)
    return plain


def _unpacked(target: Target, image: bytes) -> bytes:
    """The kernel without its own unpacker, which is slow under emulation."""
    if target.arch == "arm64":
        return zlib.decompress(image, wbits=31) if image[:2] == b"\x1f\x8b" else image
    for start in _starts(image, b"\xfd7zXZ\0"):
        try:
            return lzma.LZMADecompressor().decompress(image[start:])
        except lzma.LZMAError:
            continue
    raise RuntimeError("this kernel is packed in a way that is not known here")


def _starts(data: bytes, sought: bytes) -> Iterator[int]:
    at = data.find(sought)
    while at >= 0:
        yield at
        at = data.find(sought, at + 1)
