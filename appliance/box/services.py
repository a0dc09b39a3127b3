"""systemd's side of the installation: which units are enabled, and letting it take up what is new."""

from __future__ import annotations

import configparser
from collections.abc import Sequence
from pathlib import Path

from appliance.box.layout import Box
from appliance.box.run import run

_SYSCTL = "usr/lib/sysctl.d/90-appliance.conf"
_NETWORK = "appliance-network.service"
_UP = ("appliance-audio.service", "appliance-panel.service", "appliance-web.service", "appliance-wishes.path")


def installable(system: Path) -> list[tuple[str, list[str]]]:
    """Every unit of ours that can be enabled, and the links that say so."""
    found = []
    for path in sorted((system / "root/usr/lib/systemd/system").iterdir()):
        if path.is_file():
            unit = configparser.RawConfigParser(strict=False, interpolation=None, comment_prefixes="#")
            unit.optionxform = str  # type: ignore[assignment]
            unit.read_string(path.read_text())
            targets = unit.get("Install", "WantedBy", fallback="").split()
            if targets:
                found.append((path.name, [f"etc/systemd/system/{target}.wants/{path.name}" for target in targets]))
    return found


def not_enabled(box: Box, system: Path) -> list[str]:
    """Units that should be enabled and aren't. One that the owner has masked is left alone."""
    return [
        name
        for name, links in installable(system)
        if not all((box.root / link).is_symlink() for link in links)
        and not (box.root / "etc/systemd/system" / name).is_symlink()
    ]


def enable(box: Box, names: Sequence[str]) -> None:
    """Start them with the system from now on. Raises SystemRefused."""
    run(["systemctl", *([] if box.is_this_system else [f"--root={box.root}"]), "enable", *names])


def disable(box: Box, names: Sequence[str]) -> None:
    """No longer. Raises SystemRefused."""
    run(["systemctl", *([] if box.is_this_system else [f"--root={box.root}"]), "disable", *names])


def reload() -> None:
    """Units, rules, journal and kernel settings as they are on the disk now. Raises SystemRefused."""
    run(["systemctl", "daemon-reload"])
    run(["udevadm", "control", "--reload"])
    run(["udevadm", "trigger", "--action=add", "--subsystem-match=gpio", "--subsystem-match=spidev"])
    run(["udevadm", "trigger", "--action=add", "--subsystem-match=i2c-dev", "--subsystem-match=sound"])
    run(["sysctl", "-q", "-e", "-p", f"/{_SYSCTL}"])
    run(["systemctl", "try-restart", "systemd-journald.service"])


def restart() -> None:
    """Start everything of the pedal, anew where it runs. Raises SystemRefused."""
    run(["systemctl", "stop", "appliance-web.service", "appliance-web.socket"])
    run(["systemctl", "restart", "appliance-audio.service", "appliance-panel.service"], timeout_s=90.0)
    run(["systemctl", "restart", _NETWORK])
    run(["systemctl", "start", "appliance-web.socket", "appliance-web.service", "appliance.target"], timeout_s=90.0)


def stop() -> None:
    """Stop everything of the pedal. Raises SystemRefused."""
    run(
        ["systemctl", "stop", "appliance.target", "appliance-web.socket", *_UP, "appliance-cores.service", _NETWORK],
        timeout_s=60.0,
    )


def are_up() -> bool:
    """Whether systemd has everything of the pedal started (and starts it again when it falls)."""
    states = run(["systemctl", "show", "--property=ActiveState", "--value", "appliance.target", *_UP]).split()
    return not {"inactive", "failed"} & set(states)
