"""`appliance card`: what a phone needs to reach the pedal, to print or to scan."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.commands.options import examples
from appliance.errors import NotAllowed, NotInstalled


@click.command(epilog=examples("sudo appliance card", "sudo appliance card card.pdf"))
@click.argument("out", required=False, type=click.Path(path_type=Path, dir_okay=False))
def card(out: Path | None) -> None:
    """Show how to reach the pedal: its Wi-Fi, pass-phrase and page, as QR codes; or write a card (.pdf, .svg, .png)."""
    from appliance import card as cards
    from appliance.box import network_settings

    try:
        report = network_settings.read_report()
        settings = None if report else network_settings.load(Path("/"))
    except PermissionError as error:
        raise NotAllowed("the pass-phrase is not for everybody's eyes: sudo appliance card") from error
    if report is not None:
        drawn = cards.from_report(report)
    elif settings is not None:
        drawn = cards.Card(settings.ssid, settings.passphrase)
    else:
        raise NotInstalled(
            "this pedal has no Wi-Fi of its own: that takes it installed as a service, and root's rights"
        )
    if out is None:
        click.echo(cards.terminal(drawn))
    else:
        cards.write(drawn, out)
        click.echo(f"{out}: print it as it is, it has a bank card's size")
