"""The stages of an installation, in their order. Each looks at the system and yields what is missing, if anything.

A stage is a generator: what it yields is done before it goes on, so a later change may rest on an earlier one. With
`--dry-run` nothing is done in between, so no stage may take for granted that it was.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import appliance
from appliance.box import boot, network_setup, services, settings, system_files, versions
from appliance.box.choices import Choices
from appliance.box.host import Host, systemd_runs
from appliance.box.layout import Box
from appliance.box.record import Record
from appliance.box.run import run
from appliance.errors import SystemRefused

_APT_TIMEOUT_S = 1800.0
_LEAST_MEMORY_PER_COMPILER_KIB = 900 << 10


@dataclass(frozen=True)
class Change:
    """One thing to do, and what is said about it. May raise ApplianceError or OSError when it is done.

    foresee: puts into the record what is about to be done; the record is saved before it is.
    """

    words: str
    do: Callable[[], object]
    foresee: Callable[[], object] = lambda: None


Changes = Iterator[Change]


@dataclass
class Wanted:
    """What the system shall be, and what has been changed so far on the way there."""

    box: Box
    host: Host
    choices: Choices
    record: Record
    system: Path  # the folder `system`
    checkout: Path  # to build a version from, where no wheels are given
    wheels: Path | None
    settings_named: bool  # the command line named some: they replace those in /etc/appliance
    with_version: bool
    country: str | None = None  # for the radio; None: as it is
    with_start: bool = True
    changed: set[str] = field(default_factory=set)  # "version", "files", "settings"
    reboot: bool = False


def warnings(wanted: Wanted) -> Iterator[str]:
    """What the person should know before anything is done."""
    yield from boot.warnings(wanted.box, wanted.choices.hat)
    if wanted.host.board and not wanted.host.is_a_pi:
        yield f"{wanted.host.board} is no Raspberry Pi: boot settings are left alone"


def packages(wanted: Wanted) -> Changes:
    """Debian packages, through `system/packages.sh`; none is fetched when all are there."""
    if not (wanted.with_version and shutil.which("dpkg-query")):
        return
    purposes = ["box"] if wanted.wheels else ["box", "build", "pi"]
    script = ["sh", str(wanted.system / "packages.sh")]
    missing = run([*script, "--missing", *purposes]).split()
    if missing:
        yield Change(
            f"install the Debian packages {', '.join(missing)}",
            partial(run, [*script, *purposes], timeout_s=_APT_TIMEOUT_S),
        )


def version(wanted: Wanted) -> Changes:
    """The package itself, in a folder of its own beside the version that plays."""
    if not wanted.with_version:
        return
    box = wanted.box
    name, pip, environment = _source(wanted)
    if not versions.is_whole(box, name):
        how = f"from {wanted.wheels}" if wanted.wheels else "built here; that takes some minutes"
        yield Change(f"make version {name} ({how})", partial(versions.make, box, name, pip, environment))
    if versions.name_of(box.current) != name:
        wanted.changed.add("version")
        yield Change(f"switch to version {name}", partial(versions.switch, box, name))
    for old in versions.forgotten(box):
        if old != name:
            yield Change(f"remove version {old}", partial(shutil.rmtree, box.versions / old))


def files(wanted: Wanted) -> Changes:
    """Units, rules and settings of the system."""
    box, record = wanted.box, wanted.record
    tree = list(system_files.tree(wanted.system))
    for place in sorted(set(record.files) - {file.place for file in tree} - {_command_place(box)}):
        wanted.changed.add("files")
        yield Change(f"remove /{place}", partial(system_files.take_away, box, place, record))
    for file in tree:
        if not file.is_laid(box):
            wanted.changed.add("files")
            yield Change(
                f"write /{file.place}",
                partial(system_files.lay, box, file, record),
                partial(system_files.foresee, box, file.place, record),
            )
    if not (box.command.is_symlink() and box.command.readlink() == Path(_COMMAND)):
        yield Change(
            f"link /{_command_place(box)} to the current version",
            partial(_link_command, box, record),
            partial(system_files.foresee, box, _command_place(box), record),
        )


def users(wanted: Wanted) -> Changes:
    """The three services' users, and the groups that plain Debian lacks."""
    box, record = wanted.box, wanted.record
    listing = wanted.system / "root/usr/lib/sysusers.d/appliance.conf"
    missing = [name for kind, name in _sysusers(listing) if not _is_listed(box, kind, name)]
    if missing:
        groups = [name for kind, name in _sysusers(listing) if kind == "g" and name in missing]

        yield Change(
            f"make the users and groups {', '.join(missing)}",
            partial(run, ["systemd-sysusers", *_in_tree(box), "appliance.conf"]),
            partial(record.groups.extend, groups),
        )


