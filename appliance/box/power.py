"""Switching the box off and on again, as root. The panel has faded the sound and saved before it asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.box.run import run
from appliance.box.wishes import Answer


def power_off(arguments: Mapping[str, Any]) -> Answer:
    """Begin to shut down. Raises SystemRefused."""
    run(["systemctl", "--no-block", "poweroff"])
    return Answer("done", "Shutting down")


def restart(arguments: Mapping[str, Any]) -> Answer:
    """Begin to restart. Raises SystemRefused."""
    run(["systemctl", "--no-block", "reboot"])
    return Answer("done", "Restarting")
