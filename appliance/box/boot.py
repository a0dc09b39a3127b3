"""The boot settings that the pedal needs, and whether a Pi has them (`boot_config.py` edits the files)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from appliance import paths, storage
from appliance.box import boot_config
from appliance.box.choices import Choices
from appliance.box.hats import HATS, Hat
from appliance.box.host import Host
from appliance.box.layout import Box
from appliance.box.record import Record
from appliance.errors import BadSettings

# A button between this pin and ground (pins 7 and 9 of the header) shuts down, by systemd-logind. Not GPIO 3, the
# overlay's own choice, which would also switch on again: it is I2C's clock, and HATs talk there.
POWER_BUTTON_PIN = 4
POWER_BUTTON = f"dtoverlay=gpio-shutdown,gpio_pin={POWER_BUTTON_PIN}"

_CORES_TO_SPARE_ONE = 4
_KEPT = ".before-appliance"  # beside the file, where a PC's card reader shows it


def warnings(box: Box, hat: Hat | None) -> Iterator[str]:
    """What on this Pi is in the HAT's way."""
    if hat is None:
        return
    own = {line.partition(",")[0] for line in hat.overlays}
    others = {overlay for other in HATS for overlay in other.overlays} - own
    for line in boot_config.active_lines(_read(box.config_txt)):
        if line.partition(",")[0] in others:
            yield f"{box.config_txt} also has {line}: two HATs can't share the pins, so take that line out"
    taken = sorted(hat.pins & _wired_pins(box))
    if taken:
        yield (
            f"{hat.title} needs GPIO {', '.join(map(str, taken))}, where the wiring plan has something too: wire that "
            "to other pins and say so in /etc/appliance/appliance.toml (docs/wiring.md)"
        )
    if hat.notes:
        yield f"{hat.title}: {hat.notes}"


def config_lines(hat: Hat | None, wired: frozenset[int] = frozenset()) -> list[str]:
    """Our lines of config.txt: the HAT, no second sound card on the board, SPI and I2C for pots, the power button where
    its pin is free. `wired`: GPIO numbers of the wiring plan."""
    lines = ["dtparam=audio=off", "dtparam=spi=on", "dtparam=i2c_arm=on", *(hat.overlays if hat else ())]
    free = POWER_BUTTON_PIN not in wired and (hat is None or POWER_BUTTON_PIN not in hat.pins)
    return [*lines, POWER_BUTTON] if free else lines


def pending(box: Box, host: Host, choices: Choices) -> Iterator[tuple[Path, bytes, str]]:
    """Each boot file that is not yet as it should be: path, content, and what is said about it."""
    if box.config_txt.is_file():
        before = _read(box.config_txt)
        lines = config_lines(choices.hat, _wired_pins(box))
        after = boot_config.put_lines(before, lines)
        if after != before:
            yield box.config_txt, after, f"write into {_shown(box, box.config_txt)}: {', '.join(lines)}"
    if box.cmdline_txt.is_file() and host.cores >= _CORES_TO_SPARE_ONE:
        before = _read(box.cmdline_txt)
        words = boot_config.isolation_words(host.cores - 1, host.cores)
        after = boot_config.put_words(before, words)
        if after != before:
            yield box.cmdline_txt, after, f"write into {_shown(box, box.cmdline_txt)}: {' '.join(words)}"


def foresee(box: Box, path: Path, record: Record) -> None:
    """Remember that a boot file is about to have a part of ours."""
    place = str(path.relative_to(box.root))
    if place not in record.boot:
        record.boot.append(place)


def write(path: Path, content: bytes) -> None:
    """Replace a boot file, all or nothing; its first content is kept beside it. Raises OSError."""
    kept = path.with_name(path.name + _KEPT)
    if not kept.exists():
        _replace(kept, path.read_bytes())
    _replace(path, content)


def restore(box: Box, place: str, record: Record) -> None:
    """Take our part out of a boot file; what others changed meanwhile stays. Raises OSError."""
    path = box.root / place
    if path.is_file():
        before = _read(path)
        remove = boot_config.remove_words if path.name == "cmdline.txt" else boot_config.remove_lines
        after = remove(before)
        if after != before:
            _replace(path, after)
    path.with_name(path.name + _KEPT).unlink(missing_ok=True)
    record.boot.remove(place)


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(content)
    if path.exists():
        temporary.chmod(path.stat().st_mode & 0o777)
    storage.sync_file(temporary)
    os.replace(temporary, path)  # noqa: PTH105
    storage.sync_folder(path.parent)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _shown(box: Box, path: Path) -> str:
    return f"/{path.relative_to(box.root)}"


def _wired_pins(box: Box) -> frozenset[int]:
    """GPIO numbers in the wiring plan that holds: the owner's, else the one that is built in."""
    from appliance.panel import wiring_file

    own = next((path for path in (box.data / paths.SETTINGS, box.etc / paths.SETTINGS) if path.is_file()), None)
    try:
        wiring = wiring_file.load(own)
    except BadSettings:
        return frozenset()  # the panel says what is wrong with it
    pins = {switch.pin for switch in wiring.switches.values()}
    pins.update(pin for encoder in wiring.encoders.values() for pin in encoder.pins)
    pins.update(pin for led in wiring.leds.values() for pin in led.pins)
    return frozenset(pins)
