"""Commands to update the pedal and to make updates."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from appliance.commands.options import EXISTING_FILE, OrderedGroup, examples
from appliance.errors import BadBundle, BadRequest, ExitCode

_WAIT_S = 900.0


@click.command(
    epilog=examples(
        "appliance update --check pedal-0.2.0.whl-bundle",
        "sudo appliance update pedal-0.2.0.whl-bundle",
        "sudo appliance update --back",
    )
)
@click.argument("file", type=EXISTING_FILE, required=False)
@click.option("--check", is_flag=True, help="Say what the bundle is and whether this box takes it; change nothing.")
@click.option("--back", is_flag=True, help="Go back to the version before.")
@click.option("--force-older", is_flag=True, help="Take a version older than the one that runs.")
@click.option("--no-wait", is_flag=True, help="Don't wait for the trial of a minute to end.")
@click.option("--json", "as_json", is_flag=True, help="With --check: JSON {name, version, made, notes, …, refusal}.")
def update(file: Path | None, check: bool, back: bool, force_older: bool, no_wait: bool, as_json: bool) -> int:
    """Install a signed bundle (*.whl-bundle), offline, while the pedal plays.

    The version before is kept. The new one is on trial for a minute of sound; if it doesn't play, the old one comes
    back by itself.
    """
    from appliance.box import updating

    if back == (file is not None):
        raise click.UsageError("Name one bundle, or --back.")
    if check:
        if file is None:
            raise click.UsageError("--check takes a bundle.")
        offer = updating.examine(file, force_older=force_older)
        click.echo(json.dumps(offer.to_json(), indent=2, ensure_ascii=False) if as_json else _words(offer))
        return ExitCode.OK if offer.refusal is None else ExitCode.BAD_FILE
    if file is None:
        name = updating.go_back()
    else:
        from appliance.box.quiet import be_quiet

        be_quiet()
        name = updating.install(file, tell=_Progress(), force_older=force_older)
        click.echo(err=True)
    click.echo(f"{name} is on trial for a minute of sound. If it doesn't play, the version before comes back.")
    return ExitCode.OK if no_wait else _wait(name)


class _Progress:
    """Words and a share, on one line of the terminal."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, words: str, share: float) -> None:
        line = f"{100 * share:3.0f} %  {words}"
        if line != self._last and (sys.stderr.isatty() or words not in self._last):
            click.echo(f"\r\x1b[K{line}" if sys.stderr.isatty() else line, nl=not sys.stderr.isatty(), err=True)
        self._last = line


def _words(offer: object) -> str:
    from appliance.box.updating import Offer

    assert isinstance(offer, Offer)
    lines = [
        f"{offer.name}: version {offer.version}, made {offer.made}, signed by {offer.signed_by}",
        f"  {offer.size_bytes / (1 << 20):.0f} MiB; here runs {offer.running}",
        *(f"  {line}" for line in offer.notes.splitlines()),
        f"  Not for this box: {offer.refusal}" if offer.refusal else "  This box takes it.",
    ]
    return "\n".join(lines)


def _wait(name: str) -> int:
    from appliance.box import trial
    from appliance.box.layout import Box

    box = Box()
    deadline = time.monotonic() + _WAIT_S
    while trial.is_on(box) and time.monotonic() < deadline:
        time.sleep(0.5)
    outcome = trial.last_outcome(box)
    if trial.is_on(box) or outcome is None or outcome.version != name:
        raise BadRequest("the trial is still on: journalctl -u appliance-trial tells how it goes")
    click.echo(outcome.words)
    return ExitCode.OK if outcome.result == "stays" else ExitCode.NOT_READY


@click.group(cls=OrderedGroup)
def bundle() -> None:
    """Make signed updates, on a PC."""


@bundle.command(epilog=examples("appliance bundle key maker.key"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--passphrase/--no-passphrase", default=True, help="Ask for a pass-phrase that locks the private key.")
def key(file: Path, passphrase: bool) -> int:
    """Make a key pair: FILE is private and stays on this PC, FILE.pub goes to the boxes."""
    from appliance.box import signing

    chosen = click.prompt("Pass-phrase", hide_input=True, confirmation_prompt=True) if passphrase else None
    public = signing.make_key(file, chosen)
    made = signing.parse_public(public.read_text(), public.stem)
    click.echo(f"{file} signs bundles: keep it, and keep it to yourself.")
    click.echo(f"{public} (key {made.id}): copy it to /etc/appliance/update-keys/ on each box.")
    return ExitCode.OK


@bundle.command(
    epilog=examples("appliance bundle make --key maker.key --wheels wheels/ pedal-0.2.0.whl-bundle --notes 'New amps.'")
)
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--key", "key_file", type=EXISTING_FILE, required=True, help="The private key of `appliance bundle key`.")
@click.option("--wheels", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--notes", default="", help="For the player: what is new.")
@click.option("--from", "oldest", default="", metavar="VERSION", help="The oldest version it updates from.")
@click.option("--extra", "extras", multiple=True, default=("pi",), show_default=True, help="Extras that boxes install.")
def make(output: Path, key_file: Path, wheels: Path, notes: str, oldest: str, extras: tuple[str, ...]) -> int:
    """Put the wheels of a folder into one signed bundle: the pedal's own and all it needs, for one or more Pythons."""
    from appliance.box import signing
    from appliance.box.bundle_make import make_bundle

    if not key_file.exists():
        raise BadBundle(f"there is no key {key_file}: appliance bundle key makes one")
    asked = click.prompt("Pass-phrase of the key", hide_input=True) if signing.is_locked(key_file) else None
    manifest = make_bundle(
        output, wheels, signing.load_private(key_file, asked), notes=notes, oldest=oldest, extras=extras
    )
    size = output.stat().st_size / (1 << 20)
    click.echo(f"{output}: version {manifest.version}, {len(manifest.files)} wheels, {size:.1f} MiB")
    return ExitCode.OK