def folders(wanted: Wanted) -> Changes:
    """Where the services meet, and where the library is: made now on a running system, else at its next start."""
    box = wanted.box
    if not systemd_runs(box):
        return
    places = [box.data, box.data / "inbox", box.runtime, *(box.runtime / name for name in ("wishes", "answers"))]
    missing = [str(place) for place in places if not place.is_dir()]
    if missing:
        yield Change(
            f"make the folders {', '.join(missing)}", partial(run, ["systemd-tmpfiles", "--create", "appliance.conf"])
        )


def owner_settings(wanted: Wanted) -> Changes:
    """/etc/appliance: made once; later only what the command line names is changed."""
    for path, name, value, about in (
        (wanted.box.audio_conf, "APPLIANCE_AUDIO_ARGUMENTS", wanted.choices.audio_arguments(), settings.ABOUT_AUDIO),
        (wanted.box.web_conf, "APPLIANCE_WEB_ARGUMENTS", wanted.choices.web_arguments(), settings.ABOUT_WEB),
    ):
        if not path.exists() or (wanted.settings_named and settings.value(path, name) != value):
            wanted.changed.add("settings")
            place = str(path.relative_to(wanted.box.root))
            words = f'write /{place}: {name}="{value}"'
            yield Change(words, partial(settings.write, path, name, value, about))


def boot_settings(wanted: Wanted) -> Changes:
    """config.txt and cmdline.txt of a Pi."""
    for path, content, words in boot.pending(wanted.box, wanted.host, wanted.choices):
        wanted.reboot = True
        yield Change(words, partial(boot.write, path, content), partial(boot.foresee, wanted.box, path, wanted.record))


def network(wanted: Wanted) -> Changes:
    """The box's name, and the country of its radio."""
    for words, do in network_setup.pending(wanted.box, wanted.country, wanted.record):
        yield Change(words, do)


def units(wanted: Wanted) -> Changes:
    """Enabled, and running what is installed now."""
    box = wanted.box
    to_enable = services.not_enabled(box, wanted.system)
    if to_enable:
        yield Change(f"enable {', '.join(to_enable)}", partial(services.enable, box, to_enable))
    if not systemd_runs(box):
        return
    if "files" in wanted.changed:
        yield Change("let systemd, udev and the kernel read their new settings", services.reload)
    if not wanted.with_start:
        return
    if wanted.changed:
        yield Change("start the pedal", services.restart)
    elif not services.are_up():
        yield Change("start the pedal, which was stopped", services.restart)


STAGES: Sequence[Callable[[Wanted], Changes]] = (
    packages,
    version,
    files,
    users,
    folders,
    owner_settings,
    boot_settings,
    network,
    units,
)

_COMMAND = "/opt/appliance/current/bin/appliance"


def _source(wanted: Wanted) -> tuple[str, list[str], list[str]]:
    """Name of the version, what pip is told, in which environment."""
    extras = "pi,strip"
    if wanted.wheels is not None:
        found = sorted(wanted.wheels.glob("appliance-*.whl"))
        number = found[-1].name.split("-")[1]
        if not any(wanted.wheels.glob("[pP]i5[nN]eo-*.whl")):
            extras = "pi"
        pip = ["--no-index", "--find-links", str(wanted.wheels), f"appliance[{extras}]=={number}"]
        return versions.name_for_wheels(wanted.wheels, number), pip, []
    checkout = wanted.checkout
    if not (checkout / "pyproject.toml").is_file():
        raise SystemRefused("there is no checkout to build a version from here: say --wheels DIR, or --system-only")
    compilers = max(1, min(wanted.host.cores, _memory_kib() // _LEAST_MEMORY_PER_COMPILER_KIB))
    pip = ["-c", str(checkout / "constraints.txt"), f"{checkout}[{extras}]"]
    name = versions.name_for_checkout(checkout, appliance.__version__)
    # PYPI: where lgpio has no wheel and is built here, with its library inside, as its wheels have it.
    return name, pip, [f"CMAKE_BUILD_PARALLEL_LEVEL={compilers}", "PYPI=1"]


def _memory_kib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 10


def _command_place(box: Box) -> str:
    return str(box.command.relative_to(box.root))


def _link_command(box: Box, record: Record) -> None:
    system_files.make_room(box, _command_place(box), record)
    temporary = box.command.with_name(f".{box.command.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(_COMMAND)
    temporary.replace(box.command)


def _sysusers(listing: Path) -> list[tuple[str, str]]:
    """Kind ("u" or "g") and name of each line that makes one."""
    words = [line.split() for line in listing.read_text().splitlines()]
    return [(word[0], word[1]) for word in words if len(word) > 1 and word[0] in ("u", "g")]


def _is_listed(box: Box, kind: str, name: str) -> bool:
    try:
        lines = (box.root / ("etc/passwd" if kind == "u" else "etc/group")).read_text().splitlines()
    except FileNotFoundError:
        return False
    return any(line.startswith(f"{name}:") for line in lines)


def _in_tree(box: Box) -> list[str]:
    return [] if box.is_this_system else [f"--root={box.root}"]
