"""Taking the pedal off a system again: what the record says, in the reverse order."""

from __future__ import annotations

import contextlib
import shutil
from functools import partial

from appliance.box import boot, network_settings, network_setup, services, system_files
from appliance.box.host import systemd_runs
from appliance.box.layout import Box
from appliance.box.record import Record
from appliance.box.run import run
from appliance.box.stages import Change, Changes
from appliance.errors import SystemRefused

_GROUP = "appliance"
_USERS = ("appliance-audio", "appliance-panel", "appliance-web")


def changes(box: Box, record: Record, *, purge: bool) -> Changes:
    """What there is to take away. Settings, presets and users stay unless `purge`."""
    live = systemd_runs(box)
    ours = [place.rpartition("/")[2] for place in record.files if place.startswith("usr/lib/systemd/system/appliance")]
    enabled = sorted(
        {link.name for link in (box.root / "etc/systemd/system").glob("*.wants/*") if link.name in ours}
    )  # fmt: skip
    if live and record.files:
        yield Change("stop the pedal", services.stop)
    if enabled:
        yield Change(f"disable {', '.join(enabled)}", partial(services.disable, box, enabled))
    for place in list(record.boot):
        yield Change(f"take our part out of /{place}", partial(boot.restore, box, place, record))
    for words, do in network_setup.undo(box, record):
        yield Change(words, do)
    for place in list(record.files):
        back = " and bring back what stood there" if place in record.set_aside else ""
        yield Change(f"remove /{place}{back}", partial(system_files.take_away, box, place, record))
    if live and ours:
        yield Change("let systemd and udev read their settings again", _reload)
    if purge:
        yield from _purge(box, record)
    if box.opt.is_dir():
        yield Change("remove /opt/appliance", partial(_remove_opt, box, record))


def _purge(box: Box, record: Record) -> Changes:
    for folder in (box.etc, box.data, box.runtime, box.root / network_settings.FOLDER):
        if folder.is_dir():
            yield Change(f"remove /{folder.relative_to(box.root)}", partial(shutil.rmtree, folder))
    tree = [] if box.is_this_system else ["--prefix", str(box.root)]
    users = (box.root / "etc/passwd").read_text() if (box.root / "etc/passwd").is_file() else ""
    for user in _USERS:
        if f"\n{user}:" in f"\n{users}":
            yield Change(f"remove the user {user}", partial(run, ["userdel", *tree, user]))
    listed = (box.root / "etc/group").read_text() if (box.root / "etc/group").is_file() else ""
    groups = [group for group in sorted({*record.groups, *_USERS, _GROUP}) if f"\n{group}:" in f"\n{listed}"]
    if groups:
        yield Change(f"remove the groups {', '.join(groups)}", partial(_remove_groups, tree, groups))


def _remove_opt(box: Box, record: Record) -> None:
    shutil.rmtree(box.opt)
    if str(box.opt.parent.relative_to(box.root)) in record.folders:
        with contextlib.suppress(OSError):  # somebody else's is in there by now
            box.opt.parent.rmdir()


def _remove_groups(tree: list[str], groups: list[str]) -> None:
    for group in groups:
        with contextlib.suppress(SystemRefused):  # one that somebody else uses by now stays
            run(["groupdel", *tree, group])


def _reload() -> None:
    run(["systemctl", "daemon-reload"])
    run(["udevadm", "control", "--reload"])
