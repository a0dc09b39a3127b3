"""Where everything of an installed box is, under `root` ("/", or a tree that an image is made of)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Box:
    """The places of `appliance/box/__init__.py`. Nothing here looks whether they exist."""

    root: Path = Path("/")

    @property
    def is_this_system(self) -> bool:
        """Whether it is the running system and not a tree."""
        return self.root == Path("/")

    @property
    def opt(self) -> Path:
        """All of the package's own."""
        return self.root / "opt/appliance"

    @property
    def versions(self) -> Path:
        """One folder per version, each a virtual environment."""
        return self.opt / "versions"

    @property
    def current(self) -> Path:
        """Link to the version that the units start."""
        return self.opt / "current"

    @property
    def previous(self) -> Path:
        """Link to the version before, for going back."""
        return self.opt / "previous"

    @property
    def record(self) -> Path:
        """What the installer did, for doing it again and for undoing it. Root's alone."""
        return self.opt / "installed.json"

    @property
    def set_aside(self) -> Path:
        """Files of others that stood where one of ours is now."""
        return self.opt / "set-aside"

    @property
    def etc(self) -> Path:
        """What the owner may edit."""
        return self.root / "etc/appliance"

    @property
    def audio_conf(self) -> Path:
        """Arguments of the audio process, for its unit."""
        return self.etc / "audio.conf"

    @property
    def web_conf(self) -> Path:
        """Arguments of the web process, for its unit."""
        return self.etc / "web.conf"

    @property
    def data(self) -> Path:
        """Library, presets, state."""
        return self.root / "var/lib/appliance"

    @property
    def runtime(self) -> Path:
        """Where the processes meet."""
        return self.root / "run/appliance"

    @property
    def command(self) -> Path:
        """What a person types."""
        return self.root / "usr/local/bin/appliance"

    @property
    def config_txt(self) -> Path:
        """The firmware's settings; only Raspberry Pi OS has them."""
        return self.root / "boot/firmware/config.txt"

    @property
    def cmdline_txt(self) -> Path:
        """The kernel's command line; only Raspberry Pi OS has it."""
        return self.root / "boot/firmware/cmdline.txt"
