"""What machine is emulated: ARCH, KERNEL and SUITE of `make test-system`."""

from __future__ import annotations

import os
from dataclasses import dataclass

_ARCHES = ("amd64", "arm64")
_KERNELS = ("standard", "rt")
# The package with the source of a release's kernel; gpio-sim is built from it.
_SOURCES = {"bookworm": "linux-source-6.1", "trixie": "linux-source-6.12"}
_PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}


@dataclass(frozen=True)
class Target:
    """A Debian release on a processor with a kernel."""

    arch: str = "amd64"
    kernel: str = "standard"
    suite: str = "bookworm"

    def __post_init__(self) -> None:
        for value, known in ((self.arch, _ARCHES), (self.kernel, _KERNELS), (self.suite, _SOURCES)):
            if value not in known:
                raise ValueError(f"{value} can't be tested on; there are {', '.join(known)}")

    @classmethod
    def of_environment(cls) -> Target:
        """From the environment variables ARCH, KERNEL and SUITE. Raises ValueError."""
        chosen = {
            name: os.environ[name.upper()] for name in ("arch", "kernel", "suite") if os.environ.get(name.upper())
        }
        return cls(**chosen)

    @property
    def kernel_package(self) -> str:
        """Debian's name of the kernel."""
        return f"linux-image-rt-{self.arch}" if self.kernel == "rt" else f"linux-image-{self.arch}"

    @property
    def headers_package(self) -> str:
        """Debian's name of what modules are built against."""
        return self.kernel_package.replace("image", "headers")

    @property
    def source_package(self) -> str:
        """Debian's name of the kernel's source."""
        return _SOURCES[self.suite]

    @property
    def python(self) -> str:
        """The release's Python, as 3.11."""
        return _PYTHONS[self.suite]

    @property
    def machine(self) -> str:
        """The processor as the kernel and Python call it."""
        return {"amd64": "x86_64", "arm64": "aarch64"}[self.arch]
