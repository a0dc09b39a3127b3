"""The world that `fake_system.py` answers from: made, looked at and changed by a test."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import SystemRefused
from tests.box import fake_system

PROGRAMS = ("nmcli", "iw", "busctl", "systemctl")
HOTSPOT = "appliance-hotspot"


class World:
    """A radio, the networks near it, and NetworkManager's profiles. Each change is on the disk at once."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.file = folder / "world.json"
        self.bin = folder / "bin"
        self.bin.mkdir()
        script = self.bin / "fake_system.py"
        shutil.copy(Path(__file__).with_name("fake_system.py"), script)
        script.chmod(0o755)
        for name in PROGRAMS:
            (self.bin / name).symlink_to(script)
        (self.root / "run/appliance").mkdir(parents=True)
        (self.root / "proc/device-tree").mkdir(parents=True)
        (self.root / "proc/device-tree/serial-number").write_bytes(b"10000000deadbe1f\0")
        self.write(
            device={"state": "disconnected", "profile": "", "uuid": ""},
            profiles={},
            near=[],
            keys={},
            guests=0,
            quiet_scan=True,
            no_count=False,
            wpa3=False,
            no_ap=False,
            no_wpa3_ap=False,
            country="00",
            name="pedal.local",
            log=[],
        )

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def write(self, **fields: Any) -> None:
        self.file.write_text(json.dumps((self.read() if self.file.exists() else {}) | fields))

    def know(self, ssid: str, key: str) -> str:
        """A network that the owner set up before; joined when it is near."""
        identity = str(uuid.uuid4())
        profile = {"name": ssid, "ssid": ssid, "mode": "infrastructure", "autoconnect": "yes", "psk": key}
        self.write(profiles=self.read()["profiles"] | {identity: profile})
        return identity

    def be_on(self, profile: str = "", identity: str = "", state: str = "connected") -> None:
        """What is active on the radio."""
        self.write(device={"state": state, "profile": profile, "uuid": identity})

    def asked(self, words: str) -> list[str]:
        """The calls of programs that these words occur in."""
        return [line for line in self.read()["log"] if words in line]

    def run(self, command: Sequence[str], *, timeout_s: float = 30.0) -> str:
        """`box.run.run` without starting programs: for tests with hundreds of calls."""
        try:
            return str(fake_system.answer(self.file, command[0], command[1:]))
        except fake_system.Refused as refused:
            raise SystemRefused(str(refused)) from None

    @property
    def on_air(self) -> bool:
        """Whether the hotspot is up."""
        return bool(self.read()["device"]["profile"] == HOTSPOT)

    @property
    def hotspot_profile(self) -> str:
        """The keyfile of the hotspot as NetworkManager got it."""
        return str(next(one["text"] for one in self.read()["profiles"].values() if one["name"] == HOTSPOT))

    @property
    def report(self) -> dict[str, Any]:
        """What the service told."""
        found: dict[str, Any] = json.loads((self.root / "run/appliance/network.json").read_text())
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world with its programs in front of the PATH."""
    made = World(tmp_path)
    monkeypatch.setenv("PATH", f"{made.bin}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_WORLD", str(made.file))
    return made
