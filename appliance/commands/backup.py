"""Commands to keep what is the player's own, and to bring it back."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.options import EXISTING_FILE, examples
from appliance.errors import BadBundle, BadRequest, ExitCode, NotAllowed, NotRunning, StorageError

if TYPE_CHECKING:
    from appliance.panel.restore import Backup

_LONGEST_RESTORE_S = 3600.0


@click.command(epilog=examples("appliance backup saturday.pedal-backup", "appliance backup"))
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False), required=False)
def backup(output: Path | None) -> int:
    """Save models, cabinets, presets, set lists, what the controls learnt and the wiring into one file.

    What came with the pedal and Wi-Fi pass-phrases are not in it. The pedal may be playing meanwhile.
    """
    from appliance import paths
    from appliance.library.store import Library
    from appliance.panel import backup as backups

    place = output or Path(backups.file_name())
    data = paths.data_dir()
    if not data.is_dir():
        raise StorageError(f"there is nothing to save in {data}: no pedal has run with it yet")
    if not os.access(data, os.R_OK | os.X_OK):
        raise NotAllowed(f"what is in {data} is the pedal's and its services' alone: put sudo before the command")
    written = backups.save(place, Library(data, tidy=False), data, paths.settings_file())
    for note in written.notes:
        click.echo(f"Note: {note}", err=True)
    click.echo(f"{place}: {written.models} models, {written.cabinets} cabinets, {written.presets} presets")
    return ExitCode.OK


@click.command(
    epilog=examples("appliance restore saturday.pedal-backup", "appliance restore --replace saturday.pedal-backup")
)
@click.argument("file", type=EXISTING_FILE)
@click.option("--replace", is_flag=True, help="Presets, set lists and learnt controls become the backup's alone.")
@click.option("--check", is_flag=True, help="Say what is in it; change nothing.")
@click.option("--wiring", is_flag=True, help="Put its appliance.toml in as well (as root on a box).")
def restore(file: Path, replace: bool, check: bool, wiring: bool) -> int:
    """Bring a backup back: models and cabinets, presets, set lists, what the controls learnt.

    All of it is checked before anything changes. What is on the pedal stays unless --replace is given.
    """
    from appliance.panel.restore import open_backup

    with open_backup(file) as opened:
        found = opened.summary()
        click.echo(
            f"{found['name']}: made {found['made']} by version {found['version']}; {found['models']} models, "
            f"{found['cabinets']} cabinets, {found['presets']} presets, {found['setlists']} set lists, "
            f"the ends of {found['pots']} pots" + (", a wiring" if found["wiring"] else "")
        )
        if check:
            return ExitCode.OK
        if wiring:
            _put_in_wiring(opened.wiring)
        elif opened.wiring is not None and not _is_wired_so(opened.wiring):
            click.echo("Its wiring (appliance.toml) differs from this pedal's, which stays; --wiring puts it in.")
        click.echo(_restored(file, opened, replace))
    return ExitCode.OK


def _restored(file: Path, opened: Backup, replace: bool) -> str:
    """Through the panel where one runs, else directly. What came back, in words."""
    from appliance import paths
    from appliance.bridge.client import PanelClient
    from appliance.library.store import Library
    from appliance.panel import restore as restores
    from appliance.panel import restore_journal

    client = PanelClient()
    try:
        client.request("state")
    except NotRunning:
        data = paths.own_data_dir()
        words = restores.restore(opened, Library(data), data, replace=replace)
        restore_journal.finish(data)
        return words
    inbox = paths.inbox_dir()
    copy = inbox / f"restore-{secrets.token_hex(8)}"  # where the panel may read it, whoever's the file is
    try:
        inbox.mkdir(mode=0o770, parents=True, exist_ok=True)
        hand_over(file, copy)
        return _through(client, copy, replace)
    except OSError as error:
        if isinstance(error, NotRunning | StorageError):
            raise
        raise StorageError(f"{file.name} could not be handed to the pedal: {error.strerror}") from error
    finally:
        copy.unlink(missing_ok=True)


def hand_over(file: Path, copy: Path) -> None:
    """Copy into a folder of the web's, perhaps as root: its name is looked at once, for a link could lie there later.

    Raises OSError.
    """
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as target, file.open("rb") as source:
        os.fchmod(descriptor, 0o644)
        shutil.copyfileobj(source, target)


def _through(client: Any, copy: Path, replace: bool) -> str:
    """Have the panel restore it; it starts anew when it is done, and says so."""
    reply = client.request("backup", do="restore", path=str(copy), replace=replace)
    deadline = time.monotonic() + _LONGEST_RESTORE_S
    while time.monotonic() < deadline:
        if reply["status"] != "ok":
            raise BadRequest(str(reply.get("message")))
        going = reply["backup"]["restoring"]
        if going is None:
            return str(client.request("state")["state"]["message"] or "Restored.")
        if going["status"] != "working":
            raise BadBundle(going["words"])
        time.sleep(0.3)
        try:
            reply = client.request("backup")
        except NotRunning:
            continue  # it is starting anew
    raise NotRunning("the restore did not end within an hour")


def _is_wired_so(wiring: str) -> bool:
    from appliance import paths

    present = paths.settings_file()
    try:
        return present is not None and present.read_text() == wiring
    except OSError:
        return False


def _put_in_wiring(wiring: str | None) -> None:
    from appliance import paths, storage
    from appliance.panel import wiring_file

    if wiring is None:
        raise BadRequest("there is no wiring in this backup: the default plan was in use")
    wiring_file.read(wiring, "the backup's appliance.toml")  # refused here rather than at the next start
    place = paths.settings_file() or paths.data_dir() / paths.SETTINGS
    storage.save(place, wiring.encode(), mode=0o644)
    click.echo(f"{place} is the backup's; the one before is {storage.previous_copy(place)}.")
